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
from sweep.figures.forest_info import forest_info
from sweep.figures.forest_svg import svg
from sweep.metrics import METRICS
from sweep.texts import html
from sweep.texts.best import scores_rows
from sweep.texts.layout import table_text


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """A sweep with its answer.

    Attributes:
        summary: Of the sweep.
        answer: Of the same.
        nested: What its nested cross-validation said, if it was ever asked for.
        with_rules: Whether the text has the rules of thumb in full.
        with_nested: Whether it has nested cross-validation in full.
    """

    summary: SweepSummary
    answer: Answer
    nested: Nested | None = None
    with_rules: bool = False
    with_nested: bool = False

    def __repr__(self) -> str:
        """The sentence alone."""
        return f"<{self.answer.name}: {sentences.sentence(self.answer)}>"

    def __str__(self) -> str:
        """What ``sweep answer`` prints."""
        return answer_text(self)

    def _repr_html_(self) -> str:
        """The same for notebooks, with a picture of the differences."""
        return answer_html(self)

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


def answer_text(answered: Answered) -> str:
    """The sentence, a table of placements, what would tell, the honest score; the rest as far as asked."""
    answer = answered.answer
    parts = [
        f"{answer.name}: {sentences.sentence(answer)}",
        table_text([_head(answer), *arm_rows(answer)], indent="  "),
        *(table_text(rows, indent="  ") for rows in (remark_rows(answer), _scores_rows(answered)) if rows),
        "\n".join([sentences.basis(answer), *sentences.cautions(answer)]),
    ]
    if answered.nested is not None:
        in_full = answered.with_nested
        parts += nested_parts(answered.nested) if in_full else [nested_line(answered.nested, answer.name)]
    if answered.with_rules:
        parts += _rules_parts(answer)
    elif answer.rules is not None:
        parts.append(_rules_line(answer))
    return "\n\n".join(parts)


def answer_html(answered: Answered) -> str:
    """The same for notebooks: a picture of the differences beside the table."""
    answer, nested = answered.answer, answered.nested
    forest = forest_info(answer, answered.summary.spec.space.placements)
    parts = [
        html.paragraph(sentences.sentence(answer), bold=answer.name),
        *([] if forest is None else [html.Markup(svg(forest))]),
        html.table([[html.broken(cell, " (95 %") for cell in row] for row in arm_rows(answer)], _head(answer)),
        *(html.table(rows) for rows in (remark_rows(answer), _scores_rows(answered)) if rows),
        *(html.paragraph(said, faint=True) for said in (sentences.basis(answer), *sentences.cautions(answer))),
    ]
    if nested is not None:
        parts.append(html.paragraph(nested_sentence(nested), bold=QUESTION))
        if answered.with_nested:
            parts += [html.table(_outer_rows(nested), _outer_head(nested))]
            parts += [html.paragraph(nested_basis(nested), faint=True)]
    if answered.with_rules:
        outcomes = f"{rule_sentences.outcomes(answer.rules or ())}."
        parts += [
            html.paragraph(outcomes, bold="Rules of thumb on this table:"),
            html.table(_rule_rows(answer), RULES, wrap=True),
        ]
        parts += [html.paragraph(said, faint=True) for said in (*_rule_notes(answer), *rule_sentences.basis(answer))]
    elif answer.rules is not None:
        parts.append(html.paragraph(_rules_line(answer)))
    return html.block(*parts)


RULES = ("OUTCOME", "RULE, AND WHAT WAS COMPARED", "DIFFERENCE")


def _head(answer: Answer) -> tuple[str, ...]:
    return "PLACEMENT", "VERDICT", "AGAINST NO DROPOUT", "AGAINST ITSELF WITHOUT", answer.metric.upper()


def arm_rows(answer: Answer) -> list[tuple[str, ...]]:
    """Placement, verdict, both differences and the score on fresh folds; at the end that of no dropout."""
    metric = METRICS[answer.metric]
    rows: list[tuple[str, ...]] = [
        (
            arm.placement,
            sentences.verdict_text(arm),
            *(sentences.difference_text(metric, one, answer.control.score) for one in (arm.tuned, arm.matched)),
            wording.score(metric, arm.score),
        )
        for arm in answer.arms
    ]
    rows.append(("none", "", "", "", wording.score(metric, answer.control.score)))
    return rows


def remark_rows(answer: Answer) -> list[tuple[str, str]]:
    """Placement and what else there is to say of it, for those of which there is."""
    remarks = ((arm.placement, sentences.remark(arm, answer)) for arm in answer.arms)
    return [pair for pair in remarks if pair[1]]


def _scores_rows(answered: Answered) -> list[tuple[str, str]]:
    summary, nested = answered.summary, answered.nested
    if summary.best is None:
        return []
    scores = scores_rows(summary.metric, summary.best.score, summary.honest, summary.chosen)
    if nested is not None:
        scores.append(("nested score", f"{nested_value(nested, nested.score)}, of choosing anew in each outer fold"))
    return scores


def _rules_line(answer: Answer) -> str:
    again = f"sweep answer {shlex.quote(answer.name)} --rules"
    return f"Rules of thumb: {rule_sentences.outcomes(answer.rules or ())} ({again})."


def _rules_parts(answer: Answer) -> list[str]:
    """Rules of thumb: what they rest on, a table, what else to know."""
    notes = [f"  {note}" for note in _rule_notes(answer)]
    return [
        f"Rules of thumb on this table: {rule_sentences.outcomes(answer.rules or ())}.",
        table_text([RULES, *_rule_rows(answer)], indent="  "),
        *(["\n".join(notes)] if notes else []),
        "\n".join(rule_sentences.basis(answer)),
    ]


def _rule_rows(answer: Answer) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for rule in answer.rules or ():
        rows.append((rule.outcome, rule.statement, ""))
        rows += [("", f"  {one.what}", rule_sentences.gain(one, answer)) for one in rule.comparisons]
    return rows


def _rule_notes(answer: Answer) -> list[str]:
    """What else to know, each with the rules that it is about."""
    notes: defaultdict[str, list[str]] = defaultdict(list)
    for rule in answer.rules or ():
        for note in rule.notes:
            notes[note].append(rule.key)
    return [f"{', '.join(keys)}: {note}" for note, keys in notes.items()]


def nested_parts(nested: Nested) -> list[str]:
    """The sentence, what was chosen in each outer fold, and what it rests on."""
    rows = [_outer_head(nested), *_outer_rows(nested)]
    return [f"{QUESTION} {nested_sentence(nested)}", table_text(rows, indent="  "), nested_basis(nested)]


def _outer_head(nested: Nested) -> tuple[str, ...]:
    return "FOLD", "CHOSEN OF ALL", nested.metric.upper(), "WITHOUT DROPOUT"


def _outer_rows(nested: Nested) -> list[tuple[str, ...]]:
    rows = [
        (str(fold), one.placement, _score(nested, one), _score(nested, other))
        for fold, (one, other) in enumerate(nested.outer, 1)
    ]
    return [*rows, ("mean", "", nested_value(nested, nested.score), nested_value(nested, nested.without))]


def nested_line(nested: Nested, name: str) -> str:
    """The sentence alone, where nobody asked for it this time."""
    return f"{QUESTION} {nested_sentence(nested)} (sweep answer {shlex.quote(name)} --nested)"


def _score(nested: Nested, winner: Winner) -> str:
    return wording.score(METRICS[nested.metric], winner.score) if math.isfinite(winner.score) else "undefined"
