"""Inputs of an ONNX model: one for each column of the table that is used, and what is put into it.

==============  ==================================================================================================
numeric         double ``[n, 1]``, NaN where missing; of amounts, percentages and times the number they are read as
boolean         double, 1 or 0, NaN where missing
datetime        double, days since 1970-01-01 (UTC), spans in days; NaN where missing
categorical     string, a level as the sweep has read it; ``""`` where missing
==============  ==================================================================================================

Numbers are of double precision, since a column far from 0 against its spread, such as Unix seconds of one hour, has its
middle taken off before it becomes single. ONNX wants identifiers for names: a column whose name is none gets an input
of another name, and its own one is in the input's description and in the metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.tables.features import FeaturePlan
from sweep.tables.formats import PLAIN, SPAN, holds, in_words
from sweep.tables.given import read_given
from sweep.tables.types import Table

_SHOWN = 12


class Names:
    """Names within one model, all distinct."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*taken}

    def new(self, wanted: str) -> str:
        """``wanted``, or the same with a number that nobody has yet."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    Attributes:
        name: In the model: letters, digits and underscores, no digit first.
        plan: Of its column.
    """

    name: str
    plan: FeaturePlan

    @property
    def is_text(self) -> bool:
        """Whether it takes texts; else numbers of double precision."""
        return self.plan.kind == "categorical"

    @property
    def description(self) -> str:
        """What is put into it."""
        return f"column {self.plan.column!r}: {self._held()}"

    def values(self, table: Table) -> NDArray[Any]:
        """``[n, 1]`` of a table with that column: float64, NaN where missing; or texts (object), empty where missing.

        Raises:
            DataError: A cell cannot be read as the others were.
        """
        column = read_given(table, self.plan)
        if column.codes is not None:
            return np.array([*column.levels, ""], object)[column.codes][:, None]  # code -1: the last
        assert column.numbers is not None  # noqa: S101 - a column has numbers or codes
        return column.numbers[:, None]

    def to_dict(self) -> dict[str, Any]:
        """For the metadata."""
        plan = self.plan
        about = {"input": self.name, "column": plan.column, "kind": plan.kind}
        return about | ({"levels": list(plan.levels), "rare": plan.rare} if self.is_text else {"format": plan.format})

    def _held(self) -> str:
        plan = self.plan
        if plan.kind == "categorical":
            shown = ", ".join(repr(level[:40]) for level in plan.levels[:_SHOWN])
            more = f", … ({len(plan.levels)} in all)" if len(plan.levels) > _SHOWN else ""
            others = "others count as rare ones" if plan.rare else "others are none of them"
            return f'a text, one of {shown}{more}; {others}; "" where missing'
        if plan.kind == "boolean":
            yes, _, no = plan.format.partition("/")
            return f"1 for {yes!r}, 0 for {no!r}; NaN where missing"
        if plan.kind == "datetime":
            since = "" if plan.format == SPAN else " since 1970-01-01 (UTC)"
            return f"days{since}, parts of a day behind the point; NaN where missing"
        if plan.format == PLAIN:
            return "a number; NaN where missing"
        unit = "hours" if plan.format.startswith("time ") else "the number"
        return f"{unit} of {in_words(plan.format)}; NaN where missing"


def inputs_of(plans: Iterable[FeaturePlan], names: Names) -> tuple[Input, ...]:
    """An input for each column, in order.

    Args:
        plans: Of the columns.
        names: Those of the model so far; the inputs' own are added.
    """
    return tuple(Input(names.new(_identifier(plan.column, place)), plan) for place, plan in enumerate(plans, start=1))


def levels_in_numbers(plan: FeaturePlan) -> bool:
    """Whether the levels of a category are numbers, which can be written in more than one way."""
    return bool(plan.format) and holds(plan.format) == "numeric"


def _identifier(column: str, place: int) -> str:
    """The nearest to a name that ONNX allows: that of an identifier in C."""
    if not re.search("[A-Za-z0-9]", column):
        return f"column{place}"
    name = re.sub(r"[^A-Za-z0-9_]+", "_", column)
    return f"column_{name}" if name[0].isdecimal() else name
