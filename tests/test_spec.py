"""Definitions: what is read, what is refused and how it is said, what comes back out."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.errors import DefinitionError, NotFoundError
from sweep.records import Hyperparameters
from sweep.spec import (
    Choices,
    Fixed,
    Range,
    absolute_source,
    checkpoint_epochs,
    differences,
    fixed,
    is_local,
    layer_names,
    layers_of,
    load,
    parse,
    placement_name,
    shipped_definitions,
    subsets,
    to_toml,
)

MINIMAL = 'name = "a"\n[data]\nsource = "x.csv"\n'

# The example of the design, every key of it.
WHOLE = """
format = 1
name = "sonar"
seed = 7

[data]
source = "openml:40"
target = "Class"
header = false
task = "classification"
positive = "M"
categorical = ["sex"]
drop = ["id"]
groups = "patient"

[network]
hidden = { choices = [[60, 30], [120, 60]] }
activation = "tanh"
init = "he_uniform"

[training]
epochs = 30
batch_size = 8
nesterov = true
checkpoints = 3
stop = "last"
class_weight = "balanced"

[space]
placement = { choices = ["none", "hidden2"] }
dropout = { low = 0.1, high = 0.5, step = 0.1 }
learning_rate = { low = 0.003, high = 0.5, log = true }
momentum = 0.9
max_norm = { choices = [1, 3.5, "off"] }
lr_decay = { choices = [1.0] }
weight_decay = 0

[space.dropout_layers]
hidden2 = 0.25
input = { low = 0.0, high = 0.3 }

[validation]
folds = 5
repeats = 2
scheme = "group"
metric = "roc_auc"

[search]
trials = 64
batch = 4
allocation = "sampler"
sampler = "random"
pruner = "none"
"""


def problems(text: str, *overrides: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        parse(text, Path("studies/x.toml"), overrides)
    return list(caught.value.problems)


def problem(body: str) -> str:
    """The only problem of a minimal definition with more keys."""
    found = problems(f"{MINIMAL}{body}")
    assert len(found) == 1, found
    return found[0]


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
    assert spec.space.placements == ("none", "hidden2")
    assert spec.space.dropout == Range(0.1, 0.5, step=0.1)
    assert spec.space.learning_rate == Range(0.003, 0.5, log=True)
    assert spec.space.momentum == Fixed(0.9)
    assert spec.space.max_norm == Choices((1.0, 3.5, "off"))
    assert spec.space.lr_decay == Choices((1.0,))
    assert list(spec.space.dropout_layers.items()) == [("input", Range(0.0, 0.3)), ("hidden2", Fixed(0.25))]
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


def test_all_problems_come_at_once_in_our_words() -> None:
    found = problems(
        """
        name = "a b"
        sed = 3
        [data]
        sorce = "x"
        target = 1.5
        positive = true
        [network]
        hidden = [60, 0, true]
        activation = "rulu"
        [space]
        dropout = { low = 0.1, high = 1.5 }
        momentum = { low = 0.5, hgih = 0.9 }
        learning_rate = { low = 0.0, high = 1, log = true }
        max_norm = "of"
        weight_decay = nan
        [search]
        trials = true
        pruner = "median"
        """,
        "training.epochs=twenty",
        "space.x",
    )
    place = "(studies/x.toml)"
    assert set(found) == {
        'an override must read key.path=value, however: "space.x" (--set)',
        "name must be 1 to 100 letters, digits, dots, hyphens and underscores, the first a letter or digit, "
        f'however: "a b" {place}',
        f"sed must be a known key (did you mean seed?), however: 3 {place}",
        f"data.source must be given, however: it is not there {place}",
        f'data.sorce must be a known key (did you mean source?), however: "x" {place}',
        f"data.target must be a column name or a position such as -1, however: 1.5 {place}",
        f"data.positive must be a class label, as text or a whole number, however: true {place}",
        f"network.hidden[1] must be at least 1, however: 0 {place}",
        f"network.hidden[2] must be a whole number, however: true {place}",
        f'network.activation must be one of relu, tanh, sigmoid (did you mean relu?), however: "rulu" {place}',
        'training.epochs must be a whole number, however: "twenty" (--set)',
        f"space.dropout.high must be below 1, however: 1.5 {place}",
        f"space.momentum.high must be given, however: it is not there {place}",
        f"space.momentum.hgih must be a known key (did you mean high?), however: 0.9 {place}",
        f"space.learning_rate.low must be above 0, however: 0.0 {place}",
        'space.max_norm must be a number, "off", { low, high, log, step } or { choices = [..] }, '
        f'however: "of" {place}',
        f"space.weight_decay must be finite, however: NaN {place}",
        f"search.trials must be a whole number, however: true {place}",
        f'search.pruner must be none (pruners are not available yet), however: "median" {place}',
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[network]\nhidden = []", "network.hidden must not be empty, however: []"),
        ("[network]\nhidden = 60", "network.hidden must be a list of widths such as [60, 30]"),
        ("[network]\nhidden = [99999]", "network.hidden[0] must be at most 16384"),
        ("[network]\nhidden = { choices = [[3], [3]] }", "network.hidden.choices[1] must not be listed twice"),
        ("[network]\nhidden = { choice = [[3]], choices = [[3]] }", "network.hidden.choice must be a known key"),
        ("[training]\nepochs = 0", "training.epochs must be at least 1"),
        ("[training]\nbatch_size = 8.0", "training.batch_size must be a whole number"),
        ("[training]\ncheckpoints = 0", "training.checkpoints must be at least 1"),
        ('[training]\nnesterov = "no"', "training.nesterov must be true or false"),
        ("[validation]\nfolds = 1", "validation.folds must be at least 2"),
        ("[validation]\nrepeats = 0", "validation.repeats must be at least 1"),
        ('[validation]\nscheme = "group"', 'data.groups must be given for validation.scheme = "group", however: it'),
        ('[validation]\nscheme = "timeseries"\nrepeats = 2', "validation.repeats must be 1 for timeseries"),
        ('[validation]\nmetric = "acuracy"', "(did you mean accuracy?), however"),
        ("[search]\nbatch = 0", "search.batch must be at least 1"),
        ("[search]\ntrails = 3", "search.trails must be a known key (did you mean trials?), however: 3"),
        ("[search]\nzzz = 3", "search.zzz must be a known key (trials, batch, allocation, sampler, pruner)"),
        ("[space]\ndropout = true", "space.dropout must be a number, { low"),
        ("[space]\ndropout = 1", "space.dropout must be below 1, however: 1.0"),
        ("[space]\ndropout = { low = -0.1, high = 0.5 }", "space.dropout.low must be at least 0, however: -0.1"),
        ("[space]\ndropout = { low = 0.5, high = 0.5 }", "space.dropout.high must be above low, 0.5"),
        ("[space]\ndropout = { low = 0.0, high = 0.5, log = true }", "space.dropout.low must be above 0 on a logar"),
        ("[space]\ndropout = { low = 0.1, high = 0.5, step = 0.3 }", "space.dropout.step must divide the distance"),
        ("[space]\ndropout = { low = 0.1, high = 0.5, step = -0.1 }", "space.dropout.step must be above 0"),
        ("[space]\ndropout = { choices = [] }", "space.dropout.choices must not be empty"),
        ("[space]\ndropout = { choices = [0.1, 0.2, 0.1] }", "space.dropout.choices[2] must not be listed twice"),
        ("[space]\ndropout = { chioces = [0.1], choices = [0.1] }", "space.dropout.chioces must be a known key"),
        ("[space]\nlearning_rate = 0", "space.learning_rate must be above 0"),
        (
            "[space]\nlearning_rate = { low = 0.1, high = 0.5, log = true, step = 0.1 }",
            "space.learning_rate.step must not be given together with log",
        ),
        ("[space]\nmomentum = { choices = [0.5, 1.0] }", "space.momentum.choices[1] must be below 1"),
        ("[space]\nmax_norm = { low = 0, high = 5 }", "space.max_norm.low must be above 0, however: 0"),
        ('[space]\nmax_norm = { choices = [1, "of"] }', 'space.max_norm.choices[1] must be a number, "off"'),
        ('[space]\nmomentum = "off"', "space.momentum must be a number"),
        ("[space]\nlr_decay = 1.5", "space.lr_decay must be at most 1"),
        ("[space]\nlr_decay = 0", "space.lr_decay must be above 0"),
        ("[space]\nweight_decay = -1", "space.weight_decay must be at least 0"),
        ("[space]\nplacement = 3", 'space.placement must be a placement such as "all"'),
        ('[space]\nplacement = "hiden"', "space.placement must be none, input, hidden, all, a layer"),
        ('[space]\nplacement = "hidden3"', "must name layers that exist (input, hidden1, hidden2), however"),
        ('[space]\nplacement = "hidden+hidden1"', "space.placement must name each layer once"),
        (
            '[space]\nplacement = { choices = ["all", "input+hidden"] }',
            'space.placement.choices[1] must differ from all, which means the same layers, however: "input+hidden"',
        ),
        ("[space.dropout_layers]\nhidden3 = 0.1", "space.dropout_layers.hidden3 must be a layer (input, hidden1"),
        ("[space.dropout_layers]\ninput = 1.5", "space.dropout_layers.input must be below 1"),
        ("[space]\nshared = true\ndropout_layers = { input = 0.1 }", "space.shared must be false when dropout_layers"),
        ("format = 2", "format must be one of 1, however: 2"),
        ("seed = -1", "seed must be at least 0"),
        ("seed = 4294967296", "seed must be at most 4294967295"),
    ],
)
def test_what_is_refused(body: str, said: str) -> None:
    head = body if body.startswith(("format", "seed")) else ""
    found = problems(f"{head}\n{MINIMAL}{'' if head else body}")
    assert len(found) == 1, found
    assert said in found[0]
    assert found[0].endswith("(studies/x.toml)")


@pytest.mark.parametrize(
    ("data", "more", "said"),
    [
        ('task = "regression"\npositive = 1', "", 'data.positive must not be given for regression, however: "1"'),
        ('task = "regression"', '[training]\nclass_weight = "balanced"', "training.class_weight must be none for"),
        ('task = "regression"', '[validation]\nscheme = "stratified"', "validation.scheme must not be stratified"),
        ('task = "regression"', '[validation]\nmetric = "f1"', "validation.metric must be one of rmse, mae, r2"),
        ('task = "classification"', '[validation]\nmetric = "r2"', "validation.metric must be one of accuracy"),
        ('groups = "g"', '[validation]\nscheme = "kfold"', "validation.scheme must be auto or group when data.groups"),
        ('target = "t"\ndrop = ["t"]', "", "data.drop must not name the target"),
        ('target = "t"\ngroups = "t"', "", "data.groups must not be the target"),
        ('groups = "g"\ndrop = ["g"]', "", "data.drop must not name the column of data.groups"),
        ('drop = ["c"]\ncategorical = ["c"]', "", "data.categorical must name features"),
        ('drop = ["c", "c"]', "", "data.drop[1] must not be listed twice"),
        ('drop = "c"', "", "data.drop must be a list"),
        ('source = ""', "", "data.source must not be empty"),
        ('source = "a\\u0000b"', "", "data.source must not contain the character NUL"),
        ("dropout_layers = 3", "", "data.dropout_layers must be a known key"),
    ],
)
def test_keys_that_must_go_together(data: str, more: str, said: str) -> None:
    source = "" if "source" in data else 'source = "x"\n'
    found = problems(f"[data]\n{source}{data}\n{more}")
    assert len(found) == 1, found
    assert said in found[0]


def test_subsets_need_networks_of_one_depth_and_not_too_deep() -> None:
    body = '[space]\nplacement = "subsets"\n[network]\nhidden = '
    assert "list of placements when network.hidden has candidates" in problem(f"{body}{{ choices = [[3], [3, 4]] }}")
    assert "list of placements beyond 6 hidden layers" in problem(f"{body}[1, 1, 1, 1, 1, 1, 1]")
    spec = parse(f"{MINIMAL}{body}[3, 4]")
    assert spec.space.placements == (
        *("none", "input", "hidden1", "hidden2"),
        *("input+hidden1", "input+hidden2", "hidden", "all"),
    )


def test_placements_are_checked_at_every_depth() -> None:
    body = "[network]\nhidden = { choices = [[3], [3, 4]] }\n[space]\nplacement = { choices = "
    assert "choices[0] must name layers that exist (input, hidden1), how" in problem(f'{body}["hidden2"] }}')
    assert "choices[1] must differ from hidden" in problem(f'{body}["hidden", "hidden1"] }}')


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a = 1\nb = \nc = 2", "line 2, column 5: "),
        ("a = [1,", "end of document: "),
        ("a = 1\na = 2\nb = 3", "line 2, column 6: "),
        (f"a = {'1' * 5000}", "Exceeds the limit"),
        (f"a = {'[' * 5000}", "maximum recursion depth"),
    ],
)
def test_broken_toml_says_where(text: str, where: str) -> None:
    assert problems(text)[0].startswith(f"studies/x.toml must be valid TOML, however: {where}")


@pytest.mark.parametrize("text", ["data = 3", "[[data]]\nsource = 'x'", "network = 1\n[data]\nsource = 'x'", ""])
def test_a_section_that_is_no_table(text: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert "must be a table" in found[0] or "data.source must be given" in found[0]


def test_an_enormous_number_is_a_problem_not_a_crash() -> None:
    (said,) = problems(f"{MINIMAL}[space]\nmomentum = 1{'0' * 400}")
    assert said.startswith("space.momentum must be a number")
    assert len(said) < 200


def test_layers_of_a_placement() -> None:
    assert layer_names(2) == ("input", "hidden1", "hidden2")
    assert layers_of("none", 2) == (False, False, False)
    assert layers_of("input", 2) == (True, False, False)
    assert layers_of("hidden", 2) == (False, True, True)
    assert layers_of("all", 2) == (True, True, True)
    assert layers_of("hidden2", 2) == (False, False, True)
    assert layers_of("hidden2+input", 2) == (True, False, True)
    for wrong in ("", "hidden0", "hidden01", "output", "none+input", "input+", "INPUT"):
        with pytest.raises(ValueError, match="must be none, input"):
            layers_of(wrong, 2)


@given(st.integers(1, 5))
@settings(max_examples=5)
def test_subsets_are_all_subsets_each_by_its_shortest_name(depth: int) -> None:
    names = subsets(depth)
    meanings = [layers_of(name, depth) for name in names]
    assert len(set(meanings)) == 2 ** (depth + 1) == len(names)
    assert [placement_name(layers) for layers in meanings] == list(names)
    assert names[0] == "none"
    assert names[-1] == "all"


@given(st.integers(1, 2000), st.integers(1, 50))
@settings(max_examples=50)
def test_checkpoints_are_evenly_spaced_and_end_with_the_last_epoch(epochs: int, wanted: int) -> None:
    found = checkpoint_epochs(epochs, wanted)
    assert len(found) == min(epochs, wanted)
    assert found[-1] == epochs
    gaps = [later - earlier for earlier, later in zip((0, *found), found, strict=False)]
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1


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


def test_where_a_relative_source_is_relative_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = parse(MINIMAL, Path("studies/x.toml"))
    assert spec.data.source == "x.csv"
    assert spec.base_dir == tmp_path / "studies"
    assert absolute_source(spec.data.source, spec.base_dir) == str(tmp_path / "studies" / "x.csv")
    changed = parse(MINIMAL, Path("studies/x.toml"), ["data.source=../data/y.csv"])
    assert changed.data.source == str(tmp_path.parent / "data" / "y.csv")


def test_the_home_of_nobody_is_a_file_name(tmp_path: Path) -> None:
    assert absolute_source("~no-such-user/x.csv", tmp_path) == str(tmp_path / "~no-such-user" / "x.csv")
    assert absolute_source("~/x.csv", tmp_path) == str((Path.home() / "x.csv").resolve())


@pytest.mark.parametrize("source", ["openml:40", "sklearn:wine", "https://example.org/a.csv", "FILE:///a.csv"])
def test_sources_that_are_no_local_files(source: str) -> None:
    assert not is_local(source)
    assert absolute_source(source, Path("/somewhere")) == source


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


def test_fingerprint_leaves_out_name_trials_and_file_only() -> None:
    spec = parse(WHOLE, Path("a.toml"))
    same = parse(WHOLE, Path("b/c.toml"), ["name=other", "search.trials=256"])
    assert same.fingerprint == spec.fingerprint
    assert differences(spec, same) == []
    others = ["seed=8", "data.source=openml:41", "search.batch=8", "space.dropout.high=0.6", "training.epochs=31"]
    changed = [parse(WHOLE, overrides=[override]) for override in others]
    assert len({spec.fingerprint, *(one.fingerprint for one in changed)}) == len(others) + 1


def test_fingerprint_of_spelled_out_defaults_is_the_same() -> None:
    spec = parse(MINIMAL)
    assert parse(to_toml(spec)).fingerprint == spec.fingerprint


def test_differences_name_the_keys() -> None:
    old = parse(WHOLE)
    overrides = ["training.epochs=20", "space.dropout.high=0.6", "validation.metric=accuracy", "search.trials=99"]
    assert differences(old, parse(WHOLE, overrides=overrides)) == [
        "training.epochs: 30 → 20",
        'space.dropout: {"low": 0.1, "high": 0.5, "step": 0.1} → {"low": 0.1, "high": 0.6, "step": 0.1}',
        'validation.metric: "roc_auc" → "accuracy"',
    ]
    assert differences(old, replace(old, validation=replace(old.validation, metric=None))) == [
        'validation.metric: "roc_auc" → not set'
    ]


def test_toml_is_readable() -> None:
    lines = to_toml(parse(WHOLE)).splitlines()
    assert lines[:5] == ["format = 1", 'name = "sonar"', "seed = 7", "", "[data]"]
    assert "hidden = { choices = [[60, 30], [120, 60]] }" in lines
    assert "learning_rate = { low = 0.003, high = 0.5, log = true }" in lines
    assert 'max_norm = { choices = [1.0, 3.5, "off"] }' in lines


TRIAL = Hyperparameters((60, 30), "all", (0.1, 0.30000000000000004, 0.2), 1e-05, 0.9, None, 0.1 + 0.2, 0.0)


def test_a_trial_as_a_fixed_definition() -> None:
    spec = parse(WHOLE, Path("studies/sonar.toml"), ["space.placement=all"])
    alone = fixed(spec, TRIAL, "sonar-best")
    assert parse(to_toml(alone)) == alone
    assert alone.space.placements == ("all",)
    assert [alone.space.rate(layer) for layer in layer_names(2)] == [Fixed(rate) for rate in TRIAL.dropout]
    assert (alone.space.max_norm, alone.space.learning_rate) == (Fixed("off"), Fixed(1e-05))
    assert (alone.network.hidden, alone.search.trials, alone.seed) == (((60, 30),), 1, 7)
    assert replace(alone, space=spec.space, network=spec.network, search=spec.search, name="sonar") == spec


def test_a_fixed_definition_is_short_where_it_can_be() -> None:
    spec = parse(MINIMAL, Path("studies/x.toml"), ["space.shared=true"])
    same = fixed(spec, replace(TRIAL, dropout=(0.1, 0.1, 0.1)), "best")
    assert (same.space.dropout, same.space.dropout_layers, same.space.shared) == (Fixed(0.1), {}, True)
    none = fixed(spec, replace(TRIAL, placement="none", dropout=(0.0, 0.0, 0.0), max_norm=2.5), "best")
    assert (none.space.placements, none.space.dropout, none.space.max_norm) == (("none",), Fixed(0.0), Fixed(2.5))
    assert none.data.source == str(Path("studies/x.csv").absolute())
    assert parse(to_toml(none)) == none


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
                "placement": st.sampled_from(["subsets", "all", {"choices": ["none", "hidden2+input"]}]),
                "dropout": _dimensions(0.0, 1.0),
                "dropout_layers": st.dictionaries(st.sampled_from(layer_names(2)), _dimensions(0.0, 1.0)),
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
    rate = spec.space.learning_rate
    if isinstance(rate, Range):
        assert math.copysign(1, rate.low) == 1


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
    "data": ["source", "target", "header", "task", "positive", "categorical", "drop", "groups"],
    "network": ["hidden", "activation", "init"],
    "training": ["epochs", "batch_size", "stop"],
    "space": ["placement", "dropout", "dropout_layers", "shared", "max_norm", "weight_decay", "lr_decay"],
    "validation": ["folds", "repeats", "scheme", "metric"],
    "search": ["trials", "batch", "pruner", "sampler"],
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
