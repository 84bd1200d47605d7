"""How times are taken: everything that is compared takes turns on the same cores, five times over.

A machine has moods: another process, another clock frequency. What is measured a second apart meets the same one, so
the ratio of a pair says more than two times taken minutes apart. The median of five pairs is given, with their range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

ROUNDS = 5
"""How often everything takes its turn."""

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user may say of every benchmark.

    Attributes:
        full: Everything, for an hour, instead of the core figures, for minutes.
        device: ``"cpu"`` or ``"cuda:N"``, for what trains in the benchmark's own process.
        rounds: Turns.
        seconds: Wanted length of what is timed, in seconds.
    """

    full: bool = False
    device: str = "cpu"
    rounds: int = ROUNDS
    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio measured in turns: the median and the range of those of the single turns."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, above: Sequence[float], below: Sequence[float]) -> Ratio:
        """``above / below``, turn by turn."""
        ratios = [a / b for a, b in zip(above, below, strict=True)]
        return cls(median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def in_turn(takes: Sequence[Callable[[], float]], rounds: int) -> list[list[float]]:
    """A, B, …, A, B, …: for each of the takes, what it gave in each round."""
    found: list[list[float]] = [[] for _ in takes]
    for _ in range(rounds):
        for place, take in enumerate(takes):
            found[place].append(take())
    return found


def seconds_of(action: Callable[[], object]) -> float:
    """Wall time."""
    begun = perf_counter()
    action()
    return perf_counter() - begun


@dataclass(frozen=True, slots=True)
class Lengths:
    """Two lengths of one run, in epochs.

    The difference of their times is that of the epochs between them alone: what is done once a run, to begin it and to
    evaluate it at its end, cancels.
    """

    short: int
    long: int

    @classmethod
    def for_seconds(cls, run: Callable[[int], object], seconds: float) -> Lengths:
        """Lengths that are about so far apart. Runs before, which also loads and compiles what is needed."""
        run(1)
        epochs, before = 1, seconds_of(partial(run, 1))
        # Twice as many, until they make a difference that beginning the run does not hide.
        while (difference := (took := seconds_of(partial(run, 2 * epochs))) - before) < seconds / 4:
            epochs, before = 2 * epochs, took
        between = max(1, round(epochs * seconds / difference))
        return cls(max(1, between // 4), max(1, between // 4) + between)

    def epoch_seconds(self, run: Callable[[int], object]) -> float:
        """Time of one epoch.

        Raises:
            RuntimeError: The longer run was never slower: the machine is far too busy.
        """
        for _ in range(_ATTEMPTS):
            short, long = seconds_of(lambda: run(self.short)), seconds_of(lambda: run(self.long))
            if long > short:
                return (long - short) / (self.long - self.short)
        raise RuntimeError(f"{self.long} epochs took no longer than {self.short}: the machine is too busy")


# --- processes and their memory ---------------------------------------------------------------------------------------


@contextmanager
def fresh_process() -> Iterator[Executor]:
    """A process of its own, in which nothing has been done yet."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield pool


def prepare_process() -> None:
    """What a process that is timed does first: one thread, and denormal numbers, which are slow, are zero."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def peak_bytes(process: int | str = "self") -> int:
    """Most memory that a process has held so far, in bytes (Linux)."""
    return _status("VmHWM", process)


def held_bytes(process: int | str = "self") -> int:
    """Memory that a process holds now, in bytes (Linux)."""
    return _status("VmRSS", process)


def forget_peak() -> None:
    """From now on :func:`peak_bytes` counts anew: ``man proc``, clear_refs."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(key: str, process: int | str) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))
