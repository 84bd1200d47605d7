"""The best configuration as one ONNX file, preprocessing included, checked against the networks that it was made of.

Nothing executable is in it, no data beside it and no operator of ours: whatever runs ONNX runs it.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from sweep import wording
from sweep.errors import SweepError, UserError
from sweep.export.versions import installed, versions

if TYPE_CHECKING:  # that packages are missing is said at once
    import onnx

    from sweep.analysis.results import SweepSummary
    from sweep.export.onnx_inputs import Input
    from sweep.export.trained import Trained

TOLERANCE: Final = 1e-5
"""How far the model may be from the networks: in probability, or in standard deviations of a regression's target."""

ROWS: Final = 1000
"""Of the table, on which they are compared; spread over all of it."""


def require_packages() -> None:
    """That what it takes is installed, before anything is trained.

    Raises:
        UserError: It is not.
    """
    try:
        for name in ("onnx", "onnxruntime"):
            importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"the format onnx needs the packages onnx and onnxruntime, however: {error}; "
            "pip install 'dropout-sweep[onnx]' brings them"
        ) from error


def to_onnx(trained: Trained) -> bytes:
    """The file.

    Raises:
        UserError: Packages are missing, or the networks are larger than a file of this format may be.
        SweepError: It does not say what the networks say.
    """
    require_packages()
    _check_size(trained)
    model, inputs = _model(trained)
    content: bytes = model.SerializeToString(deterministic=True)
    check(content, inputs, trained)
    return content


def check(content: bytes, inputs: Sequence[Input], trained: Trained) -> None:
    """Runs a model on rows of the table that its networks were trained on.

    Args:
        content: The file.
        inputs: Of the model.
        trained: What it was made of.

    Raises:
        SweepError: It says something else than the networks.
    """
    import onnx
    import onnxruntime

    onnx.checker.check_model(content, full_check=True)
    frame, networks = trained.table.frame, trained.networks
    rows = np.unique(np.linspace(0, len(frame) - 1, min(len(frame), ROWS)).astype(np.int64))
    part = replace(trained.table, frame=frame.iloc[rows].reset_index(drop=True))
    wanted = networks.predict(trained.recipe.apply(part).features)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {one.name: one.values(part) for one in inputs})[-1]
    unit = networks.target_std
    # Where numbers are large against their spread, the last of their digits says nothing.
    allowed = TOLERANCE * unit + 8 * np.finfo(np.float64).eps * float(np.abs(wanted).max())
    apart = float(np.abs(found - wanted).max())
    if not apart <= allowed:  # NaN is no agreement
        raise SweepError(
            f"the ONNX model does not say what the trained network says: they are up to {apart / unit:.1e} apart on "
            f"{wording.count(len(rows), 'row')} of {trained.table.source}, where {TOLERANCE:g} is allowed; nothing was "
            "written"
        )


def _model(trained: Trained) -> tuple[onnx.ModelProto, tuple[Input, ...]]:
    """The model, with what is known of it."""
    from sweep.export.onnx_graph import build

    summary = trained.summary
    model, inputs = build(
        trained.recipe,
        trained.networks,
        trained.info.classes,
        description=_description(trained),
        metadata=_metadata(trained),
    )
    entry = model.metadata_props.add()
    entry.key, entry.value = "sweep.inputs", _json([one.to_dict() for one in inputs])
    model.producer_name, model.producer_version = "dropout-sweep", installed("dropout-sweep")
    model.graph.doc_string = f"best configuration of the sweep {summary.name}"
    return model, inputs


def _check_size(trained: Trained) -> None:
    """That the weights fit into one file.

    Raises:
        UserError: They do not.
    """
    from sweep.export.onnx_graph import LARGEST_FILE

    networks = trained.networks
    size = sum(part.nbytes for part in (*networks.weights, *networks.biases))
    if size > LARGEST_FILE:
        raise UserError(
            f"an ONNX file must be below 2 GiB, however {wording.count(networks.members, 'network')} of this size "
            f"have {size / 2**30:.1f} GiB of weights: a smaller ensemble fits"
        )


def _description(trained: Trained) -> str:
    summary, info = trained.summary, trained.info
    networks = wording.count(trained.networks.members, "network")
    return (
        f"{networks} that {'predict' if trained.networks.members > 1 else 'predicts'} {info.target!r}: trial "
        f"{trained.best.number} of the sweep {summary.name}, {wording.placement(trained.best.placement)}, trained on "
        f"all {wording.count(info.rows, 'row')}. {summary.metric.title}, honest: {_honest(summary)}."
    )


def _honest(summary: SweepSummary) -> str:
    honest, metric = summary.honest, summary.metric
    if honest is None:
        return "not defined for this sweep"
    return f"{wording.score(metric, honest.value)} (95 % interval {wording.interval(metric, honest.low, honest.high)})"


def _metadata(trained: Trained) -> dict[str, str]:
    """Texts as they are, all else as JSON. The raw score never stands without the honest one."""
    summary, info, best = trained.summary, trained.info, trained.best
    honest, chosen = summary.honest, summary.chosen
    about = {
        "name": summary.name,
        "trial": best.number,
        "params": best.hyperparameters.to_dict(),
        "epoch": best.epoch,
        "networks": trained.networks.members,
        "seed": summary.spec.seed,
        "metric": summary.metric.name,
        "raw_score": best.score,
        "honest_score": None if honest is None else {"value": honest.value, "low": honest.low, "high": honest.high},
        "chosen_in": None if chosen is None else {"sweep": chosen.sweep, "trials": chosen.trials},
        "data_hash": info.content_hash,
        "rows": info.rows,
        "target": info.target,
        "task": info.task,
        "classes": list(info.classes),
        "versions": versions() | {name: installed(name) for name in ("onnx", "onnxruntime")},
    }
    return {f"sweep.{key}": value if isinstance(value, str) else _json(value) for key, value in about.items()}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
