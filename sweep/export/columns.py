"""What a script has to know of the table: how its file is read, and how its columns become features."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.errors import UserError
from sweep.export.again import ReadAgain
from sweep.export.literals import Source, assignment, call, literal
from sweep.spec.model import DataSpec
from sweep.tables.columns import MISSING, read_column
from sweep.tables.features import FeaturePlan
from sweep.tables.formats import COMMA, ISO, NUMBER, PLAIN, POINT, SINGLE, SPAN
from sweep.tables.targets import find_column
from sweep.tables.types import FileFormat, Table
from sweep.tables.written import example, holds_numbers, plain_numbers

_WORDS_PER_LINE = 14
_EXAMPLES = {"csv": "table.csv", "parquet": "table.parquet", "feather": "table.arrow", "stream": "table.arrows"}


@dataclass(frozen=True, slots=True)
class ScriptColumns:
    """The part of a script that reads the table.

    Attributes:
        constants: Lines of it, the first ones of the script.
        facts: What the template asks for, by name.
    """

    constants: tuple[str, ...]
    facts: dict[str, Any]


def script_columns(source: ReadAgain, data: DataSpec, *, grouped: bool) -> ScriptColumns:
    """How a script reads a table.

    Args:
        source: The table.
        data: Of the definition.
        grouped: Whether rows are split by groups.

    Raises:
        UserError: A column is written in a way that scripts do not read.
    """
    table, encoded = source.table, source.encoded
    recipe, info = encoded.recipe, encoded.info
    unlabelled = info.rows < len(table.frame)
    missing_numbers = bool(np.isnan(encoded.features).any())
    missing = unlabelled or missing_numbers or any(plan.missing for plan in recipe.plans)
    marks = _marks(recipe.plans)
    holds = {plan.column: _holds(table, plan) for plan in recipe.plans}
    shifts = {plan.column: plan.shift for plan in recipe.plans if plan.shift}
    scales = {plan.column: 2.0**plan.exponent for plan in recipe.plans if plan.exponent}
    plain = all(what == "number" for what in holds.values()) and not shifts and not scales
    groups = find_column(table, data.groups, "data.groups") if grouped and data.groups is not None else None
    absent = sorted(float(text) for text in recipe.missing if NUMBER.fullmatch(text)) if missing else []
    number_levels = {_has_number_levels(plan) for plan in recipe.plans if plan.levels}
    number_classes = info.task != "regression" and holds_numbers(table, info.target)
    if info.task == "regression":
        _check_target(table, info.target)

    kinds = [what for what in holds.values() if isinstance(what, str)]
    numbers = _as_numbers if absent or source.format.decimal == "," else _as_plain_numbers
    constants = [*_file_constants(source.format), *_missing(recipe.missing, absent, missing=missing)]
    constants.append(assignment("TARGET", info.target))
    if info.task != "regression":
        labels = [_number(label) for label in info.classes] if number_classes else list(info.classes)
        comment = "the second one is the positive class" if info.task == "binary" else ""
        constants.append(assignment("CLASSES", labels, comment))
    if groups is not None:
        constants.append(assignment("GROUPS", groups, "rows of one group stay in one fold"))
    constants += _feature_constants(holds, shifts, scales, marks, recipe.plans, plain=plain)
    facts = {
        "reading": [Source(line) for line in _reading(source.format)],
        "missing": missing,
        "missing_numbers": missing_numbers,
        "unlabelled": unlabelled,
        "numbers": numbers,
        "decimal_comma": source.format.decimal == ",",
        "absent": bool(absent),
        "plain": plain,
        "words": any(isinstance(what, dict) for what in holds.values()),
        "levels": any(isinstance(what, list) for what in holds.values()),
        "formats": [(kind, _code(kind, numbers, moved=bool(shifts or scales))) for kind in dict.fromkeys(kinds)],
        "dates": any(kind.startswith("date") for kind in kinds),
        "shifts": bool(shifts),
        "scales": bool(scales),
        "moved": _moved(shifts=bool(shifts), scales=bool(scales)),
        "rare": any(plan.rare for plan in recipe.plans),
        "missing_levels": any(plan.missing for plan in recipe.plans),
        "number_levels": "all" if number_levels == {True} else "some" if True in number_levels else "none",
        "number_classes": number_classes,
        "number_groups": groups is not None and holds_numbers(table, groups),
        "width": len(info.features),
        "table_help": Source("the CSV file" if source.format.kind == "csv" else "the file"),
        "example_file": _EXAMPLES[source.format.kind],
    }
    return ScriptColumns(tuple(constants), facts)


# --- the file ---------------------------------------------------------------------------------------------------------


def _file_constants(form: FileFormat) -> list[str]:
    if form.names is None:
        return []
    return ["# The file does not name its columns.", assignment("NAMES", list(form.names))]


def _reading(form: FileFormat) -> list[str]:
    """Lines that make ``table`` of ``path``."""
    if form.kind == "stream":
        read = "pyarrow.ipc.open_stream(pyarrow.OSFile(str(path))).read_pandas()"
        return ["import pyarrow", "", f'table = {read}.astype("string").astype(object)']
    if form.kind != "csv":
        return [f'table = pd.read_{form.kind}(path).astype("string").astype(object)']
    arguments = ["path"]
    if form.delimiter != ",":
        arguments.append('sep=r"\\s+"' if form.delimiter == " " else f"sep={literal(form.delimiter)}")
    if form.names is not None:
        arguments += ["header=None", "names=NAMES", "index_col=False"]
        arguments += [f"skiprows={form.skipped}"] if form.skipped else []
    if form.encoding != "utf-8":
        arguments.append(f"encoding={literal(form.encoding)}")
    if form.gzipped:
        arguments.append('compression="gzip"')
    arguments += ["dtype=str", "keep_default_na=False", "skipinitialspace=True"]
    return textwrap.dedent(f"    {call('pd.read_csv', arguments, before='table = ', indent=4)}").split("\n")


def _missing(own: frozenset[str], absent: list[float], *, missing: bool) -> list[str]:
    if not missing:
        return []
    every = sorted(MISSING | own)
    pieces = [set(every[start : start + _WORDS_PER_LINE]) for start in range(0, len(every), _WORDS_PER_LINE)]
    lines: list[str] = ["# Cells that stand for missing values."]
    lines += [f"MISSING {'|=' if number else '='} {literal(piece)}" for number, piece in enumerate(pieces)]
    return lines + ([assignment("ABSENT", absent, "numbers that do")] if absent else [])


# --- the columns ------------------------------------------------------------------------------------------------------


def _feature_constants(
    holds: dict[str, Any],
    shifts: dict[str, float],
    scales: dict[str, float],
    marks: tuple[str, str],
    plans: tuple[FeaturePlan, ...],
    *,
    plain: bool,
) -> list[str]:
    if plain:
        return [assignment("FEATURES", list(holds))]
    said = {
        "how numbers and dates are written": any(isinstance(what, str) for what in holds.values()),
        "words for 1 and 0": any(isinstance(what, dict) for what in holds.values()),
        "levels (a feature of 0 and 1 each)": any(isinstance(what, list) for what in holds.values()),
    }
    lines: list[str] = []
    if any(plan.rare for plan in plans):
        lines.append(assignment("RARE", marks[0], "a level for all that are not listed"))
    if any(plan.missing for plan in plans):
        lines.append(assignment("NOT_GIVEN", marks[1], "a level for missing cells"))
    lines.append(f"# What the columns hold: {', '.join(text for text, needed in said.items() if needed)}.")
    lines.append(assignment("FEATURES", holds))
    if shifts:
        lines.append("# Taken off before: so far from 0, single precision could not tell their values apart.")
        lines.append(assignment("SHIFTS", shifts))
    if scales:
        lines.append("# Divided by these powers of two before: single precision could not square such numbers.")
        lines.append(assignment("SCALES", scales))
    return lines


def _holds(table: Table, plan: FeaturePlan) -> Any:
    """What FEATURES says of a column: a key of :data:`_CODES`, words for 1 and 0, or levels."""
    name, _, rest = plan.format.partition(" ")
    match plan.kind:
        case "boolean":
            yes, no = plan.format.split("/")
            return {yes: 1, no: 0}
        case "categorical" if plan.format in ("", PLAIN, SINGLE):
            levels = [_level(plan, level) for level in plan.levels]
            extra = [(plan.rare, Source("RARE")), (plan.missing, Source("NOT_GIVEN"))]
            return [*levels, *(mark for needed, mark in extra if needed)]
        case "numeric" if plan.format == PLAIN:
            return "number"
        case "numeric" if plan.format in (COMMA, POINT):
            return plan.format
        case "numeric" if name in ("money", "percent"):
            return f"amount {POINT if rest.endswith(POINT) else COMMA}"
        case "datetime" if plan.format == SPAN:
            return "span"
        case "datetime" if plan.format == ISO:
            return "date"
        case "datetime":
            return "date, day first" if rest.startswith("d") else "date, month first"
    raise _not_read(table, plan.column)


# How a column of text is read, by what FEATURES says of it.
_CODES = {
    COMMA: 'column.str.replace(",", "").astype(float)',
    POINT: 'column.str.replace(".", "").str.replace(",", ".").astype(float)',
    f"amount {COMMA}": 'column.str.replace(r"[^\\d.+-]", "", regex=True).astype(float)',
    f"amount {POINT}": 'column.str.replace(r"[^\\d,+-]", "", regex=True).str.replace(",", ".").astype(float)',
    "date": 'days(pd.to_datetime(column, format="ISO8601", utc=True))',
    "date, day first": 'days(pd.to_datetime(column, format="mixed", dayfirst=True, utc=True))',
    "date, month first": 'days(pd.to_datetime(column, format="mixed", utc=True))',
    "span": "pd.to_timedelta(column) / pd.Timedelta(days=1)",
}


def _code(kind: str, numbers: Callable[[str], Source], *, moved: bool) -> Source:
    """Code that reads ``column``."""
    read = numbers("column") if kind == "number" else _CODES[kind]
    return Source(f"near_zero({read})" if moved else read)


def _moved(*, shifts: bool, scales: bool) -> Source | None:
    """Code that moves ``values`` near 0; ``None`` where no column needs it."""
    match shifts, scales:
        case True, True:
            return Source("(values - SHIFTS.get(values.name, 0)) / SCALES.get(values.name, 1)")
        case True, False:
            return Source("values - SHIFTS.get(values.name, 0)")
        case False, True:
            return Source("values / SCALES.get(values.name, 1)")
    return None


def _has_number_levels(plan: FeaturePlan) -> bool:
    """Whether the levels of a category are numbers rather than texts."""
    return plan.format in (PLAIN, SINGLE)


def _level(plan: FeaturePlan, level: str) -> float | str:
    """A level as the script finds it in the text of a cell: single precision is written with its shortest decimals."""
    if not _has_number_levels(plan):
        return level
    return _number(str(np.float32(level)) if plan.format == SINGLE else level)


def _as_numbers(column: str) -> Source:
    """Code that makes numbers of a column of text, by a function of the script."""
    return Source(f"numbers({column})")


def _as_plain_numbers(column: str) -> Source:
    return Source(f"{column}.astype(float)")


def _marks(plans: tuple[FeaturePlan, ...]) -> tuple[str, str]:
    """Names for rare levels and for missing cells that are no level of the table."""
    taken = {level for plan in plans for level in plan.levels}
    found = []
    for mark in ("(rare)", "(missing)"):
        while mark in taken:
            mark += "_"
        found.append(mark)
    return found[0], found[1]


def _number(text: str) -> float:
    """A level or class of numbers: whole ones as ``int``."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _check_target(table: Table, name: str) -> None:
    if read_column(table, name, target=True).kind != "numeric" or not plain_numbers(table, name):
        raise _not_read(table, name)


def _not_read(table: Table, name: str) -> UserError:
    return UserError(
        f"column {name!r} must hold numbers, amounts, dates, spans of time, words for yes and no or categories for a "
        f"script to read it, however: {example(table, name)!r} ({table.source}); write it so, or export toml"
    )
