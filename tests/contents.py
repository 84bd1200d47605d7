"""All that a database holds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, create_engine, select

from sweep.store.store import Store


def everything(storage: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, ours, Optuna's and what else there may be."""
    with Store.open(storage) as store:
        engine = create_engine(store.url)
    try:
        tables = MetaData()
        tables.reflect(engine)
        with engine.connect() as connection:
            return {
                name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
                for name, table in tables.tables.items()
            }
    finally:
        engine.dispose()
