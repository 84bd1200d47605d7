"""Which device trains: what a user asks for, checked against what there is."""

from __future__ import annotations

import re

import torch

from sweep.errors import UserError


def resolve(wanted: str, *, elsewhere: bool = False) -> str:
    """``"cpu"`` or ``"cuda:N"``.

    Args:
        wanted: ``"auto"`` (the first CUDA device, or the CPU where there is none), ``"cpu"``, ``"cuda"`` (the first
            one) or ``"cuda:N"``.
        elsewhere: Whether other machines train: what this one has says nothing of them, so ``"auto"`` is the CPU, and
            a CUDA device is taken at the user's word.

    Raises:
        UserError: It is none of these, or there is no such CUDA device.
    """
    if wanted == "cpu":
        return "cpu"
    if wanted != "auto" and not re.fullmatch(r"cuda(:\d{1,4})?", wanted):
        raise UserError(f"the device must be auto, cpu or cuda:N, however: {wanted}")
    if elsewhere:
        return "cpu" if wanted == "auto" else f"cuda:{int(wanted.partition(':')[2] or 0)}"
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return "cuda:0" if found else "cpu"
    number = int(wanted.partition(":")[2] or 0)
    if number >= found:
        there_is = f"the last one is cuda:{found - 1}" if found else "PyTorch sees no CUDA device here"
        raise UserError(f"the device must exist, however: {wanted} ({there_is})")
    return f"cuda:{number}"
