"""What an answer says: numbers and short codes. Sentences are made of them in ``sentences``, pictures in ``figures``.

All differences are *improvements*: positive where the first configuration is better, whatever the metric's direction,
in the metric's own units (0.02 of accuracy is two points; 0.02 of log loss is that much less loss).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sweep.records import Hyperparameters

Verdict = Literal["helps", "hurts", "no practical difference", "cannot tell", "nothing learned"]

Method = Literal["t", "sign-flip", "groups", "identical", "too few", "corrected t"]
"""How a comparison was tested.

``"t"``: rows x repeats. ``"sign-flip"``: permutation of row means (few rows differ, one row carries the difference, or
there is no variance). ``"groups"``: sums by group. ``"identical"``: no row differs. ``"too few"``: rows or groups that
no test can do anything with. ``"corrected t"``: Nadeau & Bengio's on fold scores, where a metric has no row scores.
"""

Reason = Literal[
    "tuned control only", "matched control only", "rival", "unstable", "few rows", "few groups", "heavy tail"
]
"""What else there is to say of an arm.

``"tuned control only"``: it beats the best network without dropout, not clearly itself without dropout.
``"matched control only"``: the reverse. ``"rival"``: it beats both, but not clearly the next best networks without
dropout. ``"unstable"``: more than a tenth of its runs diverged, so it cannot help.
``"heavy tail"``: one row carries more than a fifth of the variance.
"""


Outcome = Literal["holds", "does not hold", "no practical difference", "cannot tell", "not tested"]
"""What a rule of thumb comes to on this table. ``"not tested"``: its networks cannot be trained here."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Configuration x against y, paired by rows and repeats.

    Attributes:
        difference: m, the mean improvement of x over y.
        low: Lower end of its 95 % interval.
        high: Upper end.
        se: Standard error, at least 0.
        df: Degrees of freedom, at least 1.
        p_value: Two-sided, in (0, 1].
        p_greater: One-sided, small where x is better.
        p_less: One-sided, small where x is worse.
        method: How it was tested.
        units: Independent units: rows, or groups.
        repeats: R.
        floor: Variance of m that no repeat removes, c · A of the plan for more repeats.
        noise: Variance of m that repeats remove, c · N / R at the R of this comparison.
    """

    difference: float
    low: float
    high: float
    se: float
    df: float
    p_value: float
    p_greater: float
    p_less: float
    method: Method
    units: int
    repeats: int
    floor: float
    noise: float


@dataclass(frozen=True, slots=True)
class Advice:
    """What would tell, where a verdict is "cannot tell".

    Attributes:
        kind: ``"repeats"``: that many repeats would settle it with even odds. ``"rows"``: no number of repeats would,
            about that many rows would (80 % chance). ``"unlikely"``: up to 100 repeats are unlikely to settle it.
            ``"too small"``: the effect, if there is one, is too small for a table of this kind.
        number: Of repeats or rows; ``None`` where there is none to name.
    """

    kind: Literal["repeats", "rows", "unlikely", "too small"]
    number: int | None


@dataclass(frozen=True, slots=True)
class Reference:
    """What the tests of the literature say of an arm against the tuned control. They decide nothing.

    Attributes:
        nadeau_bengio: ``{"t", "df", "p_value"}`` of the corrected resampled t-test (Nadeau & Bengio 2003).
        baycomp: ``{"worse", "equivalent", "better"}``, probabilities of the Bayesian correlated t-test (Benavoli et
            al. 2017) with the same region of practical equivalence.
    """

    nadeau_bengio: dict[str, float | None]
    baycomp: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Beside:
    """Another metric, beside the one that decides: without a verdict, since no control was tuned for it."""

    metric: str
    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmAnswer:
    """One placement of dropout: its winner against its controls.

    Attributes:
        placement: Its name.
        trial: Number of its winner in the sweep.
        params: The winner's configuration.
        epoch: Its epoch, part of the configuration.
        raw_score: That it was chosen for.
        score: On fresh folds: the metric, mean over folds and repeats, in its own units and direction.
        tuned: Against the best configuration without dropout.
        matched: Against itself with its rates set to 0.
        rivals: Against the next best configurations without dropout, in the order of ``Answer.rivals``.
        p_value: Adjusted for the fixed sequence of arms, for either verdict.
        p_helps: Probability that the difference exceeds the region of practical equivalence.
        p_equivalent: Probability that it lies inside.
        verdict: What it comes to.
        reason: What else there is to say, or ``None``.
        advice: What would tell, for "cannot tell"; else ``None``.
        spread: Standard deviation of its score over the repeats, each with seeds and folds of its own.
        diverged: Share of its runs (networks of one fold) that diverged, in [0, 1].
        matched_diverged: The same of itself without dropout.
        reference: Tests of the literature.
        beside: The other metrics, against the tuned control.
    """

    placement: str
    trial: int
    params: Hyperparameters
    epoch: int
    raw_score: float
    score: float
    tuned: Comparison
    matched: Comparison
    p_value: float
    p_helps: float
    p_equivalent: float
    verdict: Verdict
    reason: Reason | None = None
    advice: Advice | None = None
    rivals: tuple[Comparison, ...] = ()
    spread: float = 0.0
    diverged: float = 0.0
    matched_diverged: float = 0.0
    reference: Reference | None = None
    beside: tuple[Beside, ...] = ()

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """With all that a verdict needs."""
        return (self.tuned, self.matched, *self.rivals)

    @property
    def rival(self) -> Comparison | None:
        """With the rival that is hardest to tell from it; ``None`` without rivals."""
        ahead = self.tuned.difference >= 0
        return max(self.rivals, key=lambda one: one.p_greater if ahead else one.p_less, default=None)

    @property
    def smaller_than(self) -> float:
        """The end of the interval farther from 0: any effect is smaller than that."""
        return max(abs(self.tuned.low), abs(self.tuned.high))

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``arms`` in the JSON document of ``sweep answer``."""
        reference = self.reference
        return {
            "placement": self.placement,
            "trial": self.trial,
            "params": self.params.to_dict(),
            "epoch": self.epoch,
            "raw_score": self.raw_score,
            "score": self.score,
            "difference": self.tuned.difference,
            "low": self.tuned.low,
            "high": self.tuned.high,
            "matched_difference": self.matched.difference,
            "matched_low": self.matched.low,
            "matched_high": self.matched.high,
            "rivals": [{"difference": one.difference, "low": one.low, "high": one.high} for one in self.rivals],
            "p_value": self.p_value,
            "p_helps": self.p_helps,
            "p_equivalent": self.p_equivalent,
            "verdict": self.verdict,
            "reason": self.reason,
            "smaller_than": self.smaller_than,
            "advice": None if self.advice is None else {"kind": self.advice.kind, "number": self.advice.number},
            "spread": self.spread,
            "diverged": self.diverged,
            "matched_diverged": self.matched_diverged,
            "method": self.tuned.method,
            "beside": [
                {"metric": one.metric, "difference": one.difference, "low": one.low, "high": one.high}
                for one in self.beside
            ],
            "reference": None
            if reference is None
            else {"nadeau_bengio": reference.nadeau_bengio, "baycomp": reference.baycomp},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A configuration without dropout. Fields as those of :class:`ArmAnswer`."""

    trial: int
    params: Hyperparameters
    epoch: int
    raw_score: float
    score: float
    spread: float = 0.0
    diverged: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTerm:
    """A configuration in a comparison of a rule of thumb.

    Attributes:
        label: What it stands for, such as ``"20 %"``.
        weight: Of its score in the difference.
        params: Its hyperparameters.
        epoch: Its epoch.
        score: On fresh folds, in the metric's own units and direction.
        diverged: Share of its runs that diverged and were scored as the constant prediction, in [0, 1].
    """

    label: str
    weight: float
    params: Hyperparameters
    epoch: int
    score: float
    diverged: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleComparison:
    """One difference that a rule of thumb makes: of two configurations, or of more.

    Attributes:
        what: What is compared with what, in words.
        decides: Whether the outcome rests on it; else it stands beside, to explain.
        comparison: Positive where the rule is right.
        terms: Whose weights sum to 0.
    """

    what: str
    decides: bool
    comparison: Comparison
    terms: tuple[RuleTerm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """A rule of thumb of the dropout literature on this table. Exploratory: each is tested as if it were the only one.

    Attributes:
        key: Its short name.
        statement: The rule, a sentence without its full stop.
        source: Where it is from.
        outcome: What it comes to.
        comparisons: Those that decide first; none where it was not tested.
        notes: What else to know, a sentence each.
    """

    key: str
    statement: str
    source: str
    outcome: Outcome
    comparisons: tuple[RuleComparison, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``rules`` in the JSON document of ``sweep answer``."""
        return {
            "key": self.key,
            "statement": self.statement,
            "source": self.source,
            "outcome": self.outcome,
            "comparisons": [
                {
                    "what": one.what,
                    "decides": one.decides,
                    "difference": one.comparison.difference,
                    "low": one.comparison.low,
                    "high": one.comparison.high,
                    "p_value": one.comparison.p_value,
                    "repeats": one.comparison.repeats,
                    "method": one.comparison.method,
                    "terms": [
                        {
                            "label": term.label,
                            "weight": term.weight,
                            "params": term.params.to_dict(),
                            "epoch": term.epoch,
                            "score": term.score,
                            "diverged": term.diverged,
                        }
                        for term in one.terms
                    ],
                }
                for one in self.comparisons
            ],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of a sweep.

    Attributes:
        name: Of the sweep.
        metric: Name of the metric that chose, and decides.
        repeats: R, of fresh folds.
        folds: k of each.
        rows: n that the comparisons rest on.
        groups: Independent groups of rows; ``None`` where rows are independent.
        one_history: Whether the rows are one history (time series): other seeds and origins, no fresh folds.
        looks: How many different numbers of repeats this answer was looked at with, this one included.
        constant: Score of a constant prediction on these rows.
        rope: Half-width of the region of practical equivalence, in the metric's units.
        control: The best configuration without dropout.
        rivals: The next best ones, which a verdict needs too.
        arms: Placements with dropout, by raw score, best first.
        cautions: What to keep in mind, a sentence each.
        rules: Rules of thumb on this table; ``None`` where nobody asked for them.
    """

    name: str
    metric: str
    repeats: int
    folds: int
    rows: int
    groups: int | None
    one_history: bool
    looks: int
    constant: float
    rope: float
    control: Control
    arms: tuple[ArmAnswer, ...]
    rivals: tuple[Control, ...] = ()
    cautions: tuple[str, ...] = ()
    rules: tuple[RuleAnswer, ...] | None = None
