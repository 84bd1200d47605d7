"""What stands before everything, whatever is mounted behind: here an application that does whatever it is asked."""

from __future__ import annotations

import pytest
from fastapi import Request
from starlette.datastructures import Headers

from sweep.service.guard import crosses, host_name, origin_of
from tests.service.serving import (
    OPERATOR,
    VIEWER,
    Behind,
    app_with,
    client,
)

SAME = {"Sec-Fetch-Site": "same-origin"}
JSON = {"Content-Type": "application/json"}
UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "TRACE", "ANYTHING")

pytestmark = pytest.mark.usefixtures("quick")


# ------------------------------------------------------------------------------------------------------------- hosts


@pytest.mark.parametrize(
    ("host", "answered"),
    {
        "localhost": True,
        "LOCALHOST:8000": True,
        "localhost.": True,
        "127.0.0.1:8000": True,
        "[::1]:8000": True,
        "evil.example": False,
        "evil.example:8000": False,
        "localhost.evil.example": False,
        "localhost@evil.example": False,
        "evil.example#localhost": False,
        "evil.example/localhost": False,
        "localhost:x": False,
        "[::1": False,
        "192.0.2.1": False,
        "": False,
    }.items(),
)
@pytest.mark.parametrize("login", [False, True])
def test_only_requests_that_name_this_service(host: str, answered: bool, login: bool, behind: Behind) -> None:
    """A name of somebody else's that was pointed here (DNS rebinding) is none."""
    somebody = client(app_with(behind, login=login), OPERATOR, Host=host)
    for path in ("/api/x", "/health"):
        found = somebody.get(path)
        assert found.status_code == (200 if answered else 421)
        assert answered or found.json()["code"] == "host"
    assert bool(behind.seen) == answered


def test_two_hosts_are_none(behind: Behind) -> None:
    somebody = client(app_with(behind, login=False))
    assert somebody.get("/api/x", headers=[("Host", "localhost"), ("Host", "localhost")]).status_code == 421


def test_where_any_host_will_do(behind: Behind) -> None:
    somebody = client(app_with(behind, hosts=frozenset()), VIEWER, Host="sweep.example.org")
    assert somebody.get("/api/x").status_code == 200


@pytest.mark.parametrize(
    ("header", "name"),
    {"a.b:1": "a.b", "[::1]:1": "::1", "A": "a", "u@a": "", "a/b": "", "a?b": "", "a#b": "", "a:b": "", "": ""}.items(),
)
def test_names_in_hosts(header: str, name: str) -> None:
    assert host_name(header) == name


# ------------------------------------------------------------------------------------------------------------- sites

CROSSING: list[tuple[dict[str, str], bool]] = [
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),  # typed by whoever sits there
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),  # such as another port of localhost
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, False),
    ({"Sec-Fetch-Site": "anything"}, False),
    ({"Origin": "http://localhost"}, True),
    ({"Origin": "http://localhost:80"}, True),
    ({"Origin": "http://localhost:3000"}, False),
    ({"Origin": "https://localhost"}, False),
    ({"Origin": "http://evil.example"}, False),
    ({"Origin": "http://localhost.evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": ""}, False),
]


@pytest.mark.parametrize("login", [False, True])
@pytest.mark.parametrize(("sent", "answered"), CROSSING, ids=str)
def test_changes_from_pages_of_other_sites(sent: dict[str, str], answered: bool, login: bool, behind: Behind) -> None:
    """On the dashboard's routes as on ours, with a session, which browsers send by themselves, and without a login."""
    app = app_with(behind, "/api", "/v1/x", login=login)
    somebody = client(app)
    if login:
        somebody.post("/login", data={"token": OPERATOR}, headers=SAME)
    for method in UNSAFE:
        for path in ("/api/studies/1", "/v1/x/y"):
            found = somebody.request(method, path, headers=sent | JSON)
            assert found.status_code == (200 if answered else 403), (method, found.text)
            assert answered or found.json()["code"] == "cross_site"
    assert bool(behind.seen) == answered
    behind.seen.clear()
    # A token, which no browser sends by itself, changes nothing of that.
    assert client(app, OPERATOR).post("/api/x", headers=sent).status_code == (200 if answered else 403)


def test_a_login_from_another_site_is_refused(behind: Behind) -> None:
    somebody = client(app_with(behind))
    for sent in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {}):
        found = somebody.post("/login", data={"token": OPERATOR}, headers=sent)
        assert (found.status_code, "set-cookie" in found.headers) == (403, False)


@pytest.mark.parametrize(
    ("kind", "answered"),
    {
        "application/x-www-form-urlencoded": False,
        "multipart/form-data; boundary=x": False,
        "text/plain;charset=utf-8": False,
        "TEXT/PLAIN": False,
        "application/json": True,
        "application/octet-stream": True,
        "": False,  # as of a Blob without a type, posted with `no-cors`
        ";": False,
    }.items(),
)
def test_without_a_login_nothing_that_a_form_can_send(kind: str, answered: bool, behind: Behind) -> None:
    """Browsers from before 2020 do not say where a form, or a script's post that need not ask, comes from."""
    somebody = client(app_with(behind, login=False))
    sent = {"Content-Type": kind} if kind else {}
    for content in (b"a=b", b""):  # what is done without a body, such as to pause, too
        found = somebody.post("/api/x", content=content, headers=sent)
        assert found.status_code == (200 if answered else 403), content
    # Those take asking first, whatever their type.
    assert [somebody.request(method, "/api/x").status_code for method in ("DELETE", "PUT", "PATCH")] == [200] * 3


def test_a_session_alone_is_not_enough_to_change_something(behind: Behind) -> None:
    app = app_with(behind)
    somebody = client(app)
    somebody.post("/login", data={"token": OPERATOR}, headers=SAME)
    refused = somebody.delete("/api/x", headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (403, "cross_site")
    assert somebody.get("/api/x").status_code == 200
    assert client(app, OPERATOR).delete("/api/x").status_code == 200


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, True),  # a link
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, False),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, False),
    ],
    ids=str,
)
def test_other_sites_may_lead_here_and_no_more(sent: dict[str, str], answered: bool, behind: Behind) -> None:
    found = client(app_with(behind, login=False)).get("/api/x", headers=sent)
    assert found.status_code == (200 if answered else 403)


def test_the_own_origin_behind_tls(behind: Behind) -> None:
    somebody = client(app_with(behind, login=False, secure=True))
    assert somebody.post("/api/x", headers={"Origin": "https://localhost"}).status_code == 200
    assert somebody.post("/api/x", headers={"Origin": "http://localhost"}).status_code == 403
    assert origin_of("HTTPS://A.B:443/c") == "https://a.b"
    assert origin_of("http://[::1]:8000") == "http://[::1]:8000"
    assert [origin_of(none) for none in ("null", "", "http://a:b", "//a")] == [""] * 4
    # What is no origin is not this service's, even if that were none either.
    assert crosses("POST", Headers({"origin": "null"}), "http://a", has_token=True, login=True)


# ------------------------------------------------------------------------------------------------------------- roles


def test_viewers_look_and_operators_do(behind: Behind) -> None:
    app = app_with(behind, "/api", "/dashboard", "/v1/x", "/anything")
    for prefix in ("/api", "/dashboard", "/v1/x", "/anything"):
        for method in ("GET", "HEAD", "OPTIONS", *UNSAFE):
            path = f"{prefix}/login"
            statuses = [
                client(app, token).request(method, path).status_code for token in (OPERATOR, VIEWER, "wrong", "")
            ]
            safe = method in ("GET", "HEAD", "OPTIONS")
            assert statuses == [200, 200 if safe else 403, 401, 401], (method, path)
            somebody = client(app)
            somebody.post("/login", data={"token": VIEWER}, headers=SAME)
            assert somebody.request(method, path, headers=SAME).status_code == (200 if safe else 403)
    assert client(app, VIEWER).post("/api/x").json()["code"] == "viewer"
    assert {method for method, *_ in behind.seen} == {"GET", "HEAD", "OPTIONS", *UNSAFE}


def test_who_is_nobody_is_told_to_log_in_wherever_he_comes_from(behind: Behind) -> None:
    """And nothing of his is done. Else who forgets his token would be told of pages of other sites."""
    app = app_with(behind)
    for sent in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        for token in ("", "wrong"):
            found = client(app, token).post("/api/x", headers=sent)
            assert (found.status_code, found.json()["code"]) == (401, "login")
    assert behind.seen == []


def test_handlers_know_the_role(behind: Behind) -> None:
    app = app_with(behind)

    @app.get("/v1/role")
    def role(request: Request) -> str:
        return str(request.state.role)

    assert [client(app, token).get("/v1/role").json() for token in (OPERATOR, VIEWER)] == ["operator", "viewer"]
    assert client(app_with(behind, login=False)).get("/login").status_code == 303


def test_who_is_not_logged_in(behind: Behind) -> None:
    somebody = client(app_with(behind, "/api", "/assets", "/loginx"))
    found = somebody.get("/api/x")
    assert (found.status_code, found.json()["code"], found.headers["www-authenticate"]) == (401, "login", "Bearer")
    assert found.headers["content-type"] == "application/problem+json"
    pages = {"Accept": "text/html,*/*;q=0.8"}
    assert somebody.get("/api/x", headers=pages).headers["location"] == "/login?next=/api/x"
    assert somebody.head("/api/x", headers=pages).status_code == 401
    assert somebody.get("/loginx/x").status_code == 401
    assert [somebody.get(path).status_code for path in ("/health", "/login", "/assets/x.js")] == [200] * 3
    assert somebody.get("/v1/openapi.json").status_code == 401
    assert somebody.get("/metrics").status_code == 401
