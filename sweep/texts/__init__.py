"""Results as text for people: what commands print, and what notebooks show.

==============  ==================================================
``layout``      columns under each other
``best``        the best configuration, with raw and honest score
``answered``    a sweep with its answer
==============  ==================================================
"""
