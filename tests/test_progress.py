"""What a run shows of itself: the numbers, plain lines, and the display of a terminal."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from sweep.commands.display import display
from sweep.commands.progress import Lines, Quiet, Standing, Terminal, best_line, pace_text
from sweep.commands.work import SoFar, at_work
from sweep.metrics import METRICS


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def standing(clock: Clock, metric: str = "accuracy", budget: int = 64, done: int = 8) -> Standing:
    return Standing("sonar", METRICS[metric], budget, done, clock)


def test_rate_and_time_left_count_this_run_alone(clock: Clock) -> None:
    now = standing(clock, budget=64, done=8)
    assert (now.rate, now.left, pace_text(now)) == (None, None, "")
    clock.now += 4
    now.take(24, {"none": 0.8})
    assert pace_text(now) == "4 trials/s, 10 s left"
    clock.now += 3  # between blocks the rate stays, and the time left runs down
    assert pace_text(now) == "4 trials/s, 7.0 s left"
    clock.now += 100
    assert pace_text(now) == "4 trials/s, 0.0 s left"


def test_a_slow_sweep_is_told_in_seconds_a_trial(clock: Clock) -> None:
    now = standing(clock, budget=10, done=0)
    clock.now += 60
    now.take(2, {})
    assert pace_text(now) == "30 s a trial, 4 min left"
    now.take(10, {})
    assert pace_text(now) == "6.0 s a trial"


@pytest.mark.parametrize(("metric", "first"), [("accuracy", "b"), ("log_loss", "a")])
def test_the_best_placement_follows_the_metric(metric: str, first: str, clock: Clock) -> None:
    now = standing(clock, metric)
    assert best_line(now) == ""
    now.take(2, {"a": 0.25, "b": 0.5})
    assert now.ranked[0] == first
    assert best_line(now).startswith(f"best raw {metric} so far: a ")


def test_of_many_placements_the_best_are_shown(clock: Clock) -> None:
    now = standing(clock)
    now.take(20, {f"p{number}": number / 20 for number in range(20)})
    assert now.shown == [f"p{number}" for number in range(19, 11, -1)]
    assert best_line(now).endswith("p12 60.0 %, and 12 other placements behind")


def test_quiet_is_quiet(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Quiet() as display:
        display.say("a")
        display.doing("b")
        display.begin(standing(clock))
    assert capsys.readouterr() == ("", "")


def test_lines_come_now_and_then_and_at_the_end(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    now = standing(clock)
    with Lines(first=0.05, later=0.05) as display:
        display.doing("reading")
        display.begin(now)
        clock.now += 1
        now.take(9, {"none": 0.5})
        display.update()
        written = written_with("9 of 64", capsys)
        now.take(64, {"none": 0.75, "all": 0.7})
        display.update()
        display.doing("finishing")
    lines = (written + capsys.readouterr().err).splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
    assert [line[9:] for line in lines] == [
        "reading",
        "sonar: 9 of 64 trials; 1 trials/s, 55 s left; best raw accuracy so far: none 50.0 %",
        "sonar: 64 of 64 trials; 56 trials/s; best raw accuracy so far: none 75.0 %, all 70.0 %",
        "finishing",
    ]


def written_with(part: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What is written until a part has come."""
    found, end = "", time.monotonic() + 60
    while part not in found:
        assert time.monotonic() < end, found
        time.sleep(0.01)
        found += capsys.readouterr().err
    return found


def test_a_second_training_has_its_lines_too(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Lines(first=0.02, later=0.02) as display:
        for done in (9, 10):
            now = standing(clock)
            display.begin(now)
            now.take(done, {})
            written = written_with("\n", capsys)
            assert written[9:].startswith(f"sonar: {done} of 64 trials")
            display.doing("comparing")
            assert capsys.readouterr().err[9:] == "comparing\n"


def test_without_progress_there_is_no_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Lines(first=0.02, later=0.02) as display:
        display.begin(standing(clock))
        time.sleep(0.2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("width", [32, 44, 100])
def test_the_terminal_shows_all_of_it_at_any_width(width: int, clock: Clock) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, color_system=None)
    now = standing(clock)
    with Terminal(console) as display:
        display.doing("reading")
        assert "reading" in drawn(display, width)
        display.say("a note")
        display.begin(now)
        assert "8/64 trials" in drawn(display, width)
        assert "training the first blocks" in drawn(display, width)
        clock.now += 10
        now.take(36, {"none": 0.832, "input": 0.861})
        display.update()
        shown = drawn(display, width)
        display.doing("finishing")
        assert "finishing" in drawn(display, width)
        assert "trials" not in drawn(display, width)
    for part in ("sonar", "36/64 trials", "10 s left", "best raw accuracy", "none", "83.2 %", "input", "86.1 %"):
        assert part in shown, part
    assert max(map(len, shown.splitlines())) <= width
    assert "a note" in screen.getvalue()


def drawn(display: Terminal, width: int) -> str:
    """What would be on the screen now, without wrapping of words."""
    screen = io.StringIO()
    Console(file=screen, width=width, color_system=None).print(display._live.get_renderable())
    return re.sub(r" +\n", "\n", screen.getvalue())


def test_a_long_name_leaves_room_for_the_rest(clock: Clock) -> None:
    screen = Console(file=io.StringIO(), width=60, force_terminal=True)
    with Terminal(screen) as display:
        display.begin(Standing("x" * 100, METRICS["rmse"], 64, 8, clock))
        shown = drawn(display, 60)
    assert "8/64 trials" in shown
    assert "x…" in shown


def test_standard_error_decides_which_display(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(display(quiet=True), Quiet)
    assert isinstance(display(quiet=False), Lines)


@pytest.mark.parametrize(
    ("raised", "so_far", "said"),
    [
        ("", None, "interrupted"),
        ("interrupted: 2 of 4 trials are finished", None, "interrupted: 2 of 4 trials are finished"),
        ("", SoFar("2 of 4 runs are finished"), "interrupted: 2 of 4 runs are finished"),
    ],
)
def test_an_interrupt_says_what_is_finished_and_how_to_go_on(raised: str, so_far: SoFar | None, said: str) -> None:
    with pytest.raises(KeyboardInterrupt) as caught, at_work("inline", None, "cpu", Quiet(), so_far):
        raise KeyboardInterrupt(raised)
    assert str(caught.value) == f"{said}; the same command goes on"
