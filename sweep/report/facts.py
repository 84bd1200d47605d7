"""Pieces that several sections of the report are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepSummary, TrialRow

Fact = dict[str, Any]


def fact(label: str, value: str, note: str | None = None) -> Fact:
    """A labelled value, with a word more where it needs one."""
    return {"label": label, "value": value, "note": note}


def number(value: float) -> str:
    """Three significant digits, as people write them."""
    return wording.powers(wording.number(value))


def shortened(parts: Sequence[str], most: int = 12) -> list[str]:
    """The first of many, and how many more there are."""
    return list(parts) if len(parts) <= most else [*parts[: most - 1], f"{len(parts) - most + 1} more"]


def alone(summary: SweepSummary) -> bool:
    """Whether there is nothing to compare: one trial."""
    return len(summary.trials) == 1


def as_good(one: TrialRow, best: TrialRow) -> bool:
    """Whether a trial ties with the best."""
    return one.pruned == best.pruned and math.isclose(one.score, best.score, rel_tol=1e-9)
