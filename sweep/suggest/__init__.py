"""A definition fitted to a table: what ``sweep init`` writes.

``definition``: the whole of it · ``target``: which column is to be predicted · ``columns``: what the others are ·
``sizes``: how large network, training and search should be · ``text``: lines of TOML with their reasons beside them.
"""
