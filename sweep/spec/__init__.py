"""Sweep definitions, the TOML files that say what is swept. No torch, no Optuna.

``definition``: from a file or text to a ``SweepSpec`` · ``toml``: back to text · ``model``: the frozen records, the
fingerprint, where the rungs are · ``alone``: one trial as a definition of its own · ``layers``: names of layers and
networks, the grammar of placements · ``schema``: keys, types, bounds and defaults · ``shape``: a file against them ·
``checks``: rules between keys · ``places``: where a line of its problems stands · ``overrides``: changes given beside
the file · ``edits``: changes of its text that keep the comments · ``source``: what a ``data.source`` is · ``values``: a
program's values as TOML has them, whole numbers.
"""
