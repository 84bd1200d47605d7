"""A sweep with its answer, as text and as a JSON document."""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sweep import wording
from sweep.analysis.results import SweepSummary
from sweep.answer import rule_sentences, sentences
from sweep.answer.nested_records import Nested, Winner
from sweep.answer.nested_words import QUESTION, nested_basis, nested_sentence, nested_value
from sweep.answer.records import Answer
from sweep.metrics import METRICS
from sweep.texts.best import scores_rows
from sweep.texts.layout import table_text


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """A sweep with its answer, and what nested cross-validation said, if it was ever asked for."""

    summary: SweepSummary
    answer: Answer
    nested: Nested | None = None

    def __repr__(self) -> str:
        """The sentence alone."""
        return f"<{self.answer.name}: {sentences.sentence(self.answer)}>"

    def __str__(self) -> str:
        """What ``sweep answer`` prints."""
        return answer_text(self)

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


def nested_parts(nested: Nested) -> list[str]:
    """The sentence, what was chosen in each outer fold, and what it rests on."""
    metric = METRICS[nested.metric]
    rows = [("FOLD", "CHOSEN OF ALL", metric.name.upper(), "WITHOUT DROPOUT")]
    rows += [
        (str(fold), one.placement, _score(nested, one), _score(nested, other))
        for fold, (one, other) in enumerate(nested.outer, 1)
    ]
    rows.append(("mean", "", nested_value(nested, nested.score), nested_value(nested, nested.without)))
    return [f"{QUESTION} {nested_sentence(nested)}", table_text(rows, indent="  "), nested_basis(nested)]


def nested_line(nested: Nested, name: str) -> str:
    """The sentence alone, where nobody asked for it this time."""
    return f"{QUESTION} {nested_sentence(nested)} (sweep answer {shlex.quote(name)} --nested)"


def _score(nested: Nested, winner: Winner) -> str:
    return wording.score(METRICS[nested.metric], winner.score) if math.isfinite(winner.score) else "undefined"
