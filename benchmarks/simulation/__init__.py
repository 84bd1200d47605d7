"""Sweeps on data whose truth is known, for ``benchmarks.validity``.

- ``worlds``: where tables come from, and what dropout does there
- ``truth``: what configurations are truly worth, by networks on fresh tables
- ``sweeps``: a whole sweep, its confirmation and its answer, in memory
- ``pairs``: two fixed configurations, compared again and again
- ``nested``: a whole sweep and its nested cross-validation, in a temporary database
- ``rates``: from many of them to rates with their Monte-Carlo error
- ``tables``: the same as tables
"""
