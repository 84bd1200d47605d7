"""Mirrors ``sweep/``. A regular package: a dependency installs one of the same name, which would come first."""
