"""Taking the best configuration of a sweep elsewhere.

``definition``: as a definition of one trial (TOML), or as one JSON document · ``files``: writing what is
exported · ``versions``: of what is installed.
"""
