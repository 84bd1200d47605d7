"""Tables packed for runners: they come out as they were, or are not packed at all."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweep.errors import DataError, NotFoundError
from sweep.spec.definition import parse
from sweep.spec.model import DataSpec
from sweep.tables import packed as packed_module
from sweep.tables.encode import Encoded
from sweep.tables.load import from_frame, load_encoded, packed_table, unpack
from sweep.tables.packed import pack, pack_whole
from sweep.tables.types import FileFormat

ROWS = 40


def spec(source: Path | str, **data: Any) -> DataSpec:
    keys = {"source": str(source), "target": "y"} | data
    lines = "\n".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items())
    return parse(f'name = "x"\n[data]\n{lines}\n').data


def assert_packed(data: DataSpec) -> Encoded:
    """That a table comes out of its packing as it does of its file, without that file."""
    expected = load_encoded(data, None, align=16)
    packed = pack(data, None)
    assert packed.why is None
    assert packed.content is not None
    assert packed.data_hash == expected.info.content_hash
    path = Path(data.source)
    if path.is_file():
        path.unlink()
    found = load_encoded(data, None, align=16, packed=packed.content)
    assert found.info == expected.info  # the notes about it included
    np.testing.assert_array_equal(found.features, expected.features)
    np.testing.assert_array_equal(found.target, expected.target)
    if expected.groups is None:
        assert found.groups is None
    else:
        np.testing.assert_array_equal(found.groups, expected.groups)
    return found


def refusal(read: Callable[[DataSpec, None], object], data: DataSpec) -> str | None:
    """In which words a table is refused, if it is."""
    try:
        read(data, None)
    except DataError as error:
        return str(error)
    return None


def csv(folder: Path, **columns: list[Any]) -> Path:
    """Texts as they are, in a file; each column is repeated to its end."""
    path = folder / "table.csv"
    names = list(columns)
    rows = [[str(columns[name][row % len(columns[name])]) for name in names] for row in range(ROWS)]
    path.write_text("\n".join(["\t".join(names), *("\t".join(row) for row in rows), ""]))
    return path


@pytest.mark.parametrize(
    "column",
    [
        ["1.5", "", "NA", "-3e5", "0.1"],
        ["red", "green", "", "blue", "n/a"],
        ["true", "false", "true", ""],
        ["yes", "no"],
        ["2024-01-31", "2023-12-01", ""],
        ["31.12.1990", "1.2.2001"],
        ["1,234.5", "12", "7,000,000"],
        ["1.234,5", "12", "7.000.000"],
        ["$1,234.50", "$3"],
        ["12.3 %", "4 %", "100 %"],
        ["12:05", "0:30", ""],
        ["007", "012", "100"],
        ["9007199254740993", "9007199254740992", "1"],
        ["1", "2", "three", "4"],
        ["None", "nan", "inf", "x"],
        ["ä", "日本", " blank ", "quote'"],
    ],
    ids=str,
)
def test_texts_of_a_file(tmp_path: Path, column: list[str]) -> None:
    x = [f"{value:.6g}" for value in np.random.default_rng(0).normal(size=ROWS)]
    assert_packed(spec(csv(tmp_path, x=x, column=column, y=["no", "yes", "no"])))


def test_what_the_definition_says_of_a_table(tmp_path: Path) -> None:
    x = [str(value) for value in range(ROWS)]
    path = csv(tmp_path, x=x, code=["-9", "3", "4.5"], who=["b", "a", "c", "a"], kind=["1", "2", "3"], y=["u", "v"])
    data = spec(path, missing=["-9"], groups="who", categorical=["kind"], drop=["x"], positive="u")
    found = assert_packed(data)
    assert found.groups is not None
    assert np.isnan(found.features).any()
    assert [name for name in found.info.features if name.startswith("kind")] == ["kind=1", "kind=2", "kind=3"]


def test_a_file_without_names(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\n".join(f"{row % 7},{row % 5}.5,{'MR'[row % 2]}" for row in range(ROWS)))
    assert_packed(spec(path, header=False, target=-1))


@pytest.mark.parametrize(
    "names", [["a", "A", "a "], ["a", "a.1", "a_1"], ["0", "00", "zero"], ["x", "index", "__index_level_0__"]]
)
def test_names_that_look_alike(tmp_path: Path, names: list[str]) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=ROWS) for name in names} | {"y": ["p", "q"] * (ROWS // 2)})
    frame.to_parquet(tmp_path / "table.parquet")
    assert_packed(spec(tmp_path / "table.parquet"))


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_bundled_tables(name: str) -> None:
    assert_packed(spec(f"sklearn:{name}", target="target"))


def every(*values: Any) -> list[Any]:
    return [values[row % len(values)] for row in range(ROWS)]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(every(True, None, False)),
        pa.array(every(1, None, 3), pa.int64()),
        pa.array(every(2**64 - 1, 5), pa.uint64()),
        pa.array(every(0.1, None, 1e30), pa.float32()),
        pa.array(np.arange(ROWS, dtype=np.float16)),
        pa.array(every("b", None, "a")).dictionary_encode(),
        pa.array(every(3, 1, 2)).dictionary_encode(),
        pa.array(every("b", None, "a"), pa.large_string()),
        pa.array(every(b"x", b"y")),
        pa.array(every(None), pa.null()),
        pa.array(every(datetime.date(2024, 1, 31), None)),
        pa.array(every(datetime.datetime(2024, 1, 31, 12, 30, 1, 7), None), pa.timestamp("us", "Europe/Berlin")),
        pa.array(every(1, 2_000_000_000_000_000_001), pa.timestamp("ns")),
        pa.array(every(1, 10**15), pa.duration("ns")),
        pa.array(every(datetime.time(12, 5), datetime.time(1))),
        pa.array(every(decimal.Decimal("1.10"), None, decimal.Decimal("-7.25"))),
    ],
    ids=lambda column: str(column.type)[:30],
)
def test_columns_of_parquet_files(tmp_path: Path, column: pa.Array) -> None:
    x = np.random.default_rng(0).normal(size=ROWS)
    path = tmp_path / "table.parquet"
    pyarrow.parquet.write_table(pa.table({"x": x, "column": column, "y": every("p", "q", "q")}), path)
    data = spec(path)
    if (refused := refusal(load_encoded, data)) is None:
        assert_packed(data)
    else:
        assert refusal(pack, data) == refused


@pytest.mark.parametrize("values", [[["a"], ["b", "c"]], [{"p": 1}, {"p": 2}]], ids=["list", "struct"])
def test_nested_columns_are_refused_as_ever(tmp_path: Path, values: list[Any]) -> None:
    path = tmp_path / "table.parquet"
    pyarrow.parquet.write_table(pa.table({"x": every(1, 2), "nested": every(*values), "y": every("p", "q")}), path)
    with pytest.raises(DataError, match="nested"):
        pack(spec(path), None)


def test_targets_of_every_task(tmp_path: Path) -> None:
    x = [str(value) for value in range(ROWS)]
    for target in (["a", "b", "c"], ["1,234.5", "12", "-3", "8.25"], ["yes", "", "no"], ["0", "1"]):
        found = assert_packed(spec(csv(tmp_path, x=x, y=[target[row % len(target)] for row in range(ROWS)])))
        assert found.info.task in ("binary", "multiclass", "regression")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters='\t\r\n"\x00'), max_size=6)
CELLS = st.one_of(
    st.none(),
    st.floats(width=64, allow_infinity=False, allow_nan=False, min_value=-1e30, max_value=1e30),
    st.integers(-(10**15), 10**15),
    st.booleans(),
    st.sampled_from(["", "a", "b", "1,000", "7 %", "NA", "2020-01-01", "31.12.1990"]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(NAMES.filter(lambda name: name.strip() not in ("", "y")), min_size=1, max_size=3, unique_by=str.strip),
    st.data(),
)
def test_any_small_table(tmp_path: Path, names: list[str], data: st.DataObject) -> None:
    columns = {}
    for name in names:
        kind = data.draw(st.sampled_from(["texts", "floats", "mixed"]))
        cells = {"texts": st.text(max_size=4) | st.none(), "floats": st.floats(width=32) | st.none(), "mixed": CELLS}[
            kind
        ]
        values = data.draw(st.lists(cells, min_size=6, max_size=6))
        columns[name] = [None if value is None else str(value) for value in values] if kind == "mixed" else values
    path = tmp_path / "table.parquet"
    pd.DataFrame(columns | {"y": list("ababba")}).to_parquet(path)
    described = spec(path)
    if (refused := refusal(load_encoded, described)) is None:
        assert_packed(described)
    else:
        assert refusal(pack, described) == refused


def mixed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> DataSpec:
    """A table with numbers and texts in one column, as only other libraries' tables have them."""
    frame = pd.DataFrame({"x": range(ROWS), "mixed": every(1, "two", 3.5, None), "y": every("p", "q")})
    monkeypatch.setattr("sweep.tables.load._to_frame", lambda _: frame.copy())
    path = folder / "table.parquet"
    pd.DataFrame({"x": [1]}).to_parquet(path)
    return spec(path)


def test_a_table_that_parquet_does_not_take_is_left_to_the_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = mixed(tmp_path, monkeypatch)
    packed = pack(data, None)
    assert (packed.content, packed.sha256) == (None, None)
    assert packed.why is not None
    assert packed.why.startswith("Parquet does not take it: ")
    assert packed.data_hash == load_encoded(data, None).info.content_hash


def test_a_table_that_would_come_out_as_another_one_is_left_to_the_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = packed_table

    def rounded(content: bytes, data: DataSpec) -> Any:
        table = real(content, data)
        table.frame["x"] = table.frame["x"] + 1
        return table

    monkeypatch.setattr(packed_module, "packed_table", rounded)
    data = spec(csv(tmp_path, x=["1.5", "2.5", "9"], y=["p", "q"]))
    packed = pack(data, None)
    assert (packed.content, packed.why) == (None, "Parquet changes it")
    assert packed.data_hash == load_encoded(data, None).info.content_hash


def test_a_table_that_is_too_large_is_left_to_the_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = spec(csv(tmp_path, x=[str(value) for value in range(ROWS)], y=["p", "q"]))
    whole = pack(data, None)
    assert whole.content is not None
    monkeypatch.setattr(packed_module, "LARGEST", len(whole.content))
    assert pack(data, None) == whole
    monkeypatch.setattr(packed_module, "LARGEST", len(whole.content) - 1)
    packed = pack(data, None)
    assert (packed.content, packed.data_hash) == (None, whole.data_hash)
    assert packed.why is not None
    assert packed.why.startswith("it is larger than ")


def test_a_table_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        pack(spec("nowhere.csv"), None)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataSpec, bytes]:
    x = [str(value) for value in range(ROWS)]
    data = spec(csv(tmp_path_factory.mktemp("sound"), x=x, word=["a", "b", "ccc"], y=["p", "q"]))
    content = pack(data, None).content
    assert content is not None
    return data, content


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_are_one_clear_error(sound: tuple[DataSpec, bytes], data: st.DataObject) -> None:
    """What a store does not notice by its SHA-256: here nothing is checked before."""
    described, content = sound
    place = data.draw(st.integers(0, len(content) - 1))
    damaged = data.draw(
        st.sampled_from(
            [content[:place], content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :], content[place:]]
        )
    )
    try:
        load_encoded(described, None, packed=damaged)
    except DataError as error:
        assert described.source in str(error)  # noqa: PT017 - not every damage shows


@pytest.mark.parametrize(
    ("form", "sound_form"),
    [
        (FileFormat(delimiter=";", decimal=",", encoding="latin-1", names=("a", "b"), skipped=1, spaced=True), True),
        (FileFormat("stream"), True),
        (None, True),
        (FileFormat("csv(__import__('os'))"), False),  # type: ignore[arg-type]
        (FileFormat(delimiter="; import os"), False),
        (FileFormat(encoding="utf-8'"), False),
        (FileFormat(decimal="x"), False),
        (FileFormat(skipped="1"), False),  # type: ignore[arg-type]
        (FileFormat(names=(1,)), False),  # type: ignore[arg-type]
        (FileFormat(gzipped=1), False),  # type: ignore[arg-type]
    ],
)
def test_how_a_file_was_written_is_kept(form: FileFormat | None, sound_form: bool) -> None:
    """It ends in scripts: nothing else may come out of what somebody has stored."""
    table = replace(from_frame(pd.DataFrame({"a": [1.5, 2.5], "y": ["p", "q"]}), "t.csv"), written=form)
    if sound_form:
        assert unpack(pack_whole(table), "t.csv").written == form
        return
    with pytest.raises(DataError, match="the stored table is damaged"):
        unpack(packed_module._to_parquet(table), "t.csv")


def test_a_table_of_an_earlier_release_has_none(sound: tuple[DataSpec, bytes]) -> None:
    _, content = sound
    assert unpack(content, "t.csv").written == FileFormat(delimiter="\t", skipped=1)
    table = pyarrow.parquet.read_table(pa.BufferReader(content))
    about = json.loads(table.schema.metadata[b"sweep"])
    del about["written"]
    buffer = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table.replace_schema_metadata({b"sweep": json.dumps(about)}), buffer)
    assert unpack(buffer.getvalue().to_pybytes(), "t.csv").written is None


@pytest.mark.parametrize("about", [None, b"[1]", b"{", b"{}", b'{"notes": 3, "default_target": null}'])
def test_parquet_that_is_not_ours(sound: tuple[DataSpec, bytes], about: bytes | None) -> None:
    described, content = sound
    table = pyarrow.parquet.read_table(pa.BufferReader(content))
    buffer = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table.replace_schema_metadata(about and {b"sweep": about}), buffer)
    with pytest.raises(DataError, match="the stored table is damaged"):
        load_encoded(described, None, packed=buffer.getvalue().to_pybytes())


def test_nothing_in_it_is_executed(sound: tuple[DataSpec, bytes], tmp_path: Path) -> None:
    """Neither what pandas notes about columns, nor Arrow's extension types that were once pickles."""
    described, content = sound
    canary = tmp_path / "canary"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (canary,))

    table = pyarrow.parquet.read_table(pa.BufferReader(content))
    names = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickle.dumps(Trap(), 0)}
    fields = [field.with_metadata(names) for field in table.schema]
    about = {**table.schema.metadata, b"pandas": pickle.dumps(Trap(), 0)}
    buffer = pa.BufferOutputStream()
    columns = pa.table(table.columns, schema=pa.schema(fields, metadata=about))
    pyarrow.parquet.write_table(columns, buffer)
    with contextlib.suppress(DataError):
        load_encoded(described, None, packed=buffer.getvalue().to_pybytes())
    assert not canary.exists()
    pickle.loads(names[b"ARROW:extension:metadata"])  # noqa: S301 - made above
    assert canary.exists()  # it would have been
