"""Reaching Dask workers: started here on this machine, or those of a scheduler that runs already."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from multiprocessing import current_process
from threading import Lock
from time import monotonic, sleep
from typing import Any

import dask.config
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, Security
from distributed.comm import connect as greet
from distributed.core import send_recv

from sweep.errors import AddressError, LaunchError, UserError
from sweep.launch import forkserver, worker
from sweep.launch.base import reach

CONNECT_SECONDS = 8.0
# For a worker to import torch.
IMPORT_SECONDS = 60.0
# For a worker in the middle of a block to leave by itself, before it is killed: it holds nothing worth waiting for.
GRACE_SECONDS = 0.5
# Dask writes to these by itself, on standard error. What a user must know comes as an error of ours.
LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado.application")


def devices_of(device: str, workers: int | None, cores: int, there: int) -> tuple[str, ...]:
    """What each worker of this machine trains on.

    Args:
        device: ``"cpu"``; ``"cuda:N"`` for that device alone; ``"cuda"`` for all there are.
        workers: How many are asked for; ``None`` for one a core, or one a device.
        cores: Of this machine, at least 1.
        there: CUDA devices of this machine.

    Returns:
        A device for each worker. More workers than devices share them evenly.
    """
    if device == "cpu":
        return ("cpu",) * (workers or cores)
    devices = [f"cuda:{number}" for number in range(max(1, there))] if device == "cuda" else [device]
    return tuple(devices[number % len(devices)] for number in range(workers or len(devices)))


def local_devices(device: str, workers: int | None) -> tuple[str, ...]:
    """:func:`devices_of` of this machine, or of the container, if it has fewer cores."""
    return devices_of(device, workers, int(CPU_COUNT), _cuda_devices() if device == "cuda" else 0)


def _cuda_devices() -> int:
    resolve, found = import_module("sweep.training.device").resolve, 0
    with suppress(UserError):
        while resolve(f"cuda:{found}"):
            found += 1
    return found


def start_local(workers: int) -> tuple[LocalCluster, Client]:
    """A scheduler in this process, on loopback, and single-threaded worker processes that end with this process.

    Raises:
        LaunchError: They do not start, or this process may start none.
    """
    if current_process().daemon:
        raise LaunchError(
            f"cannot start {workers} worker processes: this is a worker process itself, of Dask's or of a pool of "
            "multiprocessing's, and may start none; train in process"
        )
    _silence()
    cluster = None
    _forked.begin()
    try:
        # The scheduler is in this process: stopped for minutes, as by Ctrl-Z, it would take all workers for lost. The
        # dispatcher finds those that are silent.
        with forkserver.interrupts_blocked(), dask.config.set({"distributed.scheduler.worker-ttl": None}):
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                # No dashboard. Its HTTP server cannot be left out, but need not take a fixed port.
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                # The size of blocks and of what is scored at a time bounds memory beyond a few times the table.
                # Dask's own limits pause a worker, for ever if the interpreter alone exceeds its share of a small
                # machine.
                memory_limit=None,
                silence_logs=logging.CRITICAL,
            )
            return cluster, Client(cluster, set_as_default=False)
    except BaseException as error:
        if cluster is not None:
            cluster.close(timeout=GRACE_SECONDS)
        _forked.end()
        if isinstance(error, OSError | RuntimeError):
            raise LaunchError(f"cannot start {workers} worker processes: {error}") from error
        raise


class _Forked:
    """Has Dask start the workers of clusters that are open here our way, the ones that replace dead ones too."""

    def __init__(self) -> None:
        self._open = 0
        self._lock = Lock()  # each launcher has one thread, but not all of them the same

    def begin(self) -> None:
        """A cluster is about to be started."""
        with self._lock:
            if self._open == 0:
                forkserver.start()
                self._setting = dask.config.set({"distributed.worker.multiprocessing-method": forkserver.METHOD})
            self._open += 1

    def end(self) -> None:
        """It is closed. With the last one Dask's setting is what it was."""
        with self._lock:
            self._open -= 1
            if self._open == 0:
                self._setting.__exit__(None, None, None)


_forked = _Forked()


def connect(address: str, device: str) -> Client:
    """A connection to a scheduler that has workers, which can import this package and train on ``device``.

    Raises:
        UserError: Dask does not take the address, or a worker has no such device.
        AddressError: No scheduler answers within seconds.
        LaunchError: It has no workers, or they cannot be used.
    """
    client = reconnect(address, CONNECT_SECONDS)
    try:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
            raise LaunchError(f"the Dask scheduler at {address} has no workers") from None
        try:
            met = _answers(client, list(client.nthreads()), CONNECT_SECONDS, worker.hello)
            for found, (versions, _) in met.items():
                if differs := worker.difference(versions):
                    raise UserError(f"worker {found} has {differs}: workers must have what the coordinator has")
            if not met or not _answers(client, list(met), IMPORT_SECONDS, reach, device):
                seconds = IMPORT_SECONDS if met else CONNECT_SECONDS
                raise LaunchError(f"no worker of {address} answers within {seconds:.0f} s")
        except UserError as error:
            raise UserError(f"a worker of {address} cannot train: {error}") from error
        except LaunchError:
            raise
        except Exception as error:  # no such package there, or another version: Dask may give a bare text
            raise LaunchError(f"the workers of {address} cannot use this version of sweep: {error}") from error
    except BaseException:
        disconnect(client, None)
        raise
    return client


def _answers(
    client: Client, workers: list[str], seconds: float, function: Callable[..., Any], *arguments: object
) -> dict[str, Any]:
    """What each worker gives, or raises; without those that stay silent, or go: whoever uses workers sees to them."""

    async def ask() -> dict[str, Any]:
        asked = [asyncio.wait_for(client.run(function, *arguments, workers=[one]), seconds) for one in workers]
        found = dict(zip(workers, await asyncio.gather(*asked, return_exceptions=True), strict=True))
        for answer in found.values():
            if isinstance(answer, BaseException) and not isinstance(answer, OSError):  # which a TimeoutError is
                raise answer
        return {one: answer[one] for one, answer in found.items() if not isinstance(answer, BaseException)}

    answers: dict[str, Any] = client.sync(ask)
    return answers


def reconnect(address: str, seconds: float) -> Client:
    """A connection to a scheduler, which may have no workers.

    Raises:
        UserError: Dask does not take the address.
        AddressError: No scheduler answers within ``seconds``.
    """
    _silence()
    try:
        # Before there is a Client: one that cannot connect lingers, and complains when it is collected.
        with ThreadPoolExecutor(1) as thread:  # the caller's thread may be running an event loop
            thread.submit(asyncio.run, _greet(address, seconds)).result()
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except TypeError as error:  # Dask's, for want of certificates
        raise UserError(
            f"{address} needs certificates, as DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …TLS__CLIENT__CERT and "
            f"…TLS__CLIENT__KEY name them ({error})"
        ) from error
    except ValueError as error:
        raise UserError(f"not the address of a cluster: {address} ({error})") from error
    except OSError as error:
        raise AddressError(f"no Dask scheduler answers at {address} within {seconds:.0f} s{_reason(error)}") from error
    except Exception as error:  # anything may answer, and raise anything
        raise AddressError(f"no Dask scheduler can be spoken to at {address}: {error}") from error
    # A lost connection stays lost. Dask would connect again by itself, without the tasks and what was subscribed to.
    client._timeout = 0
    return client


def replace_workers(local: LocalCluster) -> None:
    """Starts as many workers anew as a ``LocalCluster`` should have.

    A process that guards a worker restarts it when it dies, but may itself give up; Dask then waits for ever.
    """
    wanted, deadline = len(local.worker_spec), monotonic() + CONNECT_SECONDS
    local.scale(0)
    while local.workers and monotonic() < deadline:
        sleep(0.05)
    local.scale(wanted)


def disconnect(client: Client, cluster: LocalCluster | None) -> None:
    """Leaves a cluster, and ends one that was started here, in the middle of a block if need be."""
    # Each step by itself: what does not end in time must not hide what the run ended with, nor keep the next from it.
    late = suppress(asyncio.TimeoutError, TimeoutError, OSError)
    try:
        if cluster is not None:
            with late:
                cluster.sync(_end_workers, cluster)
        with late:
            client.close(timeout=GRACE_SECONDS)
        with late:
            if cluster is None:
                client._loop_runner.stop()  # its thread, which stays where the connection was lost before
            else:
                cluster.close(timeout=GRACE_SECONDS)
    finally:
        if cluster is not None:
            _forked.end()


async def _greet(address: str, seconds: float) -> None:
    # Two limits: `connect` gives up by itself on what refuses, and waits for ever for what stays silent.
    security = Security().get_connection_args("client")
    comm = await asyncio.wait_for(greet(address, timeout=seconds, **security), seconds + 1)
    try:
        kind = (await asyncio.wait_for(send_recv(comm, op="identity"), seconds))["type"]
    finally:
        await comm.close()
    if kind != "Scheduler":
        raise LookupError(f"what answers is a {kind}")


def _reason(error: BaseException) -> str:
    """What is wrong with certificates, which a timeout hides."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return f" ({seen.reason or seen})"
        seen = seen.__cause__ or seen.__context__
    return ""


async def _end_workers(cluster: LocalCluster) -> None:
    await asyncio.gather(*(nanny.close(timeout=GRACE_SECONDS) for nanny in cluster.workers.values()))


def _silence() -> None:
    """Keeps Dask from writing to the terminal, unless this package's own logging is at debug level."""
    if not logging.getLogger("sweep").isEnabledFor(logging.DEBUG):
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
