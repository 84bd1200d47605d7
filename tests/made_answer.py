"""Made answers: what the tests of words, figures and pages need, and a look at a page, without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from scipy import stats

from sweep.answer.records import (
    Advice,
    Answer,
    ArmAnswer,
    Beside,
    Comparison,
    Control,
    Method,
    Reason,
    Reference,
    RuleAnswer,
    RuleComparison,
    RuleTerm,
    Verdict,
)
from sweep.metrics import METRICS
from sweep.records import Hyperparameters
from sweep.spec.layers import layers_of
from sweep.spec.layers import subsets as subsets_of

ROWS, REPEATS, DF = 300, 20, 60.0
SUBSETS = tuple(name for name in subsets_of(4) if name != "none")


def comparison(
    difference: float, half: float, method: Method = "t", units: int = ROWS, repeats: int = REPEATS
) -> Comparison:
    """One whose interval is ``difference ± half``, its other numbers to match."""
    se = half / float(stats.t.ppf(0.975, DF))
    greater = float(stats.t.sf(difference / se, DF)) if se else (0.5 if difference == 0 else 1e-4)
    return Comparison(
        difference=difference,
        low=difference - half,
        high=difference + half,
        se=se,
        df=DF,
        p_value=min(1.0, 2 * min(greater, 1 - greater)),
        p_greater=greater,
        p_less=1 - greater,
        method=method,
        units=units,
        repeats=repeats,
        floor=0.4 * se**2,
        noise=0.6 * se**2,
    )


def arm(
    placement: str,
    verdict: Verdict,
    tuned: tuple[float, float],
    matched: tuple[float, float] | None = None,
    *,
    control: float = 0.82,
    rope: float = 0.01,
    metric: str = "accuracy",
    reason: Reason | None = None,
    advice: Advice | None = None,
    diverged: float = 0.0,
    units: int = ROWS,
    method: Method = "t",
    p_equivalent: float | None = None,
    depth: int = 2,
) -> ArmAnswer:
    """A placement; ``tuned`` and ``matched`` are (difference, half-width)."""
    against = comparison(*tuned, method=method, units=units)
    itself = comparison(*(matched or tuned), method=method, units=units)
    sign = 1 if METRICS[metric].maximize else -1
    within = stats.t.cdf((rope - tuned[0]) / (against.se or 1e-9), DF) - stats.t.cdf(
        (-rope - tuned[0]) / (against.se or 1e-9), DF
    )
    two_sided = 2 * min(
        max(against.p_greater, itself.p_greater), max(against.p_less, itself.p_less)
    )  # as if it stood alone
    return ArmAnswer(
        placement=placement,
        trial=17,
        params=Hyperparameters(
            hidden=(60, 30, 20, 10)[:depth],
            placement=placement,
            dropout=tuple(0.3 if on else 0.0 for on in layers_of(placement, depth)),
            learning_rate=0.05,
            momentum=0.9,
            max_norm=3.0,
            lr_decay=0.1,
            weight_decay=0.0,
        ),
        epoch=200,
        raw_score=control + sign * (tuned[0] + 0.03 * (1 if METRICS[metric].percent else control)),
        score=control + sign * tuned[0],
        spread=0.015 * control,
        tuned=against,
        matched=itself,
        p_value=min(1.0, two_sided),
        p_helps=float(stats.t.sf((rope - tuned[0]) / (against.se or 1e-9), DF)),
        p_equivalent=float(within) if p_equivalent is None else p_equivalent,
        verdict=verdict,
        reason=reason,
        advice=advice,
        diverged=diverged,
        reference=Reference({"t": 0.81, "df": 99.0, "p_value": 0.42}, {"worse": 0.1, "equivalent": 0.3, "better": 0.6}),
        beside=(
            Beside("log_loss", 0.041, 0.012, 0.07),
            Beside("roc_auc", 0.012, -0.004, 0.028),
        )
        if metric == "accuracy"
        else (Beside("mae", 0.4, -0.6, 1.4),),
    )


def answer(arms: Sequence[ArmAnswer], metric: str = "accuracy", **changed: Any) -> Answer:
    """Of these arms, in order."""
    depth = len(arms[0].params.hidden) if arms else 2
    own = Hyperparameters((60, 30, 20, 10)[:depth], "none", (0.0,) * (depth + 1), 0.03, 0.9, None, 0.1, 0.0)
    score = 0.82 if METRICS[metric].percent else 56.4 if METRICS[metric].family == "regression" else 0.41
    constant = 0.54 if METRICS[metric].percent else 77.0 if METRICS[metric].family == "regression" else 0.69
    worse = 0.03 if METRICS[metric].percent else -0.05 * score
    made = Answer(
        name="sonar",
        metric=metric,
        repeats=REPEATS,
        folds=5,
        rows=ROWS,
        groups=None,
        one_history=False,
        looks=1,
        constant=constant,
        rope=0.01 if METRICS[metric].maximize else 0.01 * constant,
        control=Control(trial=4, params=own, epoch=150, raw_score=score + worse, score=score, spread=0.015 * score),
        arms=tuple(arms),
    )
    return replace(made, **changed)


def helps() -> Answer:
    """One placement helps, one is not told apart, one hurts."""
    return answer(
        [
            arm("input", "helps", (0.024, 0.018), (0.021, 0.016)),
            arm("all", "cannot tell", (0.012, 0.019), (0.004, 0.02), advice=Advice("rows", 912)),
            arm("hidden", "hurts", (-0.031, 0.02), (-0.028, 0.022)),
        ]
    )


def untold(*advices: Advice) -> Answer:
    """Nothing is told apart, with this advice for each placement, best first."""
    names = ("input", "all", "hidden")
    return answer(
        [
            arm(name, "cannot tell", (0.008 - 0.004 * place, 0.019), (0.003, 0.022), advice=advice)
            for place, (name, advice) in enumerate(zip(names, advices, strict=False))
        ]
    )


def equivalent() -> Answer:
    """No practical difference anywhere."""
    return answer(
        [
            arm("input", "no practical difference", (0.001, 0.008), p_equivalent=0.972),
            arm("all", "no practical difference", (-0.001, 0.008), p_equivalent=0.981),
        ]
    )


def nothing_learned() -> Answer:
    """No network beats the most common class."""
    return answer(
        [
            arm("input", "nothing learned", (0.004, 0.03), control=0.53),
            arm("hidden", "nothing learned", (-0.01, 0.03), control=0.53),
        ]
    )


def hurts() -> Answer:
    """Every placement hurts."""
    return answer([arm("input", "hurts", (-0.024, 0.018), (-0.02, 0.014)), arm("all", "hurts", (-0.06, 0.02))])


def subsets() -> Answer:
    """31 placements: every subset of five layers."""
    made = [
        arm(
            name,
            "helps" if place < 2 else "hurts" if place > 27 else "cannot tell",
            (0.034 - 0.0023 * place, 0.014 + 0.0006 * (place % 7)),
            (0.03 - 0.002 * place if place != 2 else 0.01, 0.017),
            reason="tuned control only" if place == 2 else None,
            advice=None if place < 2 or place > 27 else Advice("rows", 700 + 91 * place),
            depth=4,
        )
        for place, name in enumerate(SUBSETS)
    ]
    return answer(made)


def errors() -> Answer:
    """RMSE: one placement helps, slightly."""
    common: dict[str, Any] = {"metric": "rmse", "control": 56.4, "rope": 0.77, "units": 442}
    return answer(
        [
            arm("input", "helps", (0.7, 0.52), (0.9, 0.6), **common),
            arm("hidden", "cannot tell", (-0.31, 0.9), (0.2, 1.1), advice=Advice("repeats", 43), **common),
            arm("all", "cannot tell", (-1.2, 3.4), reason="heavy tail", advice=Advice("unlikely", None), **common),
        ],
        "rmse",
        rows=442,
    )


def one_history() -> Answer:
    """A time series."""
    return answer(
        [arm("input", "cannot tell", (0.012, 0.04), advice=Advice("rows", 40), units=12, method="groups")],
        groups=12,
        one_history=True,
        rows=200,
    )


def rules() -> Answer:
    """One of every outcome, in points; one of the intervals is far beyond the others."""
    made = helps()

    def compared(what: str, difference: float, half: float, *, decides: bool = True) -> RuleComparison:
        terms = tuple(
            RuleTerm(label=label, weight=weight, params=made.arms[0].params, epoch=200, score=0.8, diverged=0.0)
            for label, weight in zip(what.split(" against "), (1.0, -1.0), strict=True)
        )
        found = comparison(difference, half, "t", repeats=3)
        return RuleComparison(what=what, decides=decides, comparison=found, terms=terms)

    start = [compared("20 % against none", 0.024, 0.018), compared("20 % against 50 %", 0.012, 0.03, decides=False)]
    fast = [compared("10 × against 1 ×", -0.31, 0.04), compared("100 × against 1 ×", -0.36, 0.04, decides=False)]
    alike, unknown = compared("4 against off", 0.0, 0.004), compared("0.95 against 0.5", -0.004, 0.021)
    both = ("Srivastava et al. 2014", "Brownlee's tutorial")
    texts = [
        ("start", "20 % is a good start", both[1], "holds", start, ("One rate for the inputs.",)),
        ("learning rate", "Learn 10 to 100 times as fast", both[0], "does not hold", fast, ("100 ×: 40 % diverged.",)),
        ("max-norm", "Bound weights by a max-norm of 3 to 5", both[0], "no practical difference", [alike], ()),
        ("momentum", "Use a high momentum", "; ".join(both), "cannot tell", [unknown], ()),
        ("larger", "A larger network pays off more", both[0], "not tested", [], ("A layer of 4,096 units is wide.",)),
    ]
    found: list[Any] = [
        RuleAnswer(key=key, statement=statement, source=source, outcome=outcome, comparisons=tuple(parts), notes=notes)  # type: ignore[arg-type]
        for key, statement, source, outcome, parts, notes in texts
    ]
    return replace(made, rules=tuple(found))


ALL: dict[str, Callable[[], Answer]] = {
    "helps": helps,
    "repeats": lambda: untold(Advice("unlikely", None), Advice("repeats", 43), Advice("rows", 912)),
    "equivalent": equivalent,
    "nothing": nothing_learned,
    "hurts": hurts,
    "subsets": subsets,
    "errors": errors,
    "history": one_history,
    "rules": rules,
}


def with_rivals(made: Answer) -> Answer:
    """The same with two further networks without dropout, the second of which is hard to tell from the arms."""
    near = made.arms[0].tuned, comparison(0.004, 0.012)
    control = replace(made.control, trial=5, score=made.control.score - 0.004)
    return replace(made, arms=tuple(replace(arm, rivals=near) for arm in made.arms), rivals=(control, control))
