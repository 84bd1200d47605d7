"""What a clerk of a test does: jobs that go well, and jobs that go wrong in every way."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil

from sweep.errors import UserError
from sweep.operate.clerk import NICE, Duties, Duty
from sweep.operate.errand import Done, Say
from sweep.store.service_rows import JobFile, JobRecord
from sweep.store.store import Store


def do(storage: str, job: JobRecord, folder: Path, say: Say) -> Done:
    """What the request says."""
    how, at = job.request["how"], job.request.get("at")
    if at is not None:
        (Path(at) / "pid").write_text(str(os.getpid()))
    match how:
        case "well":
            with Store.open(storage) as store:  # a connection of its own
                assert store.job(job.id) is not None
            assert not any(folder.iterdir())
            assert os.nice(0) >= NICE
            return Done({"rows": 3}, JobFile("a.txt", "text/plain", b"content"))
        case "mistake":
            raise UserError("the table must have rows")
        case "bug":
            raise ZeroDivisionError("of all things")
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "ends":
            os._exit(3)
        case "greedy":
            bytearray(int(psutil.virtual_memory().total * 0.9))
        case "nan":
            return Done({"score": float("nan")})
        case "waits":
            say("waiting")
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            while not (Path(str(at)) / "go").exists():
                time.sleep(0.02)
    return Done({})


DUTIES: Duties = {"estimate": Duty(do, 60.0), "export": Duty(do, 60.0), "fit": Duty(do, 5.0)}
