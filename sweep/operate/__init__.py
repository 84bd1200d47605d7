"""Operating sweeps: what is wanted of each, who does it, and how one is deleted.

``orders``: the queue, and sweeps that rest · ``overview``: all sweeps at a glance · ``runner``: takes queued sweeps and runs them · ``remove``:
deletes a sweep.
"""
