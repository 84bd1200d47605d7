"""How networks, their layers and the placements of dropout on them are called."""

from __future__ import annotations

import itertools
import re


def hidden_name(hidden: tuple[int, ...]) -> str:
    """A network as a parameter: ``(60, 30)`` is ``"60-30"``."""
    return "-".join(map(str, hidden))


def parse_hidden(name: str) -> tuple[int, ...]:
    """Inverse of :func:`hidden_name`."""
    return tuple(int(units) for units in name.split("-"))


def layer_names(depth: int) -> tuple[str, ...]:
    """Names of the layers that can have dropout: the input, then the ``depth`` hidden ones."""
    return ("input", *(f"hidden{position}" for position in range(1, depth + 1)))


def layers_of(placement: str, depth: int) -> tuple[bool, ...]:
    """Which layers a placement puts dropout on: ``depth`` + 1 booleans, the input first.

    A placement is ``none``, ``all``, or layers joined by ``+``: ``input``, ``hidden`` (every hidden
    layer), ``hidden1``, ``hidden2``, …

    Raises:
        ValueError: It is none of these, names a layer twice, or one beyond ``depth``; the message says so.
    """
    if placement == "none":
        return (False,) * (depth + 1)
    if placement == "all":
        return (True,) * (depth + 1)
    chosen: list[int] = []
    for part in placement.split("+"):
        if part == "input":
            chosen.append(0)
        elif part == "hidden":
            chosen.extend(range(1, depth + 1))
        elif re.fullmatch(r"hidden[1-9][0-9]{0,3}", part):
            position = int(part.removeprefix("hidden"))
            if position > depth:
                raise ValueError(f"must name layers that exist ({', '.join(layer_names(depth))})")
            chosen.append(position)
        else:
            raise ValueError("must be none, input, hidden, all, a layer such as hidden1, or layers joined by +")
    if len(set(chosen)) < len(chosen):
        raise ValueError("must name each layer once")
    return tuple(position in chosen for position in range(depth + 1))


def placement_name(layers: tuple[bool, ...]) -> str:
    """The shortest placement for these layers (the input first): inverse of :func:`layers_of`."""
    if not any(layers):
        return "none"
    if all(layers):
        return "all"
    if not layers[0] and all(layers[1:]):
        return "hidden"
    return "+".join(itertools.compress(layer_names(len(layers) - 1), layers))


def subsets(depth: int) -> tuple[str, ...]:
    """Every subset of the layers as a placement, 2 ** (``depth`` + 1) of them, smaller subsets first."""
    every = itertools.product((False, True), repeat=depth + 1)
    return tuple(placement_name(layers) for layers in sorted(every, key=lambda layers: (sum(layers), layers[::-1])))
