"""``sweep export``: one branch for each format, which imports what it needs."""

from __future__ import annotations

from sweep.analysis.summary import summarise
from sweep.errors import UserError
from sweep.export.about import for_others
from sweep.operate import formats
from sweep.store.store import Store

FORMATS = formats.FORMATS
"""What there is."""


def check(form: str, trial: int | None, ensemble: int | None, *, printed: bool = False, here: bool = True) -> None:
    """What can be wrong before the database is read.

    Args:
        form: Of the file.
        trial: Whose predictions are wanted.
        ensemble: How many networks are.
        printed: Whether it goes to standard output.
        here: Whether it is made here, which takes packages for some formats.

    Raises:
        UserError: There is no such format, options do not go together, or packages are missing.
    """
    formats.check_format(form, trial, ensemble)
    if form != "onnx":
        return
    if printed:
        raise UserError("the format onnx must be written to a file, however: standard output; -o best.onnx names one")
    if here:
        from sweep.export.onnx_model import require_packages

        require_packages()


def exported(
    store: Store, name: str, form: str, trial: int | None, members: int, output: str, *, shared: bool = False
) -> str | bytes:
    """What is written.

    Args:
        store: With the sweep.
        name: Of it.
        form: Of the file, one of :data:`FORMATS`.
        trial: Whose predictions are wanted; ``None`` for the best one's.
        members: Networks, for formats that can hold several.
        output: Name of the file, whose ending says how predictions are written.
        shared: Whether it is for those who do not sit at this machine: it names no folder of it, and no secret of an
            address.

    Raises:
        SweepError: It cannot be made.
    """
    summary = summarise(store, name)
    told = for_others(summary) if shared else summary
    match form:
        case "toml":
            from sweep.export.definition import to_toml

            return to_toml(summary, shared=shared)
        case "json":
            from sweep.export.definition import to_json

            return to_json(summary, shared=shared)
        case "python" | "keras":
            from sweep.export.again import read_again
            from sweep.export.script import to_script

            return to_script(told, read_again(store, summary), "torch" if form == "python" else "keras")
        case "onnx":
            from sweep.export.about import best_of
            from sweep.export.again import read_again
            from sweep.export.onnx_model import to_onnx
            from sweep.export.trained import train_best

            best_of(summary)
            return to_onnx(train_best(told, read_again(store, summary), members=members))
        case "sklearn":
            from sweep.export.about import best_of
            from sweep.export.again import read_again
            from sweep.export.sklearn_script import to_sklearn

            best_of(summary)
            return to_sklearn(told, read_again(store, summary), members=members)
        case "predictions":
            from sweep.model.out_of_fold import out_of_fold
            from sweep.model.predictions import written
            from sweep.model.refit import choose_trial

            return written(out_of_fold(store, summary, choose_trial(summary, trial).trial).columns(), output)
        case _:
            raise AssertionError(form)
