"""What the Optuna dashboard shows of a sweep besides its trials: a note with the result, and a few small figures.

They are kept in the study, by the dashboard's own means, so that whoever opens it sees the answer first. They travel in
every poll of its pages, and with every list of studies: hence few, and small.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import optuna

from sweep.analysis.results import SweepSummary, TrialRow
from sweep.analysis.study import find_study
from sweep.analysis.summary import summarise
from sweep.answer import sentences
from sweep.answer.records import Answer
from sweep.answer.stored import known_answer
from sweep.errors import SweepError
from sweep.run.events import Event, Finished, Started
from sweep.run.study import open_storage
from sweep.store.store import Store
from sweep.texts.best import best_rows, heading

FIGURE_BYTES = 12_000
"""Of one figure; a larger one is left out."""

DIGITS = 4
"""Of the numbers in figures: a screen shows no more."""

END = "*Written by sweep when the sweep ends and when it is answered. What stands below this line is kept.*"
"""The last line of our note."""

WITHDRAWN = "## More trials are wanted\n\nWhat they come to stands here when they are finished."
"""Our note meanwhile, where there was one of fewer trials."""

TITLES = {
    "sweep-answer": "Dropout against none, on fresh folds",
    "sweep-placements": "Scores by placement of dropout, raw",
    "sweep-curves": "How the best network learned",
}
"""Of our figures, by the names under which they are kept."""

logger = logging.getLogger(__name__)


def save_study_page(store: Store, summary: SweepSummary, answer: Answer | None = None) -> None:
    """Keeps note and figures in the study of a sweep, in place of earlier ones. What people added to the note stays.

    Of an earlier figure that is not drawn anew nothing can be removed: one that says so takes its place.

    It is no part of any result: where it cannot be done, or the study is gone, the log says so and nothing is raised.

    Args:
        store: The database.
        summary: Of a sweep.
        answer: Of the same; ``None`` for the one that is stored, if there is one.
    """
    with _harmless(summary.name):
        _save(store, summary, answer or known_answer(store, summary))


def withdraw_study_page(storage: str, event: Event) -> None:
    """Where a sweep goes on, says so in its study, in place of note and figures that are of fewer trials.

    It is no part of any result either.

    Args:
        storage: Database URL.
        event: Of the run; of all but one nothing comes.
    """
    if isinstance(event, Started) and event.resumed and event.finished < event.budget:
        with _harmless(event.name), Store.open(storage) as store, _study(store, event.name) as study:
            # Asked first, so that a run which never had a note does not import what writes them.
            if study is not None and "dashboard:note_ver" in _attributes(study):
                _withdraw(study)


def with_study_page(storage: str, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
    """The same listener to a run, which also keeps note and figures once the sweep has ended.

    Those of fewer trials are withdrawn when it goes on.

    Args:
        storage: Database URL.
        on_event: Is told first.
    """

    def told(event: Event) -> None:
        on_event(event)
        withdraw_study_page(storage, event)
        if isinstance(event, Finished):
            with Store.open(storage) as store:
                save_study_page(store, summarise(store, event.outcome.name))

    return told


@contextmanager
def _harmless(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever it is, what was computed is worth more
        level = logging.INFO if isinstance(error, SweepError) else logging.ERROR
        logger.log(level, "no note in the study %s", name, exc_info=error)


def _save(store: Store, summary: SweepSummary, answer: Answer | None) -> None:
    if summary.best is None:
        return
    drawn, own = dict(figures(summary, answer)), note_text(summary, summary.best, answer)
    with _study(store, summary.name) as study:
        if study is not None:
            _keep(study, own, drawn, "was drawn of fewer trials, and no longer holds")


def _withdraw(study: optuna.Study) -> None:
    import optuna_dashboard

    if END in optuna_dashboard.get_note(study):
        _keep(study, WITHDRAWN, {}, "comes again when more trials are finished")


@contextmanager
def _study(store: Store, name: str) -> Iterator[optuna.Study | None]:
    """The study of a sweep; ``None`` where it was deleted or renamed elsewhere."""
    sweep = store.sweep(name)
    with open_storage(store) as tables:
        if sweep is None or tables is None or find_study(tables, sweep) is None:
            yield None
        else:
            yield optuna.load_study(study_name=name, storage=tables, sampler=optuna.samplers.RandomSampler())


def _keep(study: optuna.Study, own: str, drawn: Mapping[str, _Drawn], else_said: str) -> None:
    """Note and figures, and in place of earlier figures that are not among these what is said of them."""
    import optuna_dashboard  # loaded at the end, as Plotly is, so that no command waits for it when it begins

    before = optuna_dashboard.get_note(study)
    if (note := joined(before, own)) != before:
        optuna_dashboard.save_note(study, note)
    known = _attributes(study)
    for name, title in TITLES.items():
        figure = drawn.get(name)
        if figure is None and f"dashboard:plot_data:{name}:0" in known:
            figure = _instead(f"{title}: {else_said}")
        if figure is not None:
            optuna_dashboard.save_plotly_graph_object(study, cast("Any", figure), graph_object_id=name)


def _attributes(study: optuna.Study) -> Mapping[str, Any]:
    """Where the dashboard keeps notes and figures; there is no public way to see which there are."""
    found: dict[str, Any] = study._storage.get_study_system_attrs(study._study_id)
    return found


# --- the note ---------------------------------------------------------------------------------------------------------


def note_text(summary: SweepSummary, best: TrialRow, answer: Answer | None) -> str:
    """What the note says, in Markdown: the answer, the honest score, the best configuration, how to take it away."""
    name = summary.name
    parts = [f"## {escaped(sentences.sentence(answer) if answer else 'No answer yet')}"]
    if answer is None:
        asked = f"`sweep answer {name}` trains the best networks with and without dropout again, on fresh folds."
        parts.append(f"Scores of a search do not say whether dropout helps: each is of a choice. {asked}")
    else:
        parts += [escaped(line) for line in (sentences.basis(answer), *sentences.cautions(answer))]
    rows = "\n".join(f"| {escaped(key)} | {escaped(value)} |" for key, value in best_rows(summary, best))
    parts += [
        f"**{escaped(heading(summary, best))}**",
        f"| | |\n|---|---|\n{rows}",
        f"Take it away: `sweep export {name} --format toml -o best.toml` (to be run again), `--format python`, "
        f"`--format sklearn` and others (a program); `sweep fit {name} -o model` (a trained network); "
        f"`sweep report {name}` (everything, as one page).",
    ]
    return "\n\n".join(parts)


def joined(before: str, own: str) -> str:
    """Our note, and below it what people wrote: all of a note that we did not write, or what follows ours."""
    theirs = before.split(END, 1)[1] if END in before else f"\n\n{before}" if before.strip() else ""
    return f"{own}\n\n{END}{theirs}"


def escaped(text: str) -> str:
    """Text as Markdown that shows it as it is: on one line, with nothing that formats, links or is HTML."""
    line = re.sub(r"([\\`*_\[\]<>|&~#$!@])", r"\\\1", " ".join(text.split()))
    line = re.sub(r"(?i)(:)(?=//)|(?<=www)(\.)", lambda found: f"\\{found[0]}", line)  # no links made of addresses
    return re.sub(r"^(\d*)([-+=]|(?<=\d)[.)](?=\s|$))", r"\1\\\2", line)  # no list, no heading


# --- figures ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A figure as the dashboard keeps it."""

    text: str

    def to_json(self) -> str:
        """Its JSON document."""
        return self.text


def figures(summary: SweepSummary, answer: Answer | None) -> Iterator[tuple[str, _Drawn]]:
    """Those that are small enough, by the name under which each is kept."""
    from sweep.figures.draw import to_json
    from sweep.figures.draw_answer import draw
    from sweep.figures.forest_info import forest_info
    from sweep.figures.info import curve_infos, placement_info
    from sweep.figures.palette import LIGHT

    forest = None if answer is None else forest_info(answer, summary.spec.space.placements)
    curves = curve_infos(summary)
    for name, info in (
        ("sweep-answer", forest),
        ("sweep-placements", placement_info(summary)),
        ("sweep-curves", curves[0] if curves else None),
    ):
        if info is None:
            continue
        found = json.loads(to_json(draw(info, LIGHT)))
        found["layout"].pop("template", None)
        layout, room = found["layout"], 60 if found["layout"].get("showlegend") else 40  # pixels, for the title
        layout["title"] = _title(TITLES[name])
        layout["margin"]["t"] += room
        layout["height"] += room
        text = json.dumps(_short(found), separators=(",", ":"))
        if len(text) <= FIGURE_BYTES:
            yield name, _Drawn(text)


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "x": 0.01, "y": 0.97, "yanchor": "top", "font": {"size": 14}}


def _instead(said: str) -> _Drawn:
    """A figure with nothing but its title."""
    axis = {"visible": False}
    layout = {"title": _title(said), "height": 60, "margin": {"t": 60, "b": 0}, "xaxis": axis, "yaxis": axis}
    return _Drawn(json.dumps({"data": [], "layout": layout}, separators=(",", ":")))


def _short(value: Any) -> Any:
    """The same with numbers of few digits."""
    if isinstance(value, float):
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short.is_integer() else short
    if isinstance(value, dict):
        return {key: _short(one) for key, one in value.items()}
    return [_short(one) for one in value] if isinstance(value, list) else value
