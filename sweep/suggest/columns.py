"""What `sweep init` sees in a table's columns: identifiers, stand-ins for missing values, groups.

Everything here is a guess from names and numbers, and is only ever written down as a comment, but for three things: the
target (``target.py``), columns that are left out (``data.drop``) because they name or count the rows, or cannot be
read, and texts among numbers that stand for missing values (``data.missing``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from sweep.errors import DataError
from sweep.suggest.target import Columns, guess
from sweep.tables.columns import FEW_LEVELS, number_text, odd_texts, read_column
from sweep.tables.describe import ColumnSummary, describe_each
from sweep.tables.features import check_finite, texts_in_cells
from sweep.tables.types import Floats, Table
from sweep.wording import count

_ID_WORDS = frozenset(
    {"id", "ids", "uid", "uuid", "guid", "index", "idx", "key", "rowid", "rownames", "unnamed", "serial"}
)
_GROUP_WORDS = frozenset(
    ["patient", "subject", "person", "participant", "customer", "client", "user", "member", "household", "family"]
) | {
    "animal",
    "group",
    "session",
    "speaker",
    "author",
    "site",
    "hospital",
    "school",
    "store",
    "plot",
    "device",
    "batch",
}

# Numbers that stand for "missing" in tables that have no other way to say it.
_LOW_STAND_INS = (0.0, -1.0, -9.0, -99.0, -999.0, -9999.0)
_HIGH_STAND_INS = (99.0, 999.0, 9999.0, 99999.0)
# A stand-in is cut off from the real values: its distance to the next one is several times the mean of the ten
# distances after that. On the Pima table the five columns known for it have 6 to 83. Measurements may jump like that
# next to 0 too (breast cancer: up to 11), but by less than 3 % of their range; whole numbers do not.
_CUT_OFF = 4.0
_NEIGHBOURS = 10
_SHARE_OF_RANGE = 0.05
_FEWEST_VALUES = 20

_DISTINCT = 0.95
"""Share of rows with a value of their own, beyond which whole numbers can be identifiers."""

_MOST_CODES = 8
_FEW_COLUMNS = 12

# Texts among numbers that say that there is none; any case. Others do where they are seldom.
_GAPS = frozenset(["unknown", "not known", "n/k", "nk", "missing", "not available", "not applicable", "no data"]) | {
    "undefined",
    "invalid",
    "error",
    "unbekannt",
    "k.a.",
    "n.d.",
}
_SELDOM = 0.05
_MOST_GAPS = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Something seen in a column. ``text``: what, in words that can follow its name."""

    column: str
    text: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What was seen in a table's columns.

    Attributes:
        target: Name of the column to predict.
        why: Why this one; empty where it was named.
        others: Other columns that it could be, each with what it holds.
        missing: Texts among numbers that stand for missing values; ``gaps`` says where.
        gaps: Columns with such texts.
        drop: Columns to leave out.
        stand_ins: Columns with numbers that may stand for missing values.
        groups: Columns whose equal values may have to stay in one fold.
        codes: Columns of few whole numbers, which may be codes rather than quantities.
        dates: Columns of dates.
    """

    target: str
    why: str
    others: tuple[str, ...]
    missing: tuple[str, ...]
    gaps: tuple[Finding, ...]
    drop: tuple[Finding, ...]
    stand_ins: tuple[Finding, ...]
    groups: tuple[Finding, ...]
    codes: tuple[Finding, ...]
    dates: tuple[str, ...]


def survey(table: Table, target: str | int | None, columns: Columns | None = None) -> Survey:
    """Looks at every column.

    Args:
        table: As read.
        target: Name or position of the column to predict; ``None`` to guess it.
        columns: What :func:`~sweep.tables.describe.describe_each` says of it, where that is known.

    Raises:
        DataError: The target does not exist, cannot be read or cannot be guessed.
    """
    columns = dict(describe_each(table) if columns is None else columns)
    gaps = _gaps(table, columns)
    missing = tuple(dict.fromkeys(text for texts in gaps.values() for text in texts))
    table = replace(table, missing=table.missing | set(missing))
    columns |= {name: _summary(table, name) for name in gaps}
    chosen = guess(table, target, columns)
    if isinstance(columns.pop(chosen.name), DataError):
        read_column(table, chosen.name, target=True)  # says what can be done about a target
    drop: list[Finding] = []
    kept: list[ColumnSummary] = []
    for name, column in columns.items():
        reason = _unusable(table, column)
        if reason is not None:
            drop.append(Finding(name, reason))
        elif isinstance(column, ColumnSummary) and not column.constant:
            kept.append(column)
    return Survey(
        target=chosen.name,
        why=chosen.why,
        others=chosen.others,
        missing=missing,
        gaps=tuple(Finding(name, _gap(texts, len(table.frame))) for name, texts in gaps.items()),
        drop=tuple(drop),
        stand_ins=tuple(Finding(c.name, seen) for c in kept if (seen := _stand_ins(table, c))),
        groups=tuple(Finding(c.name, seen) for c in kept if (seen := _group(c))),
        codes=_codes(kept),
        dates=tuple(c.name for c in kept if c.kind == "datetime"),
    )


def _summary(table: Table, name: str) -> ColumnSummary | DataError:
    """One column, or why it cannot be used."""
    return describe_each(replace(table, frame=table.frame[[name]]))[name]


# --- features ---------------------------------------------------------------------------------------------------------


def _words(name: str) -> set[str]:
    """``"PatientId_2"`` is patient, id."""
    return {word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def _gaps(table: Table, columns: dict[str, ColumnSummary | DataError]) -> dict[str, dict[str, int]]:
    """Columns that are numbers, dates … but for a few texts, with these texts and their cells."""
    found = {}
    for name, column in columns.items():
        if isinstance(column, ColumnSummary) and not column.hint:
            continue
        texts = odd_texts(table, name)
        seldom = sum(texts.values()) <= _SELDOM * len(table.frame)
        if not 0 < len(texts) <= _MOST_GAPS or not all(_is_gap(text, seldom=seldom) for text in texts):
            continue
        without = _summary(replace(table, missing=table.missing | texts.keys()), name)
        if isinstance(without, ColumnSummary) and not without.hint:
            found[name] = texts
    return found


def _is_gap(text: str, *, seldom: bool) -> bool:
    """Whether a text among numbers says that there is none; ``<5`` and ``12,5`` say something else."""
    known = text.casefold() in _GAPS or not re.search(r"\w", text)
    return known or (seldom and not re.search(r"\d", text))


def _gap(texts: dict[str, int], rows: int) -> str:
    """``"'n/k' in 2 of 80 cells, the others are numbers or dates"``."""
    each = ", ".join(f"{text!r} in {cells}" for text, cells in texts.items())
    return f"{each} of {rows} cells, the others are numbers or dates"


def _unusable(table: Table, column: ColumnSummary | DataError) -> str | None:
    """Why a column is no feature, or ``None``."""
    if isinstance(column, DataError):
        return str(column)
    if column.low is not None:
        try:
            check_finite(table, read_column(table, column.name))
        except DataError as error:
            return str(error)
    if column.kind == "identifier":
        seen = texts_in_cells(column.distinct, column.rows, column.missing)
        return f"{seen}; it {column.hint}" if column.hint else f"{seen}: they name the rows"
    if column.identifier:
        return "counts the rows"
    whole = column.whole and column.kind == "numeric"
    own = column.distinct > max(FEW_LEVELS, _DISTINCT * (column.rows - column.missing))
    if whole and own and _words(column.name) & _ID_WORDS:
        return "is called an identifier, and nearly each row has its own"
    return None


def _stand_ins(table: Table, column: ColumnSummary) -> str | None:
    """``"0 in 227 rows, the next larger value is 7"``, or ``None``."""
    if column.kind != "numeric" or column.distinct <= _FEWEST_VALUES or column.low is None or column.high is None:
        return None
    if column.low not in _LOW_STAND_INS and column.high not in _HIGH_STAND_INS:
        return None
    numbers = read_column(table, column.name).numbers
    if numbers is None:
        return None
    values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    if column.low in _LOW_STAND_INS and values[1] >= 0 and counts[0] > 1 and _cut_off(values, whole=column.whole):
        return f"{number_text(values[0])} in {count(int(counts[0]), 'row')}, the next larger value is {values[1]:g}"
    if column.high in _HIGH_STAND_INS and counts[-1] > 1 and _cut_off(-values[::-1], whole=column.whole):
        return f"{number_text(values[-1])} in {count(int(counts[-1]), 'row')}, the next smaller value is {values[-2]:g}"
    return None


def _cut_off(values: Floats, *, whole: bool) -> bool:
    """Whether the first of these increasing values stands far from the others."""
    distance, typical = values[1] - values[0], (values[1 + _NEIGHBOURS] - values[1]) / _NEIGHBOURS
    wide = whole or distance >= _SHARE_OF_RANGE * (values[-1] - values[1])
    return bool(wide and distance >= _CUT_OFF * typical)


def _group(column: ColumnSummary) -> str | None:
    """Why rows of one value may belong together, or ``None``."""
    present = column.rows - column.missing
    if column.missing or not 5 <= column.distinct <= present // 2 or (column.kind == "numeric" and not column.whole):
        return None
    named = bool(_words(column.name) & (_GROUP_WORDS | _ID_WORDS))
    many = column.kind == "categorical" and column.distinct > max(FEW_LEVELS, present // 20)
    if not (named or many):
        return None
    return f"{column.distinct} different values, {present / column.distinct:.1f} rows each"


def _codes(columns: list[ColumnSummary]) -> tuple[Finding, ...]:
    """Columns with so few whole numbers that they may be codes; none where they are a few among many whole numbers."""
    whole = [column for column in columns if column.kind == "numeric" and column.whole and column.distinct > 2]
    few = [column for column in whole if column.distinct <= _MOST_CODES]
    if len(whole) > max(_FEW_COLUMNS, 4 * len(few)):
        return ()
    return tuple(Finding(column.name, f"{column.distinct} different whole numbers") for column in few)


def copies(features: Floats | np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> int:
    """How many rows of ``[n, F]`` repeat an earlier one."""
    rows = np.ascontiguousarray(features)
    as_bytes = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
    return len(rows) - len(np.unique(as_bytes))


def telling(
    features: np.ndarray[tuple[int, int], np.dtype[np.float32]], names: tuple[str, ...], target: Floats
) -> list[str]:
    """Names of features ``[n, F]`` that alone give the target away: correlation with it beyond 0.999."""
    found = []
    for name, column in zip(names, features.T, strict=True):
        present = ~np.isnan(column)
        x, y = column[present].astype(np.float64), target[present]
        if len(x) < 3 or x.std() == 0 or y.std() == 0:
            continue
        if abs(np.corrcoef(x, y)[0, 1]) > 0.999:
            found.append(name)
    return found
