"""What pages do while the service is busy or away, and when it is back."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from sweep.store.store import Store
from tests import scratch
from tests.browser.place import PATIENCE, TOKENS, Place, listening, press, storage_in, visiting
from tests.service.served import make_sweeps

BUSY = re.compile("The service is busy just now")


def busy(route: Route) -> None:
    """As the service answers that cannot say it just now."""
    problem = {"title": "Service Unavailable", "status": 503, "detail": "too much is being made here", "code": "busy"}
    route.fulfill(
        status=503, content_type="application/problem+json", headers={"Retry-After": "1"}, body=json.dumps(problem)
    )


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Place, ExitStack]]:
    """With sweeps that were made up, and nobody who works on them; and what ends it. Whoever comes is an operator."""
    with scratch.folder("away") as name, ExitStack() as server:
        folder = Path(name)
        make_sweeps(storage_in(folder))
        yield server.enter_context(listening(folder, "--no-runner", login=False)), server


@pytest.fixture
def place(running: tuple[Place, ExitStack]) -> Place:
    return running[0]


def test_what_a_busy_service_puts_off_is_asked_for_again(place: Place, browser: Browser) -> None:
    with visiting(browser, place) as visitor:
        page = visitor.page
        page.route("**/v1/sweeps/done/figures", busy)
        page.route("**/v1/sweeps/done/answer", busy)
        visitor.go("/sweeps/done")
        expect(page.locator("#charts-wait")).to_have_text(BUSY)
        expect(page.locator("#answer-busy")).to_have_text(BUSY)
        visitor.picture("busy")
        page.unroute_all()
        expect(page.frame_locator("#frame iframe").locator(".main-svg").first).to_be_visible()
        expect(page.get_by_role("region", name="Each placement tested")).to_be_visible()
        for note in ("#charts-wait", "#answer-busy"):
            expect(page.locator(note)).to_be_empty()


def test_a_new_sweep_waits_for_a_busy_service(place: Place, browser: Browser) -> None:
    with visiting(browser, place) as visitor:
        page = visitor.page
        page.route("**/v1/definitions", busy)
        visitor.go("/new")
        expect(page.locator("#source-wait")).to_have_text(BUSY)
        page.unroute_all()
        expect(page.locator("#shipped option").first).to_be_attached()
        expect(page.locator("#source-wait")).to_be_empty()
        page.route("**/v1/definitions/check", busy)
        page.get_by_label("Or an example table").select_option("sklearn:iris")
        expect(page.locator("#estimate")).to_have_text(BUSY)
        expect(page.locator("#problems li")).to_have_count(0)
        page.unroute_all()
        expect(page.get_by_label("Name", exact=True)).to_have_value("iris")


def test_more_trials_are_asked_for_before_the_sweep_is_known(place: Place, browser: Browser) -> None:
    with visiting(browser, place) as visitor:
        page = visitor.page
        page.route("**/live", lambda route: route.fulfill(status=204))
        page.route("**/v1/sweeps/done", busy)
        visitor.go("/sweeps/done")
        page.get_by_label("Again with more trials", exact=True).fill("12")
        press(page.get_by_role("button", name="Go on"))
        expect(page.locator("#again-wrong")).to_have_text("More than the 12 trials that it has, as a whole number.")


def test_pages_say_that_the_service_is_away_and_go_on_when_it_is_back(
    running: tuple[Place, ExitStack], browser: Browser
) -> None:
    place, server = running
    port = urlsplit(place.url).port or 0
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(f"{place.url}/sweeps/running")
        expect(page.locator("#trials")).to_have_text("5 of 12 trials")
        expect(page.locator("#pace")).not_to_be_empty()
        expect(page.locator("#away")).to_be_hidden()
        server.close()  # the last of these tests: it is not needed any more
        held = server.enter_context(socket.socket())  # nobody else is given the port meanwhile
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        expect(page.locator("#away")).to_contain_text("cannot be reached just now")
        expect(page.locator("#runners")).to_have_text("not connected")
        expect(page.locator("#pace")).to_be_empty()  # nobody knows
        with listening(place.folder, "--no-runner", port=port, login=False):
            expect(page.locator("#away")).to_be_hidden()
            told(page, place, "the service is back")
        expect(page.locator("#away")).to_be_visible()
        with listening(place.folder, "--no-runner", port=port):  # it asks for a token now
            page.wait_for_url("**/login?next=*")
            page.get_by_label("Token").fill(TOKENS["viewer"])
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(f"{place.url}/sweeps/running")
            told(page, place, "it knows who looks")


def told(page: Page, place: Place, said: str) -> None:
    """Whether a page tells what happens now."""
    with Store.open(place.storage) as store:
        store.log("running", said)
    expect(page.locator("#log")).to_contain_text(said)
