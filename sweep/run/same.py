"""Whether a stored sweep may be gone on with: what may change, and what may not. No torch."""

from __future__ import annotations

from sweep.errors import DefinitionError, MismatchError
from sweep.spec.alone import anywhere
from sweep.spec.definition import parse
from sweep.spec.model import SweepSpec, differences
from sweep.store.rows import SweepRecord


def check(found: SweepRecord, spec: SweepSpec, *, trials: int, data_hash: str, source: str) -> None:
    """That a stored sweep may be gone on with.

    Args:
        found: As it is stored.
        spec: The definition with which to go on.
        trials: Its budget, rounded.
        data_hash: Of the table with which to go on.
        source: That table, for messages.

    Raises:
        MismatchError: It may not. The message names what differs, and how.
    """
    advice = "only search.trials may change, upwards; take another name for another sweep"
    if found.fingerprint != spec.fingerprint:
        changed = "".join(f"\n  {line}" for line in _changes(found, spec))
        raise MismatchError(f"the sweep {found.name} was started with another definition ({advice}):{changed}")
    if found.data_hash != data_hash:
        raise MismatchError(
            f"the sweep {found.name} was started on another table ({advice}): the content of {found.info.source} "
            f"was {found.data_hash}, that of {source} is {data_hash}"
        )
    if trials < found.trials:
        raise MismatchError(
            f"search.trials may only grow: the sweep {found.name} was given {found.trials} trials, however: "
            f"{spec.search.trials}"
        )


def _changes(found: SweepRecord, spec: SweepSpec) -> list[str]:
    try:
        lines = differences(parse(found.definition), anywhere(spec))
    except DefinitionError:
        lines = []
    return lines or ["it was written by another version of sweep"]
