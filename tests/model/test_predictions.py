"""Tables of predictions as files, for people and for spreadsheets."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.model.predictions import to_csv, written

FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1", "'=1", "''@x")
HARMLESS = (
    "M",
    "",
    "-1",
    "+2.5e3",
    "-inf",
    "a=1",
    "1-2",
    "'quoted'",
    "<script>",
    'a"b',
    "a,b",
    " =1",
    "a\r=1",
    "a\n=1",
    "a\r\n",
)


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def taken_back(cell: str) -> str:
    """As the documentation has it."""
    return re.sub(r"^'('*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])", r"\1", cell)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_and_no_name_is_a_formula(text: str) -> None:
    for values in ([text], np.array([text]), np.array([text], dtype=object)):
        assert rows(to_csv({text: values})) == [[f"'{text}"], [f"'{text}"]]
    content = written({text: [text]}, "x.parquet")
    assert isinstance(content, bytes)
    table = pyarrow.parquet.read_table(pa.BufferReader(content))
    assert (table.column_names, table[0].to_pylist()) == ([text], [text])


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert rows(to_csv({"row": [1], text: [text]}))[1] == ["1", text]


def test_numbers_stay_numbers() -> None:
    columns = {"row": np.array([1, 2]), "x": np.array([-0.1, np.nan]), "y": np.array([-1.5, 2.0], dtype=np.float32)}
    assert to_csv(columns) == "row,x,y\n1,-0.1,-1.5\n2,,2.0\n"
    assert rows(to_csv({"x": [-1, None, "-"], "y": [1, 2, 3]})) == [["x", "y"], ["-1", "1"], ["", "2"], ["'-", "3"]]


@given(st.text(alphabet="'=+-@\t ab1", max_size=6))
def test_each_text_can_be_taken_back(text: str) -> None:
    (cell,) = rows(to_csv({"x": [text], "y": [1]}))[1][:1]
    assert taken_back(cell) == text
    assert cell[:1] not in ("=", "@", "\t")
