"""The REST API, ``/v1``: a module for each kind of thing. ``schemas`` has what goes in and comes out.

``definitions``: read, checked, filled in · ``edits``: changed by a form · ``estimates``: how long one would take ·
``uploads``: tables handed in · ``sweeps``: what there is, and what is wanted of each · ``results``: what it has come to
· ``jobs``: what was asked of runners · ``runners``: who is at work.
"""
