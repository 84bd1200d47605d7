from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.errors import DataError
from sweep.tables.dialect import detect_delimiter, detect_header
from sweep.tables.text import read_text
from sweep.tables.types import Table

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real tables of ../shared/data are not here")


def read(tmp_path: Path, text: str | bytes, *, header: bool | None = None, name: str = "t.csv") -> Table:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_text(path, name, header=header)


def cells(table: Table) -> list[list[object]]:
    return [[None if value != value else value for value in row] for row in table.frame.to_numpy(object).tolist()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = ["a b y".replace(" ", delimiter), *(f"{i}{delimiter}{i / 4}{delimiter}w{i}" for i in range(5))]
    table = read(tmp_path, end.join(lines) + end)
    assert table.columns == ("a", "b", "y")
    assert cells(table) == [[i, i / 4, f"w{i}"] for i in range(5)]


def test_blanks_of_any_number_divide(tmp_path: Path) -> None:
    table = read(tmp_path, "  1.5   2  x\n 3.5 4    y \n\n5.5\t6 z\n")
    assert cells(table) == [[1.5, 2, "x"], [3.5, 4, "y"], [5.5, 6, "z"]]


def test_blanks_with_a_tab_among_them(tmp_path: Path) -> None:
    text = '18.0   8   307.0   ?\t"chevrolet malibu"\n15.0   8   350.0   165.0\t"buick skylark 320"\n'
    assert cells(read(tmp_path, text)) == [
        [18, 8, 307, None, "chevrolet malibu"],
        [15, 8, 350, 165, "buick skylark 320"],
    ]


def test_quotes_blanks_and_breaks_inside_cells(tmp_path: Path) -> None:
    table = read(tmp_path, 'a,b\n1,"x, y"\n 2 , z\n3,"two\nlines"\n4,"say ""hi"""\n')
    assert table.frame["b"].tolist() == ["x, y", "z", "two\nlines", 'say "hi"']


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_and_gzip(tmp_path: Path, encoding: str, packed: bool) -> None:
    content = "größe,ort\n1,Köln\n2,Zürich\n".encode(encoding)
    table = read(tmp_path, gzip.compress(content, mtime=0) if packed else content, name="t.gz" if packed else "t.csv")
    assert table.columns == ("größe", "ort")
    assert cells(table) == [[1, "Köln"], [2, "Zürich"]]
    assert any("latin-1" in note for note in table.notes) == (encoding == "latin-1")


def test_latin_1_far_behind_the_sample(tmp_path: Path) -> None:
    content = b"a,b\n" + b"1,x\n" * 100_000 + b"2,\xfc\n"
    assert read(tmp_path, content).frame["b"].iloc[-1] == "ü"


def test_decimal_commas(tmp_path: Path) -> None:
    table = read(tmp_path, "a;b;c\n1,5;x;2\n-0,25;y;3\n")
    assert cells(table) == [[1.5, "x", 2], [-0.25, "y", 3]]
    assert any("decimal comma" in note for note in table.notes)


@pytest.mark.parametrize("missing", ["", "NA", "?", "NaN", "null", "None", "n/a", "N/A", "-", "."])
def test_missing_cells(tmp_path: Path, missing: str) -> None:
    table = read(tmp_path, f"a,b\n1,x\n{missing},{missing}\n3,y\n")
    assert table.frame["a"].dtype == np.float64
    assert cells(table) == [[1.0, "x"], [None, None], [3.0, "y"]]


def test_columns_typed_in_pieces_are_text_throughout(tmp_path: Path) -> None:
    # Pandas types a long column piece by piece: here the first pieces are numbers.
    table = read(tmp_path, "a,y\n" + "007,1\n" * 300_000 + "x,2\n")
    assert sorted(set(table.frame["a"])) == ["007", "x"]


def test_true_and_false_stay_words(tmp_path: Path) -> None:
    assert read(tmp_path, "a,b\ntrue,TRUE\nfalse,FALSE\n").frame["a"].tolist() == ["true", "false"]


# --- the header row ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a,b\n1,2\n3,4\n", True),
        ("1,2\n3,4\n5,6\n", False),
        ("1,x\n2,y\n", False),
        ("?,2\n3,4\n", False),  # a missing value is no name
        ("5,?,2.5,x\n3,4,1,y\n", False),
        ("0,1,2,class\n1,2,3,x\n4,5,6,y\n", False),
        ("0,1,2\n1.5,2.5,3.5\n4,5,6\n", True),  # columns counted, as pandas writes them
        ("name,2019,2020\nx,1,2\ny,3,4\nz,5,6\n", False),
        ("name,kind,2020\nx,1,2\ny,3,4\nz,5,6\n", False),
        ("name,sum,of,2020\nx,1,2,4\ny,3,4,5\nz,5,6,6\n", True),
        ("colour,size\nred,big\nblue,small\nred,small\n", True),
        ("red,big\nblue,small\nred,small\n", False),
        ("x,x\ny,z\nz,y\n", False),
        ("a,b\n", True),
        ("1,b\n", False),
    ],
)
def test_detecting_a_header(text: str, header: bool) -> None:
    assert detect_header([line.split(",") for line in text.splitlines()])[0] is header


def test_what_was_found_out_is_said_and_can_be_overruled(tmp_path: Path) -> None:
    text = "1,2\n3,4\n5,6\n"
    found, told = read(tmp_path, text), read(tmp_path, text, header=True)
    assert found.columns == ("column1", "column2")
    assert any("first row taken for data: 2 of its cells are numbers" in note for note in found.notes)
    assert told.columns == ("1", "2")
    assert len(told.frame) == 2
    assert not any("first row" in note for note in told.notes)
    assert len(read(tmp_path, "a,b\n1,2\n", header=False).frame) == 2


@needs_shared
@pytest.mark.parametrize(
    ("name", "shape"),
    [("sonar.csv", (208, 61)), ("ionosphere.csv", (351, 35)), ("pima-indians-diabetes.csv", (768, 9))],
)
def test_real_tables_without_header(name: str, shape: tuple[int, int]) -> None:
    table = read_text(SHARED / name, name, header=None)
    assert table.frame.shape == shape
    assert table.columns[0] == "column1"


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=2, max_size=8),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    header=st.booleans(),
)
def test_numbers_survive_property(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]], delimiter: str, header: bool
) -> None:
    path = tmp_path_factory.mktemp("t") / "t.csv"
    lines = [delimiter.join(map(repr, row)) for row in rows]
    path.write_text("\n".join([delimiter.join("uvw"), *lines] if header else lines))
    table = read_text(path, "t.csv", header=None)
    assert table.columns == (("u", "v", "w") if header else ("column1", "column2", "column3"))
    assert table.frame.to_numpy(np.float64).tolist() == rows


def test_a_comma_in_texts_does_not_divide() -> None:
    assert detect_delimiter("a;b\nx, y;1\nu, v;2\n")[0] == ";"
    assert detect_delimiter("just words here\nand more\n")[0] == ","


# --- shapes that are nearly right -------------------------------------------------------------------------------------


def test_a_delimiter_at_the_end_of_each_row(tmp_path: Path) -> None:
    for text in ("a,b,\n1,2,\n3,4,\n", "a,b\n1,2,\n3,4,\n"):
        table = read(tmp_path, text)
        assert table.columns == ("a", "b")
        assert cells(table) == [[1, 2], [3, 4]]
        assert any("a delimiter ends each row" in note for note in table.notes)


def test_names_of_rows_as_r_writes_them(tmp_path: Path) -> None:
    table = read(tmp_path, '"mpg" "cyl"\n"Mazda RX4" 21 6\n"Datsun 710" 22.8 4\n')
    assert table.columns == ("column1", "mpg", "cyl")
    assert cells(table) == [["Mazda RX4", 21.0, 6], ["Datsun 710", 22.8, 4]]


def test_a_first_column_without_a_name(tmp_path: Path) -> None:
    assert read(tmp_path, ",a,b\n0,1,2\n1,3,4\n").columns == ("column1", "a", "b")


def test_line_ends_of_old_macs(tmp_path: Path) -> None:
    table = read(tmp_path, 'a,b\r1,"x\ry"\r2,z\r')
    assert table.columns == ("a", "b")
    assert cells(table) == [[1, "x\ry"], [2, "z"]]
    assert [table.line_of(row) for row in (1, 2)] == [2, 4]


def test_cells_that_look_a_little_like_json(tmp_path: Path) -> None:
    assert cells(read(tmp_path, "[cm],{b}\n1,2\n3,4\n")) == [[1, 2], [3, 4]]


def test_blank_lines_do_not_count(tmp_path: Path) -> None:
    table = read(tmp_path, "\n\na,b\n\n1,2\n  \n3,4\n\n")
    assert cells(table) == [[1, 2], [3, 4]]
    assert [table.line_of(row) for row in (1, 2, 3)] == [5, 7, None]


def test_a_line_behind_a_cell_too_long_to_find_it(tmp_path: Path) -> None:
    table = read(tmp_path, "a,b\n" + "1,x\n" * 100_000 + f"2,{'x' * 200_000}\n3,y\n")
    assert table.cell("b", 1) == "t.csv, column 'b', row 1 (line 2)"
    assert table.cell("b", 100_002) == "t.csv, column 'b', row 100002"


def test_lines_of_rows(tmp_path: Path) -> None:
    table = read(tmp_path, 'a,b\n1,"x\ny"\n2,z\n')
    assert [table.line_of(row) for row in (1, 2)] == [2, 4]
    assert table.cell("b", 2) == "t.csv, column 'b', row 2 (line 4)"
    assert read(tmp_path, "1,2\n3,4\n").line_of(2) == 2


def test_a_header_over_two_lines(tmp_path: Path) -> None:
    table = read(tmp_path, '"a\n(cm)",b\n1,2\n3,4\n')
    assert table.columns == ("a\n(cm)", "b")
    assert cells(table) == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "the table is empty"),
        (b"\n \n\n", "the table is empty"),
        (b"a,b\n", "the table is empty below its header"),
        (b"a,b,a\n1,2,3\n4,5,6\n", "2 columns have the name 'a' (columns 1, 3)"),
        (b"a,b\n" + b"1,2\n" * 50 + b"1,2,3\n", "line 52: has 3 cells, however the other lines have 2"),
        (b"a,b,c\n" + b"1,2,3\n" * 50 + b"1,2\n", "line 52: has 2 cells, however the other lines have 3"),
        (b"1,2,3\n" + b"1,2\n" * 50, "line 1: has 3 cells, however the other lines have 2"),
        (b"a,b,c,d,e\n1,2,3\n4,5,6\n", "line 1: the header names 5 columns, however the rows have 3 cells"),
        (
            b"My export\n\na,b,c\n" + b"1,2,3\n" * 50,
            "line 1: the header names 1 column, however the rows have 3 cells; if the header is line 3, delete the "
            "lines before it",
        ),
        (b"a,b,c\n" + b"1,2,3\n" * 50 + b"1\n", "line 52: has 1 cell, however"),
        (b"a,b,c\n" + b"1\n" * 50, "line 1: the header names 3 columns, however the rows have 1 cell"),
        (b'[{"a":1,"y":"yes"},{"a":2,"y":"no"}]', "looks like JSON, not a table"),
        (b'[\n  {\n    "a": 1\n  }\n]', "looks like JSON, not a table"),
        (b'{"a":1,"y":"yes"}\n{"a":2,"y":"no"}\n', "looks like JSON, not a table"),
        (b"a,b\n1,\x002\n", "is not text"),
        (b"<!DOCTYPE html>\n<html>\n", "is a web page"),
        (gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:40], "damaged or incomplete"),
        (b"\x1f\x8bnonsense", "damaged or incomplete"),
        (b"a,b\n" + b"x" * 140_000 + b",1\n", "cannot be divided into rows and cells (field larger"),
        ("a,b\n1,2\n3,4\n".encode("utf-16") + b"\0", "cannot be decoded as text"),
    ],
)
def test_bad_files(tmp_path: Path, text: bytes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith("t.csv")
    assert said in str(caught.value)


def test_a_missing_last_cell_is_no_short_row(tmp_path: Path) -> None:
    assert cells(read(tmp_path, "a,b\n1,\n2,3\n")) == [[1, None], [2, 3.0]]
