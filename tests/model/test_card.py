"""What a model folder says of itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sweep import wording
from sweep.analysis.results import SweepSummary
from sweep.answer.sentences import sentence
from sweep.export.versions import versions
from sweep.metrics import METRICS
from sweep.model.card import Choice, card_text
from sweep.model.config import config_text
from sweep.model.folder import read_model
from sweep.model.model import Model
from sweep.records import Task
from sweep.spec.definition import parse
from sweep.tables.load import read_for
from tests.made_answer import helps
from tests.made_sweep import made_summary
from tests.model.worlds import World
from tests.pruned_sweep import pruned_summary


@pytest.fixture
def any_model(written: Path) -> Model:
    """For cards of made sweeps."""
    return read_model(written)


def card(summary: SweepSummary, model: Model, choice: Choice | None = None, folder: str = "model") -> str:
    assert summary.best is not None
    choice = choice or Choice(summary.best, "best")
    return card_text(summary, choice, model, None, device="cpu", folder=folder)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_its_numbers_are_those_of_the_database(worlds: Callable[[Task], World], task: Task) -> None:
    world = worlds(task)
    summary, text = world.summary(), world.refit(3).card
    best, honest, metric = summary.best, summary.honest, summary.metric
    assert best is not None
    assert honest is not None
    with world.store() as store:
        sweep = store.sweep(task)
        assert sweep is not None
        stored = next(trial for trial in store.trials(sweep.key) if trial.number == best.number)
    assert f"# {task}: trial {stored.number}, {wording.placement(best.placement)}" in text
    assert f"raw {stored.score!r}, honest {honest.value!r} (95 % interval {honest.low!r} to {honest.high!r})" in text
    interval = wording.interval(metric, honest.low, honest.high)
    assert f"| honest score | {wording.score(metric, honest.value)} (95 % interval {interval}) |" in text
    assert f"| raw score | {wording.powers(metric.format(stored.score))}" in text
    for part in (
        sweep.data_hash,
        str(world.table),
        "| rows | 54 |",
        "| networks | 3 |",
        "| seed | 3 |",
        f"| epochs | {stored.epoch} of {summary.spec.training.epochs}",
        f"| learning_rate | {wording.number(stored.hyperparameters.learning_rate)} |",
        "trained again on all 54 rows",
        f"`sweep answer {task}`",
        "$ sweep predict model new.csv",
        *(f"{name} {version}" for name, version in versions().items()),
    ):
        assert part in text, part


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("members", [1, 3])
def test_its_lines_of_numpy_predict_the_same(
    worlds: Callable[[Task], World], task: Task, members: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = worlds(task)
    made = world.fit(tmp_path / "model", members)
    expected = made.model.predict(read_for(made.model.recipe, str(world.table), None))
    by_hand = made.card.split("## By hand")[1].split("```python\n")[1].split("```")[0]
    assert sum("import" not in line for line in by_hand.splitlines() if line) <= 10
    assert "sweep" not in by_hand
    monkeypatch.chdir(tmp_path / "model")
    names = {"features": expected.features}
    exec(by_hand, names)  # noqa: S102 - it is what is tested
    said = expected.values if expected.probabilities is None else expected.probabilities
    np.testing.assert_allclose(names["result"], said[:, 1] if task == "binary" else said, rtol=1e-10)


def test_its_lines_of_python_predict_the_same(
    binary: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = binary.fit(tmp_path / "model")
    lines = (
        made.card.split("From Python")[1].split("```python\n")[1].split("```")[0].replace("new.csv", str(binary.table))
    )
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(lines, names)  # noqa: S102 - it is what is tested
    expected = made.model.predict(read_for(made.model.recipe, str(binary.table), None))
    assert capsys.readouterr().out.strip() == str(expected.labels[:10])


def test_a_raw_score_never_stands_without_the_honest_one(any_model: Model) -> None:
    summary = made_summary()
    assert summary.best is not None
    assert summary.honest is not None
    other = next(trial for trial in summary.trials if trial.number != summary.best.number)
    value = wording.score(METRICS["accuracy"], summary.honest.value)
    for how in ("number", "placement"):
        text = card(summary, any_model, Choice(other, how))
        assert f"that of the sweep's best, trial {summary.best.number}: {value}" in text
        assert "of this trial there is none" in text
        assert f"raw {other.score!r}, honest score of the best {summary.honest.value!r}" in text
        assert "too high because" not in text
    assert "the best of the placement" in text
    nothing = card(replace(summary, honest=None), any_model)
    assert "| honest score | undefined |" in nothing
    assert "too good" in nothing
    assert "of this trial there is none" in card(replace(summary, honest=None), any_model, Choice(other, "number"))


def test_the_definition_of_another_trial_claims_no_honest_score() -> None:
    summary = made_summary()
    assert summary.best is not None
    other = next(trial for trial in summary.trials if trial.number != summary.best.number)
    spec = parse(config_text(summary, other))
    assert spec.name == f"sonar-trial{other.number}"
    assert spec.chosen is not None
    assert (spec.chosen.sweep, spec.chosen.trials, spec.chosen.honest_score) == ("sonar", 128, None)
    assert spec.chosen.fingerprint == spec.fingerprint
    assert parse(config_text(summary, summary.best)).name == "sonar-best"


def test_a_trial_that_was_stopped_early_says_so(any_model: Model) -> None:
    summary = pruned_summary()
    pruned = next(trial for trial in summary.trials if trial.pruned)
    text = card(summary, any_model, Choice(pruned, "number"))
    assert f"was stopped early, after {pruned.trained} of 300 epochs" in text
    assert f"trained to its chosen epoch, {pruned.epoch}" in text
    assert f"of {pruned.trained} epochs only: it was stopped early" in text
    assert "trains it to its end" in config_text(summary, pruned)
    assert "stopped early" not in card(summary, any_model)


def test_the_answer_is_in_it_where_there_is_one(any_model: Model) -> None:
    summary = made_summary()
    assert summary.best is not None
    answer = helps()
    text = card_text(summary, Choice(summary.best, "best"), any_model, answer, device="cpu", folder="model")
    assert sentence(answer) in text
    assert "was not asked" not in text


def test_secrets_of_the_address_are_left_out_and_said_to_be_elsewhere(any_model: Model) -> None:
    summary = made_summary()
    data = replace(summary.spec.data, source="https://ann:pw@host.example/t.csv?token=x")
    summary = replace(
        summary,
        spec=replace(summary.spec, data=data),
        info=replace(summary.info, source="https://***@host.example/t.csv?token=***"),
    )
    text = card(summary, any_model)
    assert "https://***@host.example/t.csv?token=***" in text
    assert "pw@" not in text
    assert "`config.toml` holds the whole address of the table" in text
    assert "pw@" in config_text(summary, next(iter(summary.trials)))


def test_names_cannot_leave_their_place(any_model: Model) -> None:
    info = replace(made_summary().info, target="a`b``|\n# c", classes=("<b>", "x|y"))
    text = card(made_summary(info=info), replace(any_model, name="x"), folder="my model's")
    assert r"``` a`b``\|\n# c ```" in text
    assert not re.search(r"^# c", text, re.MULTILINE)
    assert "x\\|y" in text
    assert """$ sweep predict 'my model'"'"'s' new.csv""" in text
    assert 'read_model("my model\'s")' in text


def test_networks_that_diverged_are_counted(any_model: Model) -> None:
    networks = any_model.networks
    dead = replace(networks, weights=tuple(np.zeros_like(weight) for weight in networks.weights))
    assert "**1 of 1 network diverged, and predict a constant.**" in card(
        made_summary(), replace(any_model, networks=dead)
    )
    assert "diverged" not in card(made_summary(), any_model)
