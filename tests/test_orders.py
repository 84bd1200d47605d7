"""The queue's part of the store, on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest
from sqlalchemy import Engine, create_engine, text

from sweep.errors import NotFoundError, StorageError
from sweep.store.rows import NewOrder, OrderState
from sweep.store.store import Store

TABLE = b"PAR1 the table"
SHA256 = hashlib.sha256(TABLE).hexdigest()
ORDER = NewOrder(
    name="one",
    definition='name = "one"\n# é\n',
    priority=0,
    trials=12,
    metric="accuracy",
    source="data/ä.csv",
    data_hash="ab" * 32,
    table_sha256=SHA256,
)


@pytest.fixture
def store(storage_url: str) -> Iterator[Store]:
    with Store.open(storage_url, create=True) as store:
        yield store


@pytest.fixture
def engine(store: Store) -> Iterator[Engine]:
    engine = create_engine(store.url)
    yield engine
    engine.dispose()


def tables(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT sha256 FROM sweep_tables")))


def test_what_is_stored_comes_out(store: Store) -> None:
    saved = store.save_order(ORDER, "queued", TABLE)
    assert store.order("one") == saved
    for name in ORDER.__dataclass_fields__:
        assert getattr(saved, name) == getattr(ORDER, name)
    assert (saved.state, saved.revision, saved.reason) == ("queued", 1, None)
    assert saved.created_at == saved.updated_at
    assert store.stored_table(SHA256) == TABLE
    assert store.order("two") is None


def test_the_highest_priority_first_then_the_oldest(store: Store) -> None:
    for name, priority in (("b", 0), ("a", 0), ("low", -1), ("high", 7)):
        store.save_order(replace(ORDER, name=name, priority=priority, table_sha256=None), "queued")
    assert [order.name for order in store.orders()] == ["high", "b", "a", "low"]
    store.save_order(replace(ORDER, name="b", priority=0, table_sha256=None), "queued")  # keeps its place
    assert [order.name for order in store.orders()] == ["high", "b", "a", "low"]
    store.save_order(replace(ORDER, name="low", priority=8, table_sha256=None), "queued")
    assert [order.name for order in store.orders()] == ["low", "high", "b", "a"]


def test_orders_of_some_states(store: Store) -> None:
    for state in get_args(OrderState):
        store.save_order(replace(ORDER, name=state, table_sha256=None), state)
    assert {order.name for order in store.orders(["queued", "failed"])} == {"queued", "failed"}
    assert {order.name for order in store.orders()} == set(get_args(OrderState))


def test_every_change_has_a_revision_of_its_own(store: Store) -> None:
    saved = store.save_order(ORDER, "queued", TABLE)
    assert store.set_order("one", "failed", reason="it is broken")
    failed = store.order("one")
    assert failed is not None
    assert (failed.state, failed.reason, failed.revision) == ("failed", "it is broken", saved.revision + 1)
    assert failed.updated_at > saved.updated_at
    again = store.save_order(replace(ORDER, trials=24), "queued", TABLE)
    assert (again.state, again.reason, again.revision, again.trials) == ("queued", None, failed.revision + 1, 24)
    assert again.created_at == saved.created_at


def test_what_was_said_meanwhile_is_not_overridden(store: Store) -> None:
    saved = store.save_order(ORDER, "queued", TABLE)
    assert store.set_order("one", "cancelled")
    assert not store.set_order("one", "done", revision=saved.revision)
    found = store.order("one")
    assert found is not None
    assert found.state == "cancelled"
    assert store.set_order("one", "done", revision=found.revision)
    assert not store.set_order("two", "done")


def test_a_table_stays_as_long_as_a_sweep_needs_it(store: Store, engine: Engine) -> None:
    for name in ("one", "two"):
        store.save_order(replace(ORDER, name=name), "queued", TABLE)
    assert tables(engine) == [SHA256]
    store.delete_order("one", revision=1)
    assert (store.order("one"), tables(engine)) == (None, [SHA256])
    store.delete_order("two", revision=2)
    assert (store.order("two") is None, tables(engine)) == (False, [SHA256])
    store.delete_order("two", revision=1)
    assert tables(engine) == []
    store.delete_order("two", revision=1)
    with pytest.raises(NotFoundError, match=f"no table {SHA256} in "):
        store.stored_table(SHA256)


def test_another_table_takes_the_place_of_the_first(store: Store, engine: Engine) -> None:
    store.save_order(ORDER, "queued", TABLE)
    other = hashlib.sha256(b"other").hexdigest()
    store.save_order(replace(ORDER, table_sha256=other), "queued", b"other")
    assert tables(engine) == [other]
    store.save_order(replace(ORDER, table_sha256=None), "queued")
    assert tables(engine) == []


def test_a_table_must_be_the_one_that_is_named(store: Store, engine: Engine) -> None:
    with pytest.raises(ValueError, match="the table of one is not "):
        store.save_order(ORDER, "queued", b"another")
    assert store.orders() == []
    assert tables(engine) == []


def test_a_damaged_table_is_said_to_be(store: Store, engine: Engine) -> None:
    store.save_order(ORDER, "queued", TABLE)
    with engine.begin() as connection:
        connection.execute(text("UPDATE sweep_tables SET bytes = :other"), {"other": b"PAR1 the tablf"})
    with pytest.raises(StorageError, match=f"the stored table {SHA256} is damaged: its SHA-256 differs"):
        store.stored_table(SHA256)
