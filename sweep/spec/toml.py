"""A definition as the text of its TOML file."""

from __future__ import annotations

from typing import Any, cast

import tomlkit
from tomlkit.items import Item, SingleKey

from sweep.spec.model import SweepSpec, plain
from sweep.spec.schema import SECTIONS


def to_toml(spec: SweepSpec) -> str:
    """The definition as TOML with all defaults spelled out: ``parse(to_toml(spec)) == spec``, to the last bit."""
    document = tomlkit.document()
    for key, value in plain(spec).items():
        if key not in SECTIONS:
            document.add(key, tomlkit.item(value))
            continue
        section = tomlkit.table()
        for inner, content in value.items():
            if inner == "dropout_layers":
                layers = tomlkit.table()
                for layer, own in content.items():
                    layers.add(layer, item(own))
                section.add(inner, layers)
            else:
                section.add(inner, item(content))
        document.add(tomlkit.nl())
        document.add(key, section)
    return tomlkit.dumps(document)


def item(value: Any) -> Item:
    """A value of a section; a dimension becomes an inline table with spaces inside its braces."""
    if not isinstance(value, dict):
        return cast("Item", tomlkit.item(value))
    pairs = ", ".join(f"{SingleKey(key).as_string()} = {item(inner).as_string()}" for key, inner in value.items())
    return tomlkit.value(f"{{ {pairs} }}")
