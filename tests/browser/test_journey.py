"""From a table to an answer, as somebody goes who has read nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.place import PATIENCE, ROOT, TOKENS, Place, Visitor, press, sonar, visiting


def field(page: Page, label: str, value: str) -> None:
    """Fills a field in, and goes on to the next."""
    control = page.get_by_label(label, exact=True)
    control.fill(value)
    control.press("Tab")


def test_from_a_table_to_an_answer(place: Place, browser: Browser) -> None:
    with visiting(
        browser, place, permissions=["clipboard-read", "clipboard-write"], reduced_motion="reduce"
    ) as visitor:
        log_in(visitor)
        hand_in(visitor)
        choose(visitor)
        launch(visitor)
        confirm(visitor)
        take_away(visitor)
        browse(visitor)
        go_on_and_delete(visitor)


def log_in(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/new")
    expect(page).to_have_url(f"{visitor.place.url}/login?next=/new")
    page.get_by_label("Token").fill("not-the-right-token-at-all")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).not_to_be_empty()
    visitor.complaints.clear()  # the browser reports a page with the status 401
    page.get_by_label("Token").fill(TOKENS["operator"])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="New sweep")).to_be_visible()


def hand_in(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("link", name="Sweeps", exact=True).click()
    expect(page.get_by_role("heading", name="Drop a table here")).to_be_visible()
    expect(page.get_by_text("runner ready")).to_be_visible()
    visitor.picture("first")
    page.wait_for_load_state()  # the script that takes the file
    page.get_by_label("Choose a file").set_input_files(sonar(visitor.place.folder))
    page.wait_for_url("**/new?upload=*")
    expect(page.get_by_label("Target")).to_have_value("column61")
    expect(page.get_by_text("tell two classes apart")).to_be_visible()
    expect(page.locator("tr.is-target")).to_contain_text("column61")


def choose(visitor: Visitor) -> None:
    page = visitor.page
    definition = page.get_by_label("The definition", exact=True)
    expect(page.get_by_label("Name", exact=True)).to_have_value("sonar")
    visitor.picture("new")
    visitor.picture("new-whole", whole=True)
    field(page, "Trials", "8")
    field(page, "Epochs", "30")
    field(page, "Folds", "3")
    field(page, "Hidden layers", "16, 8")
    field(page, "Dropout rate: to", "1.5")
    wrong = page.locator("#f-space-dropout-wrong")
    expect(wrong).to_have_text("Must be below 1, however: 1.5.")
    expect(page.get_by_label("Dropout rate: to")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Dropout rate: from")).not_to_have_attribute("aria-invalid", "true")
    expect(page.locator("#problems")).to_contain_text("space.dropout.high")
    expect(page.get_by_role("button", name="Launch the sweep")).to_have_attribute("aria-disabled", "true")
    field(page, "Dropout rate: to", "0.6")
    expect(wrong).to_be_empty()
    text = definition.input_value()
    assert "dropout = { low = 0.05, high = 0.6 }" in text
    assert "# probability of dropping a unit" in text  # comments stay
    page.get_by_role("button", name="Copy").click()
    visitor.until(lambda: page.evaluate("navigator.clipboard.readText()") == text, "it is not copied")
    definition.fill(text.replace("trials = 8", "trials = 4"))  # pasted back, with a change
    expect(page.get_by_label("Trials", exact=True)).to_have_value("4")
    definition.fill(text)
    expect(page.get_by_label("Trials", exact=True)).to_have_value("8")
    expect(page.locator("#estimate")).to_contain_text("8 trials over 4 placements")


def launch(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("button", name="Launch the sweep").click()
    page.wait_for_url("**/sweeps/sonar")
    expect(page.locator("#state")).to_have_text("done")
    expect(page.locator("#trials")).to_have_text("8 of 8 trials")
    expect(page.locator("#bests tr")).to_have_count(4)
    expect(page.locator("#log")).to_contain_text("8 of 8 trials are finished")
    charts = page.frame_locator('iframe[title="Charts of the sweep"]')
    expect(charts.locator(".main-svg").first).to_be_visible()

    def all_are_drawn() -> bool:  # what was made while it ran may be shown for a while
        figures = visitor.place.ask("/v1/sweeps/sonar/figures")["figures"]
        drawn = charts.locator(".plot .main-svg:first-child").count()
        return len(figures) == drawn == page.locator("#captions p").count()

    visitor.until(all_are_drawn, "not every figure is drawn")
    frame = page.locator("#frame iframe")
    visitor.until(lambda: frame.evaluate("frame => frame.clientHeight") > 600, "the frame is not as high as its charts")
    visitor.picture("sweep")
    page.locator("#charts").evaluate("section => section.scrollIntoView()")
    visitor.picture("charts")


def confirm(visitor: Visitor) -> None:
    page = visitor.page
    press(page.get_by_role("button", name="Run the confirmation"))
    words = page.locator("#answer-words")
    expect(words).not_to_be_empty()
    answer = visitor.place.ask("/v1/sweeps/sonar/answer")
    expect(words).to_have_text(answer["sentence"])
    table = page.get_by_role("region", name="Each placement tested")
    for arm in answer["arms"]:
        row = table.get_by_role("row", name=arm["placement"])
        expect(row).to_contain_text(arm["verdict"])
        expect(row).to_contain_text(f"{100 * arm['score']:.1f} %")
    visitor.picture("answer")
    press(page.get_by_role("button", name="Show it here"))
    report = page.frame_locator('iframe[title="Report of sonar"]')
    expect(report.get_by_role("heading", name="sonar", exact=True)).to_be_visible()


def take_away(visitor: Visitor) -> None:
    page, folder = visitor.page, visitor.place.folder / "taken"
    folder.mkdir()
    with page.expect_download() as download:
        press(page.get_by_role("link", name="Configuration, TOML: download"))
    download.value.save_as(folder / "best.toml")
    sonar(folder)
    best = json.loads(run(folder, "run", "best.toml", "--cluster", "inline", "--quiet", "--json"))
    assert best["score"] == pytest.approx(visitor.place.ask("/v1/sweeps/sonar/best")["score"])
    with page.expect_download() as download:
        press(page.get_by_role("button", name="PyTorch script: make and download"))
    compile(Path(download.value.path()).read_text(), "best.py", "exec")
    expect(page.get_by_role("link", name=download.value.suggested_filename)).to_be_visible()


def run(folder: Path, *arguments: str) -> str:
    """The real command, in a folder with nothing but what was taken away."""
    code = "from sweep.cli.main import main\nif __name__ == '__main__': main()"
    line = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        line, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def browse(visitor: Visitor) -> None:
    page = visitor.page
    press(page.get_by_role("link", name="sonar in Optuna’s dashboard"))
    page.wait_for_url(f"**/dashboard/studies/{visitor.place.ask('/v1/sweeps/sonar')['study']}")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    visitor.picture("dashboard")
    page.get_by_role("link", name="Note").click()
    expect(page.get_by_text(visitor.place.ask("/v1/sweeps/sonar")["answer"]["headline"]).first).to_be_visible()


def go_on_and_delete(visitor: Visitor) -> None:
    page = visitor.page
    visitor.go("/sweeps/sonar")
    field(page, "Again with more trials", "8")
    press(page.get_by_role("button", name="Go on"))
    expect(page.locator("#again-wrong")).to_contain_text("More than the 8 trials that it has")
    field(page, "Again with more trials", "12")
    press(page.get_by_role("button", name="Go on"))
    expect(page.locator("#trials")).to_have_text("12 of 12 trials")
    expect(page.locator("#state")).to_have_text("done")
    expect(page.locator("#honest")).to_contain_text("honest score")  # else deleting it refuses what is under way
    expect(page.get_by_role("button", name="Run the confirmation")).to_be_visible()  # the answer was of other winners
    press(page.get_by_role("button", name="Delete this sweep"))
    delete = page.get_by_role("dialog").get_by_role("button", name="Delete")
    expect(delete).to_be_disabled()
    page.get_by_label("Type its name to go on").fill("sonar")
    press(delete)
    expect(page.get_by_role("heading", name="Drop a table here")).to_be_visible()
    assert visitor.place.ask("/v1/sweeps")["total"] == 0
