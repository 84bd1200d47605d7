"""How the columns of one table became features: what it takes to do the same with other rows."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.tables.features import FeaturePlan


@dataclass(frozen=True, slots=True)
class Recipe:
    """From columns to features, as it was settled by one table.

    Attributes:
        plans: Of the columns that are used, in the order of their features.
        target: Name of the column that was predicted.
        unused: Names of the other columns, which are no features: left out, dropped, or the groups.
        missing: Texts that stand for missing values, beside those that always do (``data.missing``).
    """

    plans: tuple[FeaturePlan, ...]
    target: str
    unused: tuple[str, ...] = ()
    missing: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the F feature columns."""
        return tuple(name for plan in self.plans for name in plan.names)
