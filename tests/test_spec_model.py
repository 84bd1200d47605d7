"""Placements, checkpoints, sources, fingerprints, differences, and a trial as a definition of its own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.errors import DefinitionError
from sweep.records import Hyperparameters
from sweep.spec.alone import fixed
from sweep.spec.definition import parse
from sweep.spec.layers import layer_names, layers_of, placement_name, subsets
from sweep.spec.model import Chosen, ChosenScore, Fixed, checkpoint_epochs, differences, rung_epochs
from sweep.spec.source import absolute_source, is_local, kind_of, shown_source
from sweep.spec.toml import to_toml
from tests.definitions import WHOLE

MINIMAL = 'name = "a"\n[data]\nsource = "x.csv"\n'


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


@pytest.mark.parametrize(
    ("epochs", "checkpoints", "reduction", "rungs"),
    [
        (300, 12, 3, (25, 100)),  # aimed at 33 and 100; 11 is less than half of 25
        (300, 12, 2, (25, 75, 150)),  # 37.5 lies between 25 and 50: the earlier
        (300, 12, 24, (25,)),  # 12.5 is half of 25
        (300, 12, 25, ()),
        (300, 2, 3, (150,)),
        (300, 1, 2, ()),
        (3, 2, 3, (1,)),
        (2, 12, 2, (1,)),
        (1, 12, 2, ()),
        (100, 100, 10, (1, 10)),
    ],
)
def test_rungs_lie_at_the_checkpoints_nearest_to_shares_of_the_epochs(
    epochs: int, checkpoints: int, reduction: int, rungs: tuple[int, ...]
) -> None:
    assert rung_epochs(epochs, checkpoint_epochs(epochs, checkpoints), reduction) == rungs


@given(st.integers(1, 500), st.integers(1, 30), st.integers(2, 60))
@settings(max_examples=100)
def test_a_pruner_has_a_rung_or_is_refused_with_what_would_do(epochs: int, checkpoints: int, reduction: int) -> None:
    keys = ["training.epochs", "training.checkpoints", "search.reduction"]
    values = dict(zip(keys, (epochs, checkpoints, reduction), strict=True))
    overrides = ["space.lr_decay=1.0", *(f"{key}={value}" for key, value in values.items())]
    assert parse(MINIMAL, overrides=overrides).rungs == ()
    try:
        rungs = parse(MINIMAL, overrides=[*overrides, "search.pruner=halving"]).rungs
    except DefinitionError as error:
        (said,) = error.problems
        key, bound = re.findall(r"^(\S+) must be at (?:most|least) (\d+) for", said)[0]
        overrides += [f"{key}={bound}", "search.pruner=halving"]
        if key == "training.epochs":
            overrides.append("training.checkpoints=2")
        if key != "search.reduction":
            overrides.append("search.reduction=2")
        rungs = parse(MINIMAL, overrides=[one for one in overrides if not one.startswith(f"{key}={values[key]}")]).rungs
    assert rungs
    assert list(rungs) == sorted(set(rungs))
    assert set(rungs) <= set(checkpoint_epochs(epochs if epochs > 1 else 2, max(checkpoints, 2))[:-1])


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


CHOSEN = """
[chosen]
sweep = "mine"
trials = 128
content_hash = "aa"
fingerprint = "bb"
honest_score = { value = 0.859, low = 0.8, high = 0.9 }
"""


def test_how_a_configuration_was_chosen_is_no_part_of_the_definition() -> None:
    plain, noted = parse(WHOLE), parse(WHOLE + CHOSEN)
    assert noted.chosen == Chosen("mine", 128, "aa", "bb", ChosenScore(0.859, 0.8, 0.9))
    assert parse(to_toml(noted)) == noted
    assert noted.fingerprint == plain.fingerprint
    assert differences(plain, noted) == differences(noted, plain) == []
    bare = parse(WHOLE + CHOSEN.replace("honest_score", "# honest_score"))
    assert bare.chosen == Chosen("mine", 128, "aa", "bb", None)
    assert parse(to_toml(bare)) == bare
    assert differences(bare, noted) == []


def test_links_in_a_circle_are_left_to_whoever_opens_them(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    assert absolute_source("circle", tmp_path) == str(tmp_path / "circle")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("openml:40", "openml"),
        ("SKLearn:wine", "sklearn"),
        ("https://example.org/a.csv", "url"),
        ("HTTP://h/a.csv", "url"),
        ("FILE:///a.csv", None),
        ("s3://b/a.csv", None),
        ("https:/h/a.csv", None),
    ],
)
def test_sources_that_are_no_local_files(source: str, kind: str | None) -> None:
    assert kind_of(source) == kind
    assert not is_local(source)
    assert absolute_source(source, Path("/somewhere")) == source


@pytest.mark.parametrize("source", ["t.csv", "exp:1.csv", "a b/c:d:e", "C:/t.csv", "sklearns:wine", "./openml:40", ""])
def test_sources_that_are_local_files(source: str) -> None:
    assert kind_of(source) == "file"
    assert absolute_source(source, Path("/somewhere")) == str(Path("/somewhere", source).absolute())


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://u:pw@h.org:8/a@1/t.csv?token=x&v=a=b&c#f", "https://***@h.org:8/a@1/t.csv?token=***&v=***&***#***"),
        ("https://h/t.csv?X-Sig=1;b=2", "https://h/t.csv?X-Sig=***;b=***"),
        ("https://u:p@w@h/t.csv", "https://***@h/t.csv"),
        ("https://u:p/w@h/t.csv", "https://***@h/t.csv"),
        ("https:/u:pw@h/t.csv", "https:/***@h/t.csv"),
        ("s3://key:pw@bucket/t", "s3://***@bucket/t"),
        *((same, same) for same in ("https://h:8/a@1/t.csv", "a@b?c=d.csv", "/x/y?z=1", "openml:40", "sklearn:wine")),
    ],
)
def test_a_source_is_shown_without_what_may_be_secret(source: str, shown: str) -> None:
    assert shown_source(source) == shown
    assert shown_source(shown) == shown


def test_the_definition_alone_keeps_what_may_be_secret() -> None:
    one, other = (parse(MINIMAL, Path("x.toml"), [f"data.source='https://h/t?key={key}'"]) for key in ("aaa", "bbb"))
    assert "key=aaa" in to_toml(one)
    assert differences(one, other) == ['data.source: "https://h/t?key=***", another in what is not shown']
    with pytest.raises(DefinitionError) as caught:
        parse(MINIMAL, Path("x.toml"), ["data.sorce='https://u:aaa@h/t?key=aaa'"])
    assert "aaa" not in str(caught.value)


def test_fingerprint_leaves_out_name_trials_and_file_only() -> None:
    spec = parse(WHOLE, Path("a.toml"))
    same = parse(WHOLE, Path("b/c.toml"), ["name=other", "search.trials=256"])
    assert same.fingerprint == spec.fingerprint
    assert differences(spec, same) == []
    others = [
        "seed=8",
        "data.source=openml:41",
        "search.batch=8",
        "search.lag=2",
        "search.reduction=3",
        "space.dropout.high=0.6",
        "training.epochs=31",
    ]
    changed = [parse(WHOLE, overrides=[override]) for override in others]
    assert len({spec.fingerprint, *(one.fingerprint for one in changed)}) == len(others) + 1


def test_reduction_is_no_part_of_a_definition_without_a_pruner() -> None:
    one, other = (parse(MINIMAL, overrides=[f"search.reduction={reduction}"]) for reduction in (2, 4))
    assert one.fingerprint == other.fingerprint
    assert differences(one, other) == []
    pruned = [parse(MINIMAL, overrides=["search.pruner=median", f"search.reduction={each}"]) for each in (2, 4)]
    assert differences(*pruned) == ["search.reduction: 2 → 4"]


def test_a_sweep_of_before_there_was_a_lag_had_none() -> None:
    """The fingerprint is what this definition's was then."""
    now = parse(MINIMAL, overrides=["search.lag=0"])
    assert now.fingerprint == "c6fd85dd911a31e2861369e16367d2724dcdeb3f6e0aee61ef82e775904256a9"
    assert parse(MINIMAL).fingerprint != now.fingerprint


def test_the_path_of_a_local_table_is_no_part_of_the_definition() -> None:
    one, other = (parse(WHOLE, overrides=[f"data.source={path}"]) for path in ("data/x.csv", "../data/x.csv"))
    assert one.data.source != other.data.source
    assert one.fingerprint == other.fingerprint
    assert differences(one, other) == []
    elsewhere = parse(WHOLE, overrides=["data.source=https://example.org/x.csv"])
    assert elsewhere.fingerprint != one.fingerprint
    assert [line.split(":")[0] for line in differences(one, elsewhere)] == ["data.source"]


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
