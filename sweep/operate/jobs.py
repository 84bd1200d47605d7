"""What runners are asked for beside sweeps, as documents. No torch: whoever asks may be a web process.

============  ======================================  ====================================================  ===========
kind          request                                 what it gives                                         done by
============  ======================================  ====================================================  ===========
``estimate``  ``definition``, ``table_sha256``        the document of ``sweep check --json``, or            the clerk
                                                      ``{"problems": [{"place", "said"}…]}``
``export``    ``format``, ``trial``, ``ensemble``     a file of that format                                 the clerk
``fit``       ``trial``, ``ensemble``                 a zip of the folder that ``sweep fit`` writes         the clerk
``answer``    ``repeats``, ``rules``, ``nested``,     the document of ``sweep answer --json``               a runner
              ``outer``
============  ======================================  ====================================================  ===========

Whoever asks for the same again gets the same job, by its key, until what it rests on has changed.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import metadata
from typing import Any

from sweep.analysis.status import no_sweep, status
from sweep.answer.choose import FEWEST_REPEATS, check_comparable, check_finished, check_outer
from sweep.answer.nested_stored import stored_outer
from sweep.errors import NotFoundError, UserError
from sweep.operate.formats import FORMATS as IN_A_FILE
from sweep.operate.formats import MODEL, check_format
from sweep.spec.definition import parse
from sweep.spec.values import is_whole
from sweep.store.rows import SweepRecord
from sweep.store.service_rows import JobKind, JobRecord
from sweep.store.store import Store

FORMATS = (*IN_A_FILE, MODEL)
"""What a service exports."""

AT_HAND = ("sklearn",)
"""Kinds of tables that an estimate reads by itself. It fetches nothing: an address leads wherever its host likes."""

TAKES_A_TABLE = (
    "how long it takes is measured on a table that was handed in, or on one of scikit-learn's: download the table of "
    "data.source and hand it in; the sweep itself can be launched as it is"
)
"""Why there is no estimate of other tables."""

RUNNERS: tuple[JobKind, ...] = ("answer",)
"""Kinds that take a runner's workers."""


@cache
def program() -> str:
    """Version of this program: what an older one made is made anew. Empty in a checkout that is not installed."""
    try:
        return metadata.version("dropout-sweep")
    except metadata.PackageNotFoundError:
        return ""


def ask_estimate(store: Store, definition: str, table_sha256: str | None) -> JobRecord:
    """Asks what a definition would run, and about how long.

    What is wrong with the definition is found by the clerk, and is what the job gives then.

    Args:
        store: Where runners look.
        definition: Its text.
        table_sha256: Of the stored table that takes the place of ``data.source``; ``None`` if that is read, which is
            done of :data:`AT_HAND` alone.
    """
    request = {"definition": definition, "table_sha256": table_sha256}
    return store.ask_job("estimate", request, key=_key("estimate", request))


def ask_export(store: Store, name: str, form: str, trial: int | None = None, ensemble: int | None = None) -> JobRecord:
    """Asks for the best configuration of a sweep in a form that other programs read.

    Args:
        store: Where the sweep is.
        name: Of it.
        form: One of :data:`FORMATS`.
        trial: In place of the best one, of predictions and models.
        ensemble: How many networks, where there can be several; ``None`` for one.

    Raises:
        UserError: There is no such format, or options do not go together.
        NotFoundError: No sweep has that name, it has no finished trial yet, or no such trial.
    """
    check_format(form, trial, ensemble, FORMATS)
    sweep = _begun(store, name)
    _check_trial(store, sweep, trial)
    request: dict[str, Any] = {"trial": trial, "ensemble": ensemble}
    kind: JobKind = "fit"
    if form != MODEL:
        kind, request = "export", {"format": form, **request}
    return store.ask_job(kind, request, sweep=name, key=_key(kind, request, *_standing(store, sweep)))


def ask_answer(
    store: Store,
    name: str,
    *,
    repeats: int | None = None,
    rules: bool = False,
    nested: bool = False,
    outer: int | None = None,
) -> JobRecord:
    """Asks whether dropout helps: what is chosen is trained again on fresh folds.

    Args:
        store: Where the sweep is.
        name: Of a finished one.
        repeats: Of fresh folds, in all; ``None`` for as many as there are, or what costs about as much as the sweep.
        rules: Whether rules of thumb are checked, too.
        nested: Whether nested cross-validation is run, too.
        outer: Its number of outer folds; ``None`` for the definition's.

    Raises:
        NotFoundError: No sweep has that name.
        UserError: It is not finished, has nothing to compare, or a number is not allowed.
    """
    if repeats is not None and not is_whole(repeats, FEWEST_REPEATS):
        why = "one cannot tell rows from seeds"
        raise UserError(
            f"the number of repeats must be a whole number of at least {FEWEST_REPEATS} ({why}), however: {repeats!r}"
        )
    check_outer(outer, nested=nested)
    check_finished(status(store, name))
    sweep = _begun(store, name)
    spec = parse(sweep.definition)
    check_comparable(name, spec.space.placements)
    outer = (outer or spec.validation.folds) if nested else None
    request = {"repeats": repeats, "rules": rules, "nested": nested, "outer": outer}
    key = _key("answer", request, sweep.key, sweep.updated_at.isoformat())
    # The latest result of nested cross-validation is kept alone: where it has other outer folds, this one is put
    # together again from its searches, which are all kept.
    anew = nested and stored_outer(store, sweep) != outer
    return store.ask_job("answer", request, sweep=name, key=key, anew=anew)


def _begun(store: Store, name: str) -> SweepRecord:
    """A sweep that has begun.

    Raises:
        NotFoundError: None of that name has, or there is none.
    """
    found = store.sweep(name)
    if found is not None:
        return found
    if store.order(name) is None:
        raise no_sweep(store, name)
    raise NotFoundError(f"the sweep {name} has not begun: no trial has finished yet")


def _check_trial(store: Store, sweep: SweepRecord, trial: int | None) -> None:
    known = store.saved_numbers(sweep.key)
    if not known:
        raise NotFoundError(f"no trial of sweep {sweep.name} has finished yet")
    if trial is not None and trial not in known:
        raise NotFoundError(
            f"the trial must be a finished one of the sweep {sweep.name} (it has {len(known):,}, {min(known)} to "
            f"{max(known)}), however: {trial}"
        )


def _standing(store: Store, sweep: SweepRecord) -> tuple[str, ...]:
    """What an export rests on: the trials, and the answer, which a model's card tells."""
    answers = [f"{one.choice} {one.repeats} {one.created_at.isoformat()}" for one in store.answers(sweep.key)]
    return sweep.key, sweep.updated_at.isoformat(), *answers[-1:]


def _key(kind: JobKind, request: dict[str, Any], *rests_on: str) -> str:
    """SHA-256 (hex) of what is asked, of what the result rests on, and of the program that makes it."""
    text = json.dumps([program(), kind, request, *rests_on], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
