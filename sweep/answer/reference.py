"""What the literature's tests say of fold scores: recorded beside the answer, deciding nothing.

The corrected resampled t-test (Nadeau & Bengio 2003, "Inference for the generalization error") and its Bayesian reading
(Corani & Benavoli 2015; Benavoli, Corani, Demšar & Zaffalon 2017, "Time for a change"), both on the differences of J =
R · k fold scores. Their premise is that all fold scores correlate by 1/k. Most of the variance of a network's fold
scores is noise of seeds and partitions, which repeats average out: here the standard error is 2 to 3 times too wide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sweep.answer.records import Reference

# Spreads below this share of the largest value are rounding.
ROUNDING = 1e-12


def correction(scores: int, folds: int) -> float:
    """``1/J + 1/(k - 1)``: from the variance of J fold scores to that of their mean (Nadeau & Bengio 2003).

    The second term is the ratio of test to training rows in a fold.
    """
    return 1 / scores + 1 / (folds - 1)


def variance_of_folds(differences: NDArray[np.float64]) -> float:
    """Sample variance of ``[J]`` fold-score differences; 0 where it is rounding."""
    variance = float(np.var(differences, ddof=1))
    return variance if np.sqrt(variance) > ROUNDING * np.abs(differences).max() else 0.0


def reference(differences: NDArray[np.float64], *, folds: int, repeats: int, rope: float) -> Reference:
    """Both tests.

    Args:
        differences: ``[R * k]`` fold scores of x minus those of y, higher is better.
        folds: k, at least 2.
        repeats: R.
        rope: Half-width of the region of practical equivalence, at least 0.

    Returns:
        All ``None`` where a score is unknown. Without variance there is no t, and the
        probabilities are those of a point.

    Raises:
        ValueError: There are not R · k scores.
    """
    scores = len(differences)
    if scores != folds * repeats:
        raise ValueError(f"differences must be {folds * repeats} fold scores, however: {scores}")
    if not np.isfinite(differences).all():
        return Reference(dict.fromkeys(("t", "df", "p_value")), dict.fromkeys(("worse", "equivalent", "better")))
    mean, df = float(differences.mean()), scores - 1
    se = float(np.sqrt(correction(scores, folds) * variance_of_folds(differences)))
    t = mean / se if se > 0 else None
    worse, equivalent, better = posterior(mean, se, df, rope)
    return Reference(
        nadeau_bengio={
            "t": t,
            "df": float(df),
            "p_value": None if t is None else float(2 * special.stdtr(df, -abs(t))),
        },
        baycomp={"worse": worse, "equivalent": equivalent, "better": better},
    )


def posterior(mean: float, se: float, df: float, rope: float) -> tuple[float, float, float]:
    """Probabilities that δ ~ t(df, mean, se) lies below, inside and above ``[-rope, rope]``.

    Benavoli et al. 2017, the correlated t-test. Without a standard error δ is a point; one on the border lies inside.
    """
    if se == 0:
        return float(mean < -rope), float(-rope <= mean <= rope), float(mean > rope)
    below = float(special.stdtr(df, (-rope - mean) / se))
    above = float(special.stdtr(df, (mean - rope) / se))
    return below, max(0.0, 1 - below - above), above
