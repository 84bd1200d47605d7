"""From real databases to result records, and to a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import RDBStorage
from sqlalchemy import create_engine, event, text

from sweep.analysis import honest_sweep
from sweep.analysis.honest import Trial, honest_score
from sweep.analysis.results import Epochs
from sweep.analysis.status import status, statuses
from sweep.analysis.summary import summarise
from sweep.errors import NotFoundError, StorageError
from sweep.records import TRAIN, VALIDATION, TrialResult
from sweep.report.html import render
from sweep.store.store import Store
from tests.stored_sweep import CHECKPOINTS, FOLDS, INFO, SPEC, TARGET, TRIALS, N, at_all_checkpoints, fill, result


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def test_a_finished_sweep(storage_url: str) -> None:
    fill(storage_url)
    with Store.open(storage_url) as store:
        found = summarise(store, "made")
    assert (found.name, found.status.state, found.status.budget, found.status.counts.complete) == (
        "made",
        "done",
        32,
        32,
    )
    assert found.spec == SPEC
    assert found.fingerprint == SPEC.fingerprint
    assert found.info == INFO
    assert found.note is not None
    assert "31" in found.note
    expected = [result(number) for number in range(TRIALS)]
    assert [trial.score for trial in found.trials] == [one.score for one in expected]
    assert found.best is not None
    assert found.best.score == max(one.score for one in expected)
    assert found.best.number == min(one.number for one in expected if one.score == found.best.score)
    assert [trial.diverged for trial in found.trials[:5]] == [None, None, None, 5, None]
    assert found.trials[7].folds == tuple(expected[7].metrics[:, 1, VALIDATION, 0])
    assert [(arm.placement, arm.trials) for arm in found.arms] == [("none", 16), ("input", 16)]
    assert found.baseline == 0.5
    for arm in found.arms:
        curves = found.curves[arm.best.number]
        np.testing.assert_array_equal(curves.training, expected[arm.best.number].metrics[:, :, TRAIN, 0])
        np.testing.assert_array_equal(curves.validation, expected[arm.best.number].metrics[:, :, VALIDATION, 0])
        assert curves.epochs == CHECKPOINTS


def test_the_note_on_the_budget_is_of_the_budget_that_was_asked_for_last(sqlite_url: str) -> None:
    """31 trials were rounded up to 32; on a resume 40 were wanted, which needs no rounding."""
    fill(sqlite_url, trials=1, budget=40)
    with Store.open(sqlite_url) as store:
        assert summarise(store, "made").note is None


def test_the_honest_score_is_that_of_the_stored_predictions(sqlite_url: str) -> None:
    fill(sqlite_url)
    with Store.open(sqlite_url) as store:
        found = summarise(store, "made")
    # Kept as float16.
    stored = [result(number).predictions.astype(np.float16).astype(np.float32) for number in range(TRIALS)]
    assert found.best is not None
    scores = [[trial.score] for trial in found.trials]
    expected = honest_score(
        map(Trial, stored, scores), TARGET, INFO, metric="accuracy", folds=FOLDS, checkpoints=len(CHECKPOINTS)
    )
    assert found.honest == expected
    assert expected is not None
    assert expected.raw == found.best.score > expected.value


def test_the_honest_score_corrects_for_the_epoch_where_all_checkpoints_are_known(sqlite_url: str) -> None:
    fill(sqlite_url, result=at_all_checkpoints)
    with Store.open(sqlite_url) as store:
        found = summarise(store, "made")
    trials = []
    for number in range(TRIALS):
        one = at_all_checkpoints(number)
        stored = one.predictions.astype(np.float16).astype(np.float32)
        trials.append(Trial(stored, one.metrics[:, :, VALIDATION, 0].mean(axis=0)))
    expected = honest_score(trials, TARGET, INFO, metric="accuracy", folds=FOLDS, checkpoints=2)
    assert found.honest == expected
    assert expected is not None
    assert (expected.checkpoints, expected.corrects_epoch) == (2, True)


def test_it_does_not_say_so_where_some_are_known_at_the_chosen_epoch_only(sqlite_url: str) -> None:
    """A sweep that the first revision of the tables began."""
    fill(sqlite_url, result=lambda number: result(number) if number < 5 else at_all_checkpoints(number))
    with Store.open(sqlite_url) as store:
        found = summarise(store, "made").honest
    assert found is not None
    assert (found.trials, found.checkpoints, found.corrects_epoch) == (TRIALS, 2, False)


# --- pruned trials ----------------------------------------------------------------------------------------------------


def three_in_four_pruned(number: int) -> TrialResult:
    """Trials whose number is no multiple of 4 stop at the first checkpoint, with a score that beats all."""
    whole = at_all_checkpoints(number)
    if number % 4 == 0:
        return whole
    metrics, predictions = whole.metrics[:, :1].copy(), whole.predictions[:1]
    metrics[:, 0, VALIDATION, 0] = 0.99
    return replace(whole, epoch=5, trained=5, score=0.99, metrics=metrics, predictions=predictions)


def test_a_pruned_sweep(storage_url: str) -> None:
    fill(storage_url, result=three_in_four_pruned)
    with Store.open(storage_url) as store:
        found = summarise(store, "made")
        assert status(store, "made") == found.status
    assert (found.status.counts.complete, found.status.counts.pruned) == (8, 24)
    assert found.status.epochs == Epochs(8 * 10 + 24 * 5, 32 * 10)
    assert found.status.state == "done"
    assert [(trial.trained, trial.pruned) for trial in found.trials[:5]] == [(10, False), *[(5, True)] * 3, (10, False)]
    assert found.best is not None
    assert found.best.number % 4 == 0, "a pruned trial's score is not comparable"
    none, other = found.arms
    assert (none.trials, other.trials) == (16, 16)
    assert none.best == found.best
    # All trials of the other placement have odd numbers: there a pruned one is all there is.
    assert found.curves[none.best.number].epochs == CHECKPOINTS
    curves = found.curves[other.best.number]
    assert curves.epochs == CHECKPOINTS[:1]
    assert curves.training.shape == curves.validation.shape == (FOLDS, 1)
    trials = []
    for number in range(TRIALS):
        one = three_in_four_pruned(number)
        stored = one.predictions.astype(np.float16).astype(np.float32)
        scores = one.metrics[:, :, VALIDATION, 0].mean(axis=0)
        trials.append(Trial(stored, scores, reached=len(scores), complete=number % 4 == 0))
    expected = honest_score(trials, TARGET, INFO, metric="accuracy", folds=FOLDS, checkpoints=2)
    assert found.honest == expected
    assert expected is not None
    assert (expected.raw, expected.trials, expected.corrects_epoch) == (found.best.score, TRIALS, True)


def test_what_was_pruned_is_known_without_the_study(sqlite_url: str) -> None:
    fill(sqlite_url, result=three_in_four_pruned)
    with Store.open(sqlite_url) as store:
        before = summarise(store, "made")
        storage = RDBStorage(store.url, engine_kwargs=store.optuna_engine_kwargs)
        optuna.delete_study(study_name="made", storage=storage)
        storage.remove_session()
        storage.engine.dispose()
        orphan = summarise(store, "made")
    assert orphan.trials == before.trials
    assert orphan.honest == before.honest
    assert (orphan.status.counts.complete, orphan.status.counts.pruned) == (8, 24)


def test_a_trial_that_somebody_pruned_in_the_study_has_its_own_honest_score(sqlite_url: str) -> None:
    """Its numbers are the same, but it no longer is the best of the sweep."""
    fill(sqlite_url, trials=6)
    with Store.open(sqlite_url) as store:
        before = summarise(store, "made")
        assert before.best is not None
        engine = create_engine(store.url)
        with engine.begin() as connection:
            query = text("UPDATE trials SET state = 'PRUNED' WHERE number = :number")
            connection.execute(query, {"number": before.best.number})
        engine.dispose()
        after = summarise(store, "made")
    assert after.best is not None
    assert after.honest is not None
    assert after.honest.raw == after.best.score < before.best.score


# --- the honest score is kept -----------------------------------------------------------------------------------------


def never(*_: object, **__: object) -> None:
    raise AssertionError("computed again")


def test_the_honest_score_is_computed_once(storage_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(storage_url, trials=6)
    with Store.open(storage_url) as store:
        first = summarise(store, "made").honest
    with Store.open(storage_url) as store, monkeypatch.context() as patch:
        patch.setattr(honest_sweep, "resample", never)
        assert summarise(store, "made").honest == first


def test_what_the_draws_choose_is_kept_with_it(storage_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(storage_url, result=at_all_checkpoints, failed=1)
    with Store.open(storage_url) as store:
        first = summarise(store, "made")
    found = first.stability
    assert found is not None
    assert first.best is not None
    assert found.draws == 2000
    assert sum(share for _, share in found.shares) == pytest.approx(1)
    assert [name for name, _ in found.shares] == ["none", "input"]
    assert found.chosen == first.best.placement
    assert 0 < found.same < found.share < 1
    assert [rate.layer for rate in found.rates] == ["input", "hidden1"]
    assert found.rates[0].high > 0 == found.rates[1].high
    with Store.open(storage_url) as store, monkeypatch.context() as patch:
        patch.setattr(honest_sweep, "resample", never)
        again = summarise(store, "made")
    assert again.stability == found
    assert again.trials == first.trials


def test_scores_on_training_rows_are_those_of_the_chosen_epoch(sqlite_url: str) -> None:
    fill(sqlite_url, trials=6, result=three_in_four_pruned)
    with Store.open(sqlite_url) as store:
        found = summarise(store, "made")
    for trial in found.trials:
        values = three_in_four_pruned(trial.number).metrics[:, (5, 10).index(trial.epoch), TRAIN, 0]
        assert trial.training == pytest.approx(values.mean())
    assert found.best is not None
    assert found.best.training is not None, "arms and the best are the same rows"


def test_other_trials_have_another_honest_score(sqlite_url: str) -> None:
    fill(sqlite_url, trials=6)
    with Store.open(sqlite_url) as store:
        before = summarise(store, "made").honest
        sweep = store.sweep("made")
        assert sweep is not None
        assert store.save_trials(sweep.key, [(store.trials(sweep.key)[0].hyperparameters, result(6))]) == {6}
        after = summarise(store, "made").honest
        store.save_artifact(sweep.key, honest_sweep.ARTIFACT, b"{", "application/json")
        assert summarise(store, "made").honest == after, "what cannot be read is computed again"
    assert before is not None
    assert after is not None
    assert (before.trials, after.trials) == (6, 7)


def test_a_database_that_may_not_be_written_still_shows_it(sqlite_url: str) -> None:
    fill(sqlite_url, trials=6)
    with Store.open(sqlite_url) as store:
        store._engine.dispose()
        event.listen(store._engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
        sweep = store.sweep("made")
        assert sweep is not None
        with pytest.raises(StorageError, match="readonly"):
            store.save_artifact(sweep.key, "x", b"", "text/plain")
        found = summarise(store, "made").honest
        assert store.artifacts(sweep.key) == []
    with Store.open(sqlite_url) as store:
        assert found == summarise(store, "made").honest


def test_importance_is_that_of_each_arms_own_parameters(sqlite_url: str) -> None:
    fill(sqlite_url)
    with Store.open(sqlite_url) as store:
        arms = {arm.placement: dict(arm.importance) for arm in summarise(store, "made").arms}
    assert set(arms["none"]) == {"learning_rate"}
    assert set(arms["input"]) == {"learning_rate", "dropout_input"}


def test_states(storage_url: str) -> None:
    fill(storage_url, "finished", trials=2, budget=2)
    fill(storage_url, "under-way", trials=4, running=3, failed=1)
    fill(storage_url, "stopped", trials=4)
    fill(storage_url, "deleted", trials=2)
    fill(storage_url, "replaced", trials=2)
    fill(storage_url, "begun", trials=0)
    with Store.open(storage_url) as store:
        storage = RDBStorage(store.url, engine_kwargs=store.optuna_engine_kwargs)
        for name in ("deleted", "replaced", "begun"):
            optuna.delete_study(study_name=name, storage=storage)
        optuna.create_study(study_name="replaced", storage=storage)
        storage.remove_session()
        storage.engine.dispose()
        found = {one.name: one for one in statuses(store)}
        assert found["stopped"] == status(store, "stopped")
        orphan = summarise(store, "deleted")
    states = {"finished": "done", "under-way": "running", "stopped": "paused", "begun": "paused"}
    assert {name: one.state for name, one in found.items()} == states | {"deleted": "orphaned", "replaced": "orphaned"}
    counts = found["under-way"].counts
    assert (counts.complete, counts.running, counts.failed) == (4, 3, 1)
    assert found["deleted"].counts.complete == 2
    assert len(orphan.trials) == 2
    assert orphan.honest is not None
    assert all(arm.importance == () for arm in orphan.arms)


def test_failed_trials_count_in_the_honest_score_as_constant_predictions(sqlite_url: str) -> None:
    fill(sqlite_url, trials=4, failed=2)
    with Store.open(sqlite_url) as store:
        found = summarise(store, "made")
    assert found.honest is not None
    assert found.honest.trials == 6
    assert len(found.trials) == 4


def test_a_trial_that_failed_although_it_was_saved_is_no_result(sqlite_url: str) -> None:
    fill(sqlite_url, trials=4)
    with Store.open(sqlite_url) as store:
        best = summarise(store, "made").best
        assert best is not None
        # As it is after somebody told the study before the run could.
        engine = create_engine(store.url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE trials SET state = 'FAIL' WHERE number = :number"), {"number": best.number})
        engine.dispose()
        found = summarise(store, "made")
    assert [trial.number for trial in found.trials] == [number for number in range(4) if number != best.number]
    assert sum(arm.trials for arm in found.arms) == 3
    assert found.best is not None
    assert found.best.number != best.number
    assert found.honest is not None
    assert (found.honest.trials, found.honest.raw) == (4, found.best.score)
    assert (found.status.counts.complete, found.status.counts.failed) == (3, 1)


def test_rows_that_were_not_kept_do_not_count_and_groups_are_drawn_whole(sqlite_url: str) -> None:
    kept = np.array([row for row in range(N) if row % 2 == 0 or row % 10 == 1])  # 30 of class 0, 6 of class 1
    groups = np.arange(N, dtype=np.int64) // 4

    def of_the_kept(number: int) -> TrialResult:
        one = result(number)
        return replace(one, predictions=one.predictions[:, :, kept])

    fill(sqlite_url, trials=6, result=of_the_kept, kept_rows=kept, groups=groups)
    with Store.open(sqlite_url) as store:
        found = summarise(store, "made")
    assert found.baseline == 30 / 36
    stored = [of_the_kept(number).predictions.astype(np.float16).astype(np.float32) for number in range(6)]
    trials = map(Trial, stored, [[trial.score] for trial in found.trials])
    settings: dict[str, Any] = {"metric": "accuracy", "folds": FOLDS, "checkpoints": len(CHECKPOINTS)}
    assert found.honest == honest_score(trials, TARGET[kept], INFO, groups=groups[kept], **settings)


def test_before_the_first_trial(sqlite_url: str) -> None:
    fill(sqlite_url, trials=0)
    with Store.open(sqlite_url) as store:
        found = summarise(store, "made")
    assert found.best is None
    assert found.honest is None
    assert not found.trials
    assert not found.arms
    assert "No trial has finished yet" in render(found)


def test_an_unknown_name_lists_the_known_ones(sqlite_url: str) -> None:
    with Store.open(sqlite_url, create=True) as store:
        assert statuses(store) == ()
        with pytest.raises(NotFoundError, match=r"no sweep named nothing in .*; there is none"):
            status(store, "nothing")
    fill(sqlite_url, trials=1)
    with (
        Store.open(sqlite_url) as store,
        pytest.raises(NotFoundError, match=r"no sweep named nothing.*there are: made"),
    ):
        summarise(store, "nothing")


def test_tables_of_another_optuna_are_a_clear_error(sqlite_url: str) -> None:
    fill(sqlite_url, trials=1)
    with Store.open(sqlite_url) as store:
        storage = RDBStorage(store.url)
        with storage.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
        storage.remove_session()
        storage.engine.dispose()
        with pytest.raises(StorageError, match="cannot use its tables"):
            status(store, "made")


def test_a_database_that_fails_while_optuna_reads_is_a_clear_error(sqlite_url: str) -> None:
    fill(sqlite_url, trials=1)
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE trials"))
    engine.dispose()
    with Store.open(sqlite_url) as store, pytest.raises(StorageError, match=r"cannot be used: .*no such table: trials"):
        summarise(store, "made")


def test_a_page_from_a_database(sqlite_url: str, tmp_path: Path) -> None:
    fill(sqlite_url)
    with Store.open(sqlite_url) as store:
        html = render(summarise(store, "made"))
    assert "Best of " in html
    assert str(tmp_path) not in html


def test_a_sweep_that_optuna_has_never_heard_of(sqlite_url: str) -> None:
    fill(sqlite_url, trials=1)
    with Store.open(sqlite_url) as store:
        storage = RDBStorage(store.url)
        with storage.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE version_info")
        storage.remove_session()
        storage.engine.dispose()
        assert status(store, "made").state == "orphaned"
