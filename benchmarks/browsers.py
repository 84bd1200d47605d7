"""Browsers that look at a running sweep, without the browsers: what their pages ask a service for, as often.

``python -m benchmarks.browsers ADDRESS NAME COUNT`` looks until its standard input ends, and prints what it saw as
JSON. Each browser has connections of its own: it opens the sweep's page, listens to its events, fetches the figures
when there are new ones, and opens the list of all sweeps and the sweep's page again now and then, as people do.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import defaultdict
from collections.abc import Coroutine, Mapping
from time import perf_counter
from typing import Any

import httpx2

STAY_SECONDS = 10.0
"""That somebody looks at a page, on the average."""

LIST_SECONDS = 3.0
"""Between two looks of the list at the sweeps."""


class Watchers:
    """So many browsers.

    Args:
        address: Of the service.
        name: Of the sweep.

    Attributes:
        seconds: Of each request, by what it was for.
        errors: What went wrong.
    """

    def __init__(self, address: str, name: str) -> None:
        self._address, self._name = address, name
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []

    async def watch(self, count: int, end: asyncio.Event) -> None:
        """Until the end."""
        tasks = [asyncio.create_task(self._browser(random.Random(place))) for place in range(count)]  # noqa: S311
        await end.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _browser(self, draws: random.Random) -> None:
        headers = {"Accept": "text/html,application/json", "Accept-Encoding": "gzip"}
        async with httpx2.AsyncClient(base_url=self._address, headers=headers, timeout=60, trust_env=False) as http:
            await asyncio.sleep(draws.uniform(0, STAY_SECONDS))
            while True:
                await self._fetch(http, "sweep page", f"/sweeps/{self._name}")
                await self._for_a_while(self._listen(http), draws)
                await self._fetch(http, "list page", "/")
                await self._for_a_while(self._poll(http), draws)

    async def _for_a_while(self, looking: Coroutine[Any, Any, None], draws: random.Random) -> None:
        try:
            await asyncio.wait_for(looking, draws.uniform(0.5, 1.5) * STAY_SECONDS)
        except TimeoutError:
            return
        except httpx2.HTTPError as error:
            self.errors.append(f"{type(error).__name__}: {error}")
            await asyncio.sleep(1)

    async def _listen(self, http: httpx2.AsyncClient) -> None:
        async with http.stream(
            "GET", f"/v1/sweeps/{self._name}/live", headers={"Accept": "text/event-stream"}
        ) as events:
            drawn = await self._figures(http, None)
            about = ""
            async for line in events.aiter_lines():
                key, _, value = line.partition(": ")
                if key == "event":
                    about = value
                elif key == "data" and about == "figures" and json.loads(value)["version"] != drawn:
                    drawn = await self._figures(http, drawn)

    async def _figures(self, http: httpx2.AsyncClient, drawn: str | None) -> str | None:
        """The version of the figures, which are not sent again if they are those that the browser keeps."""
        kept = {} if drawn is None else {"If-None-Match": f'"{drawn}"'}
        answer = await self._fetch(http, "figures", f"/v1/sweeps/{self._name}/figures", kept)
        return answer.headers.get("etag", "").strip('"') or drawn

    async def _poll(self, http: httpx2.AsyncClient) -> None:
        while True:
            await self._fetch(http, "sweeps", "/v1/sweeps")
            await asyncio.sleep(LIST_SECONDS)

    async def _fetch(
        self, http: httpx2.AsyncClient, what: str, path: str, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        begun = perf_counter()
        answer = await http.get(path, headers=headers)
        self.seconds[what].append(perf_counter() - begun)
        if answer.status_code not in (200, 304):
            self.errors.append(f"{path}: {answer.status_code}")
        return answer


async def _until_told(address: str, name: str, count: int) -> Watchers:
    watchers, end = Watchers(address, name), asyncio.Event()
    loop = asyncio.get_running_loop()
    reading = loop.run_in_executor(None, sys.stdin.read)
    reading.add_done_callback(lambda _: end.set())
    await watchers.watch(count, end)
    return watchers


if __name__ == "__main__":
    found = asyncio.run(_until_told(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    print(json.dumps({"seconds": found.seconds, "errors": found.errors}))
