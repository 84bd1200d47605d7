"""From what a user asks for, ``inline``, ``local`` or an address, to a launcher."""

from __future__ import annotations

from sweep.launch.base import Launcher, check_cluster
from sweep.launch.inline import InlineLauncher


def open_launcher(cluster: str, workers: int | None = None, device: str = "cpu") -> Launcher:
    """The launcher of a name.

    Args:
        cluster: ``"inline"``, ``"local"``, or the address of a Dask scheduler.
        workers: How many processes, for ``"local"``; ``None`` for one a core, or for each of the CUDA devices.
        device: ``"cpu"`` or ``"cuda:N"``; for ``"local"`` also ``"cuda"``, a worker on each device.

    Raises:
        UserError: ``cluster`` is none of these, or ``workers`` does not go with it.
        LaunchError: The workers cannot be started or reached.
    """
    check_cluster(cluster, workers)
    if cluster == "inline":
        return InlineLauncher(device)
    from sweep.launch.dask import DaskLauncher  # takes most of a second to import, which inline need not pay

    return DaskLauncher(workers, None if cluster == "local" else cluster, device)
