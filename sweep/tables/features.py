"""Columns to feature columns. A plan is made once from a table and applies to any rows with the same columns.

==============  ==================================================================================================
numeric         itself, or its difference from a typical value; NaN where missing (training fills in the mean of its
                own fold's training rows)
boolean         1 or 0, NaN where missing
datetime        days since 1970-01-01, likewise
categorical     one column of 0 and 1 for each level; levels of few rows share one column, ``(rare)``; missing is
                a level of its own, ``(missing)``
==============  ==================================================================================================

Numbers far from 0 against their spread, such as Unix seconds of one hour, would all become one number in float32.
Their median is taken off before, in float64. All rows have a say in that median, and yet it cannot leak anything: each
fold takes off the mean of its own training rows afterwards, and of a shift nothing is left but the rounding. The same
holds for a power of two that brings columns of very large or small numbers into the range in which float32 can square.

A level is rare with fewer rows than 1 % of the table, at least 2 and at most 20 rows, and beyond the
:data:`MOST_LEVELS` most frequent ones. The vocabulary comes from all rows, validation rows of a fold included, but
knows nothing of the target: the one exception to fitting on training rows only (docs/architecture.md, invariant 3).
A level that does not occur in the training rows of a fold is a constant column there: scaling, which is fitted to
these rows, makes it 0, so that it neither learns nor counts. A level that was never seen goes to ``(rare)`` where
there is such a column, else to 0 everywhere.

Left out with a note: columns of one value, of none, and identifiers (text nearly all of which is distinct).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.errors import DataError
from sweep.tables.columns import Column, Kind, is_constant, number_text
from sweep.tables.types import Floats, Table
from sweep.wording import count

MOST_LEVELS = 100
MOST_POOLED = 1000
MOST_REMARKS = 6
LARGEST = float(np.finfo(np.float32).max)

# A column further from 0 than so many times its typical spread is shifted: in float32 it would lose more than 1/16,000
# of that spread. Tables of measurements seldom come near: 4 times on Sonar, 19 on wine.
_FAR = 1000.0

# Powers of two within which squares and reciprocals of float32 numbers are float32 numbers.
_EXPONENTS = 60


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """How one column becomes feature columns.

    Attributes:
        column: Its name.
        kind: What it holds.
        levels: Levels with a column of their own, in natural order; empty unless categorical.
        rare: Whether a column follows for all other levels.
        missing: Whether a column follows for missing cells.
        shift: Taken off a column of numbers in float64; a value of the column, or 0.
        exponent: What is left is divided by 2 to this power, which is exact.
        format: The key of the format (``formats.py``) in which its texts are numbers; empty where texts are levels.
        pooled: The levels that share the column ``rare``; empty where there are more than :data:`MOST_POOLED`.
    """

    column: str
    kind: Kind
    levels: tuple[str, ...] = ()
    rare: bool = False
    missing: bool = False
    shift: float = 0.0
    exponent: int = 0
    format: str = ""
    pooled: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the feature columns."""
        if self.kind != "categorical":
            return (self.column,)
        extra = (*(["(rare)"] if self.rare else []), *(["(missing)"] if self.missing else []))
        return tuple(f"{self.column}={level}" for level in (*self.levels, *extra))


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to say about one column.

    Attributes:
        topic: One of ``empty``, ``identifier``, ``constant``, ``missing``, ``levels``, ``hint``, ``numeric``,
            ``boolean``, ``datetime``.
        column: Its name.
        text: What is to be said, with nothing said about other columns.
        amount: Share of missing cells in percent, or number of feature columns; 0 for the other topics.
        levels: Of a column of categories; else 0.
    """

    topic: str
    column: str
    text: str
    amount: float = 0.0
    levels: int = 0


def plan_column(column: Column) -> tuple[FeaturePlan | None, Remark | None]:
    """The plan of a column, ``None`` if it is left out; and a remark where there is something to say."""
    name = column.name
    missing = column.missing
    if missing.all():
        text = f"warning: column {name!r} is left out: all of its cells are missing"
        return None, Remark("empty", name, text)
    if column.kind == "identifier":
        seen = texts_in_cells(len(column.levels), len(missing), int(missing.sum()))
        seen = f"{seen}, such as {column.levels[0][:40]!r}"
        usable = "(data.categorical would use it; data.drop says so)"
        text = f"column {name!r} is left out: {seen}, look like identifiers {usable}"
        if column.hint:
            text = f"warning: column {name!r} is left out: {seen}; it {column.hint} {usable}"
        return None, Remark("identifier", name, text)
    if column.codes is not None:
        return _plan_levels(column, column.codes)
    assert column.numbers is not None  # noqa: S101 - a column has numbers or codes
    if is_constant(column.numbers):
        value = number_text(float(np.nanmin(column.numbers)))
        return None, Remark("constant", name, f"column {name!r} is left out: it has one value only, {value}")
    remark = None
    if missing.any():
        percent = 100 * float(missing.mean())
        text = (
            f"column {name!r}: {int(missing.sum())} missing ({percent:.1f} %), filled in with the mean of each "
            "fold's training rows"
        )
        remark = Remark("missing", name, text, percent)
    shift, exponent = _shift(column.numbers[~missing])
    return FeaturePlan(name, column.kind, shift=shift, exponent=exponent, format=column.format), remark


def texts_in_cells(distinct: int, rows: int, missing: int) -> str:
    """``"49 distinct texts in 60 cells (240 of 300 are missing)"``."""
    cells = f"{count(rows - missing, 'cell')} ({missing} of {rows} are missing)" if missing else count(rows, "row")
    return f"{count(distinct, 'distinct text')} in {cells}"


def about_reading(column: Column) -> list[Remark]:
    """How the cells of a column became numbers, or why they did not, where that was a decision."""
    start = f"column {column.name!r}"
    said = [Remark(column.kind, column.name, f"{start}: {column.written}")] if column.written else []
    # Of an identifier the remark about leaving it out says it.
    if column.hint and column.kind == "categorical":
        said.append(Remark("hint", column.name, f"warning: {start} is taken for categories: it {column.hint}"))
    return said


def notes_of(remarks: Sequence[Remark]) -> list[str]:
    """Remarks as notes; many on one topic become one."""
    notes = []
    for topic in dict.fromkeys(remark.topic for remark in remarks):
        these = [remark for remark in remarks if remark.topic == topic]
        if len(these) <= MOST_REMARKS:
            notes += [remark.text for remark in these]
            continue
        names = ", ".join(repr(remark.column) for remark in these[:MOST_REMARKS]) + ", …"
        if topic == "levels":
            names = ", ".join(f"{remark.column!r} ({remark.levels})" for remark in these[: 2 * MOST_REMARKS])
            names += ", …" if len(these) > 2 * MOST_REMARKS else ""
        amounts = [remark.amount for remark in these]
        notes.append(
            {
                "empty": f"warning: {len(these)} columns are left out, all of their cells are missing",
                "identifier": f"{len(these)} columns are left out, they look like identifiers "
                "(data.categorical would use them)",
                "constant": f"{len(these)} columns are left out, each has one value only",
                "missing": f"{len(these)} columns have missing cells (up to {max(amounts):.1f} %), filled in with the "
                "mean of each fold's training rows",
                "levels": f"{len(these)} columns of categories (levels) become {sum(amounts):.0f} columns of 0 and 1",
                "hint": f"warning: {len(these)} columns are taken for categories, but look like numbers or dates",
                "numeric": f"{len(these)} columns are numbers written in other ways, such as {these[0].text}",
                "boolean": f"{len(these)} columns of two words are 1 and 0, such as {these[0].text}",
                "datetime": f"{len(these)} columns are dates or spans of time, used as days",
            }[topic]
            + f": {names}"
        )
    return notes


def check_finite(table: Table, column: Column) -> None:
    """Refuses infinite values, and values beyond the range of float32.

    Raises:
        DataError: Naming column, row and value.
    """
    if column.numbers is None:
        return
    # Comparisons with NaN are False: missing cells pass.
    if not (np.nanmax(np.abs(column.numbers), initial=0.0) > LARGEST):
        return
    beyond = np.flatnonzero(np.abs(column.numbers) > LARGEST)
    value = column.numbers[beyond[0]]
    what = "infinite" if np.isinf(value) else f"beyond the range of numbers here (±{LARGEST:.1e})"
    raise DataError(
        f"{table.cell(column.name, int(beyond[0]) + 1)}: {value} is {what}"
        + (f" ({len(beyond)} such cells)" if len(beyond) > 1 else "")
        + "; correct it, or empty the cell if it is missing"
    )


def moved(plan: FeaturePlan, numbers: Floats) -> Floats:
    """``[n]`` numbers of a column as training sees them: without the shift, in the unit of the exponent."""
    return np.ldexp(numbers - plan.shift, -plan.exponent) if plan.shift or plan.exponent else numbers


def fill(plan: FeaturePlan, column: Column, out: NDArray[np.float32]) -> None:
    """Writes a column's features into ``out``, ``[n, len(plan.names)]`` float32, which holds zeros."""
    if column.codes is None:
        numbers = column.numbers
        assert numbers is not None  # noqa: S101 - a column has numbers or codes
        out[:, 0] = moved(plan, numbers)
        return
    kept = len(plan.levels)
    place = {level: position for position, level in enumerate(plan.levels)}
    nowhere = kept + plan.rare + plan.missing
    target = np.array([place.get(level, kept if plan.rare else nowhere) for level in column.levels] + [nowhere])
    if plan.missing:
        target[-1] = kept + plan.rare  # code -1
    columns = target[column.codes]
    rows = np.flatnonzero(columns < nowhere)
    out[rows, columns[rows]] = 1


def _shift(numbers: Floats) -> tuple[float, int]:
    """``shift`` and ``exponent`` of a plan, for the present values of a column that is not constant."""
    half = (len(numbers) - 1) // 2
    middle = float(np.partition(numbers, half)[half])  # a value of the column: whole numbers stay whole
    apart = np.abs(numbers - middle)
    differing = apart > 0
    near = differing & (apart < abs(middle) / _FAR)
    # Most of the values that differ: neither a few outliers nor many equal values hide how fine the rest is.
    shift = middle if 2 * np.count_nonzero(near) > np.count_nonzero(differing) else 0.0
    exponent = int(np.frexp(np.abs(numbers - shift).max())[1])
    return shift, exponent if abs(exponent) > _EXPONENTS else 0


def _plan_levels(column: Column, codes: NDArray[np.int64]) -> tuple[FeaturePlan | None, Remark | None]:
    name, rows = column.name, len(codes)
    counts = np.bincount(codes[codes >= 0], minlength=len(column.levels))
    threshold = max(2.0, min(20.0, 0.01 * rows))
    frequent = np.flatnonzero(counts >= threshold)
    by_count = frequent[np.argsort(-counts[frequent], kind="stable")][:MOST_LEVELS]
    kept = tuple(column.levels[code] for code in sorted(by_count.tolist()))
    occurring = int((counts > 0).sum())
    rare, missing = occurring > len(kept), bool((codes < 0).any())
    few = rare and occurring - len(kept) <= MOST_POOLED
    place = set(kept)
    pooled = tuple(column.levels[code] for code in np.flatnonzero(counts) if column.levels[code] not in place)
    plan = FeaturePlan(name, "categorical", kept, rare, missing, format=column.format, pooled=pooled if few else ())
    if len(plan.names) == 1:
        why = f"each of its {occurring} levels is rare" if rare else f"it has one value only, {kept[0]!r}"
        return None, Remark("constant", name, f"column {name!r} is left out: {why}")
    said = [f"column {name!r}: categories, {occurring} levels become {len(plan.names)} columns of 0 and 1"]
    if rare:
        cells = int(counts.sum() - counts[by_count].sum())
        said.append(f"rare ones ({occurring - len(kept)}, rows: {cells}) share one column")
    if missing:
        said.append(f"missing cells ({int((codes < 0).sum())}) are a level of their own")
    return plan, Remark("levels", name, "; ".join(said), float(len(plan.names)), occurring)
