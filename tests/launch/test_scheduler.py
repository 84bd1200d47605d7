"""Schedulers and workers that somebody else has started: they come, go, and differ."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import dask.config
import pytest

from sweep.errors import UserError
from sweep.launch.dask import DaskLauncher
from sweep.training.train import train_block
from tests.launch.processes import Cluster
from tests.launch.suite import DATA, FOLDS, assert_same, make_job
from tests.launch.test_dask import LONG


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """With a scheduler and one worker."""
    cluster = Cluster(tmp_path)
    try:
        cluster.scheduler()
        cluster.worker()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes take seconds to start."""
    monkeypatch.setattr("sweep.launch.cluster.CONNECT_SECONDS", 60.0)


def other_version(folder: Path) -> dict[str, str]:
    """An environment in which this package is of another version."""
    info = folder / "dropout_sweep-9.9.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dropout-sweep\nVersion: 9.9.9\n")
    return {"PYTHONPATH": str(folder)}


def test_workers_that_join_are_used_if_they_can_be(cluster: Cluster, tmp_path: Path) -> None:
    told: list[str] = []
    with DaskLauncher(address=cluster.address) as launcher:
        launcher.on_trouble = told.append
        launcher.share(DATA, FOLDS)

        # One with another version of this package, then one that can be used.
        cluster.worker(**other_version(tmp_path))
        deadline, joined, number, busy = time.monotonic() + 240, False, 0, 0
        for _ in range(4):
            launcher.submit(make_job(0, **LONG))
        expected = {number: train_block(DATA, FOLDS, make_job(number, **LONG)) for number in range(6)}
        for done in launcher.finished():  # nothing that takes long here: jobs have to wait for workers
            assert_same(done.results, expected[done.job.numbers[0]])
            busy = max(busy, sum(bool(seat.items) for seat in launcher._dispatcher._board.seats.values()))
            if told and not joined:
                joined = True
                cluster.worker()
            if busy < 2 and time.monotonic() < deadline:
                number += 1
                launcher.submit(make_job(number % 6, **LONG))
        assert busy == 2
        (sentence,) = told
        version = metadata.version("dropout-sweep")
        assert f"is not used: it has sweep 9.9.9, expected {version}" in sentence
        assert launcher.workers == 2
        with pytest.raises(UserError, match=rf"worker tcp://\S+ has sweep 9.9.9, expected {version}"):
            DaskLauncher(address=cluster.address)


def test_a_scheduler_that_comes_back_is_given_everything_again(cluster: Cluster, tmp_path: Path) -> None:
    told: list[str] = []
    with DaskLauncher(address=cluster.address) as launcher:
        launcher.on_trouble = told.append
        launcher.share(DATA, FOLDS)
        jobs = [make_job(0, 1, **LONG), make_job(2), make_job(3)]
        for job in jobs:
            launcher.submit(job)
        cluster.close()
        with pytest.raises(InterruptedError):  # as when the lease is lost meanwhile
            list(launcher.finished(interrupt))
        cluster.scheduler()
        cluster.worker()
        found = {done.job.numbers: done.results for done in launcher.finished()}
        for job in jobs:
            assert_same(found[job.numbers], train_block(DATA, FOLDS, job))
        assert "is lost: waiting up to 300 s" in told[0]
        assert f"{cluster.address} answers again" in told


def interrupt() -> None:
    raise InterruptedError


def test_a_scheduler_that_dies_while_tables_are_sent(cluster: Cluster) -> None:
    """What fails then is not the table's fault; and nothing is left that could not be cancelled."""
    told: list[str] = []
    with DaskLauncher(address=cluster.address) as launcher:
        launcher.on_trouble = told.append
        for number in range(60):
            launcher.share(replace(DATA, info=replace(DATA.info, source=f"{number}.csv")), FOLDS)
            launcher.submit(make_job(0))
        cluster.close()
        calls = itertools.count()
        with pytest.raises(InterruptedError):
            list(launcher.finished(lambda: interrupt() if next(calls) > 2 else None))
        assert "is lost: waiting up to" in told[0]
        launcher.cancel()
        assert list(launcher.finished()) == []


def test_cancelling_what_was_given_to_a_scheduler_that_has_died(cluster: Cluster) -> None:
    with DaskLauncher(address=cluster.address) as launcher:
        launcher.share(DATA, FOLDS)
        launcher.submit(make_job(0, **LONG))
        cluster.close()
        deadline = time.monotonic() + 60
        while launcher._client.status == "running" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert launcher._client.status != "running"
        launcher.cancel()
        assert list(launcher.finished()) == []


# --- certificates -----------------------------------------------------------------------------------------------------


def certificates(folder: Path) -> dict[str, str]:
    """An authority and one certificate for all, and Dask's environment for them."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subject = ["-subj", "/CN=dask", "-addext", "subjectAltName=IP:127.0.0.1"]
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*new, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    variables = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(cert)}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        variables[f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY"] = str(key)
        variables[f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT"] = str(cert)
    return variables


def test_a_scheduler_with_certificates(tmp_path: Path) -> None:
    variables = certificates(tmp_path)
    cluster = Cluster(tmp_path, "tls", variables)
    try:
        cluster.scheduler()
        cluster.worker()
        with pytest.raises(UserError, match=r"needs certificates, as DASK_DISTRIBUTED__COMM__TLS__CA_FILE") as refused:
            DaskLauncher(address=cluster.address)
        assert cluster.address in str(refused.value)
        known = dask.config.merge(dask.config.config, dask.config.collect_env(variables))
        with dask.config.set(known), DaskLauncher(address=cluster.address) as launcher:
            launcher.share(DATA, FOLDS)
            job = make_job(0, 1)
            launcher.submit(job)
            (done,) = launcher.finished()
            assert_same(done.results, train_block(DATA, FOLDS, job))
    finally:
        cluster.close()
