"""Sweep definitions, the TOML files that say what is swept. No torch, no Optuna.

``definition``: from text or file to a ``SweepSpec`` and back; import all of it from there · ``model``: the frozen
records, the grammar of placements, the fingerprint · ``schema``: keys, types, bounds and defaults · ``checks``: rules
between keys · ``source``: what a ``data.source`` is.
"""
