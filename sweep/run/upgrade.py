"""``sweep storage upgrade``: our tables and Optuna's, brought up to date by one program at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sweep.errors import BusyError
from sweep.run.lease import is_held
from sweep.run.study import optuna_versions, upgrade_optuna
from sweep.store.upgrading import AnyVersion


@dataclass(frozen=True, slots=True)
class Plan:
    """What an upgrade changes.

    Attributes:
        shown: Name of the database.
        revision: That our tables are of.
        changes: The revisions that follow, and what each brings, oldest first. None: ours are up to date.
        optuna: The version that Optuna's tables are of, and the one to come; ``None`` if up to date, or absent.
    """

    shown: str
    revision: str
    changes: tuple[tuple[str, str], ...]
    optuna: tuple[str, str] | None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.changes and self.optuna is None

    @property
    def label(self) -> str:
        """What is new, in a word."""
        return self.changes[-1][0] if self.changes else f"optuna-{self.optuna[1] if self.optuna else ''}"


def plan_upgrade(storage: str) -> Plan:
    """What would be changed. Changes nothing.

    Raises:
        StorageError: The database cannot be used, or is of a newer version.
        NotFoundError: There is none, or no sweep was ever stored in it.
    """
    with AnyVersion.find(storage) as found:
        return _plan(found)


def upgrade(storage: str, say: Callable[[str], None], begin: Callable[[Plan], None]) -> Plan:
    """Brings a database up to date. Several programs may try at once: the others wait, and find nothing to do.

    Args:
        storage: Database URL.
        say: Told of what is waited for, and where a copy is kept.
        begin: Told what will be changed, if anything is.

    Returns:
        What was changed.

    Raises:
        BusyError: A run is at work in it; nothing was changed.
        StorageError: The database cannot be used, or is of a newer version.
        NotFoundError: There is none, or no sweep was ever stored in it.
    """
    with AnyVersion.find(storage) as found:
        found.on_wait = say
        with found.alone():
            found.look()
            plan = _plan(found)
            if plan.empty:
                return plan
            for lease in found.leases():
                if is_held(lease):
                    raise BusyError(
                        f"a run is at work in {found.shown}: {lease.holder}; nothing was changed. Once it has ended, "
                        "or is paused, the database can be upgraded"
                    )
            begin(plan)
            found.change(upgrade_optuna, plan.label, say)
            return plan


def _plan(found: AnyVersion) -> Plan:
    optuna = optuna_versions(found)
    if optuna is not None and optuna[0] == optuna[1]:
        optuna = None
    return Plan(found.shown, found.revision, tuple(found.changes), optuna)
