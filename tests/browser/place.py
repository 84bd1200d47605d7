"""The service as people meet it: a real server with its runner, and Chromium to look at it with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import numpy as np
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright

from tests import scratch

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
SONAR = ROOT.parent / "shared" / "data" / "sonar.csv"

PATIENCE = 300.0
"""Seconds for what takes a few on a machine that does nothing else."""

TOKENS = {"operator": "operator-token-of-browser-tests", "viewer": "viewer-token-of-browser-tests!"}

# Nothing but the pages: no sandbox of its own (tests may run as root), no requests of the browser's.
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def sonar(folder: Path) -> Path:
    """The table of the Sonar echoes; where it does not lie beside the project, one of the same shape."""
    file = folder / "sonar.csv"
    if SONAR.exists():
        file.write_bytes(SONAR.read_bytes())
    else:
        rng = np.random.default_rng(0)
        labels = rng.permutation(["R"] * 97 + ["M"] * 111)
        rows = rng.uniform(size=(208, 60)) * np.where(labels == "M", 1.0, 0.7)[:, None]
        file.write_text(
            "".join(
                f"{','.join(f'{cell:.4f}' for cell in row)},{label}\n" for row, label in zip(rows, labels, strict=True)
            )
        )
    return file


class Place:
    """A service that listens.

    Attributes:
        url: Where it is, without a slash at the end.
        storage: Its database.
        folder: Where tests may write.
    """

    def __init__(self, url: str, storage: str, folder: Path) -> None:
        self.url, self.storage, self.folder = url, storage, folder

    def ask(self, path: str, role: str = "operator") -> Any:
        """What the API answers to a program."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {TOKENS[role]}"})  # noqa: S310
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - on loopback
                    return json.load(answer)
            except HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
                time.sleep(float(error.headers["Retry-After"]))  # busy: pages ask again, too


FOCUS = """[document.hasFocus(), document.activeElement.outerHTML.slice(0, 200),
    ...[":focus", ":focus-visible"].map((one) => document.activeElement.matches(one))]"""
"""Where the focus is: whether in this window, in which element, and as what its styles see it."""


@contextmanager
def serving(prepare: Callable[[str], None] | None = None) -> Iterator[Place]:
    """A service with a runner of one worker, on a database without sweeps, or with those that are put there before."""
    with scratch.folder("browser") as name:
        folder = Path(name)
        if prepare:
            prepare(storage_in(folder))
        with listening(folder, "--with-runner", "--workers", "1") as place:
            yield place


def storage_in(folder: Path) -> str:
    """Of a service in that folder."""
    return f"sqlite:///{folder / 'sweep.db'}"


@contextmanager
def listening(folder: Path, *more: str, port: int = 0, login: bool = True) -> Iterator[Place]:
    """A service on the database in a folder. It ends as Ctrl-C ends it.

    Args:
        folder: Where it is at work.
        more: Of its command line.
        port: 0 for a free one.
        login: Whether it asks for one of :data:`TOKENS`.
    """
    storage = storage_in(folder)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SWEEP_")}
    environment |= {f"SWEEP_{role.upper()}_TOKEN": token for role, token in TOKENS.items() if login}
    environment |= {"PYTHONPATH": str(ROOT), "SWEEP_STORAGE": storage}
    code = "from sweep.cli.main import main\nif __name__ == '__main__': main()"
    line = [sys.executable, "-c", code, "serve", "--port", str(port), *more]
    log = folder / "log"
    with log.open("w") as said:
        process = subprocess.Popen(line, cwd=folder, env=environment, stdout=said, stderr=said)
    try:
        address = until(lambda: _address(log.read_text(), process), lambda: log.read_text())
        yield Place(address.rstrip("/"), storage, folder)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()


def _address(said: str, process: subprocess.Popen[bytes]) -> str | None:
    assert process.poll() is None, said
    return next((word for word in said.split() if word.startswith("http://")), None)


def until(look: Callable[[], Any], why: Callable[[], str], wait: Callable[[float], object] = time.sleep) -> Any:
    """Looks until something is found; where nothing ever is, the test fails and says why."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, why()
        wait(0.05)
    return found


def press(control: Locator) -> None:
    """Uses a button or a link by the keyboard.

    Straight after scrolling, Chromium without a window takes clicks for such into a frame that was there before.
    """
    control.press("Enter")


@contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium, without a window."""
    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET, timeout=1000 * PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """Somebody at a browser. What the browser complains of is kept.

    Attributes:
        page: What is looked at.
        complaints: Errors of scripts, what the policy of a page forbids, what could not be loaded.
    """

    def __init__(self, page: Page, place: Place) -> None:
        self.page, self.place = page, place
        self.complaints: list[str] = []
        page.set_default_timeout(1000 * PATIENCE)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        url = message.location.get("url", "")
        busy = "status of 503" in message.text and "/v1/" in url  # the page asks again, and is looked at then
        if message.type == "error" and not busy:
            self.complaints.append(f"{message.text} ({url})")

    def go(self, path: str) -> None:
        """Opens a page."""
        self.page.goto(self.place.url + path)

    def log_in(self, role: str = "operator") -> None:
        """By the form."""
        self.go("/login")
        self.page.get_by_label("Token").fill(TOKENS[role])
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(self.place.url + "/")

    def until(self, look: Callable[[], Any], why: str) -> None:
        """Looks until something is so that comes later than what :func:`expect` can wait for."""
        until(look, lambda: why, lambda seconds: self.page.wait_for_timeout(1000 * seconds))  # and hears the browser

    def tab_to(self, wanted: Locator, most: int = 120) -> None:
        """Presses Tab until something has the focus, and looks whether one sees that it has."""
        self.page.wait_for_load_state()  # only then does Chromium leave the focus where Tab has put it after a "#place"
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if wanted.evaluate("element => element === document.activeElement"):
                try:
                    expect(wanted).not_to_have_css("outline-style", "none")
                except AssertionError:
                    raise AssertionError(f"{wanted} shows no focus: {self.page.evaluate(FOCUS)}") from None
                return
        raise AssertionError(f"{wanted} is not reached by {most} tabs")

    def picture(self, name: str, *, whole: bool = False) -> None:
        """A screenshot, where the environment variable ``SWEEP_SCREENSHOTS`` names a folder for them."""
        if folder := os.environ.get("SWEEP_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            if self.page.locator("iframe").count():
                self.page.wait_for_timeout(1000)  # frames of another origin are painted later than the page around them
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=whole)


@contextmanager
def visiting(browser: Browser, place: Place, **context: Any) -> Iterator[Visitor]:
    """Somebody with a browser of their own, who is content at the end."""
    with browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **context}) as own:
        visitor = Visitor(own.new_page(), place)
        yield visitor
        assert not visitor.complaints, visitor.complaints
