"""Answers in the database: kept as plain values, and read again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sweep.analysis.results import SweepSummary
from sweep.answer.choose import Choice, choose
from sweep.answer.records import (
    Advice,
    Answer,
    ArmAnswer,
    Beside,
    Comparison,
    Control,
    Reference,
    RuleAnswer,
    RuleComparison,
    RuleTerm,
)
from sweep.errors import UserError
from sweep.records import Hyperparameters
from sweep.store.rows import AnswerRecord
from sweep.store.store import Store


def save_answer(store: Store, key: str, choice: Choice, answer: Answer) -> None:
    """Keeps an answer, in place of an earlier one of this choice with as many repeats."""
    store.save_answer(key, choice.key, answer.repeats, asdict(answer))


def known_answer(store: Store, summary: SweepSummary) -> Answer | None:
    """The answer of a sweep with the most repeats, if it was asked for since its winners were found."""
    sweep = store.sweep(summary.name)
    try:
        choice = choose(summary)
    except UserError:
        return None
    best = None if sweep is None else current(store.answers(sweep.key), choice)
    return None if best is None else read_answer(best)


def current(answers: Iterable[AnswerRecord], choice: Choice) -> AnswerRecord | None:
    """Of the stored answers of a sweep the one of this choice with the most repeats."""
    return max((one for one in answers if one.choice == choice.key), key=lambda one: one.repeats, default=None)


def read_answer(record: AnswerRecord) -> Answer:
    """A stored answer."""
    return _answer(record.document)


def looks(store: Store, key: str, choice: Choice, repeats: int) -> int:
    """With how many numbers of repeats a choice was looked at, this one included."""
    return len({one.repeats for one in store.answers(key) if one.choice == choice.key} | {repeats})


# --- from plain values ------------------------------------------------------------------------------------------------


def _answer(document: dict[str, Any]) -> Answer:
    """Inverse of ``asdict``, through JSON."""
    rules = document["rules"]
    return Answer(
        **{
            **document,
            "control": Control(**_with_params(document["control"])),
            "rivals": tuple(Control(**_with_params(one)) for one in document["rivals"]),
            "arms": tuple(map(_arm, document["arms"])),
            "cautions": tuple(document["cautions"]),
            "rules": None if rules is None else tuple(map(_rule, rules)),
        }
    )


def _arm(plain: dict[str, Any]) -> ArmAnswer:
    return ArmAnswer(
        **{
            **_with_params(plain),
            "tuned": Comparison(**plain["tuned"]),
            "matched": Comparison(**plain["matched"]),
            "rivals": tuple(Comparison(**one) for one in plain["rivals"]),
            "advice": None if plain["advice"] is None else Advice(**plain["advice"]),
            "reference": None if plain["reference"] is None else Reference(**plain["reference"]),
            "beside": tuple(Beside(**one) for one in plain["beside"]),
        }
    )


def _rule(plain: dict[str, Any]) -> RuleAnswer:
    comparisons = tuple(
        RuleComparison(
            **{
                **one,
                "comparison": Comparison(**one["comparison"]),
                "terms": tuple(RuleTerm(**_with_params(term)) for term in one["terms"]),
            }
        )
        for one in plain["comparisons"]
    )
    return RuleAnswer(**{**plain, "comparisons": comparisons, "notes": tuple(plain["notes"])})


def _with_params(plain: dict[str, Any]) -> dict[str, Any]:
    return {**plain, "params": Hyperparameters.from_dict(plain["params"])}
