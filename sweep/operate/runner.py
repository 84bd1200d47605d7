"""The runner: takes queued sweeps, by priority and age, and runs them to their end.

Answers that somebody waits for go before the next sweep (``answers``). Smaller things that it is asked for are done
beside it (``clerk``), and it says that it is there (``presence``).

It keeps nothing but what is in the database: killed at any instant and started again, here or elsewhere, it goes on.
Several of them on one database share the work, since a sweep is run under a lease; one whose runner died goes on with
another, once the lease has expired. What is the sweep's own fault ends it as failed, with the reason; a database or
workers that are gone are waited for. Where workers are lost again and again while one sweep runs, others go first, and
in the end it is that sweep's fault.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from time import sleep

from sweep.analysis.status import status
from sweep.errors import BusyError, LaunchError, MismatchError, StoppedError, SweepError
from sweep.launch.base import Launcher
from sweep.operate.answers import Answer, Answers
from sweep.operate.chronicle import Chronicle
from sweep.operate.clerk import ClerkProcess, Duties
from sweep.operate.presence import Presence
from sweep.operate.reasons import bug, without_places
from sweep.run.events import Event, Finished, ignore
from sweep.run.lease import is_held, this_process
from sweep.run.loop import run_sweep
from sweep.run.prepare import Setup, prepare
from sweep.run.study import optuna_storage
from sweep.spec.definition import parse
from sweep.store.failures import NoSpaceError, UnreachableError
from sweep.store.rows import OrderRecord, OrderState
from sweep.store.store import Store

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""Between two looks at a queue that has nothing to do."""

MOST_SECONDS = 30.0
"""Between two attempts where database or workers are gone: doubled up to this."""

MOST_LOSSES = 3
"""So often one sweep may lose all workers without a finished trial in between."""


class Runner:
    """Runs what is queued in a database.

    Args:
        storage: Database URL. Its tables are made if they are not there.
        workers: Gives the launcher for one sweep.
        say: Told in sentences what it does.
        on_event: Called with the events of the sweeps.
        poll: Seconds between two looks at the queue.
        where: Blocks are trained, in words.
        answer: Answers what is asked of finished sweeps; ``None`` leaves that to other runners.
        duties: Of its clerk; ``None`` leaves them to other runners.
    """

    def __init__(
        self,
        storage: str,
        workers: Callable[[], AbstractContextManager[Launcher]],
        say: Callable[[str], None],
        on_event: Callable[[Event], None] = ignore,
        poll: float = POLL_SECONDS,
        *,
        where: str = "",
        answer: Answer | None = None,
        duties: Duties | None = None,
    ) -> None:
        self._storage, self._workers, self._say, self._on_event = storage, workers, say, on_event
        self._poll = poll
        self._answers = None if answer is None else Answers(storage, answer, say)
        self._clerk = None if duties is None else ClerkProcess(storage, duties)
        self._presence = Presence(storage, where)
        self._pause = poll  # until the next look; grows while something is gone
        # Sweeps that have lost all workers: with how many trials finished, and how often with no more than that.
        self._losses: dict[str, tuple[int, int]] = {}
        self._lacks: dict[str, str] = {}  # what each last said of its workers

    def run(self, *, once: bool = False) -> None:
        """Runs until it is interrupted.

        Args:
            once: Until nothing is queued that it could run, instead; and database and workers are not waited for.

        Raises:
            UserError: The database cannot be used at all.
            LaunchError: With ``once``: the workers are gone.
            KeyboardInterrupt: Ctrl-C, or what is like it. Everything finished is kept.
        """
        while not self._made_tables(once=once):
            pass
        with self._presence, self._clerk or nullcontext():
            self._take(once=once)

    def _take(self, *, once: bool) -> None:
        idle = False
        while True:
            try:
                worked = self._take_one()
            except (LaunchError, UnreachableError, NoSpaceError) as error:
                if once:
                    raise
                self._wait_for(error)
                continue
            finally:
                self._presence.doing(None)
            self._pause = self._poll
            if not worked:
                if once:
                    return
                if not idle:
                    self._say("nothing to do: waiting for `sweep run --queue`")
                sleep(self._poll)
            idle = not worked

    def _made_tables(self, *, once: bool) -> bool:
        try:
            with Store.open(self._storage, create=True) as store, optuna_storage(store):
                return True
        except UnreachableError as error:
            if once:
                raise
            self._wait_for(error)
            return False

    def _take_one(self) -> bool:
        """Answers, or else runs the first sweep of the queue that nobody runs; whether there was anything to do."""
        if self._answers is not None and self._answers.take_one(self._presence.doing):
            return True
        with Store.open(self._storage) as store:
            orders = store.orders(["queued"])
            held = {key for key, lease in store.leases().items() if is_held(lease)}
            free = [order for order in orders if (sweep := store.sweep(order.name)) is None or sweep.key not in held]
        free.sort(key=lambda order: self._losses.get(order.name, (0, 0))[1])  # stable: else as they were
        return any(self._work(order) for order in free)

    def _work(self, order: OrderRecord) -> bool:
        """Runs a sweep as far as it goes; ``False`` if it is not to be had.

        Raises:
            LaunchError: The workers are gone.
            UnreachableError: The database is.
        """
        self._presence.doing(order.name)
        try:
            who, noted = f"a runner, {this_process()}", self._lacks.get(order.name)
            with (
                Chronicle(self._storage, order.name, who, queued=True, noted=noted) as chronicle,
                without_places(self._storage, order.name),
            ):
                self._run(order, chronicle)
            self._lacks.pop(order.name, None)
        except LaunchError as error:
            self._lacks[order.name] = str(error)
            raise
        except (UnreachableError, NoSpaceError):
            raise
        except BusyError as error:
            self._say(str(error))
            return False
        except StoppedError as error:
            self._say(str(error))
        except SweepError as error:
            self._fail(order, str(error))
        except Exception as error:  # a sweep that nobody thought of must not keep the others from running
            logger.exception("a bug in sweep")
            self._fail(order, bug(error))
        return True

    def _run(self, order: OrderRecord, chronicle: Chronicle) -> None:
        done = False

        def tell(event: Event) -> None:
            nonlocal done
            chronicle(event)
            if isinstance(event, Finished):  # before a page is made of it, so that no other runner takes it meanwhile
                self._set(order, "done")
                done = True
            self._on_event(event)

        setup = self._prepared(order)
        with ExitStack() as stack:
            launcher = self._launcher(stack)
            if not self._is_wanted(order):
                return
            self._say(f"{order.name}: begins, or goes on")
            try:
                outcome = run_sweep(
                    setup.spec,
                    storage=self._storage,
                    launcher=launcher,
                    on_event=tell,
                    setup=setup,
                    wait=False,
                    revision=order.revision,
                )
            except LaunchError as error:
                raise self._lost(order, error) from error
            self._losses.pop(order.name, None)
            if not done:
                self._set(order, "done")
            finished = outcome.complete + outcome.pruned
            self._say(f"{order.name}: done, {finished} of {outcome.budget} trials are finished")

    def _lost(self, order: OrderRecord, error: LaunchError) -> SweepError:
        """What it is that a sweep has lost all workers: their matter, or its own."""
        with Store.open(self._storage) as store:
            finished = status(store, order.name).counts.finished
        before, times = self._losses.get(order.name, (finished, 0))
        times = times + 1 if finished == before else 1
        self._losses[order.name] = finished, times
        if times < MOST_LOSSES:
            return error
        del self._losses[order.name]
        return SweepError(f"{error} ({times} times, with no trial finished in between)")

    def _launcher(self, stack: ExitStack) -> Launcher:
        try:
            return stack.enter_context(self._workers())
        except LaunchError:
            raise
        except SweepError as error:  # whatever it is, it is not the sweep's fault
            raise LaunchError(str(error)) from error

    def _is_wanted(self, order: OrderRecord) -> bool:
        """Whether nobody has paused, changed or deleted it since the queue was read: tables and workers take time."""
        with Store.open(self._storage) as store:
            now = store.order(order.name)
        # Revisions begin anew where a sweep is deleted and queued again.
        return now is not None and (now.revision, now.created_at) == (order.revision, order.created_at)

    def _prepared(self, order: OrderRecord) -> Setup:
        """Definition and table, checked to be the one that was queued.

        Raises:
            UserError: They cannot be used, or the table is another one.
        """
        with Store.open(self._storage) as store:
            packed = None if order.table_sha256 is None else store.stored_table(order.table_sha256)
            sweep = store.sweep(order.name)
        spec = parse(order.definition)
        # More may have been asked for since the definition was written, by `sweep run --trials` of a sweep that rested.
        trials = max(spec.search.trials, order.trials, 0 if sweep is None else sweep.trials)
        setup = prepare(replace(spec, search=replace(spec.search, trials=trials)), packed)
        found = setup.data.info.content_hash
        if order.data_hash not in (None, found):
            raise MismatchError(
                f"{order.source} is not the table that was queued: its content was {order.data_hash}, it is {found}"
            )
        return setup

    def _fail(self, order: OrderRecord, reason: str) -> None:
        self._say(f"{order.name}: failed: {reason}")
        self._set(order, "failed", reason)

    def _set(self, order: OrderRecord, state: OrderState, reason: str | None = None) -> None:
        """Unless somebody has said otherwise meanwhile, such as that it shall have more trials."""
        with Store.open(self._storage) as store:
            store.set_order(order.name, state, reason=reason, revision=order.revision)

    def _wait_for(self, error: SweepError) -> None:
        self._say(f"{error}; trying again in {self._pause:.0f} s")
        sleep(self._pause)
        self._pause = min(2 * self._pause, MOST_SECONDS)
