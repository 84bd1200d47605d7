"""A table as read → a matrix, a target, groups, and what is known of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.errors import DataError
from sweep.records import TableInfo
from sweep.spec.model import DataSpec
from sweep.tables.columns import Column, as_written, counts_rows, natural_order, number_text, read_column
from sweep.tables.features import (
    MOST_REMARKS,
    FeaturePlan,
    Remark,
    about_reading,
    check_finite,
    fill,
    notes_of,
    plan_column,
)
from sweep.tables.recipe import Recipe
from sweep.tables.targets import Target, find_column, read_target
from sweep.tables.types import Table

_HASH_ROWS = 1 << 14


@dataclass(frozen=True, slots=True)
class Encoded:
    """A table as numbers.

    Attributes:
        features: ``[n, Fp]`` float32, NaN for missing; columns beyond the F of ``info.features`` are 0.
        target: ``[n]``: int64 class codes, or float64 in the target's own units.
        groups: ``[n]`` int64 codes of the groups; ``None`` without groups.
        info: What is known of the table.
        recipe: How its columns became features.
    """

    features: NDArray[np.float32]
    target: NDArray[Any]
    groups: NDArray[np.int64] | None
    info: TableInfo
    recipe: Recipe


def encode(table: Table, data: DataSpec, *, align: int = 1) -> Encoded:
    """Turns a table into numbers.

    Features are all columns but the target, the groups and those of ``data.drop``, in the order of the table. Rows
    without a target are left out. Nothing is scaled or filled in here: that belongs to the training rows of a fold.

    Args:
        table: As read.
        data: All but ``source``, ``header`` and ``missing`` is used, which are for the reading.
        align: The width Fp of the matrix is the number of features rounded up to a multiple of it.

    Raises:
        DataError: The table cannot be used; the message names column and row.
    """
    target = read_target(table, data)
    excluded = _excluded(table, data, target.name)
    categorical = frozenset(find_column(table, name, "data.categorical") for name in data.categorical)
    features, recipe, about = encode_features(
        table, categorical=categorical, excluded=excluded, rows=target.rows, align=align, target=target.name
    )
    notes = [*table.notes, *target.notes, *about]
    groups, note = _groups(table, data, target)
    notes += [note] if note else []
    names = recipe.names
    regression = target.task == "regression"
    info = TableInfo(
        source=table.source,
        content_hash=content_hash(features[:, : len(names)], target, groups, recipe.plans),
        rows=len(target.rows),
        features=names,
        target=target.name,
        task=target.task,
        classes=target.classes,
        target_mean=float(target.values.mean()) if regression else 0.0,
        target_scale=float(target.values.std()) if regression else 1.0,
        notes=tuple(notes),
    )
    return Encoded(features, target.values, groups, info, recipe)


def encode_features(
    table: Table,
    *,
    categorical: frozenset[str] = frozenset(),
    excluded: frozenset[str] = frozenset(),
    rows: NDArray[np.int64] | None = None,
    align: int = 1,
    target: str | None = None,
) -> tuple[NDArray[np.float32], Recipe, list[str]]:
    """Turns the columns of a table into features, without a look at the target.

    Args:
        table: As read.
        categorical: Names of columns to be read as categories; they exist.
        excluded: Names of columns that are no features; the target is among them, where the table has it.
        rows: ``[n]`` the rows that count, increasing; ``None`` for all of them.
        align: The width Fp of the matrix is the number of features F rounded up to a multiple of it.
        target: Name of the column to predict; ``None`` if the table does not have it.

    Returns:
        ``[n, Fp]`` float32, NaN for missing and 0 beyond F; how it was made, to be applied to other tables; notes.

    Raises:
        DataError: A column cannot be used, or none is left; the message names column and row.
    """
    notes: list[str] = []
    plans: list[FeaturePlan] = []
    remarks: list[Remark] = []
    columns: dict[str, Column] = {}
    if rows is not None and len(rows) == len(table.frame):
        rows = None
    for name in table.columns:
        if name in excluded:
            continue
        column = read_column(table, name, as_categories=name in categorical)
        check_finite(table, column)
        plan, remark = plan_column(column if rows is None else column.take(rows))
        if plan is not None and plan.shift:
            column = as_written(table, column)
            plan, remark = plan_column(column if rows is None else column.take(rows))
        remarks += [remark] if remark else []
        remarks += about_reading(column) if plan is not None else []
        notes += _about_row_numbers(column)
        if plan is not None:
            plans.append(plan)
            if column.codes is not None:
                columns[name] = column  # small; columns of numbers are read again rather than kept
    notes += notes_of(remarks)
    if not plans:
        why = "; ".join(["", *(remark.text for remark in remarks[:MOST_REMARKS])])
        of = "" if target is None else f" {target!r}"
        raise DataError(f"{table.source}: no column is left to predict{of} from{why}")
    used = {plan.column for plan in plans}
    unused = tuple(name for name in table.columns if name != target and name not in used)
    recipe = Recipe(tuple(plans), target, unused, table.missing)
    return _matrix(table, rows, plans, columns, align), recipe, notes


def _excluded(table: Table, data: DataSpec, target: str) -> frozenset[str]:
    """Columns that are no features.

    Raises:
        DataError: One does not exist, or is the target.
    """
    excluded = {target}
    for setting, names in (("data.drop", data.drop), ("data.groups", (data.groups,) if data.groups else ())):
        for key in names:
            name = find_column(table, key, setting)
            if name == target:
                raise DataError(f"{table.source}: {setting} names the target {target!r}")
            excluded.add(name)
    return frozenset(excluded)


def _matrix(
    table: Table,
    rows: NDArray[np.int64] | None,
    plans: list[FeaturePlan],
    columns: dict[str, Column],
    align: int,
) -> NDArray[np.float32]:
    """``[n, Fp]``, filled column by column: beside the table there is one copy of the numbers, in float32."""
    width = sum(len(plan.names) for plan in plans)
    matrix = np.zeros((len(table.frame) if rows is None else len(rows), width + -width % align), np.float32)
    start = 0
    for plan in plans:
        column = columns.get(plan.column) or read_column(table, plan.column)
        column = as_written(table, column) if plan.shift else column
        stop = start + len(plan.names)
        fill(plan, column if rows is None else column.take(rows), matrix[:, start:stop])
        start = stop
    return matrix


def _about_row_numbers(column: Column) -> list[str]:
    """A note about a column that only counts the rows."""
    if column.numbers is None or column.kind != "numeric" or not counts_rows(column):
        return []
    first = number_text(float(column.numbers[0]))
    return [
        f"warning: column {column.name!r} counts the rows from {first}; used as a feature, it says where a row "
        f"stands in the file: data.drop = [{json.dumps(column.name, ensure_ascii=False)}] leaves it out"
    ]


def _groups(table: Table, data: DataSpec, target: Target) -> tuple[NDArray[np.int64] | None, str | None]:
    """Codes of the groups in natural order, and a note.

    Raises:
        DataError: A row has none.
    """
    if data.groups is None:
        return None, None
    column = read_column(table, find_column(table, data.groups, "data.groups"), as_categories=True)
    if column.codes is None:
        raise DataError(f"{table.source}: data.groups: all cells of column {column.name!r} are missing")
    codes = column.codes[target.rows]
    if (codes < 0).any():
        row = int(target.rows[np.flatnonzero(codes < 0)[0]]) + 1
        raise DataError(f"{table.cell(column.name, row)}: the group is missing (data.groups)")
    place = {level: position for position, level in enumerate(natural_order(column.levels))}
    ordered = np.array([place[level] for level in column.levels], np.int64)[codes]
    _, dense = np.unique(ordered, return_inverse=True)
    return dense.astype(np.int64), f"groups: {int(dense.max()) + 1} in column {column.name!r}, kept whole in folds"


def content_hash(
    features: NDArray[np.float32], target: Target, groups: NDArray[np.int64] | None, plans: Sequence[FeaturePlan]
) -> str:
    """SHA-256 over what training sees and what was taken off it before: the same for one table in any file format.

    Names of features, target and classes; the matrix in float32; the target (float64 for regression) and the groups.
    """
    digest = hashlib.sha256()
    heading: dict[str, Any] = {
        "features": [name for plan in plans for name in plan.names],
        "target": target.name,
        "classes": target.classes,
        "rows": len(features),
        "groups": groups is not None,
    }
    if moved := [(plan.column, plan.shift, plan.exponent) for plan in plans if plan.shift or plan.exponent]:
        heading["moved"] = moved
    digest.update(json.dumps(heading, sort_keys=True, ensure_ascii=False).encode())
    for start in range(0, len(features), _HASH_ROWS):
        piece = features[start : start + _HASH_ROWS] + np.float32(0)  # a copy, and -0 becomes 0
        piece[np.isnan(piece)] = np.nan  # one of the many bit patterns
        digest.update(piece.astype("<f4", copy=False).tobytes())
    if target.task == "regression":
        digest.update((target.values + 0.0).astype("<f8").tobytes())
    else:
        digest.update(target.values.astype("<i8").tobytes())
    if groups is not None:
        digest.update(groups.astype("<i8").tobytes())
    return digest.hexdigest()
