"""How pandas reads the table of a sweep: lines of a Python file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sweep.spec.model import DataSpec
from sweep.spec.source import kind_of, name_in, shown_source
from sweep.tables.columns import MISSING
from sweep.tables.formats import NUMBER
from sweep.tables.types import FileFormat, Table

# What pandas itself takes for missing values, of what this program takes for them.
_KNOWN = frozenset(
    ["", "#N/A", "#NA", "-NaN", "-nan", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"]
)

WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Loading:
    """How a table is loaded.

    Attributes:
        path: Where it is, as it may be shown; ``None`` where there is no file.
        imports: Lines, beside that of pandas.
        lines: That make ``table``, of ``path`` where there is a file.
    """

    path: str | None
    imports: tuple[str, ...]
    lines: tuple[str, ...]


def loading(table: Table, data: DataSpec, form: FileFormat, *, unlabelled: bool) -> Loading:
    """How a table is loaded.

    Args:
        table: As the sweep read it.
        data: Of the definition.
        form: How its file is written.
        unlabelled: Whether some rows have no target.
    """
    number = name_in(data.source)
    match kind_of(data.source):
        case "sklearn":
            unscaled = ", scaled=False" if number == "diabetes" else ""
            line = f"table = load_{number}(as_frame=True{unscaled}).frame"
            return Loading(None, (f"from sklearn.datasets import load_{number}",), (line, *_gaps(table)))
        case "openml":
            line = f'table = fetch_openml(data_id={int(number)}, as_frame=True, parser="auto").frame'
            return Loading(None, ("from sklearn.datasets import fetch_openml",), (line, *_gaps(table)))
    shown = shown_source(data.source)
    match form.kind:
        case "parquet":
            line = 'table = pd.read_parquet(path, to_pandas_kwargs={"ignore_metadata": True})'
            return Loading(shown, (), (line, *_gaps(table)))
        case "feather":
            return Loading(shown, (), ("table = pd.read_feather(path)", *_gaps(table)))
        case "stream":
            line = "table = pyarrow.ipc.open_stream(pyarrow.OSFile(path)).read_pandas()"
            return Loading(shown, ("import pyarrow",), (line, *_gaps(table)))
    return Loading(shown, (), tuple(_call(_csv_options(table, form, unlabelled=unlabelled))))


def _csv_options(table: Table, form: FileFormat, *, unlabelled: bool) -> list[str]:
    """Arguments of ``read_csv`` beside the path."""
    options: list[str] = []
    if form.delimiter != ",":
        options.append('sep=r"\\s+"' if form.delimiter == " " else f"sep={form.delimiter!r}")
    if form.decimal != ".":
        options.append(f"decimal={form.decimal!r}")
    if form.names is not None or form.ended:
        skipped = [f"skiprows={form.skipped}"] if form.skipped else []
        columns = f"usecols=range({len(table.columns)})"
        options += ["header=None", *skipped, f"names={[*table.columns]!r}", columns, "index_col=False"]
    if form.encoding != "utf-8":
        options.append(f"encoding={form.encoding!r}")
    if form.gzipped:
        options.append('compression="gzip"')
    if form.spaced:
        options.append("skipinitialspace=True")
    if words := sorted(table.missing | (MISSING - _KNOWN if unlabelled else frozenset())):
        options.append(f"na_values={words!r}")
    return options


def _call(options: Sequence[str]) -> list[str]:
    line = f"table = pd.read_csv({', '.join(['path', *options])})"
    if len(line) <= WIDTH:
        return [line]
    return ["table = pd.read_csv(", *(f"    {option}," for option in ["path", *options]), ")"]


def _gaps(table: Table) -> list[str]:
    """Of a table that is no text: what stands for missing values."""
    if not table.missing:
        return []
    texts = sorted(table.missing)
    values = [*texts, *(float(text) for text in texts if NUMBER.fullmatch(text))]
    return [f'table = table.replace({values!r}, float("nan"))']
