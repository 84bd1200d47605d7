"""How far sweeps are, from the store, the study, the lease and what is wanted of each."""

from __future__ import annotations

from collections.abc import Mapping

from sweep.analysis.results import Counts, Epochs, State, SweepStatus
from sweep.analysis.study import StudyView, counts_of, find_studies, find_study
from sweep.errors import NotFoundError
from sweep.run.lease import is_held
from sweep.run.study import open_storage
from sweep.store.rows import LeaseRecord, OrderRecord, SweepRecord
from sweep.store.store import Store


def status(store: Store, name: str) -> SweepStatus:
    """How far a sweep is.

    Raises:
        NotFoundError: No sweep has that name; the message lists those there are.
    """
    sweep, order = store.sweep(name), store.order(name)
    if sweep is None:
        if order is None:
            raise no_sweep(store, name)
        return waiting(order)
    with open_storage(store) as storage:
        return status_of(store, sweep, find_study(storage, sweep))


def statuses(store: Store) -> tuple[SweepStatus, ...]:
    """How far every sweep is, oldest first; those that wait in the queue and were never begun included."""
    sweeps, leases = store.sweeps(), store.leases()
    orders = {order.name: order for order in store.orders()}
    found = [waiting(order) for order in orders.values() if order.name not in {sweep.name for sweep in sweeps}]
    if sweeps:
        with open_storage(store) as storage:
            studies = find_studies(storage, sweeps)
        trials = store.study_trials() if studies else {}
        trained = store.trained_epochs_all()
        for sweep in sweeps:
            study, epochs = studies.get(sweep.key), trained.get(sweep.key, {})
            counts = None if study is None else counts_of(trials.get(study.study_id, {}))
            found.append(status_from(sweep, counts, epochs, orders.get(sweep.name), leases.get(sweep.key)))
    return tuple(sorted(found, key=lambda one: (one.created_at, one.name)))


def status_of(store: Store, sweep: SweepRecord, study: StudyView | None) -> SweepStatus:
    """How far a sweep is that has begun; ``study`` is its own, ``None`` if that is gone."""
    epochs = store.trained_epochs(sweep.key)
    counts = None if study is None else counts_of(store.study_trials(study.study_id).get(study.study_id, {}))
    return status_from(sweep, counts, epochs, store.order(sweep.name), store.lease(sweep.key))


def no_sweep(store: Store, name: str) -> NotFoundError:
    """For a name that no sweep has; lists those there are."""
    names = dict.fromkeys([*(one.name for one in store.sweeps()), *(one.name for one in store.orders())])
    known = f"there are: {', '.join(names)}" if names else "there is none"
    return NotFoundError(f"no sweep named {name} in {store.shown}; {known}")


def _saved(sweep: SweepRecord, epochs: Mapping[int, int]) -> Counts:
    """Trials of a sweep whose study is gone; ``epochs``: how many were trained for so many."""
    complete = epochs.get(sweep.checkpoints[-1], 0)
    return Counts(complete, sum(epochs.values()) - complete, 0, 0)


def status_from(
    sweep: SweepRecord,
    counts: Counts | None,
    trained: Mapping[int, int],
    order: OrderRecord | None,
    lease: LeaseRecord | None,
) -> SweepStatus:
    """How far a sweep is that has begun, from what was read.

    Args:
        sweep: As it is stored.
        counts: Trials of its study; ``None`` if that is gone.
        trained: Epochs, and how many of the stored trials were trained for so many.
        order: What is wanted of it; ``None`` if it was only ever run.
        lease: Who runs it, or did.
    """
    lost = counts is None
    counts = _saved(sweep, trained) if counts is None else counts
    saved, full = sum(trained.values()), sweep.checkpoints[-1]
    wanted = _budget(sweep, order)
    state = _state(counts, wanted, order, lease, lost=lost)
    return SweepStatus(
        name=sweep.name,
        state=state,
        budget=wanted,
        counts=counts,
        epochs=Epochs(sum(epochs * trials for epochs, trials in trained.items()), saved * full),
        metric=sweep.metric,
        source=sweep.info.source,
        created_at=sweep.created_at,
        updated_at=sweep.updated_at,
        holder=str(lease.holder) if state == "running" and lease is not None else None,
        reason=order.reason if state == "failed" and order is not None else None,
    )


def _budget(sweep: SweepRecord, order: OrderRecord | None) -> int:
    """Trials: the sweep's own, or more where a runner is to add some; they are given up with ``sweep cancel``."""
    if order is None or order.state in ("done", "cancelled"):
        return sweep.trials
    return max(sweep.trials, order.trials)


def _state(counts: Counts, wanted: int, order: OrderRecord | None, lease: LeaseRecord | None, *, lost: bool) -> State:
    """A sweep whose coordinator died elsewhere looks like one that runs, until its lease expires."""
    if is_held(lease):
        return "running"
    if lost and counts.finished:
        return "orphaned"  # with nothing saved it was killed as it began, before it had a study
    if counts.finished >= wanted:
        return "done"
    # Of one that was done, more trials were asked for with `sweep run`, which ended before they were.
    return "paused" if order is None or order.state == "done" else order.state


def waiting(order: OrderRecord) -> SweepStatus:
    """Of a sweep that nobody has begun."""
    return SweepStatus(
        name=order.name,
        state="paused" if order.state == "done" else order.state,
        budget=order.trials,
        counts=Counts(0, 0, 0, 0),
        epochs=Epochs(0, 0),
        metric=order.metric,
        source=order.source,
        created_at=order.created_at,
        updated_at=order.updated_at,
        reason=order.reason,
    )
