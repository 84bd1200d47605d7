"""What happens to a sweep, told as it happens: one look a second at each sweep that somebody listens to.

All listeners of a sweep share one task that looks. It ends when the last of them is gone, and so do listeners when the
sweep is deleted or the service ends. A listener that is slow misses states in between, and no line of the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from fastapi.sse import ServerSentEvent

from sweep.errors import SweepError
from sweep.service.problems import RefusedError
from sweep.service.renderer import Renderer
from sweep.service.snapshots import Snapshots
from sweep.service.v1.schemas import Line, Sweep
from sweep.store.logbook import MOST_LINES
from sweep.store.service_rows import LogRecord
from sweep.store.store import Store

LOOK_SECONDS = 1.0
"""Between two looks at a sweep."""

MOST_LISTENERS = 200
"""Beyond which others are refused: each has a connection, and of those some must be left for requests."""

MOST_EACH = 60
"""Of one session, or of one address and token: nobody has them all by himself."""

RETRY_MILLISECONDS = 2000
"""After which a browser comes again that has lost its connection."""

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Topic:
    """One sweep that is listened to: what is known of it, the same for all of its listeners.

    Attributes:
        status: Its document, as JSON: written once for all who listen.
        states: How often that has changed.
        lines: The latest of its log.
        last: Id of the last line that was read.
        figures: Version of its figures, as soon as they are made.
        gone: Whether it was deleted, or the service ends.
        deleted: Whether it was deleted.
        changed: Is told of every change.
        listeners: How many there are.
        task: Looks at it.
    """

    status: str | None = None
    states: int = 0
    lines: deque[LogRecord] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    last: int = 0
    figures: str | None = None
    gone: bool = False
    deleted: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    listeners: int = 0
    task: asyncio.Task[None] | None = None


class Live:
    """Sweeps that are listened to. Of one event loop, but for :meth:`end`.

    Args:
        store: Where logs are.
        snapshots: Where states are.
        renderer: Makes figures.
    """

    def __init__(self, store: Store, snapshots: Snapshots, renderer: Renderer) -> None:
        self._store, self._snapshots, self._renderer = store, snapshots, renderer
        self._topics: dict[str, _Topic] = {}
        self._each: Counter[str] = Counter()  # listeners, by whose they are
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = False
        # Of its own: a database that does not answer must not keep other requests from their threads.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="sweep-live")

    @property
    def listeners(self) -> int:
        """How many there are."""
        return sum(topic.listeners for topic in self._topics.values())

    @asynccontextmanager
    async def listener(self, name: str, after: int = 0, who: str = "") -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
        """Inside, what happens to a sweep can be heard.

        Args:
            name: Of the sweep.
            after: Id of the last line of the log that is known already.
            who: Listens; the same for all that are one.

        Yields:
            Events: ``status`` at once and with every change, ``log`` with every line, ``figures`` when newer ones are
            made; ``gone`` if the sweep is deleted, and nothing after it.

        Raises:
            RefusedError: 503, too many listen, or the service is ending; 429, too many of these are one.
        """
        if self._ended or self.listeners >= MOST_LISTENERS:
            raise RefusedError(503, "too many listen here, or the service is ending: try again soon", "busy")
        if self._each[who] >= MOST_EACH:
            raise RefusedError(429, f"at most {MOST_EACH} streams of events for each: close some", "too_many")
        self._loop = asyncio.get_running_loop()
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = _Topic()
            topic.task = self._loop.create_task(self._look(name, topic), name=f"live {name}")
        topic.listeners += 1
        self._each[who] += 1
        try:
            yield _heard(topic, after)
        finally:
            topic.listeners -= 1
            self._each[who] -= 1
            self._each += Counter()  # leaves out those who have none
            if not topic.listeners:
                if self._topics.get(name) is topic:
                    del self._topics[name]
                if topic.task is not None:
                    topic.task.cancel()

    async def check(self, name: str) -> None:
        """That there is such a sweep.

        Raises:
            RefusedError: 404, there is none.
        """
        await self._in_thread(lambda: self._snapshots.one(name))

    def end(self) -> None:
        """Ends all listening, soon; may be called from any thread, and from a signal handler."""
        self._ended = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end_all)

    def close(self) -> None:
        """Ends all listening; nothing is looked at any more."""
        self.end()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _end_all(self) -> None:
        for topic in self._topics.values():
            if topic.task is not None:
                topic.task.cancel()

    async def _look(self, name: str, topic: _Topic) -> None:
        """The task."""
        failing = False
        try:
            while not topic.deleted:
                try:
                    await self._look_once(name, topic)
                    failing = False
                except SweepError as error:  # listeners stay, and hear more when it is over
                    if not failing:
                        logger.warning("what happens to %s cannot be told: %s", name, error)
                    failing = True
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            topic.gone = True
            if self._topics.get(name) is topic:  # whoever comes from now on finds another one, or none
                del self._topics[name]
            await _tell(topic)

    async def _look_once(self, name: str, topic: _Topic) -> None:
        glance = await self._in_thread(lambda: self._snapshots.all().get(name))
        if glance is None:
            topic.deleted = True
            return
        lines = await self._in_thread(lambda: self._store.log_lines(name, topic.last))
        status, figures = Sweep.of(glance).model_dump_json(), self._renderer.ready(glance, "figures")
        before = topic.states, topic.last, topic.figures
        if status != topic.status:
            topic.status, topic.states = status, topic.states + 1
        if lines:
            topic.lines.extend(lines)
            topic.last = lines[-1].id
        topic.figures = figures or topic.figures  # those that are dropped before newer ones are made are no news
        if (topic.states, topic.last, topic.figures) != before:
            await _tell(topic)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


async def _tell(topic: _Topic) -> None:
    async with topic.changed:
        topic.changed.notify_all()


async def _heard(topic: _Topic, after: int) -> AsyncIterator[ServerSentEvent]:
    """What one listener hears."""
    states, figures = 0, None
    yield ServerSentEvent(comment="begin", retry=RETRY_MILLISECONDS)
    while True:
        if topic.states != states:
            states = topic.states
            yield ServerSentEvent(event="status", raw_data=topic.status)
        for line in [line for line in topic.lines if line.id > after]:
            after = line.id
            yield ServerSentEvent(event="log", data=Line.of(line), id=str(line.id))
        if topic.figures != figures:
            figures = topic.figures
            yield ServerSentEvent(event="figures", data={"version": figures})
        async with topic.changed:
            unheard = states != topic.states or figures != topic.figures or after < topic.last
            if topic.gone:
                break
            if not unheard:
                await topic.changed.wait()
    if topic.deleted:
        yield ServerSentEvent(event="gone", data={})
