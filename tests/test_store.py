"""The store on SQLite and PostgreSQL. Run as a script, this file is a process that saves trials: see ``_process``."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, event, text

from sweep.errors import NotFoundError, StorageError
from sweep.records import VALIDATION, Configuration, Hyperparameters, TableInfo, TrialResult
from sweep.store.models import UtcDateTime
from sweep.store.rows import ConfirmedRepeat, DatasetRecord, NewSweep, RungDecision
from sweep.store.store import Store

ROWS, FOLDS, REPEATS = 12, 3, 2
METRICS = ("accuracy", "roc_auc", "log_loss")
CHECKPOINTS = (10, 20)

INFO = TableInfo(
    source="data/ä.csv",
    content_hash="ab" * 32,
    rows=ROWS,
    features=("a", "b"),
    target="y",
    task="binary",
    classes=("no", "yes"),
    target_mean=0.1 + 0.2,
    target_scale=1.0,
    notes=("it was so",),
)
NEW = NewSweep(
    name="one",
    format=1,
    definition='name = "one"\n# é\n',
    fingerprint="cd" * 32,
    trials=128,
    info=INFO,
    metric="roc_auc",
    metrics=METRICS,
    checkpoints=CHECKPOINTS,
    folds=FOLDS,
    repeats=REPEATS,
)
DATASET = DatasetRecord(INFO.content_hash, np.arange(ROWS) % 2, np.arange(ROWS) // 3)


def hyperparameters(number: int) -> Hyperparameters:
    return Hyperparameters(
        hidden=(60, 30),
        placement=("none", "input", "all")[number % 3],
        dropout=(0.1 * number / 7, 0.0, 1 / 3),
        learning_rate=0.1 + 0.2,
        momentum=0.9,
        max_norm=None if number % 2 else 3.0,
        lr_decay=1e-300,
        weight_decay=0.0,
    )


def result(number: int) -> TrialResult:
    random = np.random.default_rng(number)
    metrics = random.random((FOLDS * REPEATS, len(CHECKPOINTS), 2, len(METRICS)))
    metrics[1, :, :, 1] = np.nan  # no ROC AUC where a fold has one class
    # At one checkpoint, or at all of them.
    predictions = random.normal(size=(2 if number % 2 else 1, REPEATS, ROWS, 1)).astype(np.float32)
    predictions[0, 0, :4, 0] = np.nan, np.inf, -np.inf, 1e6
    return TrialResult(
        number=number,
        epoch=10,
        trained=CHECKPOINTS[-1],
        score=float(np.nanmean(metrics[:, 0, VALIDATION, 1])),
        metrics=metrics,
        predictions=predictions,
        diverged=20 if number == 1 else None,
        seconds=0.1 + 0.2,
    )


def stopped(number: int) -> TrialResult:
    """The same, stopped at the first checkpoint."""
    whole = result(number)
    return replace(whole, trained=10, metrics=whole.metrics[:, :1], predictions=whole.predictions[:1])


@pytest.fixture
def store(storage_url: str) -> Iterator[Store]:
    with Store.open(storage_url, create=True) as opened:
        yield opened


@pytest.fixture
def key(store: Store) -> str:
    return store.create_sweep(NEW, DATASET)


def _counts(store: Store) -> dict[str, int]:
    tables = ("datasets", "sweeps", "trials", "folds", "predictions", "rungs", "artifacts", "confirmed", "answers")
    with store._engine.connect() as connection:
        # The names are those above.
        return {table: connection.scalar(text(f"SELECT count(*) FROM sweep_{table}")) or 0 for table in tables}  # noqa: S608


def _save(store: Store, key: str, *numbers: int) -> None:
    for number in numbers:
        assert store.save_trials(key, [(hyperparameters(number), result(number))]) == {number}


# --------------------------------------------------------------------------------------------------------------- sweeps


def test_sweep_comes_back_as_it_was_stored(store: Store, storage_url: str) -> None:
    before = datetime.now(UTC)
    key = store.create_sweep(replace(NEW, kept_rows=np.array([0, 5, 11])), DATASET)
    with Store.open(storage_url) as reader:
        found = reader.sweep("one")
    assert found is not None
    assert found.key == key
    assert len(bytes.fromhex(key)) == 16
    for name in ("name", "format", "definition", "fingerprint", "trials", "info", "metric", "metrics", "checkpoints"):
        assert getattr(found, name) == getattr(NEW, name)
    assert (found.folds, found.repeats, found.data_hash) == (FOLDS, REPEATS, INFO.content_hash)
    assert found.kept_rows is not None
    assert found.kept_rows.tolist() == [0, 5, 11]
    assert found.kept_rows.dtype == np.int64
    assert before <= found.created_at == found.updated_at <= datetime.now(UTC)
    assert found.created_at.utcoffset() == timedelta(0)


def test_sweeps_are_listed_oldest_first_and_found_by_name(store: Store) -> None:
    assert store.sweeps() == []
    assert store.sweep("one") is None
    keys = [store.create_sweep(replace(NEW, name=name), DATASET) for name in ("b", "a", "c")]
    assert [found.name for found in store.sweeps()] == ["b", "a", "c"]
    assert [found.key for found in store.sweeps()] == keys
    assert len(set(keys)) == 3
    found = store.sweep("a")
    assert found is not None
    assert found.key == keys[1]
    assert found.kept_rows is None


def test_a_name_is_taken_once(store: Store, key: str) -> None:
    with pytest.raises(StorageError, match="a sweep named one exists already in"):
        store.create_sweep(NEW, DATASET)
    assert [found.key for found in store.sweeps()] == [key]


def test_data_set_must_be_the_sweeps_own(store: Store) -> None:
    with pytest.raises(ValueError, match="is not the data set of sweep one"):
        store.create_sweep(NEW, replace(DATASET, content_hash="00" * 32))
    with pytest.raises(ValueError, match="is not the data set of sweep one"):
        store.create_sweep(NEW, replace(DATASET, target=DATASET.target[:-1]))
    assert sum(_counts(store).values()) == 0


@pytest.mark.parametrize("target", [np.linspace(-1e300, np.pi, ROWS), np.arange(ROWS) % 5])
def test_target_and_groups_come_back_bit_for_bit(store: Store, target: Any) -> None:
    for groups in (None, np.arange(ROWS) * 2**40):
        key = store.create_sweep(NEW, DatasetRecord(INFO.content_hash, target, groups))
        found = store.dataset(INFO.content_hash)
        assert found.target.dtype == target.dtype
        np.testing.assert_array_equal(found.target, target)
        assert (found.groups is None) == (groups is None)
        if found.groups is not None:
            np.testing.assert_array_equal(found.groups, groups)
        store.delete_sweep(key)


def test_data_set_is_stored_once_and_stays_as_long_as_a_sweep_uses_it(store: Store) -> None:
    first, second = (store.create_sweep(replace(NEW, name=name), DATASET) for name in ("a", "b"))
    assert _counts(store)["datasets"] == 1
    store.delete_sweep(first)
    assert store.dataset(INFO.content_hash).target.tolist() == DATASET.target.tolist()
    store.delete_sweep(second)
    with pytest.raises(NotFoundError, match=f"no data set {INFO.content_hash}"):
        store.dataset(INFO.content_hash)


def test_budget_can_be_changed(store: Store, key: str) -> None:
    store.update_trials_budget(key, 200)
    found = store.sweep("one")
    assert found is not None
    assert found.trials == 200
    assert found.updated_at > found.created_at
    with pytest.raises(NotFoundError, match="no sweep with key 00"):
        store.update_trials_budget("00", 1)


def test_delete_takes_everything_of_one_sweep_and_nothing_of_another(store: Store, key: str) -> None:
    other = store.create_sweep(replace(NEW, name="other"), DATASET)
    for each in (key, other):
        _save(store, each, 0, 1)
        store.save_rung(each, [RungDecision(2, 10, 0.5, kept=True)], [])
        store.save_artifact(each, "a", b"a", "text/plain")
        store.save_confirmed(each, [confirmed(0)])
        store.save_answer(each, "ab", 20, {})
    store.delete_sweep(key)
    left = {"datasets": 1, "sweeps": 1, "trials": 2, "rungs": 1, "artifacts": 1, "confirmed": 1, "answers": 1}
    assert _counts(store) == left | {"folds": 2 * FOLDS * REPEATS, "predictions": 2 * REPEATS}
    assert store.saved_numbers(other) == {0, 1}
    with pytest.raises(NotFoundError):
        store.delete_sweep(key)
    store.delete_sweep(other)
    assert sum(_counts(store).values()) == 0


def test_instants_are_utc() -> None:
    dialect: Any = None
    kept = UtcDateTime().process_bind_param(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), dialect)
    assert kept == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert UtcDateTime().process_result_value(datetime(2026, 1, 1), dialect) == datetime(2026, 1, 1, tzinfo=UTC)
    assert UtcDateTime().process_bind_param(None, dialect) is UtcDateTime().process_result_value(None, dialect) is None
    with pytest.raises(ValueError, match="needs its time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), dialect)


# --------------------------------------------------------------------------------------------------------------- trials


def test_trial_comes_back_bit_for_bit(store: Store, key: str) -> None:
    _save(store, key, 1, 0)
    assert store.saved_numbers(key) == {0, 1}
    for number, found in enumerate(store.trials(key)):
        saved = result(number)
        assert found.number == number
        assert found.hyperparameters == hyperparameters(number)
        assert (found.epoch, found.trained, found.score, found.diverged, found.seconds) == (
            saved.epoch, saved.trained, saved.score, saved.diverged, saved.seconds
        )  # fmt: skip
        assert timedelta(0) <= datetime.now(UTC) - found.saved_at < timedelta(minutes=1)
        metrics = store.fold_metrics(key, number)
        assert metrics.tobytes() == saved.metrics.tobytes()
        assert metrics.shape == saved.metrics.shape


def test_predictions_come_back_as_float16_holds_them(store: Store, key: str) -> None:
    _save(store, key, 0, 1)
    for number, checkpoints in ((0, 1), (1, 2)):
        found = store.predictions(key, number)
        assert found.dtype == np.float32
        assert found.shape == (checkpoints, REPEATS, ROWS, 1)
        assert np.isnan(found[0, 0, 0, 0])
        assert found[0, 0, 1:4, 0].tolist() == [65504.0, -65504.0, 65504.0]
        saved = result(number).predictions
        np.testing.assert_array_equal(found[:, 1], saved[:, 1].astype(np.float16))
        np.testing.assert_array_equal(found[1:], saved[1:].astype(np.float16))


def test_fold_scores_are_the_metric_on_validation_rows_at_the_chosen_epoch(store: Store, key: str) -> None:
    empty = store.fold_scores(key)
    assert (empty.numbers.shape, empty.scores.shape) == ((0,), (0, FOLDS * REPEATS))
    _save(store, key, 7, 2)
    found = store.fold_scores(key)
    assert found.numbers.tolist() == [2, 7]
    expected = [result(number).metrics[:, 0, VALIDATION, METRICS.index("roc_auc")] for number in (2, 7)]
    np.testing.assert_array_equal(found.scores, expected)
    assert np.isnan(found.scores[:, 1]).all()


def test_all_arrays_come_in_number_order(store: Store, key: str) -> None:
    numbers = [*range(5, 40), 0, 1]  # more than are read at once
    _save(store, key, *numbers)
    assert list(store.predictions_all("no such sweep")) == []
    for (number, predictions), (again, metrics) in zip(
        store.predictions_all(key), store.fold_metrics_all(key), strict=True
    ):
        assert number == again
        np.testing.assert_array_equal(predictions, store.predictions(key, number))
        np.testing.assert_array_equal(metrics, result(number).metrics)
    assert [number for number, _ in store.predictions_all(key)] == sorted(numbers)


def test_saving_again_changes_nothing(store: Store, key: str) -> None:
    _save(store, key, 3)
    before, counts = store.trials(key), _counts(store)
    assert store.save_trials(key, [(hyperparameters(3), replace(result(3), seconds=99.0))]) == set()
    assert store.trials(key) == before
    assert _counts(store) == counts


def test_a_block_is_saved_in_one_commit_and_whole(store: Store, key: str) -> None:
    commits: list[object] = []
    event.listen(store._writer, "commit", commits.append)
    numbers = [4, 0, 2, 70, 3]
    assert store.save_trials(key, [(hyperparameters(number), result(number)) for number in numbers]) == set(numbers)
    assert len(commits) == 1
    assert store.save_trials(key, []) == set()
    assert [trial.number for trial in store.trials(key)] == sorted(numbers)
    for number in numbers:
        np.testing.assert_array_equal(store.fold_metrics(key, number), result(number).metrics)
        assert store.predictions(key, number).shape == result(number).predictions.shape


def test_of_a_block_what_is_stored_stays_and_the_rest_is_stored(store: Store, key: str) -> None:
    _save(store, key, 1, 2)
    before = store.trials(key)
    block = [(hyperparameters(number), replace(result(number), seconds=99.0)) for number in (2, 3, 1, 0)]
    assert store.save_trials(key, block) == {0, 3}
    assert [trial for trial in store.trials(key) if trial.number in (1, 2)] == before
    assert _counts(store)["folds"] == 4 * FOLDS * REPEATS


def test_of_a_block_all_is_stored_or_nothing(store: Store, key: str) -> None:
    bad = replace(result(1), score=float("inf"))
    with pytest.raises(ValueError, match="score of trial 1 must be finite"):
        store.save_trials(key, [(hyperparameters(0), result(0)), (hyperparameters(1), bad)])
    assert _counts(store)["trials"] == 0


def test_epochs_trained_are_counted(store: Store, key: str) -> None:
    assert store.trained_epochs(key) == {}
    _save(store, key, 0, 1)
    store.save_trials(key, [(hyperparameters(2), stopped(2))])
    assert store.trained_epochs(key) == {10: 1, 20: 2}


# ---------------------------------------------------------------------------------------------------------------- rungs

DECISIONS = [RungDecision(number, 10, 0.1 + 0.2 * number, kept=number > 1) for number in (3, 1, 0, 2)]


def test_a_rung_is_stored_with_the_trials_that_end_there(store: Store, key: str) -> None:
    assert store.rungs(key) == []
    _save(store, key, 5)
    commits: list[object] = []
    event.listen(store._writer, "commit", commits.append)
    store.save_rung(key, DECISIONS, [(hyperparameters(number), stopped(number)) for number in (0, 1)])
    assert len(commits) == 1
    store.save_rung(key, [RungDecision(4, 10, 0.5, kept=True)], [])
    assert store.rungs(key) == [*sorted(DECISIONS, key=lambda one: one.trial), RungDecision(4, 10, 0.5, kept=True)]
    assert [(trial.number, trial.trained) for trial in store.trials(key)] == [(0, 10), (1, 10), (5, 20)]
    for number in (0, 1):
        np.testing.assert_array_equal(store.fold_metrics(key, number), stopped(number).metrics)
        assert store.predictions(key, number).shape == (1, REPEATS, ROWS, 1)
    shapes = [metrics.shape[1] for _, metrics in store.fold_metrics_all(key)]
    assert shapes == [1, 1, 2]
    assert [values.shape[0] for _, values in store.predictions_all(key)] == [1, 1, 2]
    found = store.sweep("one")
    assert found is not None
    assert found.updated_at == store.trials(key)[0].saved_at


def test_rungs_are_in_the_order_of_epochs_then_trials(store: Store, key: str) -> None:
    later = [RungDecision(number, 20, 0.5, kept=True) for number in (3, 2)]
    store.save_rung(key, later, [])
    store.save_rung(key, DECISIONS[:1], [])
    assert [(one.epoch, one.trial) for one in store.rungs(key)] == [(10, 3), (20, 2), (20, 3)]


def test_a_rung_stored_again_changes_nothing(store: Store, key: str) -> None:
    pruned = [(hyperparameters(number), stopped(number)) for number in (0, 1)]
    store.save_rung(key, DECISIONS, pruned)
    before, counts = (store.rungs(key), store.trials(key)), _counts(store)
    store.save_rung(key, [replace(one, score=0.9) for one in DECISIONS], pruned)
    assert (store.rungs(key), store.trials(key)) == before
    assert _counts(store) == counts


def test_a_rung_that_does_not_fit_is_refused_whole(store: Store, key: str) -> None:
    first, second = ((hyperparameters(number), stopped(number)) for number in (0, 1))
    for pruned in (
        [first],
        [first, (hyperparameters(1), result(1))],
        [first, second, (hyperparameters(3), stopped(3))],
    ):
        with pytest.raises(ValueError, match=r"must be those not kept, \[\(0, 10\), \(1, 10\)\], however: "):
            store.save_rung(key, DECISIONS, pruned)
    with pytest.raises(ValueError, match="score of trial 1 must be finite"):
        store.save_rung(key, DECISIONS, [first, (second[0], replace(second[1], score=float("nan")))])
    with pytest.raises(NotFoundError, match="no sweep with key 00"):
        store.save_rung("00", DECISIONS, [first, second])
    assert _counts(store)["rungs"] == _counts(store)["trials"] == 0


def test_a_rung_of_a_deleted_sweep_is_not_stored(store: Store, key: str, storage_url: str) -> None:
    store.save_rung(key, DECISIONS[:1], [])
    with Store.open(storage_url) as other:
        other.delete_sweep(key)
    with pytest.raises(NotFoundError, match=f"no sweep with key {key}"):
        store.save_rung(key, DECISIONS[:1], [])
    assert sum(_counts(store).values()) == 0


def test_saving_is_seen_at_the_sweep(store: Store, key: str) -> None:
    _save(store, key, 0)
    found = store.sweep("one")
    assert found is not None
    assert found.updated_at == store.trials(key)[0].saved_at


def test_a_result_that_does_not_fit_is_refused_whole(store: Store, key: str) -> None:
    good = result(0)
    for bad, says in (
        (
            replace(good, metrics=good.metrics[:-1]),
            r"metrics of trial 0 must be \(6, 2, 2, 3\), however: \(5, 2, 2, 3\)",
        ),
        (
            replace(good, predictions=good.predictions[:, :1]),
            r"predictions of trial 0 must be \[1 or 2, 2, n_kept, O\], however: \(1, 1, 12, 1\)",
        ),
        (replace(good, predictions=np.repeat(good.predictions, 3, axis=0)), r"must be \[1 or 2, .* \(3, 2, 12, 1\)"),
        (replace(good, epoch=11), r"epoch of trial 0 must be in \(10, 20\), however: 11"),
        (replace(good, trained=15), r"trial 0 must be trained up to one of \(10, 20\), however: 15"),
        (replace(good, trained=10), r"metrics of trial 0 must be \(6, 1, 2, 3\), however: \(6, 2, 2, 3\)"),
        (replace(good, trained=10, metrics=good.metrics[:, :1], epoch=20), r"trial 0 must be in \(10,\), however: 20"),
        (replace(good, score=float("nan")), "score of trial 0 must be finite"),
    ):
        with pytest.raises(ValueError, match=says):
            store.save_trials(key, [(hyperparameters(0), bad)])
    assert _counts(store)["trials"] == 0


def test_a_trial_of_a_deleted_sweep_is_not_stored(store: Store, key: str, storage_url: str) -> None:
    _save(store, key, 0)
    with Store.open(storage_url) as other:
        other.delete_sweep(key)
    with pytest.raises(NotFoundError, match=f"no sweep with key {key}"):
        store.save_trials(key, [(hyperparameters(1), result(1))])
    with pytest.raises(NotFoundError, match=f"no sweep with key {key}"):
        store.save_artifact(key, "a", b"", "text/plain")
    with Store.open(storage_url) as other, pytest.raises(NotFoundError, match=f"no sweep with key {key}"):
        other.fold_scores(key)
    assert sum(_counts(store).values()) == 0


def test_missing_trials_are_named(store: Store, key: str) -> None:
    for read in (store.predictions, store.fold_metrics):
        with pytest.raises(NotFoundError, match=f"no trial 5 of sweep {key}"):
            read(key, 5)


# ------------------------------------------------------------------------------------------------------------ artifacts


def test_artifact_comes_back_and_is_replaced_by_name(store: Store, key: str) -> None:
    content = bytes(range(256)) * 100
    first = store.save_artifact(key, "model.pt", b"old", "application/octet-stream")
    record = store.save_artifact(key, "model.pt", content, "application/zip")
    store.save_artifact(key, "a.html", b"", "text/html")
    assert first.sha256 != record.sha256
    assert store.artifact(key, "model.pt") == (record, content)
    assert record.size == len(content)
    assert [found.name for found in store.artifacts(key)] == ["a.html", "model.pt"]
    with pytest.raises(NotFoundError, match="no file b with sweep"):
        store.artifact(key, "b")


def test_damaged_artifact_is_not_handed_out(store: Store, key: str) -> None:
    store.save_artifact(key, "a", b"content", "text/plain")
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE sweep_artifacts SET bytes = :other"), {"other": b"Content"})
    with pytest.raises(StorageError, match=r"the stored file a of sweep .* is damaged"):
        store.artifact(key, "a")


# ----------------------------------------------------------------------------------------- confirmations and answers


def confirmed(repeat: int, epoch: int = 10, seed: int = 0) -> ConfirmedRepeat:
    rng = np.random.default_rng([seed, repeat])
    predictions = rng.normal(size=(ROWS, 1)).astype(np.float32)
    predictions[3] = np.nan
    metrics = rng.normal(size=(FOLDS, 2, len(METRICS)))
    return ConfirmedRepeat(Configuration(hyperparameters(5), epoch), repeat, predictions, metrics, (2,), 1.5)


def test_confirmed_repeats_come_back_bit_for_bit_and_in_order(store: Store, key: str) -> None:
    later, sooner, other = confirmed(3), confirmed(0), confirmed(1, epoch=20)
    assert store.confirmed_repeats(key) == {}
    store.save_confirmed(key, [later, other])
    store.save_confirmed(key, [sooner])
    one, two = sooner.configuration.key, other.configuration.key
    assert store.confirmed_repeats(key) == {one: {0, 3}, two: {1}}
    found = store.confirmed(key, one, 10)
    assert [run.repeat for run in found] == [0, 3]
    for run, expected in zip(found, (sooner, later), strict=True):
        np.testing.assert_array_equal(run.predictions, expected.predictions)
        np.testing.assert_array_equal(run.metrics, expected.metrics)
        assert (run.configuration, run.lost, run.seconds) == (expected.configuration, (2,), 1.5)
    assert [run.repeat for run in store.confirmed(key, one, 3)] == [0]


def test_a_confirmed_repeat_that_is_stored_stays(store: Store, key: str) -> None:
    first = confirmed(0)
    store.save_confirmed(key, [first])
    store.save_confirmed(key, [confirmed(0, seed=1), confirmed(1)])
    found = store.confirmed(key, first.configuration.key, 2)
    np.testing.assert_array_equal(found[0].predictions, first.predictions)
    assert len(found) == 2


def test_an_answer_takes_the_place_of_one_with_as_many_repeats(store: Store, key: str) -> None:
    for repeats, says in ((20, "first"), (40, "more"), (20, "again")):
        store.save_answer(key, "ab", repeats, {"says": says})
    store.save_answer(key, "cd", 20, {"says": "other"})
    found = {(one.choice, one.repeats): one.document["says"] for one in store.answers(key)}
    assert found == {("ab", 20): "again", ("ab", 40): "more", ("cd", 20): "other"}
    assert [one.created_at for one in store.answers(key)] == sorted(one.created_at for one in store.answers(key))


def test_nothing_of_an_answer_is_stored_for_a_deleted_sweep(store: Store, key: str) -> None:
    store.delete_sweep(key)
    with pytest.raises(NotFoundError):
        store.save_confirmed(key, [confirmed(0)])
    with pytest.raises(NotFoundError):
        store.save_answer(key, "ab", 20, {})
    assert sum(_counts(store).values()) == 0


# -------------------------------------------------------------------------------------------------------- beside others


def test_studies_come_and_go_without_us(store: Store, key: str) -> None:
    import optuna  # here: the processes below do not need it, and it takes longer to import than they run

    _save(store, key, 0)
    counts = _counts(store)
    storage = optuna.storages.RDBStorage(store.url, engine_kwargs=store.optuna_engine_kwargs)
    optuna.create_study(storage=storage, study_name="one").set_user_attr("sweep_key", key)
    optuna.delete_study(study_name="one", storage=storage)
    assert optuna.get_all_study_names(storage) == []
    optuna.create_study(storage=storage, study_name="two").set_user_attr("sweep_key", key)
    assert _counts(store) == counts
    store.delete_sweep(key)
    assert optuna.get_all_study_names(storage) == ["two"]
    storage.engine.dispose()


def test_processes_may_write_at_once(storage_url: str) -> None:
    # They also meet when the database is made, and share a data set.
    names = ("a", "b")
    processes = [subprocess.Popen([sys.executable, __file__, storage_url, name, "20", ""]) for name in names]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    with Store.open(storage_url) as store:
        for name in names:
            found = store.sweep(name)
            assert found is not None
            assert store.saved_numbers(found.key) == set(range(20))


@pytest.mark.parametrize("moment", ["sweep_folds", "UPDATE sweep_sweeps"])
def test_kill_in_the_middle_of_saving_leaves_nothing_of_the_trial(storage_url: str, moment: str) -> None:
    killed = subprocess.run([sys.executable, __file__, storage_url, "one", "5", moment], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    with Store.open(storage_url) as store:
        found = store.sweep("one")
        assert found is not None
        assert store.saved_numbers(found.key) == {0, 1, 2}
        assert _counts(store)["folds"] == 3 * FOLDS * REPEATS
        assert _counts(store)["predictions"] == 3 * REPEATS
        _save(store, found.key, 3)


def _process(url: str, name: str, trials: int, moment: str) -> None:
    """Save trials of a sweep of its own; at the fourth, die when a statement is about to run that holds ``moment``."""
    number = 0

    def die(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if moment and number == 3 and moment in statement:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", die)
    with Store.open(url, create=True) as store:
        key = store.create_sweep(replace(NEW, name=name), DATASET)
        for number in range(trials):  # ``die`` reads it
            _save(store, key, number)


if __name__ == "__main__":
    _process(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
