"""Which column of a table is to be predicted: a guess from names first, from places second.

Some names say it (``outcome``, ``Survived``). Others often do, and are features elsewhere (``price``, ``species``):
they are believed unless there are several, and then the other columns that it could be are named too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sweep.errors import DataError
from sweep.spec.values import toml_like
from sweep.tables.describe import ColumnSummary
from sweep.tables.targets import find_column
from sweep.tables.types import Table
from sweep.wording import count

TARGET_NAMES = frozenset(
    ["target", "label", "class", "y", "outcome", "response", "groundtruth", "survived", "survival", "diagnosis"]
) | {"churn", "churned", "exited", "attrition", "saleprice", "medv"}
"""Names of a column that is to be predicted; any case, only letters and digits count."""

LIKELY_NAMES = frozenset(
    ["species", "quality", "price", "default", "defaulted", "fraud", "spam", "approved", "purchased", "converted"]
) | {"clicked", "readmitted", "died", "death", "deathevent", "mortality", "stroke", "heartdisease", "loanstatus", "mpg"}
"""Names of columns that often are to be predicted."""

_SHOWN = 30

Columns = Mapping[str, ColumnSummary | DataError]


@dataclass(frozen=True, slots=True)
class Guess:
    """The column to predict.

    Attributes:
        name: Of the column.
        why: Why this one; empty where it was named.
        others: Other columns that it could be, each with what it holds: ``"'Survived' (2 classes)"``.
    """

    name: str
    why: str = ""
    others: tuple[str, ...] = ()


class UnknownTargetError(DataError):
    """Nothing says which column is to be predicted.

    Attributes:
        reason: Why, without what can be done about it on the command line.
    """

    def __init__(self, said: str, reason: str) -> None:
        super().__init__(said)
        self.reason = reason


def guess(table: Table, wanted: str | int | None, columns: Columns) -> Guess:
    """The column to predict, and why.

    Args:
        table: As read.
        wanted: Its name or position, the latter also as text where no column is called so; ``None`` to guess it.
        columns: Every column of the table: its summary, or why it cannot be read.

    Raises:
        DataError: There is no such column, or it cannot be told.
    """
    wanted = toml_like(wanted)
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return Guess(find_column(table, wanted, "the target"))
    if wanted is not None:
        if not isinstance(wanted, str):
            raise DataError(f"the target must be the name of a column, or a position, however: {wanted!r}")
        position = re.fullmatch(r"-?\d{1,6}", wanted) if wanted not in table.columns else None
        return Guess(find_column(table, int(wanted) if position else wanted, "the target"))
    if table.default_target is not None:
        return Guess(table.default_target, "the source itself names it")
    last, first = table.columns[-1], table.columns[0]
    sure, likely = _called(columns, TARGET_NAMES), _plausible(columns, _called(columns, LIKELY_NAMES))
    sure = _plausible(columns, sure) or sure  # rather an error about it than another column
    if "z" in map(_plain, columns):  # x, y, z are places
        sure = [name for name in sure if _plain(name) != "y"]
    if last in sure or len(sure) == 1:
        chosen = last if last in sure else sure[0]
        return Guess(chosen, "guessed from its name", _others(columns, chosen, [*sure, *likely]))
    if len(sure) > 1:
        raise _ask(table, columns, "several columns are called like one")
    if last in likely or len(likely) == 1:
        chosen = last if last in likely else likely[0]
        return Guess(chosen, "guessed from its name", _others(columns, chosen, [*likely, last]))
    if reason := _implausible(columns[last]):
        raise _ask(table, columns, f"the last one, {last!r}, {reason}")
    if len(table.columns) > 2 and not _classes(columns[last]) and _classes(columns[first]):
        raise _ask(table, columns, f"the first one, {first!r}, holds classes and the last one, {last!r}, numbers")
    questions = [name for name in columns if _is_question(name) and _two(columns[name])]
    others = [*likely, *(questions if len(questions) == 1 else [])]
    return Guess(last, "guessed: it is the last column", _others(columns, last, others))


def _plain(name: str) -> str:
    """``"Churn?"`` is churn, ``"DEATH_EVENT"`` deathevent."""
    return re.sub(r"[\W_]", "", name.casefold())


def _is_question(name: str) -> bool:
    """``is_fraud``, ``hasDefaulted``."""
    return re.match(r"(?i:is|has)[_ .-]|([Ii]s|[Hh]as)(?=[A-Z])", name) is not None


def _called(columns: Columns, names: frozenset[str]) -> list[str]:
    """Columns of these names, with "is" or "has" before it too."""
    found = []
    for name, column in columns.items():
        plain = _plain(name)
        asked = _is_question(name) and _two(column) and re.sub(r"^(is|has)", "", plain) in names
        if plain in names or asked:
            found.append(name)
    return found


def _others(columns: Columns, chosen: str, names: list[str]) -> tuple[str, ...]:
    others = [name for name in dict.fromkeys(names) if name != chosen]
    return tuple(f"{name!r} ({_what(columns[name])})" for name in _plausible(columns, others))


def _plausible(columns: Columns, names: list[str]) -> list[str]:
    return [name for name in names if not _implausible(columns[name])]


def _two(column: ColumnSummary | DataError) -> bool:
    return isinstance(column, ColumnSummary) and column.distinct == 2


def _classes(column: ColumnSummary | DataError) -> bool:
    return isinstance(column, ColumnSummary) and column.task == "classification" and not _implausible(column)


def _implausible(column: ColumnSummary | DataError) -> str | None:
    """Why nobody would predict this column."""
    if isinstance(column, DataError):
        return "cannot be read"
    if column.constant:
        return "has one value only"
    if column.identifier:
        return "names or counts the rows"
    if column.kind == "datetime":
        return "holds dates"
    if 2 * column.missing > column.rows:
        return "is missing in most rows"
    if column.task == "classification" and 2 * column.distinct > column.rows:
        return "has a class for nearly every row"
    return None


def _what(column: ColumnSummary | DataError) -> str:
    if (reason := _implausible(column)) is not None or isinstance(column, DataError):
        return reason or ""
    classes = column.task == "classification"
    return count(column.distinct, "class", "classes") if classes else f"numbers, {column.distinct} different ones"


def _ask(table: Table, columns: Columns, why: str) -> UnknownTargetError:
    """The error that says what there is to choose from."""
    listed = [f"{name!r} ({_what(column)})" for name, column in columns.items()]
    shown = "; ".join(listed[:_SHOWN]) + (f"; … ({len(listed)} in all)" if len(listed) > _SHOWN else "")
    reason = f"which column is to be predicted cannot be told: {why}"
    return UnknownTargetError(f"{table.source}: {reason}; name it (--target COLUMN). Columns: {shown}", reason)
