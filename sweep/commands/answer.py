"""``sweep answer``: the chosen networks again on fresh folds."""

from __future__ import annotations

from sweep import wording
from sweep.analysis.results import SweepSummary
from sweep.answer.choose import check_outer
from sweep.answer.compute import compute
from sweep.answer.confirm import Progress, confirm
from sweep.answer.nested import pose_nested
from sweep.answer.nested_stored import known_nested
from sweep.answer.question import Question, pose
from sweep.commands.nested import ask_nested
from sweep.commands.progress import Display, Standing
from sweep.commands.study_page import save_study_page
from sweep.commands.work import SoFar, at_work, training_device
from sweep.launch.base import check_cluster
from sweep.store.store import Store
from sweep.texts.answered import Answered


def answer_sweep(
    name: str,
    storage: str,
    *,
    repeats: int | None,
    rules: bool,
    nested: bool,
    outer: int | None,
    cluster: str,
    workers: int | None,
    device: str,
    display: Display,
) -> Answered:
    """Trains what an answer still lacks, and gives it.

    Args:
        name: Of a finished sweep.
        storage: Database URL.
        repeats: Of fresh folds, in all; ``None`` for as many as there are, or what costs about as much as the sweep.
        rules: Whether rules of thumb are checked, too.
        nested: Whether nested cross-validation is run, too.
        outer: Its number of outer folds; ``None`` for the definition's.
        cluster: ``"inline"``, ``"local"`` or the address of a scheduler.
        workers: How many processes; ``None`` for one a core.
        device: ``"auto"``, ``"cpu"`` or ``"cuda:N"``.
        display: Is told how far it is.

    Raises:
        UserError: Something does not allow it; nothing was trained.
        SweepError: It failed on the way; every run that was finished is kept.
        KeyboardInterrupt: Ctrl-C; every run that was finished is kept.
    """
    check_cluster(cluster, workers)
    check_outer(outer, nested=nested)
    own_device = training_device(device, cluster)
    with Store.open(storage) as store:
        display.doing("reading the sweep")
        question = pose(store, name, repeats, rules=rules)
        searches = pose_nested(question, store, outer) if nested else None  # refused before anything is trained
        display.say(_plan(question))
        if question.missing:
            tell = AnswerTeller(display, question.summary)
            with at_work(cluster, workers, own_device, display, tell) as launcher:
                confirm(question, store, launcher, tell)
        display.doing("comparing")
        answer = compute(question, store)
        save_study_page(store, question.summary, answer)
        if searches is None:
            return Answered(question.summary, answer, known_nested(store, question.summary), rules)
        found = ask_nested(searches, store, cluster=cluster, workers=workers, device=own_device, display=display)
        return Answered(question.summary, answer, found, rules, with_nested=True)


def _plan(question: Question) -> str:
    folds = question.folds
    networks = wording.count(len(question.choice.configurations), "configuration")
    kind = "one history, other seeds and shifted origins" if folds.scheme == "timeseries" else "fresh folds"
    plan = f"{networks} on {folds.repeats} repeats of {folds.folds} folds: {kind}"
    if more := len(question.wanted) - len(question.choice.configurations):
        plan += f"; for the rules of thumb {more} more, on {question.rule_repeats} repeats"
    return plan


class AnswerTeller(SoFar):
    """From progress to the display."""

    def __init__(self, display: Display, summary: SweepSummary) -> None:
        super().__init__("nothing was trained")
        self._display, self._summary = display, summary

    def __call__(self, progress: Progress) -> None:
        """Tells the display of progress."""
        self.text = f"{progress.done} of {progress.runs} runs are finished"
        if self._display.standing is None:
            if progress.done:
                self._display.say(f"going on: {self.text}")
            name, metric = self._summary.name, self._summary.metric
            self._display.begin(Standing(name, metric, progress.runs, progress.done, unit="run"))
        else:
            self._display.standing.take(progress.done, {})
            self._display.update()
