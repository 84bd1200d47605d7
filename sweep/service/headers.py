"""What every response says to browsers, whoever made it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders

PAGES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The policy of our own pages: nothing inline, nothing from anywhere else."""

DASHBOARD = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of Optuna's dashboard: Plotly's WebGL figures make functions from text, and its components write styles into the
page."""

NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""Of what is no page: the API's answers, and files that somebody has attached to a study."""

VIEWER = "x-sweep-viewer"
"""Inside the service, of a request to Optuna's dashboard: it is of somebody who may only look."""

DASHBOARD_PATHS = ("/dashboard", "/api", "/static", "/csv")
FILE_PATHS = ("/v1", "/artifacts")
KEPT_PATHS = ("/assets", "/static")
"""What browsers may keep, as long as they ask whether it is the same."""

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with it browsers send `Origin: null` with a page's own forms, and a login by plain HTTP, where
    # there is no Sec-Fetch-Site, could not be told from one that another site sends.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_YEAR = 365 * 86400


def is_below(path: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a path is one of these, or inside one."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def policy_of(path: str) -> str:
    """The Content-Security-Policy of what says none itself."""
    if is_below(path, DASHBOARD_PATHS):
        return DASHBOARD
    return NOTHING if is_below(path, FILE_PATHS) else PAGES


def add_headers(headers: MutableHeaders, path: str, *, secure: bool) -> None:
    """Completes the headers of a response.

    Args:
        headers: Changed in place. A Content-Security-Policy and a Cache-Control that are there stay; a policy that says
            nothing of who may frame it gets that nobody may, and the report that our pages may.
        path: Of the request.
        secure: Whether browsers come by TLS.
    """
    policy = headers.get("content-security-policy") or policy_of(path)
    if "frame-ancestors" not in policy:
        framed = path.startswith("/v1/sweeps/") and path.endswith("/report")
        policy = policy.rstrip("; ") + ("; frame-ancestors 'self'" if framed else "; frame-ancestors 'none'")
    headers["Content-Security-Policy"] = policy
    headers["X-Frame-Options"] = "SAMEORIGIN" if "frame-ancestors 'self'" in policy else "DENY"
    for name, value in _ALWAYS.items():
        headers[name] = value
    if secure:
        headers["Strict-Transport-Security"] = f"max-age={_YEAR}"
    if "cache-control" not in headers:
        headers["Cache-Control"] = "no-cache" if is_below(path, KEPT_PATHS) else "no-store"
