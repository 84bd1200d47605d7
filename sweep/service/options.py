"""What the service is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["viewer", "operator"]

UPLOAD_BYTES = 256 * 2**20
"""Of a table that is handed in, as it comes."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How the service behaves.

    Attributes:
        storage: Database URL.
        tokens: SHA-256 (hex) of each token to the role that it gives. Empty: no login, whoever reaches the service
            is an operator; for loopback only.
        hosts: Names by which requests may call the service, lower case, without port; empty for any. Without
            tokens these are the names of loopback alone.
        secure: Whether browsers reach it by TLS: cookies are for TLS only then.
        upload_bytes: Of a table that is handed in.
        stored_bytes: Of all of them together, as they came.
        sources: Starts of addresses that definitions may name, such as ``"https://data.example.org/"`` and
            ``"openml:"``. Tables of scikit-learn, which come with it, need none.
        dashboard: Whether Optuna's dashboard is served.
        runner: Whether a runner is kept beside it: pages say then that it is being started, and not how to.
    """

    storage: str
    tokens: Mapping[str, Role] = field(default_factory=dict)
    hosts: frozenset[str] = frozenset({"localhost", "127.0.0.1", "::1"})
    secure: bool = False
    upload_bytes: int = UPLOAD_BYTES
    stored_bytes: int = 20 * UPLOAD_BYTES
    sources: tuple[str, ...] = ()
    dashboard: bool = True
    runner: bool = False
