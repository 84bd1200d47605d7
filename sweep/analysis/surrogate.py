"""A smooth model of the score over all searched parameters, and averages of it.

A Gaussian process (Rasmussen & Williams 2006, chapters 2 and 5) from scikit-learn, with one length scale for each
parameter and a noise term. One model holds all placements: a layer without dropout has rate 0, and a network whose rate
goes to 0 becomes that network (with the same draws, too), so an arm is a face of one space. What an arm's few trials
say of the learning rate and its kin then serves all arms; eight to forty trials would not do for six parameters of one
arm alone.

Averages over trials with some parameters set to given values ("partial dependence", Friedman 2001) are linear in the
model, and with a squared-exponential kernel they factor by parameter: mean and covariance are exact and cheap.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

from sweep.records import Hyperparameters
from sweep.spec.layers import layer_names

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# Log-normal priors: a length scale is about half the diagonal of the space (longer: the parameter hardly matters), the
# noise about a third of the scores' variance. Without them a likelihood of some forty trials often has its maximum
# where one parameter explains the noise. A variance above that of the scores (1) pulls the ends of a curve less to the
# middle; at 10 curves of pure noise were told from flat ones in 7 % of simulated cases, at 3 in 3 %.
_VARIANCE, _LENGTH, _NOISE, _WIDTH = 3.0, 0.5, 0.3, 1.0
_LENGTHS, _VARIANCES, _NOISES = (0.05, 30.0), (1e-2, 200.0), (1e-3, 3.0)
_JITTER = 1e-8  # on the diagonal, of scores with variance 1


@dataclass(frozen=True, slots=True)
class Group:
    """Trials that are averaged over with the same parameters set to the same values.

    Attributes:
        members: ``[N]`` places of the trials.
        values: ``[V, S]``: in each of V settings the coordinates of the S columns that are set.
    """

    members: Indices
    values: Floats


class Columns:
    """The searched parameters as coordinates from 0 to 1.

    Where a parameter acts by ratios its coordinate is a logarithm: of the learning rate, of its decay, of weight decay,
    of what momentum leaves (1 - m). A bound on the norm acts by its reciprocal, and no bound is 0: it lies beyond the
    largest, where it belongs.

    Attributes:
        names: Of the d columns: those in which trials differ.
        points: ``[n, d]`` coordinates of the trials.
    """

    def __init__(self, trials: Sequence[Hyperparameters]) -> None:
        depth = max((len(trial.hidden) for trial in trials), default=0)
        decays = [trial.weight_decay for trial in trials if trial.weight_decay > 0]
        self._to: dict[str, Callable[[Any], float]] = {
            **{f"dropout_{layer}": float for layer in layer_names(depth)},
            "learning_rate": math.log,
            "momentum": lambda value: math.log1p(-value),
            "max_norm": lambda value: 0.0 if value is None else 1.0 / value,
            "lr_decay": math.log,
            "weight_decay": lambda value: math.log(max(value, 0.1 * min(decays, default=1.0))),
            "units": lambda value: math.log(value),
            "depth": float,
        }
        raw = {name: np.array([to(_of(trial, name)) for trial in trials]) for name, to in self._to.items()}
        self._range = {name: (float(v.min()), float(np.ptp(v))) for name, v in raw.items() if len(v) and np.ptp(v) > 0}
        self.names = tuple(self._range)
        self.points = np.empty((len(trials), len(self.names)))
        for place, (name, (low, length)) in enumerate(self._range.items()):
            self.points[:, place] = (raw[name] - low) / length

    def at(self, name: str, value: float | None) -> float:
        """The coordinate of a value of a parameter."""
        low, length = self._range[name]
        return (self._to[name](value) - low) / length


def _of(trial: Hyperparameters, name: str) -> float | None:
    if name.startswith("dropout_"):
        place = layer_names(len(trial.hidden)).index(name.removeprefix("dropout_")) if _has(trial, name) else None
        return 0.0 if place is None else trial.dropout[place]
    if name == "units":
        return float(sum(trial.hidden))
    if name == "depth":
        return float(len(trial.hidden))
    value: float | None = getattr(trial, name)
    return value


def _has(trial: Hyperparameters, name: str) -> bool:
    return name.removeprefix("dropout_") in layer_names(len(trial.hidden))


class Surrogate:
    """The model, fitted.

    Attributes:
        explained: Share of the scores' variance that the model explains of trials it has not seen: leave-one-out R²
            (Rasmussen & Williams 2006, equation 5.12), with the model's own scales. Below 0 where it is worse than the
            mean.
    """

    def __init__(self, points: Floats, scores: Floats) -> None:
        """Fit it.

        Args:
            points: ``[n, d]`` coordinates from 0 to 1, d at least 1.
            scores: ``[n]``, not all equal.
        """
        # Brings much of scikit-learn, which most commands do without.
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        width = points.shape[1]
        self._points, self._centre, self._unit = points, float(scores.mean()), float(scores.std())
        kernel = ConstantKernel(1.0, _VARIANCES) * RBF(np.ones(width), _LENGTHS) + WhiteKernel(_NOISE, _NOISES)
        prior = np.log(np.r_[_VARIANCE, np.full(width, _LENGTH * math.sqrt(width)), _NOISE])
        model = GaussianProcessRegressor(kernel, alpha=_JITTER, optimizer=_most_probable(prior))
        with warnings.catch_warnings():
            # Of a scale at its bound, where the prior has long left it: scores without any noise, say.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(points, (scores - self._centre) / self._unit)
        fitted = np.exp(model.kernel_.theta)
        self._variance, self._lengths = float(fitted[0]), fitted[1:-1]
        self._lower, self._weights = model.L_, model.alpha_
        inverse = np.diag(cho_solve((model.L_, True), np.eye(len(points))))
        left_out = model.alpha_ / inverse
        self.explained = 1.0 - float(np.square(left_out).sum() / np.square((scores - self._centre) / self._unit).sum())

    def averages(self, groups: Sequence[Group], columns: Sequence[int]) -> tuple[Floats, Floats]:
        """The model averaged over trials, with some of their parameters set, in V settings.

        Args:
            groups: The trials; each stands for as much as it has members.
            columns: The S columns that are set.

        Returns:
            Mean, ``[V]``, and covariance, ``[V, V]``, of the averages, in units of the scores.
        """
        fixed = np.asarray(columns, dtype=np.int64)
        free = np.setdiff1d(np.arange(self._points.shape[1]), fixed)
        share = np.array([len(group.members) for group in groups], dtype=np.float64)
        share /= share.sum()
        scaled = self._points / self._lengths
        sets = [group.values / self._lengths[fixed] for group in groups]
        rests = [scaled[np.ix_(group.members, free)] for group in groups]
        to_trials = np.zeros((len(sets[0]), len(scaled)))
        among = np.zeros((len(sets[0]), len(sets[0])))
        for weight, own, rest in zip(share, sets, rests, strict=True):
            to_trials += weight * _near(own, scaled[:, fixed]) * _near(rest, scaled[:, free]).mean(axis=0)
            for other_weight, other, other_rest in zip(share, sets, rests, strict=True):
                among += weight * other_weight * _near(own, other) * _near(rest, other_rest).mean()
        to_trials, among = self._variance * to_trials, self._variance * among
        solved = solve_triangular(self._lower, to_trials.T, lower=True)
        mean = self._centre + self._unit * (to_trials @ self._weights)
        return mean, self._unit**2 * (among - solved.T @ solved)


def draw(covariance: Floats, draws: int, seed: int) -> Floats:
    """``[draws, V]`` normal deviates with mean 0 and this covariance ``[V, V]``, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=(draws, len(values))) * np.sqrt(np.clip(values, 0, None)) @ vectors.T)


def _near(one: Floats, other: Floats) -> Floats:
    """``[I, J]`` squared-exponential kernel of rows ``[I, d]`` and ``[J, d]`` in units of the length scales."""
    far = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1) - 2 * one @ other.T
    return np.asarray(np.exp(-0.5 * np.clip(far, 0, None)))


def _most_probable(prior: Floats) -> Callable[..., tuple[Floats, float]]:
    """An optimiser for scikit-learn: the maximum of likelihood times log-normal prior, from the prior's centre."""

    def optimise(
        objective: Callable[[Floats], tuple[float, Floats]], start: Floats, bounds: Any
    ) -> tuple[Floats, float]:
        def penalised(theta: Floats) -> tuple[float, Floats]:
            value, gradient = objective(theta)
            away = (theta - prior) / _WIDTH
            return value + 0.5 * float(away @ away), gradient + away / _WIDTH

        found = minimize(penalised, prior, jac=True, bounds=bounds, method="L-BFGS-B")
        return found.x, float(found.fun)

    return optimise
