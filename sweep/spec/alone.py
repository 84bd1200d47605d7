"""Definitions that stand alone: without their file, or their table's folder; and those of one trial of a sweep."""

from __future__ import annotations

from dataclasses import replace

from sweep.records import Hyperparameters
from sweep.spec.layers import layer_names, layers_of
from sweep.spec.model import OFF, Fixed, SpaceSpec, SweepSpec
from sweep.spec.source import MASK, absolute_source, is_local, source_name


def anywhere(spec: SweepSpec) -> SweepSpec:
    """The definition without its file: a relative path to the table would lead elsewhere, so it becomes absolute.

    A definition that has no file has nothing that a path could be relative to. A name in it stays as it is: that of a
    table which was handed in to the service, and is stored with the sweep. Whoever takes the definition home has the
    file beside it.
    """
    if spec.origin is None:
        return spec
    return replace(spec, data=replace(spec.data, source=absolute_source(spec.data.source, spec.base_dir)))


def for_others(spec: SweepSpec) -> SweepSpec:
    """The definition as those may see it who do not sit at this machine.

    A table that is a file is named without its folder, an address without what may be secret in it: whoever takes the
    definition home has the file beside it, or writes the secret in again.
    """
    shown = source_name(spec.data.source)
    if is_local(spec.data.source) and not is_local(shown):
        shown = f"./{shown}"
    return replace(spec, data=replace(spec.data, source=shown))


def left_out(whole: SweepSpec, shown: SweepSpec) -> list[str]:
    """What a comment says of a definition that is shown without what may be secret in its table's address."""
    if is_local(whole.data.source) or shown.data.source == whole.data.source:
        return []
    return [f"What may be secret in the address of the table is left out ({MASK}): write it in again."]


def fixed(spec: SweepSpec, hyperparameters: Hyperparameters, name: str) -> SweepSpec:
    """The definition of one trial alone: every dimension fixed, everything that changes numbers kept.

    A relative ``data.source`` becomes absolute, so that the definition runs wherever it is saved.

    Args:
        spec: Of the sweep.
        hyperparameters: Of the trial.
        name: Of the new definition.
    """
    layers = layer_names(len(hyperparameters.hidden))
    active = layers_of(hyperparameters.placement, len(hyperparameters.hidden))
    rates = {layer: rate for layer, rate, on in zip(layers, hyperparameters.dropout, active, strict=True) if on}
    alike = len(set(rates.values())) <= 1
    bound = hyperparameters.max_norm
    return replace(
        anywhere(spec),
        name=name,
        network=replace(spec.network, hidden=(hyperparameters.hidden,)),
        space=SpaceSpec(
            placements=(hyperparameters.placement,),
            dropout=Fixed(next(iter(rates.values()), 0.0)),
            dropout_layers={} if alike else {layer: Fixed(rate) for layer, rate in rates.items()},
            shared=spec.space.shared and alike,
            learning_rate=Fixed(hyperparameters.learning_rate),
            momentum=Fixed(hyperparameters.momentum),
            max_norm=Fixed(OFF if bound is None else bound),
            lr_decay=Fixed(hyperparameters.lr_decay),
            weight_decay=Fixed(hyperparameters.weight_decay),
        ),
        search=replace(spec.search, trials=1, pruner="none"),
        chosen=None,
    )
