"""Exports of the best configuration; that an exported definition repeats its score is in test_cli.py."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import tomlkit

from sweep.errors import NotFoundError, UserError
from sweep.export import definition, versions
from sweep.export.files import Target
from sweep.spec import definition as spec
from sweep.spec.model import Chosen, ChosenScore, Fixed
from tests.made_sweep import made_summary, sonar
from tests.pruned_sweep import pruned_summary


def test_the_toml_is_a_definition_of_the_best_trial_alone() -> None:
    summary = made_summary()
    assert summary.best is not None
    best = summary.best.hyperparameters
    exported = spec.parse(definition.to_toml(summary))
    assert exported.name == "sonar-best"
    assert exported.search.trials == 1
    assert exported.space.placements == (best.placement,)
    assert exported.space.learning_rate == Fixed(best.learning_rate)  # to the last bit
    assert exported.space.max_norm == Fixed(best.max_norm if best.max_norm is not None else "off")
    for key in ("seed", "network", "training", "validation"):
        assert getattr(exported, key) == getattr(summary.spec, key), key


def test_the_toml_says_raw_and_honest_score_epoch_versions_and_table() -> None:
    summary = made_summary()
    assert summary.best is not None
    assert summary.honest is not None
    comments = "\n".join(line for line in definition.to_toml(summary).splitlines() if line.startswith("#"))
    for part in (
        f"trial {summary.best.number}",
        repr(summary.best.score),
        f"honest: {100 * summary.honest.value:.1f} % (95 % interval {100 * summary.honest.low:.1f} to",
        f"Chosen epoch: {summary.best.epoch} of 300",
        summary.info.content_hash,
        "dropout-sweep",
        "torch",
        "python",
    ):
        assert part in comments, part


def test_a_source_cannot_leave_its_comment() -> None:
    evil = replace(sonar(), source='a\nseed = 99\u2028#\r"')
    exported = definition.to_toml(made_summary(info=evil))
    assert spec.parse(exported).seed == 7
    assert "\r" not in exported


def test_the_json_document_holds_the_same_definition() -> None:
    summary = made_summary(metric="rmse", definition=DIABETES, info=replace(sonar(), task="regression", classes=()))
    assert summary.best is not None
    assert summary.honest is not None
    document = json.loads(definition.to_json(summary))
    assert document["sweep"] == "diabetes"
    assert document["metric"] == "rmse"
    assert document["trial"] == summary.best.number
    assert document["score"] == summary.best.score
    assert document["honest_score"] == {
        "value": summary.honest.value,
        "low": summary.honest.low,
        "high": summary.honest.high,
    }
    assert document["epoch"] == summary.best.epoch
    assert document["data"]["content_hash"] == summary.info.content_hash
    assert set(document["versions"]) == {"python", *versions.PACKAGES}
    same = spec.parse(tomlkit.dumps(document["definition"]))
    assert same == spec.parse(definition.to_toml(summary)) == definition.best_definition(summary)


def test_the_definition_says_how_it_was_chosen() -> None:
    summary = made_summary()
    assert summary.honest is not None
    exported = spec.parse(definition.to_toml(summary))
    honest = ChosenScore(summary.honest.value, summary.honest.low, summary.honest.high)
    assert exported.chosen == Chosen("sonar", 128, summary.info.content_hash, exported.fingerprint, honest)
    bare = spec.parse(definition.to_toml(replace(summary, honest=None))).chosen
    assert bare == replace(exported.chosen, honest_score=None)
    assert spec.parse(definition.to_toml(made_summary(trials=1))).chosen is None


def test_what_was_chosen_elsewhere_stays_chosen_there() -> None:
    chosen = Chosen("mine", 64, sonar().content_hash, "of the first export", ChosenScore(0.5, 0.4, 0.6))
    text = definition.to_toml(replace(made_summary(), chosen=chosen))
    exported = spec.parse(text)
    assert exported.chosen == replace(chosen, fingerprint=exported.fingerprint)
    assert "# Chosen in the sweep mine, among 64 trials." in text


def test_a_long_name_stays_a_name() -> None:
    summary = made_summary()
    long = replace(summary, status=replace(summary.status, name="x" * 100))
    exported = spec.parse(definition.to_toml(long)).name
    assert len(exported) == 100
    assert exported.endswith("-best")


def test_without_an_honest_score_it_says_so() -> None:
    bare = replace(made_summary(), honest=None)
    assert "honest: not defined" in definition.to_toml(bare)
    assert json.loads(definition.to_json(bare))["honest_score"] is None


@pytest.mark.parametrize("export", [definition.to_toml, definition.to_json])
def test_nothing_to_export_before_the_first_trial(export: object) -> None:
    assert callable(export)
    with pytest.raises(NotFoundError, match="no trial of sweep sonar has finished yet"):
        export(made_summary(trials=0))


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_is_written_with_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    path = tmp_path / "ä.toml"
    before = os.umask(0o027)
    try:
        Target(path).write("größe\n")
    finally:
        os.umask(before)
    assert path.read_bytes() == "größe\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_another_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("mine")
    path.chmod(0o600)
    with pytest.raises(UserError, match=r"x\.toml exists already.*--force"):
        Target(path).write("new")
    assert path.read_text() == "mine"
    Target(path, force=True).write("new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    Target(link, force=True).write("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_impossible_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        Target(tmp_path, force=True).write("x")
    with pytest.raises(UserError, match="folder of the output must exist"):
        Target(tmp_path / "nowhere" / "x").write("x")
    with pytest.raises(UserError, match="cannot be written: File name too long"):
        Target(tmp_path / ("x" * 300)).write("x")
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_written_to() -> None:
    Target(Path(os.devnull)).write("x")
    assert not Path(os.devnull).is_file()


DIABETES = """
name = "diabetes"
seed = 3
[data]
source = "sklearn:diabetes"
[network]
hidden = [32]
[space]
placement = "subsets"
max_norm = { choices = ["off", 2.0] }
weight_decay = { low = 1e-6, high = 1e-2, log = true }
[validation]
metric = "rmse"
repeats = 2
"""


def test_of_a_trial_that_was_stopped_early_it_does_not_promise_the_same_score() -> None:
    summary = pruned_summary(complete=False)
    text = definition.to_toml(summary)
    assert "# It was stopped early at epoch 100; `sweep run` on this file trains it to its end." in text
    assert "gives the same score" not in text
    assert spec.parse(text).search.pruner == "none"
    whole = definition.to_toml(pruned_summary())
    assert "gives the same score" in whole
    assert spec.parse(whole).search.pruner == "none"
