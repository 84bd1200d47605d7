"""The workers of a connection to a scheduler: met, given what they need, watched, and ended if they hang.

All of this runs in the event loop of the connection.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from distributed import Client

from sweep.errors import LaunchError
from sweep.launch import worker
from sweep.launch.base import BlockDone, Shared, warm
from sweep.launch.board import Board, Seat

# How long a worker may be silent that answers every second, and how long it may take to end one.
SILENT_SECONDS = 60.0
ENDING_SECONDS = 20.0
# For so long after a worker was lost another is looked for more often.
REPLACED_SECONDS = 10.0
# So many workers in a row that die while they import, or are sent a table, are no accident.
UNREADY_LOST = 8
# A worker that cannot be sent a table so often is not used.
SEND_TRIES = 3
# Workers that a table is being sent to at a time: the scheduler holds each copy on its way.
SENDING = 2

# How many trials come back with it, and a block, an exception, or a sentence about trouble.
Message = tuple[int, BlockDone | Exception | str]


@dataclass(eq=False)
class Known:
    """A worker that the scheduler has.

    Attributes:
        threads: Of it.
        seen: When the scheduler last heard of it, by its own clock.
        heard: When that was last another time than before, by ours.
        out: Whether it is not used: it cannot be, or is being ended.
        meeting: What makes it ready.
    """

    threads: int
    seen: float
    heard: float
    out: bool = False
    meeting: asyncio.Task[None] | None = None


class Crew:
    """Workers, and the tables that they have.

    Args:
        client: The connection.
        devices: Of the workers, by their number; those of another's scheduler all have the first.
        own: Whether the workers were started here.
        board: Has a seat for each worker that is ready.
        post: Takes messages for the coordinator.
        ready: Called when a worker can take more.
        left: Called when one is not used any more, with its address, the keys of what it was given by any coordinator
            (``None`` if nobody says), whether what it trained may be the reason, and what to say of it.

    Attributes:
        known: Workers that the scheduler has, by address.
        lost: Whether the scheduler does not answer.
        none_since: Since when there has been no worker that can be used, or may be soon; ``None`` if there is one.
    """

    def __init__(
        self,
        client: Client,
        devices: Sequence[str],
        own: bool,
        board: Board,
        post: Callable[[Message], None],
        ready: Callable[[], None],
        left: Callable[[str, set[str] | None, bool, str], None],
    ) -> None:
        self.known: dict[str, Known] = {}
        self.lost = False
        self.none_since: float | None = None
        self._client = client
        self._devices = devices
        self._own = own
        self._board = board
        self._post = post
        self._ready = ready
        self._left = left
        self._tables: dict[str, Shared] = {}
        self._current: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._missed_one = -REPLACED_SECONDS  # when a worker was lost
        self._unready_lost = 0  # in a row
        self._sending = asyncio.Semaphore(SENDING)

    @property
    def threads(self) -> int:
        """Of workers that are used, or will be."""
        return sum(known.threads for known in list(self.known.values()) if not known.out)

    @property
    def hurried(self) -> bool:
        """Whether a worker was lost just now, and another may be there soon."""
        return monotonic() - self._missed_one < REPLACED_SECONDS

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs beside; ends with :meth:`stop`."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if (
            error is not None and self._client.status == "running"
        ):  # else the connection is why, and another one is made
            self._post((0, LaunchError(f"the workers cannot be looked after: {error!r}")))

    def stop(self) -> None:
        """Looks after nobody any more."""
        for task in [*self._tasks]:
            task.cancel()
        if self._client.status == "running":
            for address in self.known:
                self._client.unsubscribe_topic(address)

    def share(self, name: str, shared: Shared, used: set[str]) -> None:
        """Sends a table to every worker that does not have it. Of others, only those that are used are kept."""
        self._tables = {known: table for known, table in self._tables.items() if known in used}
        self._tables[name] = shared
        self._current = name
        for seat in self._board.seats.values():
            self.provide(seat)

    async def poll(self) -> None:
        """Asks the scheduler for its workers; meets new ones, and misses others."""
        if self._client.status != "running":
            return
        before = self._missed_one
        try:
            found = (await asyncio.wait_for(self._client.scheduler.identity(), SILENT_SECONDS))["workers"]
        except TimeoutError:
            self.lost = True
            return
        if self._missed_one != before:
            return  # the answer may be older than that
        now = monotonic()
        for address, facts in found.items():
            known = self.known.get(address)
            if known is None:
                known = self.known[address] = Known(facts["nthreads"], facts["last_seen"], now)
                self._client.subscribe_topic(address, partial(self._has_happened, address))
            elif facts["last_seen"] != known.seen:
                known.seen, known.heard = facts["last_seen"], now
            if not known.out and known.meeting is None:
                known.meeting = self.spawn(self._meet(address, facts["name"]))
        for address in self.known.keys() - found.keys():
            self._missed(address)
        for seat in self._board.seats.values():
            self.provide(seat)  # what could not be sent
        if any(not known.out for known in self.known.values()):
            self.none_since = None
        elif self.none_since is None:
            self.none_since = now

    async def _meet(self, address: str, name: object) -> None:
        """Makes a worker ready, and gives it work."""
        device = self._devices[name % len(self._devices) if self._own and isinstance(name, int) else 0]
        try:
            versions, tables = (await self._client.run(worker.hello, workers=[address]))[address]
            if differs := worker.difference(versions):
                self._leave_out(address, f"it has {differs}")
                return
            # What is imported and compiled at first use takes seconds: while the coordinator reads the table.
            key = f"sweep-warm-{uuid.uuid4().hex}"
            warming = self._client.submit(
                warm, device, key=key, workers=[address], allow_other_workers=False, pure=False, retries=0, priority=1
            )
            error = await warming.exception()
            if error is not None and not self._own:  # of own workers, the first job says it
                raise error
        except (OSError, KeyError):  # it has gone, or will be met again
            if address in self.known:
                self.known[address].meeting = None
            return
        except Exception as error:  # another package, no package: Dask may give a bare text
            if self._client.status != "running":
                return
            self._leave_out(address, f"it cannot use this version of sweep: {error}")
            return
        known = self.known.get(address)
        if known is None or known.out:  # meanwhile
            return
        self._board.seats[address] = seat = Seat(address, known.threads, device, set(tables))
        self.provide(seat)
        self._ready()

    def _leave_out(self, address: str, why: str) -> None:
        """Does not use a worker, any more."""
        if (known := self.known.get(address)) is not None and not known.out:
            known.out = True
            self._left(address, None, False, f"is not used: {why}")

    def provide(self, seat: Seat) -> None:
        """Sends a worker the tables that it needs."""
        wanted = {item.table for item in self._board.waiting} | ({self._current} if self._current else set())
        for name in wanted - seat.tables - seat.coming:
            seat.coming.add(name)
            self.spawn(self._send(seat, name))

    async def _send(self, seat: Seat, name: str) -> None:
        try:
            async with self._sending:
                await self._client.run(worker.keep, name, self._tables[name], workers=[seat.worker])
            seat.tables.add(name)
            self._unready_lost = 0
            self._ready()
        except (OSError, KeyError) as error:  # it has gone, or is asked again
            seat.refused += 1
            if seat.refused >= SEND_TRIES:
                self._refused(seat, error)
        except Exception as error:
            self._refused(seat, error)
        finally:
            seat.coming.discard(name)

    def _refused(self, seat: Seat, error: Exception) -> None:
        """A worker cannot take a table. Others may; of those started here, all are alike."""
        if self._client.status != "running":  # that is why: another connection sends it
            return
        if self._own:
            self._post((0, LaunchError(f"the table cannot be sent to worker {seat.worker}: {error}")))
        else:
            self._leave_out(seat.worker, f"the table cannot be sent to it: {error}")

    def _has_happened(self, address: str, event: tuple[float, dict[str, Any]]) -> None:
        if event[1].get("action") == "remove-worker":
            self._missed(address, set(event[1]["processing-tasks"]), bool(event[1]["expected"]))

    def _missed(self, address: str, processing: set[str] | None = None, expected: bool = False) -> None:
        """A worker is gone."""
        known = self.known.pop(address, None)
        if known is None or self._client.status != "running":
            return
        self._client.unsubscribe_topic(address)
        self._missed_one = monotonic()
        if known.meeting is not None:
            known.meeting.cancel()
        seat = self._board.seats.get(address)
        unready = seat is None or (self._current is not None and self._current not in seat.tables)
        if not known.out and not expected and unready:
            self._unready_lost += 1
            if self._unready_lost >= UNREADY_LOST:
                why = "by what they import, or by the table"
                self._post(
                    (0, LaunchError(f"{UNREADY_LOST} workers in a row were lost as they were made ready: {why}"))
                )
        if not known.out:
            self._left(address, processing, not expected, "left" if expected else "was lost")

    def end(self, address: str) -> None:
        """Has a worker killed, and started anew if anything guards it. It is not used any more."""
        self.known[address].out = True
        self.spawn(self._end(address))

    async def _end(self, address: str) -> None:
        """Has a worker killed, and started anew if anything guards it."""
        with suppress(Exception):  # it cannot be reached: it stays out
            await self._client.restart_workers([address], timeout=ENDING_SECONDS, raise_for_error=False)
