"""What may be asked of runners, and when the same question is the same job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweep.answer.nested_stored import RESULT
from sweep.errors import NotFoundError, UserError
from sweep.launch.inline import InlineLauncher
from sweep.operate import jobs
from sweep.run.events import Event, Started
from sweep.run.loop import run_sweep
from sweep.store.service_rows import JobRecord
from sweep.store.store import Store
from tests.operate.queued import FEW, queue, work
from tests.small_sweep import small_spec


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a sweep that is done, one that is paused, and one that waits."""
    folder = tmp_path_factory.mktemp("done")
    storage = f"sqlite:///{folder / 'sweep.db'}"
    for name in ("small", "paused"):
        run_sweep(small_spec(folder, *FEW, f"name={name}"), storage=storage, launcher=InlineLauncher())
    run_sweep(
        small_spec(folder, *FEW, "name=alone", "space.placement='none'"), storage=storage, launcher=InlineLauncher()
    )
    queue(storage, folder, "name=waits", *FEW)
    with Store.open(storage) as store:
        sweep = store.sweep("paused")
        assert sweep is not None
        store.update_trials_budget(sweep.key, 9)
    return storage


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (("small", "xls"), "the format must be one of toml, json, .*, predictions, model, however: xls"),
        (("small", "onnx", 1), "a trial is for the formats predictions and model, however: onnx"),
        (("small", "model", -1), "the trial must be the number of one, 0 or above, however: -1"),
        (("small", "python", None, 2), "the ensemble is for the formats onnx, sklearn and model|onnx and sklearn and"),
        (("small", "model", None, 0), "the ensemble must be a whole number of networks from 1 to "),
        (("small", "predictions", 7), r"the trial must be a finished one .* \(it has 3, 0 to 2\), however: 7"),
        (("waits", "toml"), "the sweep waits has not begun"),
        (("other", "toml"), "no sweep named other in .*; there are: small, paused, alone, waits"),
    ],
)
def test_an_export_that_cannot_be(done: str, question: tuple[str, str, int | None, int | None], said: str) -> None:
    with Store.open(done) as store, pytest.raises(UserError, match=said):
        jobs.ask_export(store, *question)


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("small", {"repeats": 1}, r"the number of repeats must be a whole number of at least 2 \(one .*, however: 1"),
        ("small", {"outer": 3}, "the number of outer folds is for nested cross-validation, which is not asked for"),
        ("small", {"outer": 1, "nested": True}, "the number of outer folds must be .* at least 2, however: 1"),
        ("paused", {}, "the sweep paused is not finished: 3 of 9 trials"),
        ("waits", {}, r"the sweep waits is not finished: 0 of 3 trials \(queued\)"),
        ("alone", {}, "the sweep alone has no placement with dropout: there is nothing to compare"),
        ("other", {}, "no sweep named other"),
    ],
)
def test_an_answer_that_cannot_be(done: str, name: str, asked: dict[str, int], said: str) -> None:
    with Store.open(done) as store:
        with pytest.raises(UserError, match=said):
            jobs.ask_answer(store, name, **asked)  # type: ignore[arg-type]  # of two types
        assert store.jobs() == []


def test_a_nested_score_that_was_asked_for_is_the_one_that_is_shown(tmp_path: Path, sqlite_url: str) -> None:
    """Of nested cross-validation the latest result is kept: an earlier one that is asked for is put together again."""
    run_sweep(small_spec(tmp_path, *FEW), storage=sqlite_url, launcher=InlineLauncher())
    with Store.open(sqlite_url) as store:
        sweep = store.sweep("small")
        assert sweep is not None

        def ask(outer: int | None) -> JobRecord:
            return jobs.ask_answer(store, "small", nested=True, outer=outer)

        def answered(asked: JobRecord) -> None:
            taken = store.take_job(jobs.RUNNERS, "t", 30.0)
            assert taken is not None
            assert taken.id == asked.id
            plain = {"version": 1, "trials": sweep.trials, "outer": [None] * taken.request["outer"]}
            store.save_artifact(sweep.key, RESULT, json.dumps(plain).encode(), "application/json")
            store.finish_job(taken.id, "t", {"outer": taken.request["outer"]})

        three = ask(None)
        assert (three.request["outer"], ask(3).id) == (3, three.id)  # the definition's
        answered(three)
        assert ask(3).state == "done"
        five = ask(5)
        assert (five.id != three.id, five.state) == (True, "queued")
        answered(five)
        assert ask(5).state == "done"
        again = ask(3)
        assert (again.id, again.state, again.result) == (three.id, "queued", None)
        assert ask(3).id == three.id
        answered(again)
        assert ask(3).state == "done"
        assert jobs.ask_answer(store, "small").request["outer"] is None


def test_a_sweep_without_a_trial_cannot_be_exported(tmp_path: Path, sqlite_url: str) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Started):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(small_spec(tmp_path), storage=sqlite_url, launcher=InlineLauncher(), on_event=stop)
    with Store.open(sqlite_url) as store, pytest.raises(NotFoundError, match="no trial of sweep small has finished"):
        jobs.ask_export(store, "small", "toml")


def test_what_an_older_program_made_is_made_anew(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(sqlite_url) as store:
        asked = jobs.ask_estimate(store, "name = 1", None)
        store.take_job(["estimate"], "t", 30.0)
        store.finish_job(asked.id, "t", {"rows": 3})
        assert jobs.ask_estimate(store, "name = 1", None).state == "done"
        monkeypatch.setattr(jobs, "program", lambda: "99.0")
        assert jobs.ask_estimate(store, "name = 1", None).state == "queued"


def test_the_same_question_is_the_same_job_until_something_has_changed(tmp_path: Path, sqlite_url: str) -> None:
    queue(sqlite_url, tmp_path, *FEW)
    work(sqlite_url)
    with Store.open(sqlite_url) as store:

        def ask() -> dict[str, str]:
            exports = {form: jobs.ask_export(store, "small", form).id for form in jobs.FORMATS}
            exports["three"] = jobs.ask_export(store, "small", "model", ensemble=3).id
            return exports | {"answer": jobs.ask_answer(store, "small").id}

        first = ask()
        assert ask() == first
        assert len(set(first.values())) == len(first)
        assert {job.kind for job in store.jobs(sweep="small")} == {"export", "fit", "answer"}
        assert jobs.ask_answer(store, "small", repeats=3).id != first["answer"]
        sweep = store.sweep("small")
        assert sweep is not None
        store.save_answer(sweep.key, "ab", 20, {})  # the card of a model tells it
        answered = ask()
        assert {name for name in first if answered[name] != first[name]} == first.keys() - {"answer"}
    queue(sqlite_url, tmp_path, *FEW, "search.trials=6")
    work(sqlite_url)
    with Store.open(sqlite_url) as store:
        assert not set(first.values()) & set(ask().values())
        one = jobs.ask_estimate(store, "name = 1", None)
        assert jobs.ask_estimate(store, "name = 1", None).id == one.id
        assert jobs.ask_estimate(store, "name = 1", "ab").id != one.id
