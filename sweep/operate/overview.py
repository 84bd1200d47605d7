"""All sweeps at a glance, read again and again: of what has not changed since nothing is read twice. No torch.

It takes the database's word for what :func:`sweep.analysis.status.statuses` asks Optuna, and gives the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sweep.analysis.results import Counts, SweepStatus
from sweep.analysis.status import status_from, waiting
from sweep.analysis.study import counts_of
from sweep.answer.choose import RIVALS, choice_among
from sweep.answer.nested_stored import RESULT
from sweep.answer.sentences import sentence
from sweep.answer.stored import current, read_answer
from sweep.errors import DefinitionError
from sweep.metrics import METRICS
from sweep.run.study import KEY_ATTRIBUTE
from sweep.spec.definition import parse
from sweep.store.rows import AnswerRecord, SweepHead, SweepRecord, TrialRecord
from sweep.store.service_rows import JobRecord
from sweep.store.store import Store

_MANY = 20
"""Sweeps from which on the trials of all are counted at once."""


@dataclass(frozen=True, slots=True)
class Leader:
    """The best complete trial of a placement so far.

    Attributes:
        trial: Its number.
        score: Raw.
        diverged: Epoch at which some fold was first seen non-finite, if one was.
        rates: Its dropout rates: of the input, then of each hidden layer; 0 for a layer without dropout.
    """

    trial: int
    score: float
    diverged: int | None = None
    rates: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """An answer in a sentence, and when it was given (UTC)."""

    headline: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Glance:
    """One sweep.

    Attributes:
        status: How far it is.
        key: Of the sweep; ``None`` before it has begun.
        study: Id of its Optuna study; ``None`` while there is none.
        best: Placement to its best trial so far; those without a complete trial are left out.
        answer: The stored one, if the sweep is finished and its winners are those that were compared.
        jobs: What is asked of runners about it, and not yet done.
        nested: SHA-256 of what nested cross-validation came to; ``None`` if it was not asked for.
    """

    status: SweepStatus
    key: str | None = None
    study: int | None = None
    best: Mapping[str, Leader] = field(default_factory=dict)
    answer: Said | None = None
    jobs: tuple[JobRecord, ...] = ()
    nested: str | None = None

    @property
    def maximize(self) -> bool:
        """Whether a higher score is better."""
        return METRICS[self.status.metric].maximize


@dataclass(slots=True)
class _Known:
    """What was read of a sweep."""

    head: SweepHead
    sweep: SweepRecord
    study: int | None = None
    counts: Counts | None = None
    trained: Mapping[int, int] = field(default_factory=dict)
    leaders: Mapping[str, list[TrialRecord]] = field(default_factory=dict)
    answered_at: datetime | None = None
    answers: list[AnswerRecord] = field(default_factory=list)
    said: Said | None = None
    said_of: tuple[object, ...] = ()


class Overview:
    """Reads all sweeps of a database, and remembers what it has read. For one thread at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, _Known] = {}
        self._running: set[str] = set()
        self._has_studies = False

    def read(self) -> tuple[Glance, ...]:
        """All sweeps, oldest first; those that wait in the queue and were never begun included.

        Raises:
            StorageError: The database cannot be used.
        """
        try:
            return self._read()
        except Exception:  # what is known may be of two readings: the next one begins from nothing
            self._known.clear()
            raise

    def _read(self) -> tuple[Glance, ...]:
        store = self._store
        heads = {head.key: head for head in store.heads()}
        leases, orders = store.leases(), {order.name: order for order in store.orders()}
        changed = self._read_changed(heads)
        self._count(changed | self._running | leases.keys())
        self._running = {key for key, one in self._known.items() if one.counts is not None and one.counts.running}
        self._running |= leases.keys()
        nested = store.artifacts_named(RESULT) if self._read_answers() else {}  # it comes with an answer
        jobs: defaultdict[str | None, list[JobRecord]] = defaultdict(list)
        for job in store.jobs(states=("queued", "running")):
            jobs[job.sweep].append(job)
        found = []
        for key, one in self._known.items():
            name = one.sweep.name
            status = status_from(one.sweep, one.counts, one.trained, orders.pop(name, None), leases.get(key))
            best = {
                placement: Leader(own[0].number, own[0].score, own[0].diverged, own[0].hyperparameters.dropout)
                for placement, own in one.leaders.items()
            }
            answer = _answer(one, status)
            found.append(Glance(status, key, one.study, best, answer, tuple(jobs[name]), nested.get(key)))
        found += [Glance(waiting(order), jobs=tuple(jobs[order.name])) for order in orders.values()]
        return tuple(sorted(found, key=lambda glance: (glance.status.created_at, glance.status.name)))

    def _read_changed(self, heads: Mapping[str, SweepHead]) -> set[str]:
        """Sweeps that are new, or that have more trials than before."""
        for key in self._known.keys() - heads.keys():
            del self._known[key]
        changed = {key for key, head in heads.items() if key not in self._known or self._known[key].head != head}
        new = [key for key in changed if key not in self._known]
        for sweep in self._store.sweeps(new) if new else ():
            self._known[sweep.key] = _Known(heads[sweep.key], sweep)
        changed &= self._known.keys()  # one may have been deleted between the two reads
        for key in changed:
            one, head = self._known[key], heads[key]
            one.head, one.sweep = head, replace(one.sweep, trials=head.trials, updated_at=head.updated_at)
        self._read_trained(changed)
        return changed

    def _read_trained(self, changed: set[str]) -> None:
        if not changed:
            return
        trained = self._store.trained_epochs_all(sorted(changed))
        alike: defaultdict[tuple[int, bool], list[str]] = defaultdict(list)
        for key in changed:
            one = self._known[key]
            one.trained, one.leaders = trained.get(key, {}), {}
            if one.trained:
                alike[one.sweep.checkpoints[-1], METRICS[one.sweep.metric].maximize].append(key)
        for (full, maximize), keys in alike.items():
            places = 1 + RIVALS
            for key, leaders in self._store.leaders(keys, full=full, maximize=maximize, places=places).items():
                self._known[key].leaders = leaders

    def _count(self, changed: Iterable[str]) -> None:
        """Trials of these, and of those whose study came or went."""
        store = self._store
        self._has_studies = self._has_studies or bool(self._known and store.has_table("trials"))
        noted = store.noted_studies(KEY_ATTRIBUTE) if self._has_studies else {}
        stale = {key: self._known[key] for key in self._known.keys() & set(changed)}
        for key, one in self._known.items():
            study, owner = noted.get(one.sweep.name, (None, None))
            study = study if owner == key else None
            if study != one.study:
                one.study, stale[key] = study, one
        studies = {key: one.study for key, one in stale.items() if one.study is not None}
        if len(studies) > _MANY:
            counts = store.study_trials()
        else:
            counts = {study: own for wanted in studies.values() for study, own in store.study_trials(wanted).items()}
        for key, one in stale.items():
            one.counts = counts_of(counts.get(studies[key], {})) if key in studies else None

    def _read_answers(self) -> bool:
        """Whether there are any."""
        answered = self._store.answered()
        news = [key for key, one in self._known.items() if answered.get(key) != one.answered_at]
        answers = self._store.answers_all(news) if news else {}
        for key in news:
            self._known[key].answered_at, self._known[key].answers = answered.get(key), answers.get(key, [])
        return bool(answered)


def _answer(one: _Known, status: SweepStatus) -> Said | None:
    """The answer that holds now."""
    if not one.answers or status.counts.finished < status.budget:
        return None
    of = (one.head, one.answered_at)
    if one.said_of != of:
        one.said, one.said_of = _said(one), of
    return one.said


def _said(one: _Known) -> Said | None:
    try:
        placements = parse(one.sweep.definition).space.placements
    except DefinitionError:  # of another version: whoever opens the sweep is told
        return None
    choice = choice_among({name: one.leaders[name] for name in (*placements, *one.leaders) if name in one.leaders})
    record = None if choice is None else current(one.answers, choice)
    return None if record is None else Said(sentence(read_answer(record)), record.created_at)
