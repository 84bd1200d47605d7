"""Nested cross-validation in the database: each search's outcome as soon as it is there, and what they come to.

Both are artifacts of the sweep. Nothing of the searches themselves is kept: their trials would stand in the user's list
of sweeps, and say nothing that the outcome does not.
"""

from __future__ import annotations

import base64
import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.analysis.results import SweepSummary
from sweep.answer.nested_records import Nested, Side
from sweep.errors import NotFoundError
from sweep.records import Configuration, Hyperparameters
from sweep.store.rows import SweepRecord
from sweep.store.store import Store

RESULT = "nested.json"

# To be counted up when the same data, definition and trials give something else: what is stored then counts no more.
_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """What one search on the training rows of an outer fold came to.

    Attributes:
        configuration: Its winner.
        raw_score: That it won by.
        trials: Of the search.
        predictions: ``[m, O]`` float32 on the link scale, of the fold's m test rows, by the winner trained once on all
            training rows.
        metrics: ``[Q]`` float64, every metric on these rows; NaN where undefined.
        diverged: Whether that network did.
    """

    configuration: Configuration
    raw_score: float
    trials: int
    predictions: NDArray[np.float32]
    metrics: NDArray[np.float64]
    diverged: bool


Place = tuple[int, Side]
"""Outer fold, from 0, and which of its two searches."""


def stored_places(store: Store, key: str, outer: int, trials: int) -> frozenset[Place]:
    """Searches whose outcome is stored, of nested cross-validation with so many outer folds and trials."""
    pattern = re.compile(re.escape(_prefix(outer, trials)) + r"-(\d+)-(all|none)\.json")
    found = (pattern.fullmatch(one.name) for one in store.artifacts(key))
    return frozenset((int(one[1]), "all" if one[2] == "all" else "none") for one in found if one)


def save_searched(store: Store, key: str, outer: int, trials: int, place: Place, found: Searched) -> None:
    """Keeps an outcome; predictions to the last bit.

    Raises:
        NotFoundError: No sweep has that key, or no longer.
    """
    document = {
        "params": found.configuration.params.to_dict(),
        "epoch": found.configuration.epoch,
        "raw_score": found.raw_score,
        "trials": found.trials,
        "outputs": found.predictions.shape[1],
        "predictions": base64.b64encode(found.predictions.astype("<f4").tobytes()).decode(),
        "metrics": base64.b64encode(found.metrics.astype("<f8").tobytes()).decode(),
        "diverged": found.diverged,
    }
    store.save_artifact(key, _name(outer, trials, place), json.dumps(document).encode(), "application/json")


def searched(store: Store, key: str, outer: int, trials: int, place: Place) -> Searched:
    """A stored outcome.

    Raises:
        NotFoundError: There is none.
        StorageError: It is damaged.
    """
    plain = json.loads(store.artifact(key, _name(outer, trials, place))[1])
    predictions = np.frombuffer(base64.b64decode(plain["predictions"]), "<f4").astype(np.float32)
    return Searched(
        configuration=Configuration(Hyperparameters.from_dict(plain["params"]), plain["epoch"]),
        raw_score=plain["raw_score"],
        trials=plain["trials"],
        predictions=predictions.reshape(-1, plain["outputs"]),
        metrics=np.frombuffer(base64.b64decode(plain["metrics"]), "<f8").astype(np.float64),
        diverged=plain["diverged"],
    )


def save_nested(store: Store, key: str, nested: Nested) -> None:
    """Keeps what the searches come to, in place of what an earlier number of outer folds came to."""
    content = json.dumps({"version": _VERSION, **asdict(nested)}).encode()
    store.save_artifact(key, RESULT, content, "application/json")


def known_nested(store: Store, summary: SweepSummary) -> Nested | None:
    """What nested cross-validation of a sweep came to, if it was asked for with as many trials as the sweep has."""
    sweep = store.sweep(summary.name)
    plain = None if sweep is None else _stored(store, sweep)
    return None if plain is None else Nested.from_plain(plain)


def stored_outer(store: Store, sweep: SweepRecord) -> int | None:
    """With how many outer folds nested cross-validation of a sweep was last asked for; ``None`` if it was not."""
    plain = _stored(store, sweep)
    return None if plain is None else len(plain["outer"])


def _stored(store: Store, sweep: SweepRecord) -> dict[str, Any] | None:
    """What it came to, if that was with as many trials as the sweep has."""
    with suppress(NotFoundError):
        plain: dict[str, Any] = json.loads(store.artifact(sweep.key, RESULT)[1])
        if plain.pop("version") == _VERSION and plain["trials"] == sweep.trials:
            return plain
    return None


def _prefix(outer: int, trials: int) -> str:
    return f"nested-{_VERSION}-{outer}x{trials}"


def _name(outer: int, trials: int, place: Place) -> str:
    return f"{_prefix(outer, trials)}-{place[0]}-{place[1]}.json"
