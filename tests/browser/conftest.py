"""One service and one browser for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.place import CHROMIUM, Place, browsing, serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not for longer than a module: as long as it is open there is an event loop, and other tests have their own.
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="module")
def place(browser: Browser) -> Iterator[Place]:
    with serving() as place:
        yield place
