"""Taking the best configuration of a sweep elsewhere.

``definition``: as a definition of one trial (TOML), or as one JSON document · ``script``: as a program in PyTorch or
Keras, by ``templates/``, with ``columns`` (how it reads the table), ``network`` (how it trains), ``literals`` (values
as source) · ``source``: the table, read again · ``about``: what every export says of scores · ``files``: writing what
is exported · ``versions``: of what is installed.
"""
