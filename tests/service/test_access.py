"""Who somebody is: tokens, sessions, and the way through the login page."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from sweep import settings
from sweep.errors import UserError
from sweep.service import access as access_module
from sweep.service.access import IDLE_SECONDS, LONGEST_SECONDS, Access, digest, read_tokens, safe_next
from sweep.service.problems import RefusedError
from tests.service.serving import OPERATOR, VIEWER, Behind, app_with, client, options

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "WRONG_SECONDS", 0.01)


# ----------------------------------------------------------------------------------------------------------- tokens


def test_tokens_leave_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_OPERATOR_TOKEN", OPERATOR)
    monkeypatch.setenv("SWEEP_VIEWER_TOKEN", "")
    assert settings.take_tokens() == {"operator": OPERATOR}
    assert settings.take_tokens() == {}
    assert OPERATOR not in settings.child_environment("sqlite:///x.db").values()


def test_a_file_of_tokens(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    lines = ["# ours", "", f"operator sha256:{digest(OPERATOR).upper()}  # Ann", f"viewer   sha256:{digest(VIEWER)}"]
    file.write_text("\n".join(lines))
    found = read_tokens({"viewer": "another-token-for-viewers"}, file)
    assert found == {
        digest(OPERATOR): "operator",
        digest(VIEWER): "viewer",
        digest("another-token-for-viewers"): "viewer",
    }
    file.chmod(0o444)  # as secrets of containers are
    assert read_tokens({}, file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "must have at least one"),
        (f"operator {OPERATOR}", "line 1 of"),
        (f"root sha256:{'0' * 64}", "line 1 of"),
        (f"# one\noperator sha256:{'0' * 63}", "line 2 of"),
        (f"operator sha256:{'0' * 64}\nviewer sha256:{'0' * 64}", "must give one role"),
    ],
)
def test_a_file_that_is_none(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(content)
    with pytest.raises(UserError, match=said) as raised:
        read_tokens({}, file)
    assert OPERATOR not in str(raised.value)
    with pytest.raises(UserError, match="cannot be read"):
        read_tokens({}, tmp_path / "nowhere")


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_is_refused(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"operator sha256:{digest(OPERATOR)}")
    file.chmod(mode)
    with pytest.raises(UserError, match="writable by its owner alone"):
        read_tokens({}, file)


@pytest.mark.parametrize(
    ("token", "said"), [("x" * 19, "at least 20"), ("x" * 19 + "é", "ASCII"), ("a b" * 9, "blank")]
)
def test_a_poor_token_is_refused(token: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as raised:
        read_tokens({"operator": token}, None)
    assert token not in str(raised.value)
    with pytest.raises(UserError, match="must give one role"):
        read_tokens({"operator": OPERATOR, "viewer": OPERATOR}, None)


def test_tokens_are_kept_hashed_and_all_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(options())
    assert OPERATOR not in repr(vars(access))
    compared: list[tuple[Any, Any]] = []
    real = hmac.compare_digest

    def counted(known: Any, shown: Any) -> bool:
        compared.append((known, shown))
        return real(known, shown)

    monkeypatch.setattr("hmac.compare_digest", counted)
    for token, role in ((OPERATOR, "operator"), (VIEWER, "viewer"), ("wrong", None), ("", None)):
        compared.clear()
        assert access.role_of_token(token) == role
        shown = hashlib.sha256(token.encode()).hexdigest()
        # Each of them, whichever it is, and hashes of one length: neither time nor early ends say anything.
        assert compared == [(digest(OPERATOR), shown), (digest(VIEWER), shown)]


def test_a_wrong_token_is_not_made_good_by_a_session() -> None:
    access = Access(options())
    cookie = f"sweep_session={access.log_in('operator')}"
    assert access.role_of(Headers({"cookie": cookie})) == ("operator", "session")
    assert access.role_of(Headers({"cookie": cookie, "authorization": "Bearer wrong"})) == (None, "token")


# --------------------------------------------------------------------------------------------------------- sessions


def test_sessions_end() -> None:
    now = [0.0]
    access = Access(options(), lambda: now[0])

    def role(session: str) -> str | None:
        return access.role_of(Headers({"cookie": f"sweep_session={session}"}))[0]

    idle, used = access.log_in("viewer"), access.log_in("operator")
    for _ in range(30):
        now[0] += 0.6 * IDLE_SECONDS
        expected = "operator" if now[0] <= LONGEST_SECONDS else None
        assert role(used) == expected
    assert expected is None
    assert role(idle) is None
    again = access.log_in("viewer")
    now[0] += IDLE_SECONDS + 1
    assert role(again) is None


def test_a_session_that_is_asked_for_is_not_used() -> None:
    """What listens to events for days would keep it else."""
    now = [0.0]
    access = Access(options(), lambda: now[0])
    headers = Headers({"cookie": f"sweep_session={access.log_in('viewer')}"})
    now[0] = IDLE_SECONDS
    assert access.holds(headers)
    now[0] += 1
    assert not access.holds(headers)
    assert access.role_of(headers) == (None, "nothing")
    assert not access.holds(Headers())


def test_viewers_cannot_end_sessions_of_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by logging in so often that none is left, nor by logging out with what is theirs."""
    monkeypatch.setattr(access_module, "MOST_SESSIONS", 3)
    app = app_with(Behind())
    operator, viewer = client(app), client(app)
    operator.post("/login", data={"token": OPERATOR}, headers=SAME_SITE)
    for _ in range(5):
        viewer.cookies.clear()
        assert viewer.post("/login", data={"token": VIEWER}, headers=SAME_SITE).status_code == 303
    viewer.post("/login", data={"token": VIEWER}, headers=SAME_SITE)
    viewer.post("/logout", headers=SAME_SITE)
    assert operator.delete("/api/x", headers=SAME_SITE).text == "reached"
    assert viewer.get("/api/x").status_code == 401


def test_sessions_are_kept_hashed_and_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "MOST_SESSIONS", 3)
    access = Access(options())
    first, *others = [access.log_in("viewer") for _ in range(3)]
    assert len({first, *others}) == 3
    assert len(bytes.fromhex(first)) == 32
    assert first not in repr(access._sessions)
    assert access.role_of(Headers({"cookie": f"sweep_session={first}"}))[0] == "viewer"  # now the one used last
    access.log_in("viewer")
    roles = [access.role_of(Headers({"cookie": f"sweep_session={one}"}))[0] for one in (first, *others)]
    assert roles == ["viewer", None, "viewer"]


@pytest.mark.parametrize("secure", [False, True])
def test_the_cookie(secure: bool) -> None:
    somebody = client(app_with(Behind(), secure=secure))
    found = somebody.post("/login", data={"token": OPERATOR}, headers=SAME_SITE).headers["set-cookie"]
    name, *flags = found.split("; ")
    assert name.startswith("__Host-sweep_session=" if secure else "sweep_session=")
    expected = {"HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={int(LONGEST_SECONDS)}"}
    assert set(flags) == expected | ({"Secure"} if secure else set())


def test_the_cookie_of_tls_is_for_tls_alone() -> None:
    somebody = client(app_with(Behind()))
    somebody.base_url = "https://localhost"
    found = somebody.post("/login", data={"token": OPERATOR}, headers=SAME_SITE).headers["set-cookie"]
    assert found.startswith("__Host-sweep_session=")
    assert "; Secure" in found
    assert somebody.post("/api/x", headers=SAME_SITE).status_code == 200


def test_where_it_is_secure_a_cookie_that_anybody_could_set_counts_for_nothing() -> None:
    access = Access(options(secure=True))
    session = access.log_in("operator")
    assert access.role_of(Headers({"cookie": f"sweep_session={session}"}))[0] is None
    assert access.role_of(Headers({"cookie": f"__Host-sweep_session={session}"}))[0] == "operator"


# ------------------------------------------------------------------------------------------------------------ login


def test_in_and_out() -> None:
    app = app_with(Behind())
    somebody = client(app)
    sent = somebody.get("/api/x?a=1&b=2", headers={"Accept": "text/html"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/api/x%3Fa%3D1%26b%3D2")
    page = somebody.get(sent.headers["location"])
    assert 'value="/api/x?a=1&amp;b=2"' in page.text
    wrong = somebody.post("/login", data={"token": "wrong", "next": "/api/x"}, headers=SAME_SITE)
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    assert 'value="/api/x"' in wrong.text
    right = somebody.post("/login", data={"token": f" {OPERATOR}\n", "next": "/api/x?a=1"}, headers=SAME_SITE)
    assert (right.status_code, right.headers["location"]) == (303, "/api/x?a=1")
    first = somebody.cookies["sweep_session"]
    assert somebody.get("/api/x").text == "reached"
    assert somebody.get("/login?next=/api/x").headers["location"] == "/api/x"
    somebody.post("/login", data={"token": VIEWER}, headers=SAME_SITE)
    assert somebody.cookies["sweep_session"] != first
    left = somebody.post("/logout", headers=SAME_SITE)  # a viewer may
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert somebody.get("/api/x").status_code == 401
    for session in (first, "", "0" * 64):  # the one before was ended, too
        assert client(app, Cookie=f"sweep_session={session}").get("/api/x").status_code == 401


def test_what_is_no_form() -> None:
    somebody = client(app_with(Behind()))
    for content in (b"\xff", b"token=" + b"x" * 5000, "&".join("abcdefghijkl").encode(), b"token=%FF"):
        status = somebody.post("/login", content=content, headers=SAME_SITE).status_code
        assert status in (400, 413), content


@pytest.mark.parametrize(
    "wanted",
    [
        *("//evil", "//evil/x", "///evil", "/\\evil", "\\/evil", "\\\\evil", "https://evil", "https:evil", "evil", ""),
        *("javascript:alert(1)", " //evil", "/\t/evil", "/\n/evil", "\t//evil", "/login", "/login?next=/", "/logout"),
    ],
)
def test_the_login_leads_nowhere_else(wanted: str) -> None:
    assert safe_next(wanted) == "/"


@given(st.text(alphabet="/\\evil.:@ \t\n\r\x00#?", max_size=12))
def test_the_login_leads_to_a_path(wanted: str) -> None:
    found = safe_next(wanted)
    assert found.startswith("/")
    assert found[1:2] not in ("/", "\\")
    assert not set(found) & set("\t\n\r\x00\\ ")


def test_wrong_tokens_wait_and_right_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(access_module, "WRONG_SECONDS", 7.0)
    monkeypatch.setattr(access_module, "MOST_WAITING", 3)

    async def scenario() -> None:
        access = Access(options(), lambda: 0.0)
        release = asyncio.Event()

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            await release.wait()

        monkeypatch.setattr("asyncio.sleep", sleep)
        waiting = [asyncio.create_task(access.slowly()) for _ in range(3)]
        while len(slept) < 3:
            await asyncio.wait(waiting, timeout=0.01)
        with pytest.raises(RefusedError) as refused:
            await access.slowly()
        assert refused.value.status == 429
        # Whoever has the right one is let in meanwhile.
        assert access.role_of_token(OPERATOR) == "operator"
        release.set()
        await asyncio.gather(*waiting)
        await access.slowly()

    asyncio.run(scenario())
    assert slept == [7.0, 14.0, 21.0, 28.0]


@pytest.mark.parametrize("way", ["form", "header"])
def test_wrong_tokens_are_slowed_either_way(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slowed: list[None] = []

    async def slowly(_: Access) -> None:
        slowed.append(None)

    monkeypatch.setattr(Access, "slowly", slowly)
    app = app_with(Behind())
    if way == "form":
        assert client(app).post("/login", data={"token": "wrong"}, headers=SAME_SITE).status_code == 401
    else:
        assert client(app, "wrong").get("/api/x").status_code == 401
    assert len(slowed) == 1
    assert client(app, OPERATOR).get("/api/x").status_code == 200
    assert len(slowed) == 1


@pytest.mark.parametrize("path", ["/login", "/login?next=/x", "/login/nothing", "/assets/nothing", "/health"])
def test_what_anybody_may_see_does_not_tell_tokens_apart(path: str) -> None:
    """Else they could be tried there, at any pace."""
    app = app_with(Behind())
    found = [client(app, token, Accept="text/html").get(path) for token in (OPERATOR, VIEWER, "wrong", "")]
    seen = [(one.status_code, one.text, one.headers.get("location")) for one in found]
    assert seen == [seen[0]] * 4


def test_without_tokens_there_is_no_login() -> None:
    somebody = client(app_with(Behind(), login=False))
    assert somebody.get("/login?next=/api/x").headers["location"] == "/api/x"
    assert somebody.post("/login", data={"token": "any"}, headers=SAME_SITE).headers["location"] == "/"
    assert "set-cookie" not in somebody.post("/login", data={"token": "any"}, headers=SAME_SITE).headers
    assert somebody.post("/logout", headers=SAME_SITE).headers["location"] == "/"
    assert somebody.delete("/api/x").text == "reached"
