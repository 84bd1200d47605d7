"""How far a running sweep is: a live display on a terminal, plain lines elsewhere, nothing when asked to be quiet.

What there is to know is in :class:`Standing`; the displays only write it down. All of it goes to standard error.
"""

from __future__ import annotations

import logging
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from sweep import wording
from sweep.metrics import Metric

logger = logging.getLogger(__name__)

# Seconds between plain lines: often at first, when one looks; seldom in the log of a long run.
FIRST_LINES, LATER_LINES, EARLY = 5.0, 30.0, 60.0
# Placements shown; with more of them only the best ones.
MOST_SHOWN = 8


@dataclass(slots=True)
class Standing:
    """What is known of a run at one moment.

    Attributes:
        name: Of the sweep.
        metric: That chooses.
        budget: Finished trials wanted.
        done: Finished trials, those of earlier runs included.
        clock: Seconds, from anywhere.
        best: Placement to its best raw score so far, in the order in which placements came.
        unit: What is counted.
        before: Finished trials when this run began.
        began: When it began, by the clock.
        last: When a trial last finished.
    """

    name: str
    metric: Metric
    budget: int
    done: int = 0
    clock: Callable[[], float] = monotonic
    best: dict[str, float] = field(default_factory=dict)
    unit: str = "trial"
    before: int = field(init=False)
    began: float = field(init=False)
    last: float = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.done
        self.began = self.last = self.clock()

    def take(self, done: int, best: Mapping[str, float]) -> None:
        """Takes over the newest numbers."""
        self.done, self.best, self.last = done, dict(best), self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds since this run began."""
        return self.clock() - self.began

    @property
    def rate(self) -> float | None:
        """Trials a second of this run, as of its last one; ``None`` before its first."""
        took = self.last - self.began
        return (self.done - self.before) / took if self.done > self.before and took > 0 else None

    @property
    def left(self) -> float | None:
        """Seconds until the budget is met; ``None`` where nothing is known yet."""
        if self.rate is None:
            return None
        return max((self.budget - self.done) / self.rate - (self.clock() - self.last), 0.0)

    @property
    def ranked(self) -> list[str]:
        """Placements, the best raw score so far first."""
        return sorted(self.best, key=self.best.__getitem__, reverse=self.metric.maximize)

    @property
    def shown(self) -> list[str]:
        """Placements to show: all, in the order in which they came, or the best :data:`MOST_SHOWN`."""
        return list(self.best) if len(self.best) <= MOST_SHOWN else self.ranked[:MOST_SHOWN]


def pace_text(standing: Standing) -> str:
    """``"1.7 trials/s, 42 s left"``; empty where nothing is known yet."""
    rate, left = standing.rate, standing.left
    if rate is None or left is None:
        return ""
    unit = standing.unit
    pace = f"{wording.number(rate, 2)} {unit}s/s" if rate >= 1 else f"{wording.duration(1 / rate)} a {unit}"
    return pace if standing.done >= standing.budget else f"{pace}, {wording.duration(left)} left"


def best_line(standing: Standing) -> str:
    """``"best raw accuracy: none 83.2 %, input 86.1 %"``; empty before the first trial."""
    if not standing.best:
        return ""
    scores = ", ".join(f"{name} {wording.score(standing.metric, standing.best[name])}" for name in standing.shown)
    return f"best raw {standing.metric.name} so far: {scores}{more(standing)}"


def more(standing: Standing) -> str:
    """``", and 24 other placements below"`` if not all are shown."""
    hidden = len(standing.best) - len(standing.shown)
    return f", and {wording.count(hidden, 'other placement')} behind" if hidden else ""


class Display(ABC):
    """What a run tells while it goes on. A context manager; the last state is cleaned up when it is left."""

    def __init__(self) -> None:
        self.standing: Standing | None = None

    @abstractmethod
    def say(self, text: str) -> None:
        """Something the user should read."""

    def say_of_trial(self, number: int, text: str) -> None:
        """The same about one trial, which the text names."""
        self.say(text)

    @abstractmethod
    def doing(self, text: str) -> None:
        """What takes a while from now on."""

    @abstractmethod
    def update(self) -> None:
        """The standing has changed."""

    def begin(self, standing: Standing) -> None:
        """Training begins."""
        self.standing = standing
        self.update()

    def close(self) -> None:  # noqa: B027 - most displays have nothing to end
        """Ends the display."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Quiet(Display):
    """Says nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def doing(self, text: str) -> None:
        """Nothing."""

    def update(self) -> None:
        """Nothing."""


class Logged(Display):
    """Logs what there is to say, with the name of the sweep and the number of the trial, for programs that read it."""

    def say(self, text: str) -> None:
        """A record."""
        logger.info("%s", text, extra=self._about())

    def say_of_trial(self, number: int, text: str) -> None:
        """A warning: of a trial that ended well nothing is said."""
        logger.warning("%s", text, extra={**self._about(), "trial": number})

    def _about(self) -> dict[str, Any]:
        return {} if self.standing is None else {"sweep": self.standing.name}

    def doing(self, text: str) -> None:
        """Nothing: a log is not looked at while it happens."""
        self.standing = None

    def update(self) -> None:
        """Nothing: how far it is stands in the database."""


class Saying(Display):
    """Tells somebody how far it is, in words: ``"12 of 40 runs"``.

    Args:
        tell: Is told. What it raises comes out of the method.
        shown: Shows the same.
    """

    def __init__(self, tell: Callable[[str], None], shown: Display | None = None) -> None:
        super().__init__()
        self._tell, self._shown = tell, shown or Quiet()

    def say(self, text: str) -> None:
        """Shown alone."""
        self._shown.say(text)

    def doing(self, text: str) -> None:
        """Told, too."""
        self._shown.doing(text)
        self._tell(text)

    def begin(self, standing: Standing) -> None:
        """Told, too."""
        self.standing = standing
        self._shown.begin(standing)
        self._tell_standing(standing)

    def update(self) -> None:
        """Told, too."""
        self._shown.update()
        if self.standing is not None:
            self._tell_standing(self.standing)

    def _tell_standing(self, standing: Standing) -> None:
        self._tell(f"{standing.done:,} of {standing.budget:,} {standing.unit}s")


class Lines(Display):
    """Lines with the time of day: progress now and then, if there was any."""

    def __init__(self, first: float = FIRST_LINES, later: float = LATER_LINES) -> None:
        super().__init__()
        self._waits = first, later
        self._written = 0
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def say(self, text: str) -> None:
        """A line."""
        sys.stderr.write(f"{datetime.now():%H:%M:%S} {text}\n")
        sys.stderr.flush()

    def doing(self, text: str) -> None:
        """A line."""
        self._stop()
        self.say(text)

    def begin(self, standing: Standing) -> None:
        """Progress is written from a thread: trials finish in blocks, and the first of a block is no time to look."""
        super().begin(standing)
        self._written = standing.done
        self._end.clear()
        self._thread = threading.Thread(target=self._now_and_then, args=(standing,), daemon=True)
        self._thread.start()

    def update(self) -> None:
        """Written when it is time."""

    def close(self) -> None:
        """Ends the thread."""
        self._stop()

    def _now_and_then(self, standing: Standing) -> None:
        first, later = self._waits
        while not self._end.wait(first if standing.elapsed < EARLY else later):
            self._write(standing)

    def _write(self, standing: Standing) -> None:
        if standing.done == self._written:
            return
        self._written = standing.done
        parts = [f"{standing.name}: {standing.done} of {wording.count(standing.budget, standing.unit)}"]
        self.say("; ".join([*parts, *(part for part in (pace_text(standing), best_line(standing)) if part)]))

    def _stop(self) -> None:
        """Ends the thread, and writes what it would have written next."""
        if self._thread is None or self.standing is None:
            return
        self._end.set()
        self._thread.join()
        self._thread = None
        self._write(self.standing)


class Terminal(Display):
    """A bar, the pace, and the best raw score of every placement, redrawn in place."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._spinner = Spinner("dots")
        self._doing = ""
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=8, transient=True, redirect_stdout=False
        )
        self._live.start()

    def say(self, text: str) -> None:
        """A line above the display, which stays."""
        self._console.print(text, highlight=False, markup=False)

    def doing(self, text: str) -> None:
        """Beside the spinner, until training begins or something else takes its place."""
        self._doing, self.standing = text, None

    def update(self) -> None:
        """Drawn by the next refresh."""

    def close(self) -> None:
        """Takes the display away."""
        self._live.stop()

    def _draw(self) -> Group | Text:
        standing = self.standing
        if standing is None:
            self._spinner.update(text=Text(self._doing))
            return Group(self._spinner)
        line = Table.grid(padding=(0, 1))
        line.add_column(no_wrap=True)
        line.add_column(min_width=8)
        line.add_column(no_wrap=True)
        name = Text(standing.name)
        name.truncate(max(8, self._console.width // 3), overflow="ellipsis")
        self._spinner.update(text=name)
        bar = ProgressBar(total=standing.budget, completed=standing.done, width=None)
        count = Text(f"{standing.done}/{standing.budget} {standing.unit}s")
        line.add_row(Group(self._spinner), bar, count)
        pace = pace_text(standing) or f"training the first blocks, {wording.duration(standing.elapsed)}"
        return Group(line, Text(pace, style="dim"), *self._scores(standing))

    def _scores(self, standing: Standing) -> list[Text | Table]:
        if not standing.best:
            return []
        grid = Table.grid(padding=(0, 2))
        for name in standing.shown:
            style = "bold" if name == standing.ranked[0] else ""
            grid.add_row(Text(f"  {name}", style), Text(wording.score(standing.metric, standing.best[name]), style))
        return [Text(f"best raw {standing.metric.name} so far{more(standing)}", style="dim"), grid]
