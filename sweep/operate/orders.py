"""What is wanted of a sweep: that runners take it, or that it rests. No torch.

==========  ==========================================================================================
submit      stores the definition, and the table for runners that cannot read its source themselves
rest        whoever runs it stops within seconds, and runners leave it alone: paused, or cancelled
resume      runners take it, or go on with it
extend      the same, with more trials
==========  ==========================================================================================

A sweep that was started with ``sweep run`` rests in the same way: what is wanted of it is stored then.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import Literal

from sweep import metrics, wording
from sweep.analysis.status import no_sweep, status
from sweep.errors import MismatchError, UserError
from sweep.operate.chronicle import note, somebody
from sweep.records import Task
from sweep.run.same import check
from sweep.space.arms import budget
from sweep.spec.alone import anywhere
from sweep.spec.definition import parse
from sweep.spec.model import SweepSpec
from sweep.spec.source import is_local, shown_source
from sweep.spec.toml import to_toml
from sweep.spec.values import is_whole
from sweep.store.rows import NewOrder, OrderRecord, OrderState, SweepRecord
from sweep.store.store import Store
from sweep.tables.packed import Packed

Rest = Literal["paused", "cancelled"]

PRIORITIES = range(-1000, 1001)
"""Those there are; runners take the highest first."""


def check_priority(priority: int) -> None:
    """That there is such a priority.

    Raises:
        UserError: There is not.
    """
    if not is_whole(priority, PRIORITIES[0], PRIORITIES[-1]):
        raise UserError(
            f"the priority must be a whole number from {PRIORITIES[0]} to {PRIORITIES[-1]}, however: {priority!r}"
        )


def submit(
    store: Store, spec: SweepSpec, table: Packed, task: Task, priority: int = 0, *, by: str | None = None
) -> OrderRecord:
    """Has runners take a sweep; of one that has all the trials it shall have, only the table is stored.

    Args:
        store: Where they look.
        spec: The definition.
        table: Its table.
        task: Of the table.
        priority: One of :data:`PRIORITIES`.
        by: Whoever wants it, in words; ``None`` for who uses this program.

    Raises:
        UserError: There is no such priority.
        MismatchError: A sweep of that name is there, or waits, with another definition or on another table.
        DefinitionError: The space has fewer configurations than trials are asked for.
    """
    check_priority(priority)
    order = _order(spec, table, task, priority)
    if (found := store.sweep(spec.name)) is None:
        check_waiting(store, spec, table.data_hash)
        return _queued(store, order, table, by)
    check(found, spec, trials=order.trials, data_hash=table.data_hash, source=order.source)
    nothing_left = order.trials == found.trials and status(store, spec.name).state == "done"
    return store.save_order(order, "done", table.content) if nothing_left else _queued(store, order, table, by)


def _queued(store: Store, order: NewOrder, table: Packed, by: str | None) -> OrderRecord:
    saved = store.save_order(order, "queued", table.content)
    priority = f", priority {order.priority}" if order.priority else ""
    note(store, order.name, f"queued by {by or somebody()}: {wording.count(order.trials, 'trial')}{priority}")
    return saved


def _order(spec: SweepSpec, table: Packed, task: Task, priority: int) -> NewOrder:
    return NewOrder(
        name=spec.name,
        definition=to_toml(anywhere(spec)),
        priority=int(priority),
        trials=budget(spec).trials,
        metric=spec.validation.metric or metrics.default_metric(task),
        source=shown_source(spec.data.source),
        data_hash=table.data_hash,
        table_sha256=table.sha256,
    )


def check_waiting(store: Store, spec: SweepSpec, data_hash: str) -> OrderRecord | None:
    """That a sweep which waits in the queue, and was never begun, is this one.

    Args:
        store: Where it would be.
        spec: The definition of the sweep that is to have the name.
        data_hash: Of its table.

    Returns:
        What is wanted of it; ``None`` if nothing of that name waits.

    Raises:
        MismatchError: It has another definition, or is on another table.
    """
    waiting = store.order(spec.name)
    if waiting is not None and not _is_same(waiting, spec, data_hash):
        raise MismatchError(
            f"a sweep named {spec.name} is {waiting.state} with another definition or another table: take another "
            f"name, or forget that one with `sweep delete {spec.name}`"
        )
    return waiting


def _is_same(waiting: OrderRecord, spec: SweepSpec, data_hash: str) -> bool:
    return parse(waiting.definition).fingerprint == spec.fingerprint and waiting.data_hash == data_hash


def extend(store: Store, name: str, trials: int) -> str:
    """Has runners do more trials of a sweep, on the table that it has.

    Args:
        store: Where it is.
        name: Of the sweep.
        trials: In all, as ``search.trials`` counts them.

    Returns:
        What comes of it, in words.

    Raises:
        NotFoundError: No sweep has that name.
        UserError: It has as many trials already, or its study is gone.
        DefinitionError: The space has fewer configurations.
    """
    now = status(store, name)
    if now.state == "orphaned":
        raise UserError(f"the sweep {name} is orphaned: there is nothing to go on with")
    found, order = store.sweep(name), store.order(name)
    base = order if order is not None else None if found is None else _order_of(found)
    if base is None:
        raise no_sweep(store, name)
    spec = parse(base.definition)
    spec = replace(spec, search=replace(spec.search, trials=trials))
    wanted = budget(spec).trials
    if wanted <= now.budget:
        raise UserError(
            f"the trials must be more than the {now.budget:,} that the sweep {name} has, however: {trials:,}"
        )
    store.save_order(
        NewOrder(
            name=name,
            definition=to_toml(spec),
            priority=base.priority,
            trials=wanted,
            metric=base.metric,
            source=base.source,
            data_hash=base.data_hash,
            table_sha256=base.table_sha256,
        ),
        "queued",
    )
    note(store, name, f"extended to {wanted:,} trials by {somebody()}")
    said = f"the sweep {name} shall have {wanted:,} trials, {wanted - now.counts.finished:,} more than are finished"
    if now.holder is not None:
        return f"{said}; {now.holder} does its own first, then {_reader(base)} goes on"
    return f"{said}: it is queued for {_reader(base)}"


def rest(store: Store, name: str, state: Rest, *, by: str | None = None) -> str:
    """Has a sweep rest, whoever runs it or would.

    Args:
        store: Where it is.
        name: Of the sweep.
        state: That it shall have.
        by: Whoever wants it, in words; ``None`` for who uses this program.

    Returns:
        What comes of it, in words.

    Raises:
        NotFoundError: No sweep has that name.
        UserError: It is done, or its study is gone.
    """
    now = status(store, name)
    if now.state in ("done", "orphaned"):
        raise UserError(f"the sweep {name} is {now.state}: there is nothing to be {state}")
    if now.state == state:
        return f"the sweep {name} is {state} already"
    want(store, name, state)
    note(store, name, f"{state} by {by or somebody()}")
    if now.holder is not None:
        return f"the sweep {name} is {state}: {now.holder}, which runs it, stops within seconds"
    after = status(store, name)
    if after.state == "done":
        return f"the sweep {name} keeps its {after.budget:,} trials: the others that were wanted of it no longer are"
    return f"the sweep {name} is {state}"


def want(store: Store, name: str, state: OrderState) -> None:
    """Stores what is wanted of a sweep, also of one that was only ever run.

    Raises:
        NotFoundError: No sweep has that name.
    """
    if not store.set_order(name, state):
        found = store.sweep(name)
        if found is None:
            raise no_sweep(store, name)
        store.save_order(_order_of(found), state)


def resume(store: Store, name: str, *, by: str | None = None) -> str:
    """Has runners take a sweep that rests, that failed, or that was only ever run.

    Args:
        store: Where it is.
        name: Of the sweep.
        by: Whoever wants it, in words; ``None`` for who uses this program.

    Returns:
        What comes of it, in words.

    Raises:
        NotFoundError: No sweep has that name.
        UserError: It is done, or its study is gone.
    """
    now = status(store, name)
    if now.state in ("done", "orphaned"):
        raise UserError(f"the sweep {name} is {now.state}: there is nothing to go on with")
    want(store, name, "queued")
    note(store, name, f"resumed by {by or somebody()}")
    if now.holder is not None:
        return f"the sweep {name} is being run by {now.holder}; if that stops, a `sweep runner` goes on"
    order = store.order(name)
    return f"the sweep {name} is queued for {'a `sweep runner`' if order is None else _reader(order)}"


def _reader(order: OrderRecord | NewOrder) -> str:
    """Who can take up a sweep; its table is named without a folder, since whoever asked may be elsewhere."""
    if order.table_sha256 is None and is_local(source := parse(order.definition).data.source):
        return f"a `sweep runner` that can read {PurePath(source).name}, unchanged"
    return "a `sweep runner`"


def not_stored(table: Packed, source: str) -> str | None:
    """A warning for a table that runners have to read themselves."""
    if table.content is not None:
        return None
    where = f"{source}, which has to lead there for them too" if is_local(source) else shown_source(source)
    return f"the table is not stored ({table.why}): runners read it from {where}, and check that it is the same"


def _order_of(found: SweepRecord) -> NewOrder:
    """Of a sweep that was only ever run: runners have to be able to read its table."""
    return NewOrder(
        name=found.name,
        definition=found.definition,
        priority=0,
        trials=found.trials,
        metric=found.metric,
        source=found.info.source,
        data_hash=found.data_hash,
        table_sha256=None,
    )
