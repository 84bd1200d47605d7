"""What nested cross-validation says: numbers and short codes, as ``records`` has them for the answer itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from sweep.answer.records import Comparison
from sweep.records import Configuration, Hyperparameters

Side = Literal["all", "none"]
"""Which of the two searches: over all placements of the definition, or over networks without dropout alone."""

SIDES: tuple[Side, Side] = ("all", "none")

NestedVerdict = Literal["pays", "costs", "no practical difference", "cannot tell", "nothing learned"]


@dataclass(frozen=True, slots=True)
class Winner:
    """What one search chose on the training rows of an outer fold.

    Attributes:
        configuration: Trained once more on all of these rows.
        raw_score: That it was chosen for, in the search's own folds.
        score: Of that network on the outer fold's test rows; NaN where the metric is undefined there.
        diverged: Whether that network did, and was scored as the constant prediction.
    """

    configuration: Configuration
    raw_score: float
    score: float
    diverged: bool

    @property
    def placement(self) -> str:
        """Name of its arm."""
        return self.configuration.params.placement

    def to_dict(self) -> dict[str, Any]:
        """As part of the JSON document of ``sweep answer``."""
        return {
            "placement": self.placement,
            "params": self.configuration.params.to_dict(),
            "epoch": self.configuration.epoch,
            "raw_score": self.raw_score,
            "score": self.score,
            "diverged": self.diverged,
        }


@dataclass(frozen=True, slots=True)
class NestedScore:
    """What to expect of a search on new rows: mean over the outer folds, which are its unit.

    Attributes:
        value: In the metric's own units and direction.
        low: Lower end of the 95 % interval; ``None`` where fewer than two folds have a score.
        high: Upper end.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """Does *tuning dropout* pay on data like this? Two searches of equal budget, each on the same outer folds.

    Attributes:
        metric: Name of the metric that chooses, and is compared.
        trials: Of each search over all placements.
        trials_without: Of each search without dropout: fewer, if the space has no more configurations without.
        rows: n, each tested once.
        groups: Independent groups of rows; ``None`` where rows are independent.
        constant: Score of a constant prediction on these rows.
        rope: Half-width of the region of practical equivalence, in the metric's units.
        comparison: Best of all against best without dropout, by rows; positive where the search over all is better.
        p_pays: Probability that the difference exceeds the region of practical equivalence.
        p_equivalent: Probability that it lies inside.
        verdict: What it comes to.
        score: Of the search over all placements.
        without: Of the search without dropout.
        outer: For each outer fold, what the search over all placements chose, and what the other one.
    """

    metric: str
    trials: int
    trials_without: int
    rows: int
    groups: int | None
    constant: float
    rope: float
    comparison: Comparison
    p_pays: float
    p_equivalent: float
    verdict: NestedVerdict
    score: NestedScore
    without: NestedScore
    outer: tuple[tuple[Winner, Winner], ...]

    def to_dict(self) -> dict[str, Any]:
        """``nested`` in the JSON document of ``sweep answer``."""
        own = self.comparison
        return {
            "outer_folds": len(self.outer),
            "trials": self.trials,
            "trials_without": self.trials_without,
            "difference": own.difference,
            "low": own.low,
            "high": own.high,
            "p_value": own.p_value,
            "p_pays": self.p_pays,
            "p_equivalent": self.p_equivalent,
            "verdict": self.verdict,
            "method": own.method,
            "nested_score": asdict(self.score),
            "nested_score_without": asdict(self.without),
            "folds": [{"all": one.to_dict(), "none": other.to_dict()} for one, other in self.outer],
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Nested:
        """Inverse of ``asdict``, through JSON."""
        return cls(
            **{
                **plain,
                "comparison": Comparison(**plain["comparison"]),
                "score": NestedScore(**plain["score"]),
                "without": NestedScore(**plain["without"]),
                "outer": tuple((_winner(one), _winner(other)) for one, other in plain["outer"]),
            }
        )


def _winner(plain: dict[str, Any]) -> Winner:
    own = plain["configuration"]
    return Winner(**{**plain, "configuration": Configuration(Hyperparameters.from_dict(own["params"]), own["epoch"])})
