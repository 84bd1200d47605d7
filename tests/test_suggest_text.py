from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.suggest.text import bullets, comment, key_line, rough_duration, several

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
VALUES: st.SearchStrategy[Any] = st.one_of(
    TEXTS, st.integers(-(10**9), 10**9), st.booleans(), st.lists(TEXTS, max_size=4)
)


@settings(max_examples=200, deadline=None)
@given(value=VALUES, why=TEXTS)
def test_any_value_and_reason_make_toml(value: Any, why: str) -> None:
    assert tomllib.loads("\n".join(key_line("key", value, why))) == {"key": value}


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(TEXTS, max_size=3))
def test_any_text_makes_a_comment(texts: list[str]) -> None:
    lines = [*bullets(texts), *comment(" ".join(texts))]
    assert tomllib.loads("\n".join(lines)) == {}


def test_numbers_keep_their_type_and_value() -> None:
    text = "\n".join(key_line("a", {"low": 1e-6, "high": 1.0, "log": True}))
    assert text == "a = { low = 1e-06, high = 1.0, log = true }"
    assert tomllib.loads(text) == {"a": {"low": 1e-6, "high": 1.0, "log": True}}


def test_a_reason_stands_beside_a_short_value_and_above_a_long_one() -> None:
    assert key_line("folds", 10, "few") == [f"{'folds = 10':<32} # few"]
    assert key_line("name", "x" * 40, "why") == ["# why", f'name = "{"x" * 40}"']
    assert key_line("name", 1) == ["name = 1"]


def test_lists_read_well() -> None:
    assert several(["a", 'b"c']) == '"a", "b\\"c"'
    assert several([str(number) for number in range(11)]).endswith(" and 3 more")


def test_rough_durations_are_right_to_a_factor_of_two() -> None:
    assert [rough_duration(seconds) for seconds in (3, 25, 45, 120, 180, 9000)] == [
        "less than a minute",
        "less than a minute",
        "1 to 2 min",
        "1 to 4 min",
        "1 to 6 min",
        "1 h 15 min to 5 h 0 min",
    ]
