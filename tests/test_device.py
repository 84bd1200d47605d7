"""Which device trains."""

from __future__ import annotations

import pytest
import torch

from sweep.commands.work import training_device
from sweep.errors import UserError
from sweep.training.device import resolve

FOUND = torch.cuda.device_count() if torch.cuda.is_available() else 0


def test_auto_is_cuda_where_there_is_any() -> None:
    assert resolve("cpu") == "cpu"
    assert resolve("auto") == ("cuda:0" if FOUND else "cpu")


@pytest.mark.parametrize("wanted", ["gpu", "cuda:", "cuda:-1", "CPU", "", "cuda:1x"])
def test_other_words_are_refused(wanted: str) -> None:
    with pytest.raises(UserError, match=r"must be auto, cpu or cuda:N, however"):
        resolve(wanted)


def test_a_device_that_is_not_there_is_refused() -> None:
    there_is = f"the last one is cuda:{FOUND - 1}" if FOUND else "sees no CUDA device"
    with pytest.raises(UserError, match=there_is):
        resolve(f"cuda:{FOUND}")


def test_what_this_machine_has_says_nothing_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for found in (0, 2):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=found: found > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda found=found: found)
        assert resolve("auto", elsewhere=True) == resolve("cpu", elsewhere=True) == "cpu"
        assert resolve("cuda", elsewhere=True) == "cuda:0"
        assert resolve("cuda:7", elsewhere=True) == "cuda:7"
    with pytest.raises(UserError, match=r"must be auto, cpu or cuda:N, however: gpu"):
        resolve("gpu", elsewhere=True)


@pytest.mark.gpu
@pytest.mark.skipif(not FOUND, reason="needs a CUDA device")
def test_a_cuda_device_by_its_number() -> None:
    assert resolve("cuda") == resolve("cuda:0") == "cuda:0"


def test_workers_of_this_machine_have_a_device_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert training_device("auto", "local") == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    asked = [("auto", "local"), ("cuda", "local"), ("cuda:1", "local"), ("cpu", "local"), ("auto", "inline")]
    assert [training_device(*one) for one in asked] == ["cuda", "cuda", "cuda:1", "cpu", "cuda:0"]
    assert training_device("auto", "tcp://host:1") == "cpu"
