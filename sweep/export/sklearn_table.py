"""How pandas reads the table of a sweep: lines of a Python file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sweep.errors import NotFoundError, UserError
from sweep.spec.model import DataSpec
from sweep.spec.source import is_nowhere, kind_of, name_in, shown_source
from sweep.tables.columns import MISSING
from sweep.tables.dialect import Dialect, detect_header, first_rows, sniff
from sweep.tables.formats import NUMBER
from sweep.tables.sources import download, local_path
from sweep.tables.types import Table

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


def loading(table: Table, data: DataSpec, base_dir: Path | None, *, unlabelled: bool) -> Loading:
    """How a table is loaded.

    Args:
        table: As the sweep read it.
        data: Of the definition.
        base_dir: Folder that relative paths are relative to.
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
    try:
        if is_nowhere(data.source, base_dir):
            raise NotFoundError(f"{shown} was handed in")
        path = download(data.source)[0] if kind_of(data.source) == "url" else local_path(data.source, base_dir)
        with path.open("rb") as file:
            start = file.read(6)
    except (UserError, OSError):  # where the sweep was queued it may be there
        unnamed = table.columns == tuple(f"column{position}" for position in range(1, len(table.columns) + 1))
        options = ["header=None", f"names={[*table.columns]!r}"] if unnamed else []
        return Loading(shown, (), (*_call(options), *_gaps(table)))
    if start[:4] == b"PAR1":
        line = 'table = pd.read_parquet(path, to_pandas_kwargs={"ignore_metadata": True})'
        return Loading(shown, (), (line, *_gaps(table)))
    if start == b"ARROW1":
        return Loading(shown, (), ("table = pd.read_feather(path)", *_gaps(table)))
    if start[:4] == b"\xff\xff\xff\xff":
        line = "table = pyarrow.ipc.open_stream(pyarrow.OSFile(path)).read_pandas()"
        return Loading(shown, ("import pyarrow",), (line, *_gaps(table)))
    dialect, sample, _ = sniff(path, shown, None)
    return Loading(shown, (), tuple(_call(_csv_options(table, data, dialect, sample, unlabelled=unlabelled))))


def _csv_options(table: Table, data: DataSpec, dialect: Dialect, sample: str, *, unlabelled: bool) -> list[str]:
    """Arguments of ``read_csv`` beside the path."""
    rows = [cells for _, cells in first_rows(sample, dialect.delimiter)]
    named = detect_header(rows)[0] if data.header is None else data.header
    options: list[str] = []
    if dialect.delimiter != ",":
        options.append('sep=r"\\s+"' if dialect.delimiter == " " else f"sep={dialect.delimiter!r}")
    if dialect.decimal != ".":
        options.append(f"decimal={dialect.decimal!r}")
    if not (named and rows[0] == [*table.columns]):
        skipped = [f"skiprows={next(dialect.rows())[0]}"] if named else []
        columns = f"usecols=range({len(table.columns)})"
        options += ["header=None", *skipped, f"names={[*table.columns]!r}", columns, "index_col=False"]
    if dialect.encoding != "utf-8":
        options.append(f"encoding={dialect.encoding!r}")
    if dialect.gzipped:
        options.append('compression="gzip"')
    if f"{dialect.delimiter} " in sample and dialect.delimiter != " ":
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
