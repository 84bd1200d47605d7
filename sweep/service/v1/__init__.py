"""The REST API, ``/v1``: a module for each kind of thing. ``schemas`` has what goes in and comes out."""
