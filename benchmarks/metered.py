"""A launcher with a clock: how long workers train, how long the coordinator waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from sweep.launch.base import BlockDone, Launcher, nothing
from sweep.launch.dask import DaskLauncher
from sweep.launch.inline import InlineLauncher


@dataclass(slots=True)
class Meter:
    """Seconds so far.

    Attributes:
        begun: Clock when the launcher was asked for.
        start_up: Until the first block was handed in: workers started or starting, table read and sent.
        training: Of all workers together, in their training loops.
        waiting: Of the coordinator, for a block to finish.
        blocks: That came back.
    """

    begun: float
    start_up: float = 0.0
    training: float = 0.0
    waiting: float = 0.0
    blocks: int = 0


class Metered(Launcher):
    """Mixed into a launcher."""

    meter: Meter

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.meter = Meter(perf_counter())
        super().__init__(*arguments, **options)

    def submit(self, *arguments: Any, **options: Any) -> None:
        """Notes when the first block comes."""
        self.meter.start_up = self.meter.start_up or perf_counter() - self.meter.begun
        super().submit(*arguments, **options)  # type: ignore[safe-super]  # mixed into a launcher that has it

    def finished(self, waiting: Callable[[], None] = nothing) -> Iterator[BlockDone]:
        """Notes how long each block was waited for, and how long it trained."""
        blocks = super().finished(waiting)  # type: ignore[safe-super]  # likewise
        while True:
            asked = perf_counter()
            done = next(blocks, None)
            self.meter.waiting += perf_counter() - asked
            if done is None:
                return
            self.meter.training += done.seconds
            self.meter.blocks += 1
            yield done


class MeteredDask(Metered, DaskLauncher):
    """Worker processes."""


class MeteredInline(Metered, InlineLauncher):
    """This process."""
