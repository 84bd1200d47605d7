"""A study that is deleted or renamed in the Optuna dashboard while its sweep runs, and afterwards."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sweep.analysis.status import status
from sweep.analysis.summary import summarise
from sweep.errors import MismatchError, StorageError
from sweep.launch.inline import InlineLauncher
from sweep.operate.remove import delete
from sweep.run.events import Event, TrialDone
from sweep.run.loop import run_sweep
from sweep.store.store import Store
from tests.forked import ForkedProgram, start_forked
from tests.small_sweep import assert_complete, small_spec, what_is_left


class Dashboard:
    """The program's own, as a page of it talks to it."""

    def __init__(self, process: ForkedProgram) -> None:
        self._process = process
        self._address: str | None = None

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if self._address is None:  # it answers once there is a study
            found = re.match(r"http://127\.0\.0\.1:\d+/", self._process.stdout.readline())
            assert found
            self._address = found[0]
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._address}{path}", data, headers, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")

    def study(self) -> int:
        (found,) = self.ask("GET", "api/studies")["study_summaries"]
        return int(found["study_id"])

    def delete(self) -> None:
        self.ask("DELETE", f"api/studies/{self.study()}", {"remove_associated_artifacts": False})

    def rename(self) -> None:
        self.ask("POST", f"api/studies/{self.study()}/rename", {"study_name": "renamed"})


@pytest.mark.parametrize(("database", "change"), [("sqlite_url", "delete"), ("postgres_url", "rename")])
def test_while_it_runs_and_afterwards(
    database: str, change: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    storage: str = request.getfixturevalue(database)
    spec = small_spec(tmp_path)
    with start_forked(tmp_path, "dashboard", "--wait", "--port", "0", "--storage", storage) as process:
        dashboard = Dashboard(process)

        def meddle(event: Event) -> None:
            if isinstance(event, TrialDone) and event.finished == 5:
                getattr(dashboard, change)()

        with pytest.raises(StorageError, match=r"was changed or deleted while it ran|another program adds trials"):
            run_sweep(spec, storage=storage, launcher=InlineLauncher(), on_event=meddle)
    with Store.open(storage) as store:
        assert status(store, "small").state == "orphaned"
        assert store.leases() == {}
        assert len(summarise(store, "small").trials) >= 5  # what was finished can still be read
    with pytest.raises(MismatchError, match=r"was deleted or renamed in .*: its results \(\d+ trials\) are still"):
        run_sweep(spec, storage=storage, launcher=InlineLauncher())
    with Store.open(storage) as store:
        delete(store, "small")
    run_sweep(spec, storage=storage, launcher=InlineLauncher())
    assert_complete(what_is_left(storage), 12)
