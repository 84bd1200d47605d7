"""What the commands that train share: workers for a while, and what is said when they are interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sweep.commands.progress import Display
from sweep.launch.base import Launcher
from sweep.launch.choose import open_launcher
from sweep.training.device import resolve


class SoFar:
    """How much of the work is finished, in words for whoever interrupts it."""

    def __init__(self, text: str) -> None:
        self.text = text


def training_device(wanted: str, cluster: str) -> str:
    """What ``--device`` means: ``"cpu"``, ``"cuda:N"``, or ``"cuda"`` for a worker on each device of this machine.

    Raises:
        UserError: There is no such device.
    """
    device = resolve(wanted, elsewhere="://" in cluster)
    return "cuda" if cluster == "local" and wanted in ("auto", "cuda") and device != "cpu" else device


@contextmanager
def at_work(
    cluster: str, workers: int | None, device: str, display: Display, so_far: SoFar | None = None
) -> Iterator[Launcher]:
    """Workers, told of on the display as they come and go.

    Args:
        cluster: ``"inline"``, ``"local"`` or the address of a scheduler.
        workers: How many processes; ``None`` for one a core.
        device: As :func:`training_device` gives it.
        display: Is told how far it is.
        so_far: What is finished; ``None`` where what is raised says it.

    Raises:
        LaunchError: The workers cannot be started or reached.
        KeyboardInterrupt: Ctrl-C; the message says what is finished, and how to go on.
    """
    display.doing("starting workers" if cluster == "local" else "getting ready")
    with open_launcher(cluster, workers, device) as launcher:
        try:
            yield launcher
        except KeyboardInterrupt as interrupted:
            said = f"interrupted: {so_far.text}" if so_far is not None else str(interrupted) or "interrupted"
            raise KeyboardInterrupt(f"{said}; the same command goes on") from None
        display.doing("stopping workers" if cluster == "local" else "finishing")
