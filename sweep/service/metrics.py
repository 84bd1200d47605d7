"""``/metrics``: what Prometheus asks for.

What is stored is read when it is asked for, at most once a second, whoever asks. Requests are counted by the template
of their route: as many series as there are routes, whatever clients ask for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic
from typing import get_args

import psutil
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

from sweep.analysis.results import State
from sweep.errors import SweepError
from sweep.operate.presence import SILENT_SECONDS
from sweep.run.lease import LEASE_SECONDS, is_held
from sweep.service.headers import DASHBOARD_PATHS, is_below
from sweep.service.state import Service, TheService
from sweep.store.service_rows import JobState

KEPT_SECONDS = 1.0
"""So long what was read is good."""

RATE_SECONDS = 60.0
"""Over which finished trials are counted."""

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds of requests."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Of what is mounted, which has no templates.
_MOUNTED = (*DASHBOARD_PATHS, "/artifacts", "/assets")


class Metrics:
    """What is known of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "sweep_request_seconds",
            "Requests by their route; of a stream of events until it begins.",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._stored: tuple[Metric, ...] = ()
        self._until = 0.0
        self._lock = Lock()

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Counts a request."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(method, route_of(scope), str(status)).observe(seconds)

    def text(self, service: Service) -> bytes:
        """All of it, as Prometheus reads it."""
        with self._lock:  # one reads, the others wait for it
            if monotonic() >= self._until:
                self._stored = tuple(_read(service))
                self._until = monotonic() + KEPT_SECONDS
            registry = CollectorRegistry()
            registry.register(_Given((*self._stored, *_process())))
        return generate_latest(self._registry) + generate_latest(registry)


class _Given(Collector):
    """Gives what it was given."""

    def __init__(self, families: tuple[Metric, ...]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        yield from self._families


def route_of(scope: Scope) -> str:
    """The template of a request's route, what is mounted there, or ``"other"``."""
    found = getattr(scope.get("route"), "path", None)
    if isinstance(found, str):
        return found
    return next((prefix for prefix in _MOUNTED if is_below(scope["path"], (prefix,))), "other")


def _read(service: Service) -> Iterator[Metric]:
    up = GaugeMetricFamily("sweep_database_up", "Whether the database answers.")
    try:
        found = list(_stored(service))
    except SweepError:
        up.add_metric((), 0)
        yield up
        return
    up.add_metric((), 1)
    yield up
    yield from found


def _stored(service: Service) -> Iterator[Metric]:
    store, sweeps = service.store, [glance.status for glance in service.snapshots.all().values()]
    by_state = Counter(one.state for one in sweeps)
    yield _gauge("sweep_sweeps", "Sweeps by state.", "state", {state: by_state[state] for state in get_args(State)})
    trials: Counter[str] = Counter()
    finished: Counter[str] = Counter()
    for one in sweeps:
        counts = one.counts
        trials.update(complete=counts.complete, pruned=counts.pruned, failed=counts.failed, running=counts.running)
        finished[one.state] += counts.finished
    yield _gauge("sweep_trials", "Trials by state.", "state", trials)
    yield _gauge(
        "sweep_trials_finished",
        "Trials complete or pruned, by the state of their sweep.",
        "sweep_state",
        {state: finished[state] for state in get_args(State)},
    )
    since = datetime.now(UTC) - timedelta(seconds=RATE_SECONDS)
    rate = GaugeMetricFamily("sweep_trials_per_second", f"Trials stored within the last {RATE_SECONDS:.0f} s.")
    rate.add_metric((), store.trials_saved_since(since) / RATE_SECONDS)
    yield rate
    queue = GaugeMetricFamily("sweep_queue_length", "Sweeps that wait for a runner.")
    queue.add_metric((), by_state["queued"])
    yield queue
    jobs = store.count_jobs()
    yield _gauge("sweep_jobs", "Jobs by state.", "state", {state: jobs.get(state, 0) for state in get_args(JobState)})
    seen = [one for one in store.runners() if one.silent < SILENT_SECONDS]
    runners = GaugeMetricFamily("sweep_runners", f"Runners heard of within {SILENT_SECONDS:.0f} s.", labels=("busy",))
    for busy in (False, True):
        runners.add_metric((str(busy).lower(),), sum((one.doing is not None) == busy for one in seen))
    yield runners
    ages = [LEASE_SECONDS - lease.seconds_left for lease in store.leases().values() if is_held(lease)]
    age = GaugeMetricFamily(
        "sweep_lease_age_seconds", "Since a sweep that runs was last heard of: the longest of all; 0 if none runs."
    )
    age.add_metric((), max(ages, default=0.0))
    yield age


def _process() -> Iterator[Metric]:
    process = psutil.Process()
    memory = GaugeMetricFamily("process_resident_memory_bytes", "Memory of the service's process.")
    memory.add_metric((), process.memory_info().rss)
    yield memory
    times = process.cpu_times()
    cpu = CounterMetricFamily("process_cpu_seconds", "Processor time of the service's process.")
    cpu.add_metric((), times.user + times.system)
    yield cpu


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(request: Request, service: TheService) -> Response:
    """For Prometheus, in its text format."""
    content = request.app.state.metrics.text(service)
    return Response(content, media_type=CONTENT_TYPE_LATEST)
