"""The notebook of ``examples/`` in a real kernel, and what a kernel shows and survives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from sweep.commands.notebook import standing_html
from sweep.commands.progress import Standing
from sweep.metrics import METRICS
from sweep.store.store import Store
from tests.small_sweep import wait_for_trials

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))
SMALL = "TRIALS, EPOCHS, FOLDS, REPEATS = 8, 3, 3, 2"


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # ships few types


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """None from outside; kernels inherit them."""
    for name in ("SWEEP_STORAGE", "SWEEP_LOG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_stored_without_outputs(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


# What each cell that shows something of ours shows: found in its HTML.
SHOWN = {
    "estimator": "DropoutSweepClassifier",
    "run": "honest score",
    "answer": "<svg",
    "report": "<iframe",
    "export": "wine as toml",
    "model": "predictions of sklearn:wine",
    "script": "wine as python",
    "list": "done",
}


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    """With small settings in place of its own: no error, nothing on standard error, results that show themselves."""
    notebook = read(path)
    (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    assert set(re.findall(r"^([A-Z]+) *=", parameters.source, re.M)) == set(re.findall(r"[A-Z]{2,}", SMALL))
    parameters.source = SMALL
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            outputs = cell.outputs
            assert not [one for one in outputs if one.output_type == "error" or one.get("name") == "stderr"], cell.id
            shown[cell.id] = "".join(one.get("data", {}).get("text/html", "") for one in outputs)
            for one in outputs:
                well_formed(one.get("data", {}).get("text/html", ""))
    assert {key: part in shown[key] for key, part in SHOWN.items()} == dict.fromkeys(SHOWN, True)
    assert "<progress" not in "".join(shown.values())  # bars are taken away
    assert "8 trials in " in shown["run"]  # what was said stays,
    assert "computing" not in shown["run"]  # and what it was doing does not


def well_formed(page: str) -> None:
    """Every element is closed, in the order in which it was opened."""
    open_now: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "br":
                open_now.append(tag)

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            """Nothing stays open."""

        def handle_endtag(self, tag: str) -> None:
            assert open_now.pop() == tag

    Parser().feed(page)
    assert not open_now


# --- a kernel that is interrupted -------------------------------------------------------------------------------------

LONG = """
from sweep import api
tiny = {"training.epochs": 60, "validation.folds": 3, "search.batch": 4}
api.run("wine", trials=40000, changes=tiny)
"""


@pytest.fixture
def kernel(tmp_path: Path, settings: None) -> Iterator[tuple[Any, Any]]:
    """Manager and client of a fresh kernel in a folder of its own."""
    manager, client = start_new_kernel(cwd=str(tmp_path))
    try:
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def shown_until(client: Any, message: str, part: str) -> list[dict[str, Any]]:
    """All that a cell showed until a part of a page came."""
    shown: list[dict[str, Any]] = []
    while not shown or part not in shown[-1]["content"].get("data", {}).get("text/html", ""):
        one = client.get_iopub_msg(timeout=300)
        if one["parent_header"].get("msg_id") == message:
            shown.append(one)
    return shown


def result(client: Any, message: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What came of a cell, and all that it showed."""
    reply = client.get_shell_msg(timeout=300)
    while reply["parent_header"].get("msg_id") != message:
        reply = client.get_shell_msg(timeout=300)
    shown: list[dict[str, Any]] = []
    while True:
        one = client.get_iopub_msg(timeout=300)
        if one["parent_header"].get("msg_id") == message:
            if one["msg_type"] == "status" and one["content"]["execution_state"] == "idle":
                return reply["content"], shown
            shown.append(one)


def test_an_interrupted_kernel_leaves_a_sweep_that_goes_on(kernel: tuple[Any, Any], tmp_path: Path) -> None:
    manager, client = kernel
    message = client.execute(LONG)
    shown = shown_until(client, message, "<progress")
    wait_for_trials(tmp_path / "sweep.db", 4)
    manager.interrupt_kernel()
    reply, more = result(client, message)
    shown += more
    assert reply["ename"] == "KeyboardInterrupt"
    assert re.search(r"interrupted: [\d,]+ of 40,?000 trials .*; the same command goes on", reply["evalue"])
    drawn = [one["content"]["data"]["text/html"] for one in shown if one["msg_type"] == "update_display_data"]
    assert "<progress" not in drawn[-1]
    assert not [one for one in shown if one["msg_type"] == "stream"]
    with Store.open(f"sqlite:///{tmp_path}/sweep.db") as store:
        (sweep,) = store.sweeps()
        before = len(store.saved_numbers(sweep.key))
        assert store.lease(sweep.key) is None
    assert before >= 4
    # The same kernel goes on with it, and shows how far it is.
    reply, shown = result(client, client.execute("print(api.status('wine').state)"))
    assert [one["content"]["text"] for one in shown if one["msg_type"] == "stream"] == ["paused\n"]


def test_a_bar_shows_what_is_known_and_escapes_names() -> None:
    now = [0.0]
    standing = Standing("<script>", METRICS["accuracy"], 64, clock=lambda: now[0])
    assert "training the first blocks" in "".join(standing_html(standing))
    now[0] = 4.0
    standing.take(16, {"none": 0.9, "<b>": 0.95})
    page = "".join(standing_html(standing))
    assert '<progress value="16" max="64"' in page
    assert "16 of 64 trials" in page
    assert "4 trials/s, 12 s left" in page
    assert "95.0 %" in page
    assert "<script>" not in page
    assert "<b>95" not in page
    assert "&lt;b&gt;" in page
    well_formed(page)
