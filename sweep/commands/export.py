"""``sweep export``: one branch for each format, which imports what it needs."""

from __future__ import annotations

from sweep.analysis.summary import summarise
from sweep.errors import UserError
from sweep.operate import formats
from sweep.store.store import Store

FORMATS = formats.FORMATS
"""What there is."""


def check(form: str, trial: int | None, ensemble: int | None, *, printed: bool = False) -> None:
    """What can be wrong before the database is read.

    Args:
        form: Of the file.
        trial: Whose predictions are wanted.
        ensemble: How many networks are.
        printed: Whether it goes to standard output.

    Raises:
        UserError: There is no such format, options do not go together, or packages are missing.
    """
    formats.check_format(form, trial, ensemble)
    if form != "onnx":
        return
    if printed:
        raise UserError("the format onnx must be written to a file, however: standard output; -o best.onnx names one")
    from sweep.export.onnx_model import require_packages

    require_packages()


def exported(store: Store, name: str, form: str, trial: int | None, members: int, output: str) -> str | bytes:
    """What is written.

    Args:
        store: With the sweep.
        name: Of it.
        form: Of the file, one of :data:`FORMATS`.
        trial: Whose predictions are wanted; ``None`` for the best one's.
        members: Networks, for formats that can hold several.
        output: Name of the file, whose ending says how predictions are written.

    Raises:
        SweepError: It cannot be made.
    """
    summary = summarise(store, name)
    match form:
        case "toml":
            from sweep.export.definition import to_toml

            return to_toml(summary)
        case "json":
            from sweep.export.definition import to_json

            return to_json(summary)
        case "python" | "keras":
            from sweep.export import script, source

            table = source.source_table(store, summary)
            return script.to_script(summary, table, "torch" if form == "python" else "keras")
        case "onnx":
            from sweep.export.about import best_of
            from sweep.export.again import read_again
            from sweep.export.onnx_model import to_onnx
            from sweep.export.trained import train_best

            best_of(summary)
            return to_onnx(train_best(summary, read_again(store, summary), members=members))
        case "sklearn":
            from sweep.export.about import best_of
            from sweep.export.again import read_again
            from sweep.export.sklearn_script import to_sklearn

            best_of(summary)
            return to_sklearn(summary, read_again(store, summary), members=members)
        case "predictions":
            from sweep.model.out_of_fold import out_of_fold
            from sweep.model.predictions import written
            from sweep.model.refit import choose_trial

            return written(out_of_fold(store, summary, choose_trial(summary, trial).trial).columns(), output)
        case _:
            raise AssertionError(form)
