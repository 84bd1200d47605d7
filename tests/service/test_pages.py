"""Pages as they are first served. What their scripts do with them, ``tests/browser`` looks at."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from sweep.run.lease import this_process
from sweep.service import assets, pages
from sweep.service.app import create_app
from sweep.shipped import folder
from sweep.store.failures import UnreachableError
from sweep.store.rows import NewOrder
from sweep.store.store import Store
from tests.service.served import made, served, service_of, sqlite_in
from tests.service.serving import OPERATOR, VIEWER, options
from tests.service.serving import client as client_of
from tests.stored_sweep import DEFINITION, fill

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Parsed(HTMLParser):
    """The elements of a page: names with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, tag: str, attribute: str) -> list[str]:
        return [own[attribute] or "" for name, own in self.elements if name == tag and attribute in own]

    def ids(self) -> set[str]:
        return {own["id"] or "" for _, own in self.elements if "id" in own}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Of sweeps that no test changes."""
    with made(sqlite_in(tmp_path_factory.mktemp("pages"))) as client:
        client.headers.update(PAGE)
        yield client


def shown(client: TestClient, path: str, status: int = 200) -> Parsed:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Parsed(answer.text)


# --- all sweeps -------------------------------------------------------------------------------------------------------


def test_the_runner_that_is_kept_beside_is_not_asked_for(sqlite_url: str) -> None:
    with client_of(create_app(options(login=False, storage=sqlite_url, runner=True)), **PAGE) as client:
        page = client.get("/").text
    assert "The runner is not there yet." in page
    assert "Start one on" not in page


def test_all_sweeps_are_there_before_any_script_runs(client: TestClient) -> None:
    page = shown(client, "/")
    assert set(page.values("tr", "data-name")) == {"done", "running", "orphaned"}
    assert "5 of 12 trials" in page.text
    assert "Best score so far, raw" in page.text
    assert client.get("/v1/sweeps/done").json()["answer"]["headline"] in page.text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=run", ["running"]),
        ("q=nothing+is+like+that", []),
        ("state=done", ["done"]),
        ("state=failed", []),
        ("sort=name&order=asc", ["done", "orphaned", "running"]),
        ("sort=name&order=desc", ["running", "orphaned", "done"]),
        ("sort=name&order=asc&state=no-such-state&offset=-3", ["done", "orphaned", "running"]),
        ("sort=name&order=asc&offset=99999999999999999999", ["done", "orphaned", "running"]),
        ("sort=password&order=sideways&q=running", ["running"]),
    ],
)
def test_what_the_address_asks_for(client: TestClient, query: str, names: list[str]) -> None:
    page = shown(client, f"/?{query}")
    assert page.values("tr", "data-name") == names
    assert "drop" not in page.ids()  # that is for whoever has no sweep at all


def test_a_page_has_a_hundred_sweeps(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LIMIT", 2)
    first = shown(client, "/?sort=name&order=asc")
    assert first.values("tr", "data-name") == ["done", "orphaned"]
    assert "1 to 2 of 3" in first.text
    [after] = [own["href"] for tag, own in first.elements if own.get("id") == "after" and tag == "a"]
    last = shown(client, after or "")
    assert last.values("tr", "data-name") == ["running"]
    assert "3 to 3 of 3" in last.text


def test_headers_turn_the_order_around(client: TestClient) -> None:
    links = shown(client, "/?sort=name&order=asc&q=o").values("a", "href")
    assert "/?q=o&sort=name" in links  # descending is what an address need not say
    assert "/?q=o&sort=progress" in links


def test_nobodys_first_sweep_is_invited(sqlite_url: str) -> None:
    with served(sqlite_url) as client:
        client.headers.update(PAGE)
        page = shown(client, "/")
        assert "Drop a table here" in page.text
        assert "file" in page.ids()


def test_who_has_no_runner_is_told_how_to_start_one(client: TestClient, sqlite_url: str) -> None:
    page = shown(client, "/")
    assert f"sweep runner --storage {service_of(client).store.shown}" in page.text
    with served(sqlite_url) as other:
        other.headers.update(PAGE)
        store = service_of(other).store
        notes = [own for tag, own in shown(other, "/").elements if "no-runner" in (own.get("class") or "")]
        assert ["hidden" in own for own in notes] == [False]
        store.runner_seen(this_process(), "local, 2 workers", None)
        notes = [own for tag, own in shown(other, "/").elements if "no-runner" in (own.get("class") or "")]
        assert ["hidden" in own for own in notes] == [True]


# --- one sweep --------------------------------------------------------------------------------------------------------


def test_a_sweep(client: TestClient) -> None:
    page = shown(client, "/sweeps/done")
    assert "12 of 12 trials" in page.text
    assert "dropout on the inputs" in page.text  # what a placement means stands where it first appears
    assert "too good" in page.text  # and what raw means
    assert {"answer", "best-table", "frame", "log", "delete-dialog", "again"} <= page.ids()


def test_what_users_wrote_is_text(sqlite_url: str) -> None:
    table = '<img src=x onerror="alert(1)">.csv'
    order = NewOrder(
        name="made",
        definition=DEFINITION,
        priority=0,
        trials=4,
        metric="accuracy",
        source=table,
        data_hash=None,
        table_sha256=None,
    )
    with Store.open(sqlite_url) as store:
        store.save_order(order, "queued")
    with served(sqlite_url) as client:
        client.headers.update(PAGE)
        for path in ("/", "/sweeps/made", "/?q=" + "%3Cscript%3E%22"):
            page = shown(client, path)
            assert not page.values("img", "src"), path
            assert not [own for _, own in page.elements if "onerror" in own], path
        assert table in shown(client, "/").text


# --- rights -----------------------------------------------------------------------------------------------------------


def test_a_viewer_is_offered_nothing_that_writes(sqlite_url: str) -> None:
    fill(sqlite_url, "made", trials=4, budget=4)
    app = create_app(options(storage=sqlite_url))
    with client_of(app, OPERATOR, **PAGE) as operator, client_of(app, VIEWER, **PAGE) as viewer:
        writes = {"again", "delete", "delete-dialog", "confirm"}
        assert writes <= shown(operator, "/sweeps/made").ids()
        page = shown(viewer, "/sweeps/made")
        assert not writes & page.ids()
        assert "only an operator can" in page.text
        assert "/new" in shown(operator, "/").values("a", "href")
        assert "/new" not in shown(viewer, "/").values("a", "href")
        assert not {"file", "launch", "toml"} & shown(viewer, "/new").ids()
        assert sqlite_url not in shown(operator, "/").text  # where people log in, the database is not theirs to know


def test_the_login_page_tells_nothing_and_offers_nothing(sqlite_url: str) -> None:
    fill(sqlite_url, "made", trials=4, budget=4)
    with client_of(create_app(options(storage=sqlite_url)), **PAGE) as nobody:
        page = shown(nobody, "/login?next=/sweeps/made")
        assert page.values("form", "action") == ["/login"]
        assert [own["value"] for _, own in page.elements if own.get("name") == "next"] == ["/sweeps/made"]
        assert "1 of" not in page.text
        assert not page.values("nav", "aria-label")


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/sweeps/none-such", "/nothing/here", "/sweeps/%3Cscript%3Ealert(1)%3C%2Fscript%3E"])
def test_who_looks_at_a_page_sees_an_error_as_one(client: TestClient, path: str) -> None:
    page = shown(client, path, 404)
    assert "There is no such page" in page.text
    assert not [name for name, own in page.elements if name == "script" and "src" not in own]
    program = client.get(path, headers={"Accept": "application/json"})
    assert program.headers["content-type"] == "application/problem+json"
    assert client.get(f"/v1{path}").headers["content-type"] == "application/problem+json"


def test_the_page_of_an_error_says_what_is_allowed(client: TestClient) -> None:
    answer = client.put("/new", content=b"", headers={"Content-Type": "application/json"})
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_the_page_of_an_error_needs_no_database(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise UnreachableError("the database postgresql://ann@db.example/x cannot be used: no route to db.example")

    monkeypatch.setattr(type(service_of(client).snapshots), "all", away)
    monkeypatch.setattr(type(service_of(client).store), "runners", away)
    answer = client.get("/")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "the database cannot be reached, or is busy" in Parsed(answer.text).text
    assert "db.example" not in answer.text + client.get("/v1/sweeps").text  # where it is, is not for all who may look


# --- what all pages are made of ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/new", "/sweeps/done", "/nothing"])
def test_pages_keep_to_their_policy(client: TestClient, path: str) -> None:
    page = Parsed(client.get(path).text)
    for name, own in page.elements:
        assert "style" not in own, (name, own)
        assert not [key for key in own if key.startswith("on")], (name, own)
        assert name != "style"
        if name == "script":
            assert (own["src"] or "").startswith("/assets/")
    for address in [*page.values("script", "src"), *page.values("link", "href"), *page.values("div", "data-frame")]:
        assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("path", ["/", "/new", "/sweeps/done"])
def test_every_label_and_description_has_its_element(client: TestClient, path: str) -> None:
    page = shown(client, path)
    for _, own in page.elements:
        for attribute in ("for", "aria-describedby", "aria-labelledby", "aria-controls"):
            for wanted in (own.get(attribute) or "").split():
                assert wanted in page.ids(), (attribute, wanted)


def test_templates_mark_nothing_as_safe() -> None:
    for template in folder("dashboards").glob("*.j2"):
        if template.name in {"base.html.j2", "macros.html.j2", "runner_note.html.j2"} or _is_page(template):
            assert not re.search(r"\|\s*safe|autoescape", template.read_text()), template.name


def _is_page(template: Path) -> bool:
    return "extends" in template.read_text()


# --- assets -----------------------------------------------------------------------------------------------------------


def test_scripts_never_make_markup_of_text() -> None:
    for name in assets.contents():
        if name.endswith(".js"):
            script = assets.contents()[name].decode()
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script
            )


def test_scripts_import_what_there_is() -> None:
    exported = {
        name: set(re.findall(r"^export const (\w+)|^export class (\w+)", content.decode(), re.MULTILINE))
        for name, content in assets.contents().items()
        if name.endswith(".js")
    }
    for name in exported:
        for names, module in re.findall(
            r'^import \{ ([^}]+) \} from "\./([^"]+)";', assets.contents()[name].decode(), re.M
        ):
            known = {one for pair in exported[module] for one in pair if one}
            assert set(re.split(r",\s*", names)) <= known, (name, module)


def test_every_asset_is_served_and_kept(client: TestClient) -> None:
    for name in assets.contents():
        answer = client.get(assets.address(name))
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.content == assets.contents()[name]
    with pytest.raises(KeyError):
        assets.address("no-such.js")


def test_an_asset_under_another_version_is_not_kept(client: TestClient) -> None:
    answer = client.get("/assets/0123456789abcdef/app.css")
    assert answer.content == assets.contents()["app.css"]
    assert answer.headers["cache-control"] == "no-cache"
    assert client.get(f"/assets/{assets.version()}/report.css").status_code == 404
    assert client.get(f"/assets/{assets.version()}/..%2fpyproject.toml").status_code == 404


def test_there_is_an_icon_for_pages_that_name_none(client: TestClient) -> None:
    answer = client.get("/favicon.ico")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")


def test_a_version_is_of_what_all_assets_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    before = assets.version()
    changed = assets.contents() | {"app.css": assets.contents()["app.css"] + b"\n"}
    monkeypatch.setattr(assets, "contents", lambda: changed)
    assert assets.version.__wrapped__() != before


def test_assets_are_compressed_for_who_takes_that(client: TestClient) -> None:
    plain = client.get(assets.address("app.css"), headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with client.stream("GET", assets.address("frame.html"), headers={"Accept-Encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert len(packed) < 2e6
    assert gzip.decompress(packed) == assets.contents()["frame.html"]


def test_the_frame_of_the_charts_reaches_nothing(client: TestClient) -> None:
    answer = client.get(assets.address("frame.html"))
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["sandbox"] == "allow-scripts"
    assert policy["frame-ancestors"] == "'self'"
    assert re.fullmatch(r"('sha256-[\w+/=]+' ?)+", policy["script-src"])
    assert "connect-src" not in policy
    assert not re.search(rb"<(script|link|img)[^>]+(src|href)=", answer.content[:3000])


def test_ages_are_written_as_scripts_write_them() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    seconds = {0: "just now", 59: "just now", 60: "1 min ago", 3599: "59 min ago", 3600: "1 h ago", 86399: "23 h ago"}
    seconds |= {86400: "1 day ago", 3 * 86400 + 5: "3 days ago", -5: "just now"}
    assert {each: pages.ago(now - timedelta(seconds=each), now) for each in seconds} == seconds
