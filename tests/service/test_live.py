"""Events as they happen, from a real server on loopback."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from starlette.datastructures import Headers

from sweep.service import bodies, connections, live
from sweep.service.access import digest
from tests.service.served import PATIENCE, Listening, client_of, make_sweeps, until
from tests.service.serving import VIEWER


@dataclass
class Event:
    name: str = ""
    data: Any = None
    id: str | None = None


class Stream:
    """What one browser hears, read in a thread.

    Attributes:
        heard: Events so far.
        over: Whether the server has ended it.
    """

    def __init__(self, client: httpx2.Client, path: str, **headers: str) -> None:
        self.heard: list[Event] = []
        self.over = False
        self._stack = ExitStack()
        self.response = self._stack.enter_context(client.stream("GET", path, headers=headers))
        assert self.response.status_code == 200
        assert self.response.headers["content-type"].startswith("text/event-stream")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        event = Event()
        try:
            for line in self.response.iter_lines():
                name, _, value = line.partition(": ")
                if not line:
                    if event.name:
                        self.heard.append(event)
                    event = Event()
                elif name == "event":
                    event.name = value
                elif name == "data":
                    event.data = json.loads(value)
                elif name == "id":
                    event.id = value
            self.over = True
        except (httpx2.HTTPError, httpx2.StreamError):
            self.over = True

    def of(self, name: str) -> list[Event]:
        return [event for event in self.heard if event.name == name]

    def close(self) -> None:
        """As a browser that goes away."""
        with suppress(OSError):  # the server may have
            self.response.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._stack.close()


def refusal(client: httpx2.Client, path: str, **headers: str) -> httpx2.Response:
    """An answer that is no stream, which would have no end."""
    with client.stream("GET", path, headers=headers) as response:
        assert response.status_code >= 400
        response.read()
        return response


@pytest.fixture
def listening(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr("sweep.service.snapshots.SECONDS", 0.05)
    make_sweeps(sqlite_url)
    with Listening(sqlite_url) as listening:
        yield listening


def test_what_happens_is_heard(listening: Listening) -> None:
    store = listening.service.store
    store.log("done", "before")
    with client_of(listening) as client:
        stream = Stream(client, "/v1/sweeps/done/live")
        until(lambda: bool(stream.of("status") and stream.of("log") and stream.of("figures")), "nothing is heard")
        assert stream.of("status")[0].data["state"] == "done"
        assert stream.of("status")[0].data == client.get("/v1/sweeps/done").json()
        assert stream.of("figures")[0].data["version"] == client.get("/v1/sweeps/done/figures").json()["version"]
        client.post("/v1/sweeps/done/extend", json={"trials": 20})
        until(lambda: len(stream.of("status")) > 1, "no change is heard")
        assert stream.of("status")[-1].data["state"] == "queued"
        store.log("done", "after", "warning", 3)
        until(lambda: len(stream.of("log")) > 2, "no line is heard")
        first, asked, second = stream.of("log")
        assert asked.data["said"].startswith("extended to 20 trials by ")
        assert (first.data["said"], second.data["said"], second.data["trial"]) == ("before", "after", 3)
        assert second.id == str(second.data["id"])
        # Whoever comes again hears what he has missed, and nothing twice.
        later = Stream(client, "/v1/sweeps/done/live", **{"Last-Event-ID": str(asked.id)})
        until(lambda: bool(later.of("status") and later.of("log")), "nothing is heard")
        assert [event.data["said"] for event in later.of("log")] == ["after"]
        client.delete("/v1/sweeps/done")
        until(lambda: stream.over and later.over, "it does not end")
        assert stream.heard[-1].name == later.heard[-1].name == "gone"
        assert client.get("/v1/sweeps/done/live").status_code == 404
        stream.close()
        later.close()
    until(lambda: not listening.tasks, "somebody still looks")


def test_figures_that_are_dropped_before_newer_ones_are_made_are_no_news(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = iter(["a", None, None, "b"])
    monkeypatch.setattr(listening.service.renderer, "ready", lambda *_: next(versions, "b"))
    with client_of(listening) as client:
        stream = Stream(client, "/v1/sweeps/done/live")
        until(lambda: any(event.data["version"] == "b" for event in stream.of("figures")), "nothing is heard")
        assert [event.data["version"] for event in stream.of("figures")] == ["a", "b"]
        stream.close()


def test_fifty_listeners_share_one_look_and_leave_nothing(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 1.0)
    looks = 0
    look_once = live.Live._look_once

    async def counted(self: live.Live, *args: Any) -> None:
        nonlocal looks
        looks += 1
        await look_once(self, *args)

    monkeypatch.setattr(live.Live, "_look_once", counted)
    with httpx2.Client(
        base_url=listening.url, timeout=60, trust_env=False, limits=httpx2.Limits(max_connections=60)
    ) as client:
        streams = [Stream(client, "/v1/sweeps/running/live") for _ in range(50)]
        until(lambda: all(stream.of("status") for stream in streams), "somebody hears nothing")
        assert listening.service.live.listeners == 50
        assert listening.tasks == {"live running"}
        before = looks
        listening.service.store.log("running", "something happened")
        until(lambda: all(stream.of("log") for stream in streams), "somebody does not hear it")
        assert looks - before < 50  # one does it for all
        for stream in streams:
            stream.close()
    until(lambda: listening.service.live.listeners == 0 and not listening.tasks, "somebody is still there")


def test_streams_end_with_the_server(listening: Listening) -> None:
    with client_of(listening) as client:
        stream = Stream(client, "/v1/sweeps/running/live")
        until(lambda: bool(stream.of("status")), "nothing is heard")
        listening.stop()
        until(lambda: stream.over, "it does not end")
        assert not stream.of("gone")  # nobody deleted it: browsers come again
        stream.close()
    listening.join()


def test_pings(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    with client_of(listening) as client, client.stream("GET", "/v1/sweeps/running/live") as response:
        assert any(line == ": ping" for line in response.iter_lines())


def test_too_many_are_refused(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_LISTENERS", 1)
    with client_of(listening) as client:
        stream = Stream(client, "/v1/sweeps/running/live")
        refused = refusal(client, "/v1/sweeps/running/live")
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "busy", "5")
        stream.close()
        until(lambda: listening.service.live.listeners == 0, "it is still there")
        again = Stream(client, "/v1/sweeps/running/live")
        again.close()


def test_nobody_has_all_of_them(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session has so many and no more, whatever others of its address have; so has a token, from one address."""
    monkeypatch.setattr(live, "MOST_EACH", 1)
    monkeypatch.setattr(bodies, "WATCH_SECONDS", 0.05)
    make_sweeps(sqlite_url)
    path = "/v1/sweeps/running/live"
    with Listening(sqlite_url, tokens={digest(VIEWER): "viewer"}) as listening, client_of(listening) as client:
        access = listening.app.state.access
        shown = [{"Cookie": f"sweep_session={access.log_in('viewer')}"} for _ in range(2)]
        shown.append({"Authorization": f"Bearer {VIEWER}"})
        streams = [Stream(client, path, **one) for one in shown]
        for one in shown:
            refused = refusal(client, path, **one)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many")
            assert refused.headers["retry-after"] == "5"
        streams[0].close()
        until(lambda: listening.service.live.listeners == 2, "it is still there")
        streams[0] = Stream(client, path, **shown[0])
        access.log_out(Headers(shown[1]))
        until(lambda: streams[1].over, "it outlives its session")
        assert [stream.over for stream in streams] == [False, True, False]
        for stream in streams:
            stream.close()


def test_some_connections_are_left_for_requests() -> None:
    assert live.MOST_EACH <= live.MOST_LISTENERS / 2
    assert live.MOST_LISTENERS <= connections.MOST_CONNECTIONS / 2
