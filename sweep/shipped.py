"""Folders that travel with the program: the shipped definitions, and what people look at."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """``studies`` or ``dashboards``: inside an installed package, or beside the package in a checkout."""
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
