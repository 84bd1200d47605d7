"""``sweep export``: one function for each format, each imported where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sweep.cli.options import Format
from sweep.cli.output import Output
from sweep.errors import UserError

if TYPE_CHECKING:
    from sweep.analysis.results import SweepSummary
    from sweep.store.store import Store

NETWORKS = (Format.onnx, Format.sklearn)
"""Formats that can hold several networks."""


def check(form: Format, trial: int | None, ensemble: int | None, to: Output) -> None:
    """What can be wrong before the database is read.

    Raises:
        UserError: Options do not go together, or packages are missing.
    """
    if trial is not None and form is not Format.predictions:
        raise UserError(f"--trial is for --format predictions, however: --format {form.value}")
    if ensemble is not None and form not in NETWORKS:
        allowed = " or ".join(f"--format {one.value}" for one in NETWORKS)
        raise UserError(f"--ensemble must be given with {allowed}, however: --format {form.value}")
    if form is not Format.onnx:
        return
    if to.file is None:
        raise UserError("the format onnx must be written to a file, however: standard output; -o best.onnx names one")
    from sweep.export.onnx_model import require_packages

    require_packages()


def exported(
    store: Store, summary: SweepSummary, form: Format, trial: int | None, members: int, output: str
) -> str | bytes:
    """What is written.

    Args:
        store: With the sweep.
        summary: Of it.
        form: Of the file.
        trial: Whose predictions are wanted; ``None`` for the best one's.
        members: Networks, for formats that can hold several.
        output: Name of the file, whose ending says how predictions are written.

    Raises:
        SweepError: It cannot be made.
    """
    match form:
        case Format.toml:
            from sweep.export.definition import to_toml

            return to_toml(summary)
        case Format.json:
            from sweep.export.definition import to_json

            return to_json(summary)
        case Format.python | Format.keras:
            from sweep.export import script, source

            table = source.source_table(store, summary)
            return script.to_script(summary, table, "torch" if form is Format.python else "keras")
        case Format.onnx:
            from sweep.export.about import best_of
            from sweep.export.again import read_again
            from sweep.export.onnx_model import to_onnx
            from sweep.export.trained import train_best

            best_of(summary)
            return to_onnx(train_best(summary, read_again(store, summary), members=members))
        case Format.sklearn:
            from sweep.export.about import best_of
            from sweep.export.again import read_again
            from sweep.export.sklearn_script import to_sklearn

            best_of(summary)
            return to_sklearn(summary, read_again(store, summary), members=members)
        case Format.predictions:
            from sweep.model.out_of_fold import out_of_fold
            from sweep.model.predictions import written
            from sweep.model.refit import choose_trial

            return written(out_of_fold(store, summary, choose_trial(summary, trial).trial).columns(), output)
