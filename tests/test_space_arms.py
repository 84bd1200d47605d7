"""Arms, their sizes, their turns, and the budget."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.errors import DefinitionError
from sweep.space.arms import arms, batch_size, budget, dimension_at, dimension_size, dimension_value, snapped, turn_of
from sweep.space.proposer import Proposer
from sweep.spec.definition import parse
from sweep.spec.model import Choices, Fixed, Range, SweepSpec

# A small space in which everything is finite: none 4 configurations, input 8, all 32 (three layers of two rates).
FINITE = [
    "space.learning_rate={choices = [0.1, 0.01]}",
    "space.momentum=0.9",
    "space.max_norm={choices = [1.0, 'off']}",
    "space.lr_decay=1.0",
    "space.dropout={low = 0.2, high = 0.3, step = 0.1}",
]


def make(*overrides: str) -> SweepSpec:
    text = 'name = "a"\nseed = 3\n[data]\nsource = "x"\n[search]\nbatch = 6\n'
    return parse(text, Path("studies/a.toml"), overrides)


def turns(spec: SweepSpec, numbers: Iterable[int]) -> list[str]:
    """Names of the arms that trials belong to."""
    every = arms(spec)
    found = [turn_of(tuple(arm.size for arm in every), number) for number in numbers]
    return [every[turn.arm].name for turn in found if turn is not None]


@pytest.mark.parametrize(
    ("overrides", "trials", "per_arm", "note"),
    [
        (["search.trials=128"], 128, {"none": 32, "input": 32, "hidden": 32, "all": 32}, None),
        (["search.trials=1", "space.placement=all"], 1, {"all": 1}, None),
        (["search.trials=128", "search.allocation=sampler"], 128, {"*": 128}, None),
        (
            ["search.trials=9", 'space.placement={choices = ["none", "all"]}'],
            10,
            {"none": 5, "all": 5},
            "9 trials rounded up to 10: 5 for each of 2 arms",
        ),
        (
            [
                "search.trials=128",
                'space.placement={choices = ["none", "input", "all"]}',
                *FINITE[:4],
                "space.weight_decay=0.0",
            ],
            128,
            {"none": 4, "input": 62, "all": 62},
            "none has only 4 distinct configurations",
        ),
        (
            [
                *("space.learning_rate=0.1", "space.momentum=0.9", "space.max_norm=1.0", "space.lr_decay=1.0"),
                "search.trials=128",
            ],
            130,
            {"none": 1, "input": 43, "hidden": 43, "all": 43},
            "none has only 1 distinct configuration; 128 trials rounded up to 130: 43 for each of 3 other arms",
        ),
    ],
)
def test_the_budget_is_whole_rounds(
    overrides: list[str], trials: int, per_arm: dict[str, int], note: str | None
) -> None:
    spec = make(*overrides)
    found = budget(spec)
    assert (found.trials, found.per_arm, found.note) == (trials, per_arm, note)
    assert Counter(turns(spec, range(trials))) == per_arm


@pytest.mark.parametrize(
    ("overrides", "size", "note"),
    [
        (
            ["search.pruner=halving", "search.trials=48"],
            24,
            "batches of 6 rounded up to 24: 6 of each arm are compared",
        ),
        (
            ["search.pruner=halving", "search.trials=100"],
            24,
            "batches of 6 rounded up to 24: 6, at last 1 of each arm are compared",
        ),
        (
            ["search.pruner=halving", "search.trials=20"],
            24,
            "batches of 6 rounded up to 24: 5 of each arm are compared",
        ),
        (
            ["search.pruner=halving", "search.batch=26", "search.reduction=2"],
            28,
            "batches of 26 rounded up to 28: 7, at last 4 of each arm are compared",
        ),
        (["search.pruner=halving", "search.trials=4"], 24, None),  # there is one batch only
        (["search.pruner=median"], 6, None),
        (
            ["search.pruner=halving", "search.allocation=sampler"],
            24,
            "batches of 6 rounded up to 24: about 6 of each placement are compared",
        ),
        ([], 6, None),
    ],
)
def test_with_halving_a_batch_holds_equally_many_of_each_arm(overrides: list[str], size: int, note: str | None) -> None:
    spec = make(*overrides)
    assert (batch_size(spec), budget(spec).note) == (size, note)
    if spec.search.pruner == "halving" and spec.search.allocation == "equal":
        counts = Counter(turns(spec, range(3 * size, 4 * size)))
        assert set(counts.values()) == {size // len(spec.space.placements)}


def test_batches_after_an_arm_has_run_dry_are_not_said_to_hold_equally_many() -> None:
    fixed = ("learning_rate=0.1", "momentum=0.9", "max_norm=1.0", "lr_decay=1.0")
    spec = make("search.pruner=halving", "search.trials=32", *(f"space.{one}" for one in fixed))
    note = budget(spec).note
    assert note is not None
    assert note.startswith("none has only 1 distinct configuration; ")
    assert note.endswith("; batches of 6 rounded up to 24")


def test_more_trials_than_configurations_are_refused() -> None:
    spec = make(*FINITE, 'space.placement={choices = ["none", "input"]}', "search.trials=13")
    with pytest.raises(DefinitionError) as caught:
        Proposer(spec, "maximize")
    (said,) = caught.value.problems
    assert said.startswith(
        "search.trials must be at most 12 (the space has no more distinct configurations), however: 13 ("
    )


def test_a_grid_names_what_has_no_end() -> None:
    spec = make("search.sampler=grid", *FINITE[:3], "space.dropout_layers.input=0.1")
    with pytest.raises(DefinitionError) as caught:
        budget(spec)
    said = caught.value.problems
    assert [line.split(" must ")[0] for line in said] == ["space.lr_decay", "space.dropout"]
    assert 'have a step for search.sampler = "grid", however: [0.01, 1.0] (' in said[0]


def test_a_grid_must_fit() -> None:
    step = "space.dropout={low = 0.0001, high = 0.9991, step = 0.001}"
    spec = make("search.sampler=grid", *FINITE[:4], step, "space.placement=all")
    with pytest.raises(
        DefinitionError, match=r"the grid of all must have at most 1,000,000 points, however: 4,000,000,000"
    ):
        budget(spec)


def test_beyond_the_budget_the_rounds_go_on() -> None:
    spec = make("search.trials=8")
    assert turns(spec, (8, 9, 13)) == ["none", "input", "input"]


@given(st.lists(st.integers(1, 6) | st.none(), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_turns_are_fair_and_never_beyond_an_arm(sizes: list[int | None]) -> None:
    counts = [0] * len(sizes)
    for number in range(40):
        turn = turn_of(tuple(sizes), number)
        if turn is None:
            assert counts == sizes
            break
        assert turn.index == counts[turn.arm]
        counts[turn.arm] += 1
        going = [count for count, size in zip(counts, sizes, strict=True) if size is None or count < size]
        assert all(size is None or count <= size for count, size in zip(counts, sizes, strict=True))
        assert max(going, default=0) - min(going, default=0) <= 1
    else:
        assert None in sizes


def test_steps_are_the_decimals_one_would_write() -> None:
    dimension = Range(0.1, 0.7, step=0.1)
    values = [dimension_value(dimension, position) for position in range(dimension_size(dimension) or 0)]
    assert values == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert snapped(dimension, 0.1 + 2 * 0.1) == 0.3
    assert snapped(Range(0.1, 0.7), 0.1 + 0.2) == 0.1 + 0.2
    assert snapped(Choices((1.0, "off")), "off") == "off"


def test_shares_run_through_a_dimension() -> None:
    last = math.nextafter(1.0, 0.0)
    assert dimension_at(Range(0.0, 2.0), 0.25) == 0.5
    assert float(dimension_at(Range(1.0, 100.0, log=True), 0.5)) == pytest.approx(10)
    assert (dimension_at(Choices((1.0, "off")), 0.5), dimension_at(Fixed(3.0), last)) == ("off", 3.0)
    assert [dimension_at(Range(0.0, 1.0, step=0.5), share) for share in (0.0, 0.34, last)] == [0.0, 0.5, 1.0]
    assert 0.003 <= float(dimension_at(Range(0.003, 0.5, log=True), last)) <= 0.5


def test_configurations_of_a_finite_arm_are_all_different() -> None:
    for arm in arms(make(*FINITE, "network.hidden={choices = [[8], [8, 4]]}")):
        size = arm.size or 0
        every = [tuple(sorted(arm.configuration(index).items())) for index in range(size)]
        assert len(set(every)) == size > 0
        with pytest.raises(IndexError):
            arm.configuration(size)
