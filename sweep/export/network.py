"""The part of a script that builds, trains and scores a network."""

from __future__ import annotations

import itertools
from typing import Any, Literal

from sweep.export.literals import Source, assignment, call
from sweep.metrics import METRICS, default_metric
from sweep.records import Hyperparameters, TableInfo
from sweep.spec.layers import layer_names
from sweep.spec.model import SweepSpec

Framework = Literal["torch", "keras"]

_ACTIVATIONS = {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid"}
_INITIALIZERS = {
    "glorot_uniform": [],  # Keras takes it by itself
    "he_uniform": ['kernel_initializer="he_uniform"'],
    "normal": ["kernel_initializer=RandomNormal(stddev=0.05)"],
}
_LOSSES = {
    "binary": "BinaryCrossentropy",
    "multiclass": "SparseCategoricalCrossentropy",
    "regression": "MeanSquaredError",
}
_OUTPUTS = {
    "binary": "its output is the logit of the second class",
    "multiclass": "its outputs are the logits of the classes",
    "regression": "its output is the standardised target",
}
_PREDICTED = {
    "binary": "Probabilities of the second class, float64 [rows]",
    "multiclass": "Probabilities of all classes, float64 [rows, classes]",
    "regression": "The standardised target, float64 [rows]",
}

# What a metric is computed by: a function of sklearn.metrics and its arguments, which may differ by task.
_LABEL = {"binary": "probability > 0.5", "multiclass": "probability.argmax(axis=1)"}
_SKLEARN: dict[str, tuple[str, str | dict[str, str]]] = {
    "accuracy": ("accuracy_score", {task: f"y, {label}" for task, label in _LABEL.items()}),
    "balanced_accuracy": ("balanced_accuracy_score", {task: f"y, {label}" for task, label in _LABEL.items()}),
    "roc_auc": ("roc_auc_score", {"binary": "y, probability", "multiclass": 'y, probability, multi_class="ovr"'}),
    "log_loss": ("log_loss", "y, probability, labels=np.arange(len(CLASSES))"),
    "f1": ("f1_score", {task: f'y, {label}, average="macro"' for task, label in _LABEL.items()}),
    "rmse": ("root_mean_squared_error", "y, prediction"),
    "mae": ("mean_absolute_error", "y, prediction"),
    "r2": ("r2_score", "y, prediction"),
}
_BRIER = {
    "binary": "np.mean((probability - y) ** 2)",
    "multiclass": "np.mean(((probability - np.eye(len(CLASSES))[y]) ** 2).sum(axis=1))",
}


def training_constants(spec: SweepSpec, params: Hyperparameters, epoch: int, batch_size: int) -> list[str]:
    """Lines of constants: what was chosen.

    Args:
        spec: Of the sweep.
        params: Of the trial.
        epoch: Where it stops.
        batch_size: Rows of a mini-batch.
    """
    epochs = spec.training.epochs
    lines: list[str] = []
    drops = [
        (name, layer, rate)
        for name, layer, rate in zip(_rate_names(params), layer_names(len(params.hidden)), params.dropout, strict=True)
        if rate
    ]
    for name, layer, rate in drops:
        where = "an input" if layer == "input" else f"a unit of hidden layer {layer.removeprefix('hidden')}"
        lines.append(assignment(name, float(rate), f"probability of dropping {where}"))
    lines.append(
        assignment("LEARNING_RATE", float(params.learning_rate), "of the first epoch" if _decays(spec, params) else "")
    )
    if _decays(spec, params):
        lines.append(assignment("LR_DECAY", float(params.lr_decay), "learning rate of the last epoch / of the first"))
    if params.momentum:
        lines.append(assignment("MOMENTUM", float(params.momentum)))
    if params.max_norm is not None:
        said = "largest Euclidean norm of a hidden unit's incoming weights"
        lines.append(assignment("MAX_NORM", float(params.max_norm), said))
    if params.weight_decay:
        lines.append(assignment("WEIGHT_DECAY", float(params.weight_decay), "on weights, not on biases"))
    lines.append(assignment("BATCH_SIZE", batch_size))
    if epoch < epochs and not _decays(spec, params):
        lines.append(assignment("EPOCHS", epoch, f"the best of those tried, up to {epochs}"))
    elif epoch < epochs:
        lines.append(assignment("EPOCHS", epochs, "over which the learning rate falls"))
        lines.append(assignment("STOP_AFTER", epoch, "the best epoch of those tried"))
    else:
        lines.append(assignment("EPOCHS", epochs))
    return lines


def network_facts(
    spec: SweepSpec, params: Hyperparameters, epoch: int, info: TableInfo, framework: Framework
) -> dict[str, Any]:
    """What the templates ask for, by name; code is marked as such."""
    metric = METRICS[_metric_of(spec, info)]
    code = _BRIER[info.task] if metric.name == "brier" else _score_code(metric.name, info.task)
    decays = _decays(spec, params)
    end = "STOP_AFTER" if decays and epoch < spec.training.epochs else "EPOCHS"
    momentum = ["momentum=MOMENTUM"] if params.momentum else []
    nesterov = ["nesterov=True"] if params.momentum and spec.training.nesterov else []
    rate = "lr=LEARNING_RATE" if framework == "torch" else "learning_rate=LEARNING_RATE"
    facts: dict[str, Any] = {
        "task": info.task,
        "classes": len(info.classes),
        "outputs": info.outputs,
        "hidden": params.hidden,
        "dropout": [Source(name) for name in _rate_names(params)],
        "activation": Source(_ACTIVATIONS[spec.network.activation]),
        "init": spec.network.init,
        "momentum": params.momentum > 0,
        "max_norm": params.max_norm is not None,
        "weight_decay": params.weight_decay > 0,
        "balanced": spec.training.class_weight == "balanced",
        "decays": decays,
        "end": Source(end),
        "sgd": Source(", ".join([rate, *momentum, *nesterov])),
        "loss": Source(_LOSSES[info.task]),
        "outputs_said": Source(_OUTPUTS[info.task]),
        "predicted_said": Source(_PREDICTED[info.task]),
        "metric": metric.name,
        "metric_title": Source(metric.title),
        "metric_name": Source(metric.name),
        "metric_code": Source(code),
        "metric_format": Source(".6g" if metric.name in ("rmse", "mae") else ".4f"),
        "sklearn_metric": Source(_SKLEARN[metric.name][0] if metric.name in _SKLEARN else ""),
    }
    if framework == "keras":
        facts["denses"] = _denses(spec, params, info)
        facts["fit"] = _fit(decays=decays, balanced=facts["balanced"], end=end)
    return facts


def _metric_of(spec: SweepSpec, info: TableInfo) -> str:
    """Name of the metric that chose."""
    return spec.validation.metric or default_metric(info.task)


def _decays(spec: SweepSpec, params: Hyperparameters) -> bool:
    return params.lr_decay < 1 and spec.training.epochs > 1


def _rate_names(params: Hyperparameters) -> list[str]:
    """The constant that holds the rate of each layer, the input first; empty for a layer without dropout."""
    layers = zip(layer_names(len(params.hidden)), params.dropout, strict=True)
    return [f"DROPOUT_{layer.upper()}" if rate else "" for layer, rate in layers]


def _score_code(metric: str, task: str) -> str:
    function, arguments = _SKLEARN[metric]
    return f"{function}({arguments if isinstance(arguments, str) else arguments[task]})"


def _denses(spec: SweepSpec, params: Hyperparameters, info: TableInfo) -> list[Source]:
    """Keras's layers with weights, the output layer last."""
    widths = [len(info.features), *params.hidden, info.outputs]
    made = []
    for layer, (inputs, units) in enumerate(itertools.pairwise(widths)):
        hidden = layer < len(params.hidden)
        arguments = [str(units)]
        if hidden:
            arguments.append(f'activation="{spec.network.activation}"')
        arguments += [f"**uniform({inputs})"] if spec.network.init == "torch" else _INITIALIZERS[spec.network.init]
        if hidden and params.max_norm is not None:
            arguments.append("kernel_constraint=MaxNorm(MAX_NORM)")
        if params.weight_decay:
            arguments.append("kernel_regularizer=L2(WEIGHT_DECAY / 2)")
        made.append(call("Dense", arguments, after=",", indent=12))
    return made


def _fit(*, decays: bool, balanced: bool, end: str) -> Source:
    arguments = ["x", "y", "batch_size=BATCH_SIZE", f"epochs={end}"]
    arguments += ["class_weight=class_weight"] if balanced else []
    arguments += ["callbacks=[FallingRate()]"] if decays else []
    return call("network.fit", [*arguments, "verbose=0"], indent=4)
