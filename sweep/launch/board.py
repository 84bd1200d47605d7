"""Who trains what: jobs that wait, workers and what each has been given, and what a worker's death says of a job.

Only bookkeeping: nothing here knows Dask, or waits for anything. A worker is given as many jobs as it has threads, and
one more, so that it need not wait when one ends. A job that was begun by a worker that died is *suspect*: it goes on
alone on a worker. Only deaths that a job saw alone count against it, as *strikes*; then it is split, and in the end a
single trial is given up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from sweep.records import BlockJob

# A block is split after so many strikes, and a single trial given up.
SPLIT_STRIKES = 2
GIVE_UP_STRIKES = 4
# A block hangs if it takes this many times as long as measured, and this many seconds; and so many before anything is.
HUNG_TIMES = 10.0
HUNG_SECONDS = 60.0
UNMEASURED_SECONDS = 1800.0


@dataclass(eq=False)
class Item:
    """A job on its way.

    Attributes:
        job: To be trained.
        table: Name of what it is trained on.
        state: Future of the block that it goes on from, ``None`` to begin.
        home: Worker that has the state; ``None`` without.
        start: Epoch that the state stands at, 0 without.
        rung: Whether it was submitted to go on from a rung: it comes before those that begin.
        order: Of submission; parts of a split job have that of the whole.
        strikes: Workers that died, or hung, while it was alone on them.
        suspect: Whether it needs a worker for itself.
        key: Of its task.
        seat: Where it is; ``None`` while it waits.
        holder: Worker that has its result, from its end to its delivery.
        began: When it was begun, by ``time.monotonic``, as far as that is known.
        future: Its task.
        following: What waits for that.
    """

    job: BlockJob
    table: str
    order: int
    rung: bool = False
    state: Any = None
    home: str | None = None
    start: int = 0
    strikes: int = 0
    suspect: bool = False
    key: str = ""
    seat: Seat | None = None
    holder: str | None = None
    began: float | None = None
    future: Any = None
    following: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Hidden units: blocks of one shape take alike."""
        return self.job.trials[0].hidden

    @property
    def epochs(self) -> int:
        """To be trained."""
        return self.job.end - self.start

    @property
    def trials(self) -> str:
        """In words."""
        numbers = self.job.numbers
        return f"trial {numbers[0]}" if len(numbers) == 1 else f"trials {', '.join(map(str, numbers))}"

    def begin_anew(self) -> None:
        """From the first epoch, since the state is lost: the numbers are the same."""
        self.state, self.home, self.start = None, None, 0

    def halves(self) -> tuple[Item, Item]:
        """Each with half of the trials, and no strikes."""
        middle = len(self.job.numbers) // 2
        first, second = (
            replace(self.job, numbers=self.job.numbers[part], trials=self.job.trials[part])
            for part in (slice(middle), slice(middle, None))
        )

        def part(job: BlockJob) -> Item:
            return Item(job, self.table, self.order, self.rung, self.state, self.home, self.start, suspect=True)

        return part(first), part(second)


@dataclass(eq=False)
class Seat:
    """A worker that can be used.

    Attributes:
        worker: Its address.
        threads: Blocks that it trains at a time.
        device: On what.
        tables: Names of those that it has.
        coming: Names of those that are on their way.
        refused: How often it could not be sent one.
        items: What it has been given and has not ended, in that order.
    """

    worker: str
    threads: int
    device: str
    tables: set[str] = field(default_factory=set)
    coming: set[str] = field(default_factory=set)
    refused: int = 0
    items: list[Item] = field(default_factory=list)

    @property
    def exclusive(self) -> bool:
        """Whether it trains a suspect."""
        return any(item.suspect for item in self.items)

    def ahead(self, item: Item) -> int:
        """How many of its jobs would have to end before this one begins."""
        first = self.items[: self.threads]
        behind = [other for other in self.items[self.threads :] if other.rung or not item.rung]
        return max(0, len(first) + len(behind) - self.threads + 1)


class Board:
    """Jobs that wait, and seats."""

    def __init__(self) -> None:
        self.waiting: list[Item] = []
        self.seats: dict[str, Seat] = {}

    def add(self, item: Item) -> None:
        """Puts a job to where it belongs among those that wait."""
        item.seat = item.holder = item.began = item.future = item.following = None
        self.waiting.append(item)
        self.waiting.sort(key=_urgency)  # stable, and sorted but for one

    def next(self) -> tuple[Item, Seat] | None:
        """A job that may be given to a worker now, taken from those that wait; ``None`` if there is none."""
        draining = self._draining()
        open_seats = [seat for seat in self.seats.values() if not seat.exclusive and seat is not draining]
        if draining is None and all(len(seat.items) > seat.threads + 1 for seat in open_seats):
            return None
        for place, item in enumerate(self.waiting):
            if item.suspect:
                found = draining if draining and not draining.items and item.table in draining.tables else None
            else:
                found = _best(item, open_seats)
            if found is not None:
                del self.waiting[place]
                item.seat = found
                found.items.append(item)
                return item, found
        return None

    def _draining(self) -> Seat | None:
        """The worker that will train the first suspect alone; it is given nothing else until then."""
        suspect = next((item for item in self.waiting if item.suspect), None)
        if suspect is None:
            return None
        seats = [seat for seat in self.seats.values() if not seat.exclusive and suspect.table in seat.tables]
        return min(seats, key=lambda seat: len(seat.items), default=None)

    def misplaced(self) -> Item | None:
        """A job that waits behind another on its worker, while another worker has nothing to do that comes before."""
        if self._draining() is not None or not any(not seat.items for seat in self.seats.values()):
            return None
        for item in sorted(self.placed(), key=_urgency):
            if self.waiting and _urgency(self.waiting[0]) < _urgency(item):
                return None
            seat = item.seat
            if seat is None or item.began is not None or item in seat.items[: seat.threads]:
                continue
            if any(not other.items and item.table in other.tables for other in self.seats.values()):
                return item
        return None

    def placed(self) -> Iterator[Item]:
        """What workers have been given."""
        for seat in self.seats.values():
            yield from seat.items

    def ended(self, item: Item) -> None:
        """A worker has done with it, or is not to do it any more."""
        if item.seat is not None:
            item.seat.items.remove(item)
            item.seat = None

    def leave(self, worker: str) -> list[Item]:
        """Takes a worker away. What it had, with no strikes and no suspicion yet."""
        seat = self.seats.pop(worker, None)
        return [] if seat is None else list(seat.items)


def _urgency(item: Item) -> tuple[bool, int]:
    """What goes on comes before what begins, else the order of submission counts."""
    return not item.rung, item.order


def _best(item: Item, seats: list[Seat]) -> Seat | None:
    """Where it begins soonest; where its state is, if that is as soon."""
    fits = [
        seat
        for seat in seats
        if item.table in seat.tables and seat.ahead(item) <= 1 and len(seat.items) <= seat.threads + int(item.rung)
    ]
    return min(fits, key=lambda seat: (seat.ahead(item), seat.worker != item.home, len(seat.items)), default=None)


class Pace:
    """How long blocks take, as measured, and from when on one hangs."""

    def __init__(self) -> None:
        # Slowest seconds of an epoch, and of an epoch of a trial, of each shape: a block of few trials has the same
        # draws to make as one of many.
        self._slowest: dict[tuple[int, ...], tuple[float, float]] = {}

    def measured(self, item: Item, seconds: float) -> None:
        """A block took so long."""
        epoch = seconds / max(1, item.epochs)
        per_trial = epoch / len(item.job.numbers)
        before = self._slowest.get(item.shape, (0.0, 0.0))
        self._slowest[item.shape] = max(before[0], epoch), max(before[1], per_trial)

    def limit(self, item: Item) -> float:
        """Seconds after which it hangs."""
        known = self._slowest.get(item.shape)
        if known is None:
            # Another shape may take longer than all that were seen; one that was ended for it gets more time each time.
            patience = UNMEASURED_SECONDS * 4.0 ** (item.strikes + item.suspect)
            return max([patience, *(self._of(item, slowest) for slowest in self._slowest.values())])
        return self._of(item, known)

    def _of(self, item: Item, slowest: tuple[float, float]) -> float:
        expected = item.epochs * max(slowest[0], slowest[1] * len(item.job.numbers))
        return HUNG_TIMES * expected + HUNG_SECONDS
