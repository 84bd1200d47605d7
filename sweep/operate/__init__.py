"""Operating sweeps: what is wanted of each, who does it, and how one is deleted.

``orders``: the queue, and sweeps that rest · ``overview``: all sweeps at a glance · ``runner``: takes queued sweeps and
runs them · ``remove``: deletes a sweep · ``jobs``: what runners are asked for beside sweeps · ``formats``: what a sweep
is exported as · ``clerk``: does the smaller jobs · ``errand``: one of them in a process of its own · ``answers``: the
larger ones, which take a runner's workers · ``chronicle``: the log of a sweep · ``presence``: a runner says that it is
there · ``repeating``: what is said to a database again and again · ``reasons``: why something could not be done, for
those who see no folders.
"""
