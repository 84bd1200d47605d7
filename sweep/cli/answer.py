"""``sweep answer``: the chosen networks again on fresh folds, and what that says, as text for people."""

from __future__ import annotations

import shlex
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepSummary
from sweep.answer import rule_sentences, sentences
from sweep.answer.compute import compute
from sweep.answer.confirm import Progress, confirm
from sweep.answer.nested import pose_nested
from sweep.answer.nested_records import Nested
from sweep.answer.nested_stored import known_nested
from sweep.answer.nested_words import nested_sentence, nested_value
from sweep.answer.question import Question, pose
from sweep.answer.records import Answer
from sweep.cli.nested import ask_nested, nested_line, nested_parts
from sweep.cli.progress import Display, Standing
from sweep.cli.show import scores_rows, table_text
from sweep.cli.work import SoFar, at_work, training_device
from sweep.errors import UserError
from sweep.launch.base import check_cluster
from sweep.store.store import Store


@dataclass(frozen=True, slots=True)
class Answered:
    """A sweep with its answer, and what nested cross-validation said, if it was ever asked for."""

    summary: SweepSummary
    answer: Answer
    nested: Nested | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON document of ``sweep answer``."""
        honest, answer = self.summary.honest, self.answer
        control = answer.control
        return {
            "name": answer.name,
            "metric": answer.metric,
            "sentence": sentences.sentence(answer),
            "raw_best_score": None if self.summary.best is None else self.summary.best.score,
            "honest_score": None if honest is None else {"value": honest.value, "low": honest.low, "high": honest.high},
            "repeats": answer.repeats,
            "folds": answer.folds,
            "rows": answer.rows,
            "groups": answer.groups,
            "one_history": answer.one_history,
            "looks": answer.looks,
            "constant_score": answer.constant,
            "rope": answer.rope,
            "control": {
                "trial": control.trial,
                "params": control.params.to_dict(),
                "epoch": control.epoch,
                "raw_score": control.raw_score,
                "score": control.score,
                "diverged": control.diverged,
            },
            "arms": [arm.to_dict() | {"explanation": sentences.explain(arm, answer)} for arm in answer.arms],
            "cautions": list(sentences.cautions(answer)),
            "rules": None if answer.rules is None else [rule.to_dict() for rule in answer.rules],
            "nested": None
            if self.nested is None
            else {"sentence": nested_sentence(self.nested), **self.nested.to_dict()},
        }


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
    if outer is not None and not nested:
        raise UserError("--outer is the number of outer folds of --nested, which is not given")
    own_device = training_device(device, cluster)
    with Store.open(storage) as store:
        display.doing("reading the sweep")
        question = pose(store, name, repeats, rules=rules)
        searches = pose_nested(question, store, outer) if nested else None  # refused before anything is trained
        display.say(_plan(question))
        if question.missing:
            tell = _Teller(display, question.summary)
            with at_work(cluster, workers, own_device, display, tell) as launcher:
                confirm(question, store, launcher, tell)
        display.doing("comparing")
        answer = compute(question, store)
        if searches is None:
            return Answered(question.summary, answer, known_nested(store, question.summary))
        found = ask_nested(searches, store, cluster=cluster, workers=workers, device=own_device, display=display)
        return Answered(question.summary, answer, found)


def answer_text(answered: Answered, *, rules: bool = False, nested: bool = False) -> str:
    """The sentence, a table of placements, what would tell, the honest score; the rest as far as asked."""
    summary, answer = answered.summary, answered.answer
    metric = summary.metric
    rows: list[tuple[str, ...]] = [
        ("PLACEMENT", "VERDICT", "AGAINST NO DROPOUT", "AGAINST ITSELF WITHOUT", metric.name.upper())
    ]
    rows += [
        (
            arm.placement,
            sentences.verdict_text(arm),
            *(sentences.difference_text(metric, one, answer.control.score) for one in (arm.tuned, arm.matched)),
            wording.score(metric, arm.score),
        )
        for arm in answer.arms
    ]
    rows.append(("none", "", "", "", wording.score(metric, answer.control.score)))
    remarks = [(arm.placement, sentences.remark(arm, answer)) for arm in answer.arms]
    parts = [f"{answer.name}: {sentences.sentence(answer)}", table_text(rows, indent="  ")]
    if said := [pair for pair in remarks if pair[1]]:
        parts.append(table_text(said, indent="  "))
    best = summary.best
    if best is not None:
        scores = scores_rows(metric, best.score, summary.honest, summary.chosen)
        if (own := answered.nested) is not None:
            scores.append(("nested score", f"{nested_value(own, own.score)}, of choosing anew in each outer fold"))
        parts.append(table_text(scores, indent="  "))
    parts.append("\n".join([sentences.basis(answer), *sentences.cautions(answer)]))
    if answered.nested is not None:
        parts += nested_parts(answered.nested) if nested else [nested_line(answered.nested, answer.name)]
    if rules:
        parts += _rules_parts(answer)
    elif answer.rules is not None:
        again = f"sweep answer {shlex.quote(answer.name)} --rules"
        parts.append(f"Rules of thumb: {rule_sentences.outcomes(answer.rules)} ({again}).")
    return "\n\n".join(parts)


def _rules_parts(answer: Answer) -> list[str]:
    """Rules of thumb: what they rest on, a table, what else to know."""
    rows: list[tuple[str, ...]] = [("OUTCOME", "RULE, AND WHAT WAS COMPARED", "DIFFERENCE")]
    notes: defaultdict[str, list[str]] = defaultdict(list)
    for rule in answer.rules or ():
        rows.append((rule.outcome, rule.statement, ""))
        rows += [("", f"  {one.what}", rule_sentences.gain(one, answer)) for one in rule.comparisons]
        for note in rule.notes:
            notes[note].append(rule.key)
    return [
        f"Rules of thumb on this table: {rule_sentences.outcomes(answer.rules or ())}.",
        table_text(rows, indent="  "),
        *(["\n".join(f"  {', '.join(keys)}: {note}" for note, keys in notes.items())] if notes else []),
        "\n".join(rule_sentences.basis(answer)),
    ]


def _plan(question: Question) -> str:
    folds = question.folds
    networks = wording.count(len(question.choice.configurations), "configuration")
    kind = "one history, other seeds and shifted origins" if folds.scheme == "timeseries" else "fresh folds"
    plan = f"{networks} on {folds.repeats} repeats of {folds.folds} folds: {kind}"
    if more := len(question.wanted) - len(question.choice.configurations):
        plan += f"; for the rules of thumb {more} more, on {question.rule_repeats} repeats"
    return plan


class _Teller(SoFar):
    """From progress to the display."""

    def __init__(self, display: Display, summary: SweepSummary) -> None:
        super().__init__("nothing was trained")
        self._display, self._summary = display, summary

    def __call__(self, progress: Progress) -> None:
        self.text = f"{progress.done} of {progress.runs} runs are finished"
        if self._display.standing is None:
            if progress.done:
                self._display.say(f"going on: {self.text}")
            name, metric = self._summary.name, self._summary.metric
            self._display.begin(Standing(name, metric, progress.runs, progress.done, unit="run"))
        else:
            self._display.standing.take(progress.done, {})
            self._display.update()
