"""What several tests of the service use."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.service import access, bodies
from tests.service.serving import Behind


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of localhost that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    try:
        subprocess.run([*command, "-out", str(files[0]), "-keyout", str(files[1])], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl here")
    return files


@pytest.fixture
def behind() -> Behind:
    """What stands behind the guard."""
    return Behind()


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Whoever shows a wrong token, or more than is taken, waits for less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access, "WRONG_SECONDS", 0.01)
        patch.setattr(bodies, "LINGER_SECONDS", 0.5)
        yield
