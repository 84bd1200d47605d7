"""The note and the figures that a sweep leaves in its study, for whoever opens the Optuna dashboard."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

from sweep.analysis.summary import summarise
from sweep.answer import sentences
from sweep.commands.answer import answer_sweep
from sweep.commands.progress import Quiet
from sweep.commands.queue import queue, work
from sweep.commands.run import run
from sweep.commands.study_page import (
    END,
    FIGURE_BYTES,
    WITHDRAWN,
    escaped,
    figures,
    joined,
    note_text,
    save_study_page,
    with_study_page,
)
from sweep.figures.forest_info import forest_info
from sweep.launch.inline import InlineLauncher
from sweep.operate.formats import FORMATS
from sweep.run.events import Event
from sweep.run.loop import run_sweep
from sweep.run.study import KEY_ATTRIBUTE, optuna_storage
from sweep.store.store import Store
from sweep.wording import score
from tests import made_answer
from tests.made_sweep import made_summary
from tests.small_sweep import assert_complete, small_spec, what_is_left

INLINE: dict[str, Any] = {"cluster": "inline", "workers": None, "device": "cpu", "display": Quiet()}
NAMES = {"sweep-answer", "sweep-placements", "sweep-curves"}


@contextmanager
def study(storage: str) -> Iterator[optuna.Study]:
    with Store.open(storage) as store, optuna_storage(store) as tables:
        yield optuna.load_study(study_name="small", storage=tables)


def attributes(found: optuna.Study) -> dict[str, Any]:
    """What is neither ours nor the user's."""
    return found._storage.get_study_system_attrs(found._study_id)


def kept(storage: str) -> tuple[str, dict[str, Any]]:
    """The note, and the figures by name."""
    with study(storage) as found:
        told = get_plotly_graph_objects(attributes(found))
        return optuna_dashboard.get_note(found), {name: json.loads(text) for name, text in told.items()}


def test_a_run_and_its_answer_leave_them_and_nothing_else_changes(sqlite_url: str, tmp_path: Path) -> None:
    summary = run(small_spec(tmp_path), sqlite_url, **INLINE)
    note, drawn = kept(sqlite_url)
    assert note.startswith("## No answer yet")
    assert summary.honest is not None
    assert f"| honest score | {score(summary.metric, summary.honest.value)}" in note
    assert "`sweep export small --format toml" in note
    assert drawn.keys() == NAMES - {"sweep-answer"}
    with study(sqlite_url) as found:
        assert {name for name in attributes(found) if not name.startswith("dashboard:")} == set()
        assert found.user_attrs.keys() == {KEY_ATTRIBUTE, "metric", "table", "validation"}
        before = attributes(found)
    with Store.open(sqlite_url) as store:  # the same again
        save_study_page(store, summarise(store, "small"))
    with study(sqlite_url) as found:
        assert attributes(found) == before
        optuna_dashboard.save_note(found, f"{optuna_dashboard.get_note(found)}\n\nseen by me")
    told = answer_sweep("small", sqlite_url, repeats=2, rules=False, nested=False, outer=None, **INLINE)
    note, drawn = kept(sqlite_url)
    assert note.startswith(f"## {escaped(sentences.sentence(told.answer))}")
    assert note.endswith(f"{END}\n\nseen by me")
    assert drawn.keys() == NAMES
    run(small_spec(tmp_path), sqlite_url, **INLINE)  # nothing to do: the answer stays
    assert kept(sqlite_url) == (note, drawn)
    assert_complete(what_is_left(sqlite_url), 12)


class Looking(Quiet):
    """Looks at the study whenever a trial is finished."""

    def __init__(self, storage: str) -> None:
        super().__init__()
        self._storage = storage
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def update(self) -> None:
        self.seen.append(kept(self._storage))


def test_what_is_of_fewer_trials_does_not_stay(sqlite_url: str, tmp_path: Path) -> None:
    run(small_spec(tmp_path), sqlite_url, **INLINE)
    answer_sweep("small", sqlite_url, repeats=2, rules=False, nested=False, outer=None, **INLINE)
    with study(sqlite_url) as found:
        optuna_dashboard.save_note(found, f"{optuna_dashboard.get_note(found)}\n\nseen by me")
    earlier, drawn = kept(sqlite_url)
    assert drawn.keys() == NAMES
    display = Looking(sqlite_url)
    run(small_spec(tmp_path, "search.trials=24"), sqlite_url, **{**INLINE, "display": display})  # others win
    note, shown = kept(sqlite_url)
    assert note.startswith("## No answer yet")
    assert note.endswith(f"{END}\n\nseen by me")
    assert shown.keys() == NAMES
    assert shown["sweep-answer"]["data"] == []
    assert shown["sweep-answer"]["layout"]["title"]["text"] == (
        "Dropout against none, on fresh folds: was drawn of fewer trials, and no longer holds"
    )
    assert shown["sweep-curves"]["data"]
    meanwhile, empty = display.seen[-1]
    assert meanwhile == joined(earlier, WITHDRAWN)
    assert [one["data"] for one in empty.values()] == [[]] * 3


def test_a_runner_leaves_them(sqlite_url: str, tmp_path: Path) -> None:
    queue(small_spec(tmp_path), sqlite_url, 0, lambda _: None)
    work(sqlite_url, poll=0.01, once=True, jobs=False, **INLINE)
    note, drawn = kept(sqlite_url)
    assert note.splitlines()[0] == "## No answer yet"
    assert drawn.keys() == NAMES - {"sweep-answer"}
    notes = []

    def look(event: Event) -> None:
        notes.append(kept(sqlite_url)[0])

    run_sweep(
        small_spec(tmp_path, "search.trials=15"),
        storage=sqlite_url,
        launcher=InlineLauncher(),
        on_event=with_study_page(sqlite_url, look),
    )
    assert [one.splitlines()[0] for one in dict.fromkeys(notes)] == ["## No answer yet", WITHDRAWN.splitlines()[0]]
    assert kept(sqlite_url)[0].startswith("## No answer yet")


def test_a_run_never_fails_because_of_them(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(optuna_dashboard, "save_note", refuse)
        summary = run(small_spec(tmp_path), sqlite_url, **INLINE)
    assert summary.status.state == "done"
    assert "no note in the study small" in caplog.text
    with Store.open(sqlite_url) as store, optuna_storage(store) as tables:
        optuna.delete_study(study_name="small", storage=tables)
        caplog.clear()
        save_study_page(store, summary)  # orphaned: there is nothing to write it into
        assert tables.get_all_studies() == []
    assert caplog.text == ""


def test_a_study_of_the_same_name_that_is_another_one_is_left_alone(sqlite_url: str, tmp_path: Path) -> None:
    summary = run(small_spec(tmp_path), sqlite_url, **INLINE)
    with Store.open(sqlite_url) as store, optuna_storage(store) as tables:
        optuna.delete_study(study_name="small", storage=tables)
        other = optuna.create_study(study_name="small", storage=tables)
        save_study_page(store, summary)
        assert attributes(other) == {}


@pytest.mark.parametrize("trials", [128, 2000])
def test_figures_are_few_and_small(trials: int) -> None:
    summary, answer = made_summary(trials), made_answer.helps()
    drawn = dict(figures(summary, answer))
    # Of thousands of trials the figure with a point for each is left out.
    assert drawn.keys() == (NAMES if trials == 128 else NAMES - {"sweep-placements"})
    assert forest_info(answer, summary.spec.space.placements) is not None
    for figure in drawn.values():
        assert len(figure.to_json()) <= FIGURE_BYTES < 20_000
        told = json.loads(figure.to_json())
        assert "template" not in told["layout"]
        assert told["layout"]["title"]["text"]
        assert "var(--" not in figure.to_json()  # colours of our own pages, which mean nothing there


def test_the_note_says_the_answer_first() -> None:
    summary, answer = made_summary(), made_answer.helps()
    assert summary.best is not None
    note = note_text(summary, summary.best, answer)
    assert note.splitlines()[0] == f"## {escaped(sentences.sentence(answer))}"
    page = MarkdownIt("commonmark").enable("table").render(note)
    assert page.count("<h2>") == page.count("<table>") == 1
    assert f"<td>{html.escape(f'trial {summary.best.number}')}" not in page
    assert set(re.findall(r"--format (\w+)", note)) <= set(FORMATS)


def test_the_note_has_the_cautions() -> None:
    summary, answer = made_summary(), made_answer.one_history()
    assert summary.best is not None
    page = MarkdownIt("commonmark").enable("table").render(note_text(summary, summary.best, answer))
    cautions = sentences.cautions(answer)
    assert cautions
    for line in cautions:
        assert html.escape(line) in page


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"own\n\n{END}"),
        (" \n", f"own\n\n{END}"),
        ("mine", f"own\n\n{END}\n\nmine"),
        (f"old\n\n{END}\n\nmine", f"own\n\n{END}\n\nmine"),
        (f"old\n\n{END}", f"own\n\n{END}"),
    ],
)
def test_what_people_wrote_stays(before: str, after: str) -> None:
    assert joined(before, "own") == after
    assert joined(after, "own") == after


MARKED = st.text(
    st.sampled_from(list("ab1 \\`*_{}[]()<>#+-.!|&~$@:/=^\"'\n")) | st.characters(codec="utf-8"), max_size=40
)
RENDER = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render


@settings(max_examples=100, deadline=None)
@given(MARKED)
def test_text_is_shown_as_it_is(text: str) -> None:
    """Whatever it looks like: nothing of it formats, links, or is HTML; in a paragraph, a heading and a table."""
    text = text.replace("\0", "")  # Markdown has none
    line, safe = " ".join(text.split()), escaped(text)
    shown = html.escape(line, quote=False).replace('"', "&quot;")
    if not line:
        return
    assert RENDER(safe) == f"<p>{shown}</p>\n"
    assert RENDER(f"## x {safe}") == f"<h2>x {shown}</h2>\n"
    assert f"<td>x {shown}</td>\n</tr>" in RENDER(f"| | |\n|---|---|\n| a | x {safe} |")
