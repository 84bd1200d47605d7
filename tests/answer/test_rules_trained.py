"""Rules of thumb on a real sweep: what the answer trained is shared, and what is known is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.answer.compute import compute
from sweep.answer.confirm import Progress, confirm
from sweep.answer.question import RULE_REPEATS, pose
from sweep.answer.records import Answer
from sweep.answer.stored import known_answer
from sweep.store.store import Store
from tests.answer.test_confirm import Finished, Watched, finished, store

__all__ = ["finished", "store"]  # fixtures


def trained(watched: Watched) -> list[tuple[str, int, int]]:
    """What was trained, from the first epoch: a network, its last epoch there, a repeat."""
    return [
        (str(params.to_dict() | {"placement": ""}), job.end, repeat)
        for job in watched.jobs
        for params in job.trials
        for repeat in range(*(job.repeats or (0, 0)))
    ]


def test_what_the_answer_trained_is_not_trained_again(store: Store) -> None:
    plain = pose(store, "small", 5)
    first = Watched()
    confirm(plain, store, first)
    asked = pose(store, "small", 5, rules=True)
    own = {one.key for one in plain.choice.configurations}
    more = {one.key for rule in asked.rules for one in rule.configurations} - own
    assert len(more) > 10
    assert asked.missing == RULE_REPEATS * len(more)
    assert {one.key: repeats for one, repeats in asked.wanted.items()} == dict.fromkeys(own, 5) | dict.fromkeys(more, 3)
    second, told = Watched(), list[Progress]()
    confirm(asked, store, second, told.append)
    assert not set(trained(first)) & set(trained(second))
    assert len(trained(second)) == len(set(trained(second)))
    assert {repeat for _, _, repeat in trained(second)} == {0, 1, 2}
    assert told[0] == Progress(5 * len(own), 5 * len(own) + asked.missing)
    assert told[-1].done == told[-1].runs
    assert pose(store, "small", 5, rules=True).missing == pose(store, "small", 5).missing == 0
    stored = store.confirmed_repeats(asked.sweep.key)
    assert {key: len(repeats) for key, repeats in stored.items()} == dict.fromkeys(own, 5) | dict.fromkeys(more, 3)


def test_rules_alone_train_all_that_the_answer_needs(store: Store) -> None:
    """Asked for at once, with fewer repeats than rules have by themselves."""
    asked = pose(store, "small", 2, rules=True)
    assert set(asked.wanted.values()) == {2}
    confirm(asked, store, Watched())
    answer = compute(asked, store)
    assert answer.rules is not None
    assert {one.comparison.repeats for rule in answer.rules for one in rule.comparisons} == {2}


def test_interrupted_anywhere_it_goes_on_and_gives_the_same(store: Store, finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "whole.db").write_bytes((finished.folder / "sweep.db").read_bytes())
    with Store.open(f"sqlite:///{tmp_path / 'whole.db'}") as undisturbed:
        whole = pose(undisturbed, "small", 3, rules=True)
        confirm(whole, undisturbed, Watched())
        expected = compute(whole, undisturbed)
    for interrupt_at in (2, 5):
        with pytest.raises(KeyboardInterrupt):
            confirm(pose(store, "small", 3, rules=True), store, Watched(interrupt_at))
    left = pose(store, "small", 3, rules=True)
    assert 0 < left.missing < whole.missing
    confirm(left, store, Watched())
    assert compute(left, store) == expected


def test_rules_are_kept_by_answers_without_them(store: Store) -> None:
    def ask(repeats: int | None = None, *, rules: bool = False) -> Answer:
        question = pose(store, "small", repeats, rules=rules)
        confirm(question, store, Watched())
        return compute(question, store)

    assert ask(3).rules is None
    with_rules = ask(rules=True)
    assert with_rules.rules is not None
    assert len(with_rules.rules) == 10
    summary = pose(store, "small").summary
    assert known_answer(store, summary) == with_rules
    assert ask() == with_rules
    more = ask(4)
    assert (more.repeats, more.rules) == (4, with_rules.rules)
    assert known_answer(store, summary) == more
