"""Pages for whoever looks: with a viewer's rights, by keyboard, on a telephone, in the dark, with a screen reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FilePayload, expect

from sweep.store.store import Store
from tests.browser.place import TOKENS, Place, Visitor, press, serving, visiting
from tests.service.served import make_sweeps

PAGES = ("/", "/new", "/new?definition=breast_cancer", "/sweeps/done", "/sweeps/running", "/nothing")

SCREENS: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light"},
    "narrow": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "reduced_motion": "reduce"},
}


@pytest.fixture(scope="module")
def place(browser: Browser) -> Iterator[Place]:
    """With sweeps that were made up, with trials and an answer."""
    with serving(make_sweeps) as place:
        yield place


@pytest.fixture(scope="module", params=list(SCREENS))
def operator(request: pytest.FixtureRequest, place: Place, browser: Browser) -> Iterator[Visitor]:
    with visiting(browser, place, **SCREENS[request.param]) as visitor:
        visitor.log_in()
        yield visitor


def settled(visitor: Visitor, path: str) -> None:
    """Opens a page, and waits until its scripts have said what they have to say."""
    page = visitor.page
    visitor.go(path)
    if path.startswith("/sweeps/"):
        expect(page.frame_locator("#frame iframe").locator(".main-svg").first).to_be_visible()
    if path == "/sweeps/done":
        expect(page.get_by_role("region", name="Each placement tested")).to_be_visible()
    if "definition=" in path:
        expect(page.get_by_label("Trials", exact=True)).not_to_have_value("")
    if path != "/nothing":
        expect(page.locator("#runners")).not_to_be_empty()
    else:
        visitor.complaints.clear()  # the browser reports a page with the status 404


def looked_at(visitor: Visitor, name: str) -> None:
    """Whether a page fits, and axe finds nothing serious."""
    page = visitor.page
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "it scrolls sideways"
    visitor.picture(f"{name}-{width}")
    visitor.picture(f"{name}-{width}-whole", whole=True)
    found = Axe().run(page).response["violations"]
    wrong = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not wrong, [(one["id"], one["help"], [node["html"] for node in one["nodes"]][:5]) for one in wrong]
    assert not visitor.complaints, visitor.complaints


@pytest.mark.parametrize("path", PAGES)
def test_everybody_can_use_a_page(operator: Visitor, path: str) -> None:
    settled(operator, path)
    looked_at(operator, re.sub(r"[^a-z]+", "-", path).strip("-") or "sweeps")


@pytest.mark.parametrize("screen", list(SCREENS))
def test_everybody_can_log_in(place: Place, browser: Browser, screen: str) -> None:
    with visiting(browser, place, **SCREENS[screen]) as visitor:
        visitor.go("/")
        expect(visitor.page.get_by_label("Token")).to_be_focused()
        looked_at(visitor, "login")


def test_a_viewer_changes_nothing(place: Place, browser: Browser) -> None:
    with visiting(browser, place) as viewer:
        viewer.log_in("viewer")
        page = viewer.page
        expect(page.get_by_text("viewer: looks, changes nothing")).to_be_visible()
        assert page.get_by_role("link", name="New sweep").count() == 0
        settled(viewer, "/sweeps/done")
        expect(page.get_by_text("only an operator can pause")).to_be_visible()
        names = page.get_by_role("main").get_by_role("button").all_inner_texts()
        assert {name for name in names if name} <= {"Show it here", "Copy"}
        for method, path in writes(place):
            assert status(viewer, method, path) == 403, (method, path)
        for method, path in DASHBOARD:
            assert status(viewer, method, path) == 403, (method, path)
        viewer.complaints.clear()  # the browser reports each of them
        assert [sweep["name"] for sweep in place.ask("/v1/sweeps?sort=name&order=asc")["sweeps"]] == [
            "done",
            "orphaned",
            "running",
        ]


def test_a_viewer_sees_nothing_to_press_in_the_dashboard(place: Place, browser: Browser) -> None:
    study = place.ask("/v1/sweeps/done")["study"]
    pages = ("/dashboard", f"/dashboard/studies/{study}/note")
    for role, shown in (("operator", True), ("viewer", False)):
        with visiting(browser, place) as visitor:
            page = visitor.page
            visitor.log_in(role)
            found = set()
            for path in pages:
                visitor.go(path)
                expect(page.get_by_text("done").first).to_be_visible()
                expect(page.get_by_text("you may look at everything here")).to_have_count(0 if shown else 1)
                visitor.picture(f"dashboard-{role}-{path.rpartition('/')[2]}")
                found |= {
                    name for name, press in WRITING.items() if page.locator(press).locator("visible=true").count()
                }
            assert found == (set(WRITING) if shown else set())


WRITING = {
    "create": 'button:has-text("Create")',
    "rename": '[aria-label="rename study"]',
    "delete": '[aria-label="delete study"]',
    "note": 'button:has([data-testid="EditIcon"])',
}
"""What changes something in Optuna's dashboard."""


DASHBOARD = (
    ("POST", "/api/studies"),
    ("DELETE", "/api/studies/1"),
    ("POST", "/api/studies/1/rename"),
    ("PUT", "/api/studies/1/note"),
    ("POST", "/api/trials/1/tell"),
    ("POST", "/api/studies/1/preference"),
)


def writes(place: Place) -> Iterator[tuple[str, str]]:
    """Every operation of the API that is no reading, with something in place of its parameters."""
    names = {"name": "done"}
    for path, operations in place.ask("/v1/openapi.json")["paths"].items():
        for method in operations:
            if method not in ("get", "head", "options"):
                yield method.upper(), re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "0" * 32), path)


def status(visitor: Visitor, method: str, path: str) -> int:
    """What a page gets that tries to write, with the session of who looks at it."""
    found: int = visitor.page.evaluate(
        """async ([method, path]) => {
          const headers = { "Content-Type": "application/json" };
          return (await fetch(path, { method, headers, body: "{}" })).status;
        }""",
        [method, path],
    )
    return found


def test_the_keyboard_is_enough(place: Place, browser: Browser) -> None:
    with visiting(browser, place) as visitor:
        page = visitor.page
        visitor.go("/login")
        expect(page.get_by_label("Token")).to_be_focused()
        page.keyboard.type(TOKENS["operator"])
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Sweeps")).to_be_visible()
        visitor.tab_to(page.get_by_role("link", name="Skip to the content"), most=1)
        page.keyboard.press("Enter")
        expect(page.get_by_role("main")).to_be_focused()  # with the next picture that the browser draws, not before
        visitor.tab_to(page.get_by_role("link", name="New sweep").nth(1))  # the first one is before the content
        page.keyboard.press("Enter")
        visitor.tab_to(page.get_by_label("Or an example table"))
        page.keyboard.press("i")  # no other begins so; Chromium forgets after a second what was typed
        expect(page.get_by_label("Name", exact=True)).to_have_value("iris")
        visitor.tab_to(page.get_by_label("Name", exact=True))
        page.keyboard.press("Control+A")
        page.keyboard.type("by-keyboard")
        visitor.tab_to(page.locator('#placements input[value="all"]'))
        page.keyboard.press("Space")
        expect(page.get_by_label("The definition", exact=True)).to_have_value(
            re.compile(r'placement = \{ choices = \["none", "input", "hidden"\] \}')
        )
        visitor.tab_to(page.get_by_role("button", name="Launch the sweep"))
        page.keyboard.press("Enter")
        page.wait_for_url("**/sweeps/by-keyboard")
        visitor.tab_to(page.get_by_role("button", name="Cancel"))
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_have_text("cancelled")
        visitor.tab_to(page.get_by_role("button", name="Delete this sweep"))
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.keyboard.press("Enter")  # the focus is where it was
        page.keyboard.type("by-keyboard")
        page.keyboard.press("Enter")
        page.wait_for_url(place.url + "/")
        expect(page.locator('tr[data-name="by-keyboard"]')).to_have_count(0)


WRITTEN = "rows => rows.map(row => row.outerHTML.replace(/\\s+/g, ' ').replace(/> </g, '><'))"
SERVED = f"""async (address) => {{
  const text = await (await fetch(address)).text();
  return ({WRITTEN})([...new DOMParser().parseFromString(text, "text/html").querySelectorAll("#sweeps tbody tr")]);
}}"""
"""The rows of sweeps in a page as the service makes it, before a script has changed anything."""


def test_scripts_draw_what_the_service_has_drawn(place: Place, browser: Browser) -> None:
    address = "/?sort=name&order=asc"
    with visiting(browser, place) as visitor:
        page = visitor.page
        rows = page.locator("#sweeps tbody tr")

        def served() -> list[str]:
            found: list[str] = page.evaluate(SERVED, address)
            return found

        visitor.log_in()
        visitor.go(address)
        before = served()
        page.get_by_label("Search").fill("done")
        expect(rows).to_have_count(1)
        page.get_by_label("Search").fill("")
        expect(rows).to_have_count(3)
        drawn = rows.evaluate_all(WRITTEN)
        after = served()
        # A minute of a sweep's age may turn meanwhile: each row is as it was served before or after.
        assert len(before) == len(after) == len(drawn)
        for row, earlier, later in zip(drawn, before, after, strict=True):
            assert row in (earlier, later)


def test_sweeps_are_searched_filtered_and_sorted(place: Place, browser: Browser) -> None:
    with visiting(browser, place) as visitor:
        page = visitor.page
        visitor.log_in()
        rows = page.locator("#sweeps tbody tr")
        page.get_by_role("link", name="Sweep", exact=True).click()
        expect(page.locator("th[aria-sort=ascending]")).to_have_text("Sweep")
        page.get_by_label("State", exact=True).select_option("done")
        expect(rows).to_have_count(1)
        expect(page).to_have_url(f"{place.url}/?state=done&sort=name&order=asc")
        page.reload()
        expect(rows).to_have_count(1)
        page.get_by_label("State", exact=True).select_option("")
        page.get_by_label("Search").fill("nothing like that")
        expect(page.get_by_text("No sweep is like that.")).to_be_visible()
        page.get_by_label("Search").fill("ORPHAN")
        expect(rows).to_have_count(1)


@pytest.mark.parametrize("way", ["events", "polling"])
def test_what_happens_is_told_as_it_happens(place: Place, browser: Browser, way: str) -> None:
    with visiting(browser, place) as visitor:
        page = visitor.page
        visitor.log_in()
        if way == "polling":  # where events do not come through
            page.route("**/live", lambda route: route.fulfill(status=204))
        settled(visitor, "/sweeps/running")
        said = f"the worker was lost; by {way}: <b>its trials</b> are trained by another"
        with Store.open(place.storage) as store:
            store.log("running", said, level="warning")
        expect(page.locator("#log .warning")).to_contain_text([said])


def test_a_table_is_handed_in_again(place: Place, browser: Browser) -> None:
    """Its sweep gets a name that is free, and no bare control of the browser's appears."""
    rows = "".join(f"{number},{number % 3},{number % 2}\n" for number in range(60))
    file: FilePayload = {
        "name": "done.csv",
        "mimeType": "text/csv",
        "buffer": f"alpha,beta,outcome\n{rows}".encode(),
    }
    with visiting(browser, place) as visitor:
        page = visitor.page
        visitor.log_in()
        visitor.go("/new")
        with page.expect_file_chooser() as chooser:
            page.get_by_text("Choose a file", exact=True).click()
        chooser.value.set_files(file)
        expect(page.get_by_label("Name", exact=True)).to_have_value("done-2")
        expect(page.get_by_label("The definition", exact=True)).to_have_value(re.compile(r'^name = "done-2"$', re.M))
        box = page.locator("#file").bounding_box()
        assert box is not None
        assert (box["width"], box["height"]) == (1, 1)


def test_of_a_sweep_one_sees_rates_and_how_little_it_rests_on(place: Place, browser: Browser) -> None:
    with visiting(browser, place) as visitor:
        page = visitor.page
        visitor.log_in()
        settled(visitor, "/sweeps/done")
        rates = page.locator("#bests tr td:nth-child(3)").all_text_contents()
        assert rates[0] == ""  # no dropout
        assert 0 < float(rates[1]) < 1
        expect(page.locator("#few")).to_contain_text("Few trials for each placement.")
        press(page.get_by_role("button", name="Delete this sweep"))
        box = page.get_by_role("dialog").bounding_box()
        assert box is not None
        assert abs(box["x"] + box["width"] / 2 - 640) < 16  # in the middle
        assert abs(box["y"] + box["height"] / 2 - 430) < 16
        visitor.picture("delete")


def test_a_target_that_cannot_be_guessed_is_asked_for(place: Place, browser: Browser) -> None:
    rows = "".join(f"{2000 + number},{number % 3},2020-01-{number % 28 + 1:02}\n" for number in range(60))
    with visiting(browser, place) as visitor:
        page = visitor.page
        visitor.log_in()
        visitor.go("/new")
        page.get_by_label("Choose a file").set_input_files(
            {"name": "visits.csv", "mimeType": "text/csv", "buffer": f"alpha,beta,when\n{rows}".encode()}
        )
        target = page.get_by_label("Target")
        expect(target).to_have_value("")
        expect(target).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#f-data-target-wrong")).to_contain_text("Choose the column to predict")
        expect(page.get_by_text("--target")).to_have_count(0)  # that is for the command line
        expect(page.get_by_role("button", name="Launch the sweep")).to_be_hidden()
        expect(page.locator("#columns tr")).to_have_count(3)
        target.select_option("alpha")
        expect(page.get_by_label("Name", exact=True)).to_have_value("visits")
        expect(page.locator("#f-data-target-wrong")).to_be_empty()
        expect(page.get_by_role("button", name="Launch the sweep")).to_be_visible()


def test_a_file_keeps_its_name_in_what_is_said_of_it(place: Place, browser: Browser) -> None:
    rows = "".join(f"{number},{number % 3},same\n" for number in range(60))
    with visiting(browser, place) as visitor:
        page = visitor.page
        visitor.log_in()
        visitor.go("/new")
        page.get_by_label("Choose a file").set_input_files(
            {"name": "same.csv", "mimeType": "text/csv", "buffer": f"alpha,beta,y\n{rows}".encode()}
        )
        said = page.get_by_text("same.csv: the target 'y' has one class only: 'same'.", exact=True)
        expect(said.first).to_be_visible()


def test_what_users_wrote_is_text(place: Place, browser: Browser) -> None:
    hostile = "<img src=x onerror=window.pwned=1>"
    rows = "".join(
        f'{number},"<script>window.pwned=2</script>",=1+{number},{"yes" if number % 2 else "no"}\n'
        for number in range(60)
    )
    table = f'{hostile},"a ""quoted"" name",=cmd|calc,y\n{rows}'
    with visiting(browser, place) as visitor:
        page = visitor.page
        visitor.log_in()
        visitor.go("/new")
        page.get_by_label("Choose a file").set_input_files(
            {"name": f"{hostile}.csv", "mimeType": "text/csv", "buffer": table.encode()}
        )
        expect(page.locator("#columns th").first).to_have_text(hostile)
        expect(page.locator("#columns")).to_contain_text("=1+3")
        assert page.evaluate("window.pwned") is None
        assert page.locator("img").count() == 0
