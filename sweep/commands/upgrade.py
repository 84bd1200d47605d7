"""``sweep storage upgrade``, in words."""

from __future__ import annotations

from collections.abc import Callable

from sweep.run import upgrade as upgrading
from sweep.run.upgrade import Plan


def upgrade(storage: str, say: Callable[[str], None], begin: Callable[[str], None], *, dry_run: bool) -> str:
    """Brings the tables of a database up to date.

    Args:
        storage: Database URL.
        say: Told of what is waited for, and where a copy is kept.
        begin: Told what will be changed, if anything is.
        dry_run: Whether only to say what would be.

    Returns:
        What was done, or would be.

    Raises:
        SweepError: The database cannot be used, or a run is at work.
    """
    if dry_run:
        return plan_text(upgrading.plan_upgrade(storage))
    done = upgrading.upgrade(storage, say, lambda plan: begin(plan_text(plan)))
    return plan_text(done) if done.empty else f"{done.shown} is up to date"


def plan_text(plan: Plan) -> str:
    """What an upgrade changes, a line for each revision."""
    if plan.empty:
        return f"nothing to do: {plan.shown} is up to date (revision {plan.revision})"
    lines = [f"{plan.shown}:"]
    if plan.changes:
        lines.append(f"  sweep's tables from revision {plan.revision} to {plan.changes[-1][0]}")
        lines += [f"    {revision}  {brings}" for revision, brings in plan.changes]
    if plan.optuna:
        lines.append(f"  Optuna's tables from version {plan.optuna[0]} to {plan.optuna[1]}")
    return "\n".join(lines)
