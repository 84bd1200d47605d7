"""Styles, scripts and the frame of the pages, each under an address that changes with what they hold.

All are below ``/assets/VERSION/``, where VERSION is a hash of all of them together: so a script imports its neighbours
by their plain names, and browsers may keep everything for ever. Under another version they are served as well, for
pages that were open while the service was brought up to date, and kept by nobody.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sweep import wording
from sweep.figures import palette
from sweep.metrics import METRICS
from sweep.service.problems import RefusedError
from sweep.shipped import folder

FILES = (
    "app.css",
    "answer.js",
    "charts.js",
    "common.js",
    "downloads.js",
    "fields.js",
    "icon.svg",
    "new.js",
    "page.js",
    "sweep.js",
    "sweeps.js",
    "table.js",
    "upload.js",
    "viewer.css",
)
"""Of ``dashboards/``. The rest of it is for pages and reports."""

FRAME = "frame.html"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_YEAR = 365 * 24 * 3600

router = APIRouter(include_in_schema=False)


@cache
def contents() -> dict[str, bytes]:
    """Every asset by its name."""
    return {name: _file(name) for name in FILES} | {
        "facts.js": _facts().encode(),
        "palette.css": _palette().encode(),
        FRAME: _frame()[0],
    }


@cache
def version() -> str:
    """A hash of them all, hex."""
    digest = hashlib.sha256()
    for name, content in sorted(contents().items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def address(name: str) -> str:
    """Where a page finds an asset.

    Raises:
        KeyError: There is none of that name.
    """
    if name not in contents():
        raise KeyError(name)
    return f"/assets/{version()}/{name}"


@router.api_route("/favicon.ico", methods=["GET", "HEAD"])
def icon(request: Request) -> Response:
    """For pages that name none, such as the dashboard's."""
    return asset(request, "", "icon.svg")


@router.api_route("/assets/{known}/{name}", methods=["GET", "HEAD"])
def asset(request: Request, known: str, name: str) -> Response:
    """One of them, compressed where the browser takes that."""
    if name not in contents():
        raise RefusedError(404, f"no asset named {name}")
    lasting = known == version()
    headers = {
        "Cache-Control": f"public, max-age={_YEAR}, immutable" if lasting else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if name == FRAME:
        headers["Content-Security-Policy"] = _frame()[1]
    content = contents()[name]
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        content, headers["Content-Encoding"] = _packed(name), "gzip"
    return Response(content, headers=headers, media_type=_TYPES[Path(name).suffix])


@cache
def _frame() -> tuple[bytes, str]:
    """The frame that charts are drawn in, and its policy.

    Plotly writes styles into its page, which ours do not allow. So it has one of its own, without an origin: to a
    browser that is another site, whose requests are refused here. It makes none, all it needs is inside.
    """
    plotly = importlib.util.find_spec("plotly")  # found, not imported: that takes a second
    if plotly is None or not plotly.submodule_search_locations:
        raise RuntimeError("plotly is not installed")
    library = Path(plotly.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
    scripts = library.read_bytes(), _file("colours.js") + _file("frame.js")
    style = _palette().encode() + _file("frame.css")
    page = _file(FRAME).replace(b"<style></style>", b"<style>" + style + b"</style>")
    page = page.replace(b"<script></script>", b"".join(b"<script>" + script + b"</script>\n" for script in scripts))
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in scripts)
    return page, (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
    )


def _file(name: str) -> bytes:
    return (folder("dashboards") / name).read_bytes()


@cache
def _packed(name: str) -> bytes:
    return gzip.compress(contents()[name], compresslevel=6, mtime=0)


def _palette() -> str:
    """The colours of everything people look at, and a class for the mark of each placement."""
    arms = "\n".join(f".arm-{colour} {{ color: var(--arm-{colour}); }}" for colour in range(palette.COLOURS))
    light, dark = palette.css_variables(palette.LIGHT), palette.css_variables(palette.DARK)
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n{arms}\n"


def _facts() -> str:
    """What scripts know of metrics and placements, as the program itself knows it."""
    usual = ("none", "input", "hidden", "all")
    fixed = {name: [mark.colour, mark.shape] for name, mark in palette.marks_of((*usual, *_FURTHER)).items()}
    facts = {
        "METRICS": {
            name: {"title": one.title, "percent": one.percent, "maximize": one.maximize}
            for name, one in METRICS.items()
        },
        "PLACEMENTS": {name: wording.placement(name) for name in usual},
        "SHAPES": palette.SHAPES,
        "COLOURS": palette.COLOURS,
        "MARKS": fixed,
    }
    return "".join(f"export const {name} = {json.dumps(value, ensure_ascii=False)};\n" for name, value in facts.items())


_FURTHER = ("hidden1", "hidden2", "input+hidden1", "hidden3")
