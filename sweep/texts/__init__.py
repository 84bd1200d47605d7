"""Results as text for people: what commands print, and what notebooks show.

==============  ==================================================
``layout``      columns under each other
``html``        the same for notebooks
``best``        the best configuration, with raw and honest score
``answered``    a sweep with its answer
``states``      how far sweeps are
``plain``       documents that JSON can hold
``document``    what a file would hold: a definition, a script
==============  ==================================================
"""
