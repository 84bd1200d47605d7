"""Giving jobs to Dask workers, one by one, and seeing to it that each comes back.

Dask would place, retry and fail tasks by rules of its own: it counts the death of a worker against every block that
waited there, notices a stopped worker after minutes and a hung block never. So a job is given to one named worker, and
what happens when that is lost is decided here. All of this runs in the event loop of one connection; what the
coordinator has to know is posted to it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from distributed import Client, Future, KilledWorker
from distributed.client import ClosedClientError

from sweep.launch import base, crew, worker
from sweep.launch.base import BlockDone, Shared
from sweep.launch.board import GIVE_UP_STRIKES, SPLIT_STRIKES, Board, Item, Pace, Seat
from sweep.launch.crew import Crew, Message

# For the loop to do what it is asked.
LOOP_SECONDS = 20.0
# Before a result is looked for again that its worker does not have, and how often.
LOST_SECONDS = 0.05
LOST_TIMES = 40
# Of a future whose result will never be there.
UNUSABLE = ("cancelled", "error")


class Dispatcher:
    """Jobs and workers of one connection to a scheduler.

    Args:
        client: The connection.
        train: What a task is: :func:`sweep.launch.worker.train`.
        devices: Of the workers, by their number; those of another's scheduler all have the first.
        own: Whether the workers were started here.
        post: Takes messages for the coordinator, from any thread.

    Attributes:
        crew: The workers.
    """

    def __init__(
        self,
        client: Client,
        train: Callable[..., BlockDone],
        devices: Sequence[str],
        own: bool,
        post: Callable[[Message], None],
    ) -> None:
        self._client = client
        self._train = train
        self._post = post
        self._board = Board()
        self.crew = Crew(client, devices, own, self._board, post, self._fill, self._left)
        self._pace = Pace()
        self._topic = f"sweep-{uuid.uuid4().hex}"
        self._placed: dict[str, Item] = {}  # by the key of its task
        self._homes: WeakKeyDictionary[Future, str] = WeakKeyDictionary()  # states at a rung, and their workers

    # --- for the coordinator, from its thread -------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to look after workers, and makes those ready that are there."""
        self._wait(self._start())

    def share(self, name: str, shared: Shared) -> None:
        """Sends a table to every worker that does not have it."""
        self._soon(self._share, name, shared)

    def add(self, items: Iterable[Item]) -> None:
        """Takes jobs in."""
        self._soon(self._add, list(items))

    def cancel(self) -> None:
        """Withdraws all jobs, and drops all states."""
        # Where the connection is lost, or its loop has ended, there is nobody to tell.
        with suppress(TimeoutError, OSError, RuntimeError, ClosedClientError):
            self._wait(self._cancel())

    def stop(self) -> list[Item]:
        """Does nothing any more. What had not come back, to be given to another connection."""
        with suppress(RuntimeError, TimeoutError):  # its loop may have ended
            self._wait(self._stop())
        left = [*self._placed.values(), *self._board.waiting]
        for item in left:
            item.begin_anew()
        return left

    def _soon(self, function: Callable[..., object], *arguments: object) -> None:
        self._client.loop.asyncio_loop.call_soon_threadsafe(function, *arguments)

    def _wait(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._client.loop.asyncio_loop)
        except RuntimeError:
            coroutine.close()
            raise
        future.result(LOOP_SECONDS)

    # --- in the loop --------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._client.subscribe_topic(self._topic, self._has_begun)
        await self.crew.poll()
        self.crew.spawn(self._watch())

    async def _stop(self) -> None:
        self.crew.stop()
        if self._client.status == "running":  # or the scheduler complains that it cannot tell of its end
            self._client.unsubscribe_topic(self._topic)

    async def _watch(self) -> None:
        while self._client.status == "running":
            tick = base.TICK_SECONDS / 10 if self.crew.hurried else base.TICK_SECONDS
            before = monotonic()
            await asyncio.sleep(tick)
            if (stopped := monotonic() - before - tick) > base.TICK_SECONDS:
                self._was_stopped(stopped)
            with suppress(OSError):  # the connection is lost, or about to be
                await self.crew.poll()
                self._look_for_hung()

    def _was_stopped(self, seconds: float) -> None:
        """This process was, by Ctrl-Z for one: it has heard nothing meanwhile, and its workers may have been, too."""
        for known in self.crew.known.values():
            known.heard += seconds
        for item in self._placed.values():
            if item.began is not None:
                item.began += seconds

    def _trouble(self, sentence: str) -> None:
        self._post((0, sentence))

    def _share(self, name: str, shared: Shared) -> None:
        self.crew.share(name, shared, {item.table for item in (*self._board.waiting, *self._placed.values())})
        self._pace = Pace()

    def _add(self, items: list[Item]) -> None:
        for item in items:
            item.home = None if item.state is None else self._homes.get(item.state)
            if item.home is None or item.state.status in UNUSABLE:
                item.begin_anew()
            self._board.add(item)
        self._fill()

    async def _cancel(self) -> None:
        futures = [*self._homes, *(item.future for item in self._placed.values())]
        for item in list(self._placed.values()):
            self._withdraw(item)
        self._board.waiting.clear()
        self._homes.clear()
        await self._client.cancel(futures, force=True)

    # --- workers come and go ------------------------------------------------------------------------------------------

    def _has_begun(self, event: tuple[float, str]) -> None:
        if item := self._placed.get(event[1]):
            item.began = monotonic()

    def _left(self, address: str, processing: set[str] | None, blamed: bool, said: str) -> None:
        had = self._empty(address, blamed, others=processing)
        self._trouble(f"worker {address} {said}{_again(had)}")
        self._again(had)

    def _look_for_hung(self) -> None:
        now = monotonic()
        for address, known in list(self.crew.known.items()):
            seat = self._board.seats.get(address)
            hung = next((item for item in seat.items if self._hangs(item, now)), None) if seat else None
            silent = now - known.heard > crew.SILENT_SECONDS
            if known.out or not (hung or silent):
                continue
            if hung and hung.began is not None:
                why = f"has trained {hung.trials} for {now - hung.began:.0f} s"
            else:
                why = f"was silent for {crew.SILENT_SECONDS:.0f} s"
            had = self._empty(address, blamed=True)
            self._trouble(f"worker {address} {why} and is ended{_again(had)}")
            self.crew.end(address)
            self._again(had)

    def _hangs(self, item: Item, now: float) -> bool:
        return item.began is not None and now - item.began > self._pace.limit(item)

    # --- jobs come and go ---------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Gives workers what they can take."""
        if self._client.status != "running":
            return
        while (found := self._moved()) is not None or (found := self._board.next()) is not None:
            self._place(*found)

    def _moved(self) -> tuple[Item, Seat] | None:
        """A job that waits behind another, for a worker that has nothing to do."""
        item = self._board.misplaced()
        if item is None:
            return None
        self._withdraw(item)
        self._board.add(item)
        return self._board.next()

    def _place(self, item: Item, seat: Seat) -> None:
        item.key = f"sweep-block-{uuid.uuid4().hex}"
        item.future = self._client.submit(
            self._train,
            item.table,
            item.job,
            seat.device,
            item.state,
            self._topic,
            item.key,
            key=item.key,
            workers=[seat.worker],
            allow_other_workers=False,
            # Not pure, own key: an equal job is trained again, not answered from what Dask remembers. No retries:
            # training is deterministic, and so are its exceptions.
            pure=False,
            retries=0,
            priority=int(item.rung),
            fifo_timeout=0,  # without it Dask takes jobs submitted within 0.1 s in any order
        )
        self._placed[item.key] = item
        item.following = self.crew.spawn(self._follow(item, seat))

    async def _follow(self, item: Item, seat: Seat) -> None:
        """Waits for a task, and hands on what it gave."""
        future = item.future
        error = await future.exception()
        if future.status == "cancelled":
            if self._client.status == "running":  # by somebody else
                self._withdraw(item)
                self._again([item])
            return
        if isinstance(error, KilledWorker):
            return  # the worker is about to be missed
        self._board.ended(item)
        if isinstance(error, worker.TableMissing):
            seat.tables.discard(item.table)
            self._withdraw(item)
            self._again([item])
            self.crew.provide(seat)
            return
        if error is not None:
            traceback = await future.traceback()
            self._deliver(item, error.with_traceback(traceback))
            return
        item.holder = seat.worker
        self._fill()
        done = await self._result(item)
        if done is None:
            self._withdraw(item)
            self._again([item])
            return
        self._pace.measured(item, done.seconds)
        if item.job.end < item.job.plan.epochs:
            done = replace(done, state=future)
            self._homes[future] = seat.worker
        self._deliver(item, done)

    async def _result(self, item: Item) -> BlockDone | None:
        """What a job gave, without the state of a rung. Its worker may train meanwhile.

        Not by awaiting its future: a client asks for many results in one request, and when the first of those who wait
        for it is cancelled, as its job is withdrawn, all others are, too, and whoever waits later.

        Returns:
            ``None`` if its worker has it no more, as somebody else withdrew it.
        """
        missing = 0
        while missing < LOST_TIMES:
            with suppress(OSError, KeyError, ValueError):
                run = self._client.run(worker.without_state, item.key, workers=[item.holder])
                found: BlockDone | None = (await run)[item.holder]
                if found is not None:
                    return found
                missing += 1
            await asyncio.sleep(LOST_SECONDS)  # its worker has just died
        return None

    def _deliver(self, item: Item, what: BlockDone | Exception) -> None:
        self._placed.pop(item.key, None)
        item.future = item.following = item.state = None
        self._post((len(item.job.numbers), what))
        self._fill()

    def _withdraw(self, item: Item) -> None:
        """Takes a job from its worker, whether it has begun or not."""
        self._board.ended(item)
        self._placed.pop(item.key, None)
        if item.following is not None and item.following is not asyncio.current_task():
            item.following.cancel()
        item.future = item.following = None

    def _empty(self, address: str, blamed: bool, others: set[str] | None = None) -> list[Item]:
        """Takes a worker away with all that it had. What has to be trained again; blame is dealt out.

        Args:
            address: Of the worker.
            blamed: Whether what it trained may be the reason.
            others: Keys of all that it was given, by other coordinators too; ``None`` if nobody says.
        """
        given = self._board.leave(address)
        if blamed:
            arrived = [item for item in given if others is None or item.key in others]
            for item in [item for item in arrived if item.began is not None] or arrived:
                item.suspect = True
            if len(given) == 1 and (others is None or others == {given[0].key}):
                given[0].strikes += 1
        for state in [state for state, home in self._homes.items() if home == address]:
            del self._homes[state]
        had = given + [item for item in self._placed.values() if item.holder == address]
        orphans = [item for item in self._placed.values() if item.home == address and item.began is None]
        for item in [*had, *(item for item in orphans if item not in had)]:
            self._withdraw(item)
            if item not in had:
                self._board.add(item)
        for item in [*had, *self._board.waiting]:
            if item.home == address:
                item.begin_anew()
        return had

    def _again(self, items: list[Item]) -> None:
        """Has jobs trained again, in parts if they were struck, or gives them up."""
        for item in items:
            trials = len(item.job.numbers)
            if trials > 1 and item.strikes >= SPLIT_STRIKES:
                for half in item.halves():
                    self._board.add(half)
            elif item.strikes >= GIVE_UP_STRIKES:
                why = f"its worker died or hung {item.strikes} times, and trained nothing else at the time"
                self._trouble(f"{item.trials} is given up: {why}")
                self._deliver(item, BlockDone(item.job, (), 0.0, failed=why))
            else:
                self._board.add(item)
        self._fill()


def _again(items: list[Item]) -> str:
    """What is trained again, in words, after a sentence on its worker."""
    if not items:
        return ""
    one = len(items) == 1 and len(items[0].job.numbers) == 1
    return f"; {', '.join(item.trials for item in items)} {'runs' if one else 'run'} again"
