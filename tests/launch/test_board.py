"""Who trains what, without a worker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sweep.launch import board
from sweep.launch.board import Board, Item, Pace, Seat
from tests.launch.suite import RUNGS, make_job


def item(order: int, *numbers: int, **more: object) -> Item:
    return Item(make_job(*(numbers or (0,)), **RUNGS), "table", order, **more)  # type: ignore[arg-type]


def new_board(*names: str, threads: int = 1) -> Board:
    made = Board()
    for name in names:
        made.seats[name] = Seat(name, threads, "cpu", {"table"})
    return made


def deal(made: Board) -> list[tuple[int, str]]:
    """All that can be given now: order and worker."""
    given = []
    while (found := made.next()) is not None:
        given.append((found[0].order, found[1].worker))
    return given


def test_each_worker_has_one_to_train_and_one_that_waits() -> None:
    made = new_board("a", "b")
    for order in range(6):
        made.add(item(order))
    assert deal(made) == [(0, "a"), (1, "b"), (2, "a"), (3, "b")]
    made.ended(made.seats["b"].items[0])
    assert deal(made) == [(4, "b")]


def test_a_worker_with_threads_has_one_for_each() -> None:
    made = new_board("a", threads=3)
    for order in range(6):
        made.add(item(order))
    assert len(deal(made)) == 4


def test_what_goes_on_is_given_before_what_begins_and_to_where_its_state_is() -> None:
    made = new_board("a", "b")
    for order in range(6):
        made.add(item(order))
    deal(made)
    made.add(item(6, rung=True, home="b"))
    assert deal(made) == [(6, "b")]  # it overtakes what only waits there
    made.ended(made.seats["a"].items[0])
    made.ended(made.seats["a"].items[0])
    made.add(item(7, rung=True, home="b"))
    assert deal(made)[0] == (7, "a")  # it would begin later at home


def test_a_worker_without_the_table_is_given_nothing() -> None:
    made = new_board("a", "b")
    made.seats["a"].tables.clear()
    made.add(item(0))
    assert deal(made) == [(0, "b")]


def test_what_waits_behind_another_is_moved_to_a_worker_with_nothing_to_do() -> None:
    made = new_board("a")
    for order in range(2):
        made.add(item(order))
    deal(made)
    assert made.misplaced() is None
    made.seats["b"] = Seat("b", 1, "cpu", {"table"})
    found = made.misplaced()
    assert found is not None
    assert found.order == 1
    found.began = 1.0
    assert made.misplaced() is None


def test_a_suspect_is_alone_on_its_worker() -> None:
    made = new_board("a", "b")
    for order in range(3):
        made.add(item(order, suspect=order == 0))
    assert deal(made) == [(0, "a"), (1, "b"), (2, "b")]
    made.add(item(3, suspect=True))
    made.add(item(4))
    made.ended(made.seats["b"].items[0])
    assert deal(made) == []  # b is drained for it
    made.ended(made.seats["b"].items[0])
    assert deal(made) == [(3, "b")]
    made.ended(made.seats["a"].items[0])
    assert deal(made) == [(4, "a")]


def test_a_job_is_halved_with_its_place_and_without_its_strikes() -> None:
    whole = item(5, 0, 1, 2, rung=True, home="a", start=2, strikes=2)
    whole.job = replace(whole.job, until=4)
    first, second = whole.halves()
    assert (first.job.numbers, second.job.numbers) == ((0,), (1, 2))
    assert first.job.trials + second.job.trials == whole.job.trials
    for half in (first, second):
        assert (half.job.until, half.job.plan) == (4, whole.job.plan)
        assert (half.order, half.rung, half.home, half.start) == (5, True, "a", 2)
        assert (half.strikes, half.suspect) == (0, True)


def test_a_block_hangs_long_after_it_should_have_ended() -> None:
    pace, one = Pace(), item(0, 0, 1)
    assert pace.limit(one) == board.UNMEASURED_SECONDS
    pace.measured(one, 12.0)  # 6 epochs of 2 trials
    assert pace.limit(one) == board.HUNG_TIMES * 12 + board.HUNG_SECONDS
    assert pace.limit(item(1, 0, 1, start=3)) == board.HUNG_TIMES * 6 + board.HUNG_SECONDS
    assert pace.limit(item(2, 0, 1, 2, 3)) == board.HUNG_TIMES * 24 + board.HUNG_SECONDS
    assert pace.limit(item(3, 0)) == board.HUNG_TIMES * 12 + board.HUNG_SECONDS  # as many draws
    pace.measured(one, 3.0)
    assert pace.limit(one) == board.HUNG_TIMES * 12 + board.HUNG_SECONDS  # the slowest counts


@pytest.mark.parametrize("measured", [1.0, 1000.0])
def test_another_shape_has_the_limit_of_the_slowest_at_least(measured: float) -> None:
    pace, one, other = Pace(), item(0), item(1)
    hidden = (900,)
    other.job = replace(other.job, trials=(replace(other.job.trials[0], hidden=hidden),))
    pace.measured(one, measured)
    assert pace.limit(other) == max(board.UNMEASURED_SECONDS, board.HUNG_TIMES * measured + board.HUNG_SECONDS)
