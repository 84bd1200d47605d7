"""A recipe and trained networks as an ONNX graph: from the cells of a table to labels and probabilities.

::

    numbers [n, 1] ── Concat ── missing words to NaN ── − shift, ÷ 2^exponent ── Cast to float ─┐
    text [n, 1]    ── LabelEncoder ── Equal to 0 … width − 1 ── Cast to float ──────────────────┤
                                                                                              Concat
    Softmax, mean over networks ── layers in double ── NaN to 0 ── × inv_std ── − mean ─────────┘

It says in other words what ``tables.features.fill`` and ``networks`` say, in the same precision step by step, so that
no row is told otherwise for its rounding: features are float, layers work in double. Weights stay float in the file,
which is half the size.

Operators of opset 17 and ai.onnx.ml 3 in IR version 8, of 2022: nothing here needs a newer one, and runtimes take all
older ones. All of them belong to the standard.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sweep.export.onnx_inputs import Input, Names, inputs_of, levels_in_numbers
from sweep.networks import Networks
from sweep.tables.columns import MISSING, number_text
from sweep.tables.features import FeaturePlan
from sweep.tables.formats import NUMBER
from sweep.tables.recipe import Recipe

OPSET: Final = 17
ML_OPSET: Final = 3
IR_VERSION: Final = 8

LABEL, PROBABILITIES, PREDICTION = "label", "probabilities", "prediction"
"""Names of outputs: the first two of a classifier, the last of a regression."""

LARGEST_FILE: Final = 2**31 - 2**20
"""Bytes: what protobuf allows, less what stands beside the weights."""

_ML = "ai.onnx.ml"
_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}
_HALF_SCALE = 1000  # exponents beyond are taken in two steps: 2 to this power is a number of double precision


class _Graph:
    """Nodes in the order in which they are computed, and constants."""

    def __init__(self, names: Names) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []
        self._names = names

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Adds one, and returns its name in the graph."""
        name = self._names.new(name)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, *inputs: str, name: str, output: str | None = None, **attributes: Any) -> str:
        """Adds one, and returns what its only output is called: ``output``, else ``name`` or like it."""
        output = output or self._names.new(name)
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=f"{output}_node", **attributes))
        return output

    def joined(self, parts: Sequence[str], name: str) -> str:
        """``[n, …]`` side by side."""
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, name=name, axis=1)


def build(
    recipe: Recipe, networks: Networks, classes: Sequence[str], *, description: str = "", metadata: Mapping[str, str]
) -> tuple[onnx.ModelProto, tuple[Input, ...]]:
    """The model, and its inputs.

    Args:
        recipe: From columns to features.
        networks: From features to outputs.
        classes: Labels in the order of their codes; empty for a regression.
        description: Of the whole model.
        metadata: Key to text.
    """
    names = Names([LABEL, PROBABILITIES, PREDICTION])
    inputs = inputs_of(recipe.plans, names)
    graph = _Graph(names)
    outputs = _layers(graph, _scaled(graph, _features(graph, inputs, recipe.missing), networks), networks)
    said = _classes(graph, outputs, networks, classes) if classes else _numbers_said(graph, outputs, networks)
    taken = [
        helper.make_tensor_value_info(
            one.name, TensorProto.STRING if one.is_text else TensorProto.DOUBLE, ["n", 1], one.description
        )
        for one in inputs
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "sweep", taken, said, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(_ML, ML_OPSET)],
        ir_version=IR_VERSION,
        doc_string=description,
    )
    helper.set_model_props(model, dict(metadata))
    return model, inputs


# --- from columns to features -----------------------------------------------------------------------------------------


def _features(graph: _Graph, inputs: Sequence[Input], missing: frozenset[str]) -> str:
    """``[n, F]`` float, NaN where missing."""
    parts: list[str] = []
    for is_text, neighbours in itertools.groupby(inputs, key=lambda one: one.is_text):
        if is_text:
            parts += [_levels(graph, one, missing) for one in neighbours]
        else:
            parts.append(_numbers(graph, list(neighbours), missing))
    return graph.joined(parts, "features")


def _numbers(graph: _Graph, inputs: Sequence[Input], missing: frozenset[str]) -> str:
    """``[n, len(inputs)]`` float of columns of numbers."""
    plans = [one.plan for one in inputs]
    x = graph.joined([one.name for one in inputs], "numbers")
    numeric = np.array([plan.kind == "numeric" for plan in plans])
    if numeric.any():
        for absent in _absent(missing):
            # NaN equals nothing: yes/no and dates have no numbers that stand for missing values.
            value = graph.constant("absent", np.where(numeric, absent, np.nan)[None])
            gone = graph.node("Equal", x, value, name="is_absent")
            x = graph.node("Where", gone, graph.constant("gap", np.array(np.nan)), x, name="present")
    shift, exponent = np.array([plan.shift for plan in plans]), np.array([plan.exponent for plan in plans])
    if shift.any():
        x = graph.node("Sub", x, graph.constant("shift", shift[None]), name="shifted")
    if exponent.any():
        steps = 2 if np.abs(exponent).max() > _HALF_SCALE else 1
        for part in range(steps):
            power = (exponent + part) // steps  # they sum to it
            x = graph.node("Mul", x, graph.constant("unit", np.ldexp(1.0, -power)[None]), name="in_units")
    return graph.node("Cast", x, name="as_float", to=TensorProto.FLOAT)


def _levels(graph: _Graph, one: Input, missing: frozenset[str]) -> str:
    """``[n, width]`` float of a category: 1 in the column of its level, all 0 where there is none for it."""
    plan = one.plan
    width = len(plan.names)
    places = level_places(plan, missing)
    code = graph.node(
        "LabelEncoder",
        one.name,
        name=f"{one.name}_code",
        domain=_ML,
        keys_strings=list(places),
        values_int64s=list(places.values()),
        default_int64=len(plan.levels) if plan.rare else width,
    )
    each = graph.node("Equal", code, graph.constant(f"{one.name}_codes", np.arange(width)[None]), name=f"{one.name}_is")
    return graph.node("Cast", each, name=f"{one.name}_levels", to=TensorProto.FLOAT)


def level_places(plan: FeaturePlan, missing: frozenset[str]) -> dict[str, int]:
    """Text to position among the features of a category; the number of these where it has none.

    A number can be written as ``1`` or ``1.0`` where levels are numbers.

    Args:
        plan: Of the column.
        missing: Texts that stand for missing values, beside those that always do.
    """
    places = {level: place for place, level in enumerate(plan.levels)}
    gaps = [*sorted(MISSING | missing)]
    if levels_in_numbers(plan):
        for level, place in list(places.items()):
            places.setdefault(repr(float(level)), place)
        gaps += [text for number in _absent(missing) for text in (number_text(number), repr(number))]
    for text in gaps:
        places.setdefault(text, len(plan.levels) + plan.rare)
    return places


def _absent(missing: frozenset[str]) -> list[float]:
    """Numbers that stand for missing values."""
    return sorted({float(text) for text in missing if NUMBER.fullmatch(text)})


# --- from features to what is said ------------------------------------------------------------------------------------


def _scaled(graph: _Graph, features: str, networks: Networks) -> str:
    """``[n, F]`` double: standardised, 0 where missing."""
    x = graph.node("Sub", features, graph.constant("mean", networks.mean), name="centred")
    x = graph.node("Mul", x, graph.constant("inv_std", networks.inv_std), name="standardised")
    gap = graph.node("IsNaN", x, name="is_missing")
    x = graph.node("Where", gap, graph.constant("zero", np.array(0, np.float32)), x, name="filled")
    return graph.node("Cast", x, name="network_input", to=TensorProto.DOUBLE)


def _layers(graph: _Graph, x: str, networks: Networks) -> str:
    """``[S, n, O]`` double, without the first axis for a single network; two logits for two classes, the first 0."""
    last = len(networks.weights) - 1
    for layer, (weight, bias) in enumerate(zip(networks.weights, networks.biases, strict=True)):
        bias = bias[:, None]
        if layer == last and networks.task == "binary":
            weight, bias = (np.concatenate([np.zeros_like(part), part], axis=-1) for part in (weight, bias))
        if networks.members == 1:
            weight, bias = weight[0], bias[0]
        parts = {"weight": weight, "bias": bias}
        weight_name, bias_name = (
            graph.node(
                "Cast", graph.constant(f"{name}{layer}", part), name=f"{name}{layer}_double", to=TensorProto.DOUBLE
            )
            for name, part in parts.items()
        )
        product = graph.node("MatMul", x, weight_name, name=f"product{layer}")
        x = graph.node("Add", product, bias_name, name=f"layer{layer}")
        if layer < last:
            x = graph.node(_ACTIVATIONS[networks.activation], x, name=f"hidden{layer + 1}")
    return x


def _mean(graph: _Graph, values: str, networks: Networks, output: str) -> str:
    """Over the networks."""
    if networks.members == 1:
        return graph.node("Identity", values, name=output, output=output)
    return graph.node("ReduceMean", values, name=output, output=output, axes=[0], keepdims=0)


def _classes(graph: _Graph, logits: str, networks: Networks, classes: Sequence[str]) -> list[onnx.ValueInfoProto]:
    """Outputs of a classifier."""
    each = graph.node("Softmax", logits, name="shares", axis=-1)
    shares = _mean(graph, each, networks, PROBABILITIES)
    code = graph.node("ArgMax", shares, name="code", axis=1, keepdims=0)
    graph.node("Gather", graph.constant("classes", np.array(classes, object)), code, name=LABEL, output=LABEL, axis=0)
    about = "probabilities of the classes, in the order of the metadata's sweep.classes"
    return [
        helper.make_tensor_value_info(LABEL, TensorProto.STRING, ["n"], "the most probable class"),
        helper.make_tensor_value_info(PROBABILITIES, TensorProto.DOUBLE, ["n", len(classes)], about),
    ]


def _numbers_said(graph: _Graph, outputs: str, networks: Networks) -> list[onnx.ValueInfoProto]:
    """The output of a regression."""
    x = graph.node("Mul", outputs, graph.constant("target_std", np.array(networks.target_std)), name="in_target_units")
    x = graph.node("Add", x, graph.constant("target_mean", np.array(networks.target_mean)), name="each")
    x = graph.node("Squeeze", x, graph.constant("last_axis", np.array([-1])), name="each_row")
    _mean(graph, x, networks, PREDICTION)
    return [helper.make_tensor_value_info(PREDICTION, TensorProto.DOUBLE, ["n"], "in the target's units")]
