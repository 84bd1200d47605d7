"""Definitions: what is read, from where, with which changes, and what comes back out."""

from __future__ import annotations

import pickle
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.commands import definition
from sweep.errors import DefinitionError, NotFoundError
from sweep.spec.definition import load, parse, shipped_definitions
from sweep.spec.layers import layer_names
from sweep.spec.model import Choices, Fixed, Range
from sweep.spec.toml import to_toml
from tests.definitions import WHOLE

MINIMAL = 'name = "a"\n[data]\nsource = "x.csv"\n'


def problems(text: str, *overrides: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        parse(text, Path("studies/x.toml"), overrides)
    return list(caught.value.problems)


def test_every_key_arrives_as_written() -> None:
    spec = parse(WHOLE, Path("studies/sonar.toml"))
    assert (spec.name, spec.seed) == ("sonar", 7)
    assert (spec.data.target, spec.data.header, spec.data.positive, spec.data.groups) == (
        "Class",
        False,
        "M",
        "patient",
    )
    assert (spec.data.categorical, spec.data.drop) == (("sex",), ("id",))
    assert spec.network.hidden == ((60, 30), (120, 60))
    assert spec.training.checkpoints == 3
    assert spec.training.nesterov
    assert spec.space.placements == ("none", "input+hidden2")
    assert spec.space.dropout == Range(0.1, 0.5, step=0.1)
    assert spec.space.learning_rate == Range(0.003, 0.5, log=True)
    assert spec.space.momentum == Fixed(0.9)
    assert spec.space.max_norm == Choices((1.0, 3.5, "off"))
    assert spec.space.lr_decay == Choices((1.0,))
    assert list(spec.space.dropout_layers.items()) == [("input", Range(0.01, 0.3)), ("hidden2", Fixed(0.25))]
    assert spec.space.rate("hidden1") == Range(0.1, 0.5, step=0.1)
    assert (spec.validation.scheme, spec.validation.metric) == ("group", "roc_auc")
    assert (spec.search.trials, spec.search.allocation, spec.search.sampler) == (64, "sampler", "random")
    assert spec.base_dir == Path("studies").absolute()


def test_a_source_alone_is_a_definition_and_the_file_names_it() -> None:
    spec = parse('[data]\nsource = "x.csv"', Path("some dir/my table (2).toml"))
    assert spec.name == "my-table-2"
    assert spec.data.target == -1
    assert spec.space.placements == ("none", "input", "hidden", "all")
    assert spec.validation.metric is None
    assert (spec.search.trials, spec.search.batch) == (128, 16)


def test_without_a_file_a_name_must_be_given() -> None:
    with pytest.raises(DefinitionError, match=r"name must be 1 to 100 letters.*it is not there \(the definition\)"):
        parse('[data]\nsource = "x.csv"')


def test_overrides_are_toml_or_text() -> None:
    spec = parse(
        MINIMAL,
        overrides=[
            "training.epochs=20",
            "name=2024",
            "space.dropout.high=0.6",
            "space.placement=all",
            "network.hidden=[8, 4]",
            "space.max_norm = {choices = [1.0, 'off']}",
            "data.positive=1",
            "data.source=openml:40",
        ],
    )
    assert (spec.training.epochs, spec.name, spec.space.placements) == (20, "2024", ("all",))
    assert spec.network.hidden == ((8, 4),)
    assert spec.space.max_norm == Choices((1.0, "off"))
    assert spec.space.dropout == Range(0.05, 0.6)
    assert (spec.data.positive, spec.data.source) == ("1", "openml:40")


def test_an_override_of_one_bound_keeps_the_other_bound_of_the_file() -> None:
    spec = parse(f"{MINIMAL}[space]\ndropout = {{ low = 0.2, high = 0.5 }}", overrides=["space.dropout.high=0.6"])
    assert spec.space.dropout == Range(0.2, 0.6)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.epochs", 'an override must read key.path=value, however: "training.epochs" (--set)'),
        ("=3", 'an override must read key.path=value, however: "=3" (--set)'),
        ("name.first=3", "name must be a table for name.first to be set, however: it is a value (--set)"),
        ("training.epoch=3", "training.epoch must be a known key (did you mean epochs?), however: 3 (--set)"),
        ("training.epochs=3\nx = 4", 'training.epochs must be a whole number, however: "3\\nx = 4" (--set)'),
        ("space.momentum=1.5", "space.momentum must be below 1, however: 1.5 (--set)"),
        ("network.hidden=[0]", "network.hidden[0] must be at least 1, however: 0 (--set)"),
        ("data=x", 'data must be a table, however: "x" (--set)'),
    ],
)
def test_a_wrong_override_is_said_to_be_one(override: str, said: str) -> None:
    assert problems(MINIMAL, override) == [said]


def test_load_reads_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[data]\nsource = "ü.csv"', encoding="utf-8")
    spec = load(str(tmp_path / "mine.toml"), ["seed=3"])
    assert (spec.name, spec.seed, spec.data.source, spec.base_dir) == ("mine", 3, "ü.csv", tmp_path)


def test_load_says_what_there_is_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        NotFoundError, match=r"must be a file or a shipped definition, however: nowhere\.toml is neither"
    ):
        load("nowhere.toml")
    with pytest.raises(NotFoundError, match="is a folder"):
        load(str(tmp_path))
    (tmp_path / "latin.toml").write_bytes(b'name = "\xfc"')
    with pytest.raises(DefinitionError, match=r"latin.toml must be UTF-8 text, however: byte 8 is not"):
        load("latin.toml")


def test_a_table_is_no_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = r"must be a TOML file, however: {0} is a table; `sweep init {0}` writes a definition for it"
    for name, content in (("t.csv", b"a,b\n1,2\n"), ("t.parquet", b"PAR1\xff\xfe"), ("t.csv.gz", b"\x1f\x8b\xff")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DefinitionError, match=said.format(name)):
            load(name)
    (tmp_path / "t.txt").write_text('[data]\nsource = "x.csv"')  # a definition of an unusual name
    assert load("t.txt").data.source == "x.csv"


def test_load_offers_the_file_without_its_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.toml").write_text('[data]\nsource = "x.csv"')
    with pytest.raises(NotFoundError, match=r"p is neither \(did you mean p\.toml\?\)"):
        load("p")


def test_load_says_why_a_file_cannot_be_read() -> None:
    with pytest.raises(NotFoundError, match="must be a readable file, however: File name too long"):
        load("x" * 300)


def test_shipped_definitions_load_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, path in shipped_definitions().items():
        assert load(name) == load(str(path))
    if "sonar" in shipped_definitions():
        with pytest.raises(NotFoundError, match=r"did you mean .*sonar"):
            load("sonr")


def test_a_specification_crosses_processes() -> None:
    spec = parse(WHOLE)
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 - our own bytes, as a worker would get them


def test_toml_is_readable() -> None:
    lines = to_toml(parse(WHOLE)).splitlines()
    assert lines[:5] == ["format = 1", 'name = "sonar"', "seed = 7", "", "[data]"]
    assert "hidden = { choices = [[60, 30], [120, 60]] }" in lines
    assert "learning_rate = { low = 0.003, high = 0.5, log = true }" in lines
    assert 'max_norm = { choices = [1.0, 3.5, "off"] }' in lines


def _dimensions(low: float, high: float) -> st.SearchStrategy[Any]:
    """Values between two bounds, as a definition may have them."""
    number = st.floats(low, high, exclude_min=True, exclude_max=True)
    pair = st.tuples(number, number).filter(lambda both: both[0] < both[1])
    return st.one_of(
        number,
        st.builds(lambda both, log: {"low": both[0], "high": both[1], "log": log}, pair, st.booleans()),
        st.lists(number, min_size=1, max_size=4, unique=True).map(lambda values: {"choices": values}),
    )


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
DEFINITIONS = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
        "data": st.fixed_dictionaries(
            {"source": TEXT}, optional={"target": TEXT | st.integers(-9, 9), "header": st.booleans()}
        ),
    },
    optional={
        "seed": st.integers(0, 2**32 - 1),
        "network": st.fixed_dictionaries(
            {}, optional={"hidden": st.lists(st.integers(1, 99), min_size=2, max_size=4), "init": st.just("torch")}
        ),
        "space": st.fixed_dictionaries(
            {},
            optional={
                "placement": st.sampled_from(["subsets", "all", {"choices": ["none", "hidden2+input+hidden1"]}]),
                "dropout": _dimensions(1e-4, 1.0),
                "dropout_layers": st.dictionaries(st.sampled_from(layer_names(2)), _dimensions(1e-4, 1.0)),
                "learning_rate": _dimensions(0.0, 1e300),
                "momentum": _dimensions(0.0, 1.0),
                "max_norm": _dimensions(0.0, 1e300) | st.just("off") | st.just({"choices": [1, "off"]}),
                "lr_decay": _dimensions(0.0, 1.0),
            },
        ),
    },
)


@given(DEFINITIONS)
@settings(max_examples=60, deadline=None)
def test_round_trip_to_the_last_bit(tables: dict[str, Any]) -> None:
    spec = parse(tomlkit.dumps(tables))
    text = to_toml(spec)
    again = parse(text)
    assert again == spec
    assert to_toml(again) == text
    assert again.fingerprint == spec.fingerprint


# Whatever a file may hold: the right keys mostly, any values.
VALUES = st.recursive(
    st.one_of(
        st.integers(), st.floats(), st.booleans(), st.sampled_from(["", "off", "subsets", "none", "all", "hidden9"])
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["low", "high", "log", "step", "choices", "hidden1", "x"]), inner, max_size=4)
    ),
    max_leaves=6,
)
KEYS = {
    "": ["format", "name", "seed", "zzz"],
    "data": ["source", "target", "header", "task", "positive", "categorical", "drop", "groups", "missing"],
    "network": ["hidden", "activation", "init"],
    "training": ["epochs", "batch_size", "stop"],
    "space": ["placement", "dropout", "dropout_layers", "shared", "max_norm", "weight_decay", "lr_decay"],
    "validation": ["folds", "repeats", "scheme", "metric"],
    "search": ["trials", "batch", "pruner", "reduction", "lag", "sampler"],
}


@given(
    st.fixed_dictionaries(
        {},
        optional={
            section: st.dictionaries(st.sampled_from(keys), VALUES, max_size=4) | VALUES
            for section, keys in KEYS.items()
            if section
        },
    ),
    st.dictionaries(st.sampled_from(KEYS[""]), VALUES, max_size=2),
)
@settings(max_examples=150, deadline=None)
def test_anything_is_read_or_refused_in_words(sections: dict[str, Any], top: dict[str, Any]) -> None:
    text = tomlkit.dumps({**top, **sections})
    found: tuple[str, ...] = ()
    try:
        parse(text, Path("x.toml"))
    except DefinitionError as error:
        found = error.problems
    assert all(" must " in line and ", however: " in line and line.endswith("(x.toml)") for line in found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["epochs=5"], ["epochs must be a known key (did you mean training.epochs?), however: 5 (--set)"]),
        (
            ["TRAINING.EPOCHS=3"],
            ['TRAINING must be a known key (did you mean training?), however: {"EPOCHS": 3} (--set)'],
        ),
    ],
)
def test_an_override_is_named_as_the_place(overrides: list[str], said: list[str]) -> None:
    assert problems(MINIMAL, *overrides) == said


def test_of_two_overrides_of_a_key_the_later_one_holds() -> None:
    assert parse(MINIMAL, overrides=["training.epochs=2", "training.epochs=3"]).training.epochs == 3


def test_other_options_are_named_as_the_place() -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(MINIMAL, None, ["search.trials=4"], {"--trials": "search.trials=-3", "--name": "name=a b"})
    first, second = caught.value.problems
    assert first == "search.trials must be set once, however: 4 (--set) and -3 (--trials)"
    assert second.startswith("name must be 1 to 100 letters")
    assert second.endswith('however: "a b" (--name)')


def test_values_of_a_program_are_those_of_a_file() -> None:
    tables = {
        "name": np.str_("a"),
        "data": MappingProxyType({"source": Path("/x.csv")}),
        "network": {"hidden": np.array([8, 4])},
        "training": {"nesterov": np.True_},
        "space": {"learning_rate": np.float32(0.1), "momentum": {"choices": (np.float16(0.9), 0.5)}},
    }
    changes = {"training.epochs": np.int64(20), "space.max_norm": np.array(2.5), "data.target": np.int8(-2)}
    spec = definition.load(tables, None, None, changes)
    assert spec.network.hidden == ((8, 4),)
    assert (spec.space.learning_rate, spec.space.momentum) == (Fixed(0.1), Choices((0.9, 0.5)))
    assert (spec.training.epochs, spec.space.max_norm, spec.data.target) == (20, Fixed(2.5), -2)
    assert parse(to_toml(spec)) == replace(spec, origin=None)
    assert definition.load(tables, None, None, {"network.hidden": (8,)}).network.hidden == ((8,),)
    with pytest.raises(DefinitionError, match=r"space.momentum must be .*, however: \"Decimal\('0.9'\)\" \(changes\)"):
        definition.load(tables, None, None, {"space.momentum": Decimal("0.9")})
