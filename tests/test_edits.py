"""Values of a definition changed in its text."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.errors import DefinitionError
from sweep.shipped import folder
from sweep.spec.definition import parse
from sweep.spec.edits import edited
from sweep.spec.model import plain

TEXT = """# Why this sweep is run.
name = "made"

[data]
source = "made.csv"   # of last year

[training]
# Not more: it is slow.
epochs = 300                     # passes over the rows

[space]
dropout = { low = 0.05, high = 0.7 }   # of dropping
max_norm = { low = 1.0, high = 5.0 }
"""
SONAR = (folder("studies") / "sonar.toml").read_text()


def test_a_value_alone_is_changed() -> None:
    assert edited(TEXT, {"training.epochs": 20}) == TEXT.replace("epochs = 300", "epochs = 20")
    assert edited(TEXT, {"space.dropout.high": 0.5}) == TEXT.replace("high = 0.7", "high = 0.5")
    assert edited(TEXT, {"space.max_norm": "off"}) == TEXT.replace("{ low = 1.0, high = 5.0 }", '"off"')
    assert edited(TEXT, {}) == TEXT


def test_what_is_not_there_is_added() -> None:
    spec = parse(
        edited(
            TEXT,
            {
                "seed": 5,
                "network.hidden": {"choices": [[8], [16, 8]]},
                "space.momentum.low": 0.8,  # the other bound is that of the default
                "space.placement": {"choices": ["none", "input"]},
                "search.trials": 12,
            },
        )
    )
    assert (spec.seed, spec.network.hidden, spec.search.trials) == (5, ((8,), (16, 8)), 12)
    assert plain(spec)["space"]["momentum"] == {"low": 0.8, "high": 0.99}
    assert spec.space.placements == ("none", "input")


def test_what_is_taken_away_has_its_default() -> None:
    text = edited(TEXT, {"training.epochs": None, "search.trials": None, "training.stop": None})
    assert "epochs" not in text
    assert "# Not more: it is slow." in text
    assert parse(text) == parse(TEXT)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": st.text(max_size=20),
    "seed": st.integers(0, 2**32 - 1),
    "training.epochs": st.integers(1, 10**6),
    "training.stop": st.sampled_from(["best", "last"]),
    "space.dropout.low": st.floats(allow_nan=False, allow_infinity=False),
    "space.weight_decay": st.one_of(
        st.floats(0, 1), st.fixed_dictionaries({"low": st.floats(0, 1), "high": st.floats(0, 1), "log": st.booleans()})
    ),
    "space.max_norm": st.one_of(
        st.just("off"), st.fixed_dictionaries({"choices": st.lists(st.one_of(st.just("off"), st.floats(1, 9)))})
    ),
    "network.hidden": st.lists(st.integers(1, 99)),
    "data.missing": st.lists(st.text(max_size=5), max_size=3),
}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_the_text_says_what_was_changed_and_all_else_as_before(changes: dict[str, Any]) -> None:
    text = edited(SONAR, changes)
    expected = tomllib.loads(SONAR)
    for path, value in changes.items():
        *tables, key = path.split(".")
        table = expected
        for name in tables:
            table = table[name]
        table[key] = value
    assert tomllib.loads(text) == expected
    for line in SONAR.splitlines():
        assert not line.startswith("#") or line in text.splitlines()


@pytest.mark.parametrize(
    ("text", "changes", "said"),
    [
        ("[data", {"seed": 1}, "must be valid TOML before a field of it can be changed"),
        ("a = 1\na = 2", {"seed": 1}, "must be valid TOML"),
        ("[" * 5000, {"seed": 1}, "must be valid TOML"),
        (TEXT, {"training epochs": 1}, 'must name a key such as training.epochs, however: "training epochs"'),
        (TEXT, {"": 1}, "must name a key"),
        (TEXT, {"nothing.like.that": 1}, "must name a key"),
        (TEXT, {"name.first": 1}, "name must be a table for name.first to be set, however: it is a value"),
        (TEXT, {"seed": [None]}, "seed must be a value that TOML has"),
    ],
)
def test_what_cannot_be_changed_is_refused(text: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as refusal:
        edited(text, changes)
    assert said in str(refusal.value)


def test_a_key_inside_of_a_value_stays_one() -> None:
    assert tomllib.loads(edited(TEXT, {"seed": {"a = 1, b": 2}}))["seed"] == {"a = 1, b": 2}


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(DefinitionError) as refusal:
        edited(TEXT, {"no such key": 1, "name.first": 2, "seed": 3})
    assert len(refusal.value.problems) == 2
