"""What a sweep can be exported as, and which options go with what. No torch: whoever asks may be a web process."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sweep.errors import UserError
from sweep.networks import MOST_NETWORKS
from sweep.spec.values import is_whole

FORMATS = ("toml", "json", "python", "keras", "onnx", "sklearn", "predictions")
"""What one file can hold."""

MODEL = "model"
"""The folder that ``sweep fit`` writes; of a service, as a zip file."""

NETWORKS = ("onnx", "sklearn", MODEL)
"""Formats that can hold several networks."""

OF_A_TRIAL = ("predictions", MODEL)
"""Formats that there are of any trial, not of the best one alone."""


def check_format(form: str, trial: int | None, ensemble: int | None, forms: Sequence[str] = FORMATS) -> None:
    """What can be wrong before the database is read.

    Args:
        form: Of the file.
        trial: Whose predictions, or model, are wanted.
        ensemble: How many networks are.
        forms: Those there are.

    Raises:
        UserError: There is no such format, or options do not go together.
    """
    if form not in forms:
        raise UserError(f"the format must be one of {', '.join(forms)}, however: {form}")
    if trial is not None and form not in OF_A_TRIAL:
        raise UserError(f"a trial is for {_those(OF_A_TRIAL, forms)}, however: {form}")
    if trial is not None and not is_whole(trial, 0):
        raise UserError(f"the trial must be the number of one, 0 or above, however: {trial!r}")
    if ensemble is not None and form not in NETWORKS:
        raise UserError(f"the ensemble is for {_those(NETWORKS, forms)}, however: {form}")
    if ensemble is not None and not is_whole(ensemble, 1, MOST_NETWORKS):
        raise UserError(
            f"the ensemble must be a whole number of networks from 1 to {MOST_NETWORKS}, however: {ensemble!r}"
        )


def _those(some: Collection[str], forms: Sequence[str]) -> str:
    names = [form for form in forms if form in some]
    return f"the format{'s' if len(names) > 1 else ''} {' and '.join(names)}"
