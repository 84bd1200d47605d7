"""What an ask costs late in a long sweep: proposing a trial by TPE, with thousands told before.

The Sonar space, once with a sampler for each placement and once with a single one over everything. Beside each proposal
one of Optuna's own ``Study.ask`` is taken, in memory, on the same trials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import optuna
from optuna.trial import create_trial

from benchmarks.measuring import Ratio, Settings
from benchmarks.report import Section
from sweep.space.arms import batch_size
from sweep.space.proposer import Proposal, Proposer
from sweep.spec.definition import load
from sweep.spec.model import SweepSpec

TOLD = 5_000
"""Trials before the first ask that is timed, in whole batches."""


@dataclass(frozen=True, slots=True)
class Asks:
    """Of one allocation: the seconds of each ask, ours and Optuna's in turn."""

    allocation: str
    ours: tuple[float, ...]
    optuna: tuple[float, ...]


def measure(settings: Settings) -> Section:
    """Two batches for each allocation."""
    return section([take(allocation, TOLD) for allocation in ("equal", "sampler")], TOLD)


def take(allocation: str, told: int) -> Asks:
    """Proposes two batches after ``told`` trials, rounded up to whole batches."""
    spec = _spec(allocation, told, "random")
    size = batch_size(spec)
    before = Proposer(spec, "maximize")
    trials = []
    for number in range(-(-told // size) * size):
        trials.append(before.propose(number))
        before.observe(number, _score(number))
    proposer, study = Proposer(_spec(allocation, told, "tpe"), "maximize"), _study(trials)
    for trial in trials:
        proposer.restore(trial.number, trial.params)
        proposer.observe(trial.number, _score(trial.number))
    proposer.propose(len(trials))  # is shown all of them at once, as after a resume
    ours, theirs = [], []
    for number in range(len(trials) + 1, len(trials) + 2 * size):
        if number % size == 0:
            for earlier in range(number - size, number):
                proposer.observe(earlier, _score(earlier))
        begun = perf_counter()
        proposal = proposer.propose(number)
        ours.append(perf_counter() - begun)
        begun = perf_counter()
        study.ask(dict(proposal.distributions))
        theirs.append(perf_counter() - begun)
    return Asks(allocation, tuple(ours), tuple(theirs))


def _spec(allocation: str, told: int, sampler: str) -> SweepSpec:
    changes = f"search.allocation={allocation}", f"search.trials={told + 100}", f"search.sampler={sampler}"
    return load("sonar", changes)


def _score(number: int) -> float:
    """Something that differs from trial to trial."""
    return 0.8 + 0.05 * math.sin(number)


def _study(trials: list[Proposal]) -> optuna.Study:
    """Optuna's own way with the same trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=1, multivariate=True, constant_liar=True),
    )
    for trial in trials:
        known = dict(trial.distributions)
        study.add_trial(create_trial(value=_score(trial.number), params=dict(trial.params), distributions=known))
    return study


def section(found: list[Asks], told: int) -> Section:
    """A row for each allocation."""
    return Section(
        name="ask",
        title=f"An ask after {told:,} trials",
        header=("allocation", "median, ms", "worst, ms", "Optuna's own ask, ms", "ours / Optuna's"),
        rows=tuple(
            (
                asks.allocation,
                f"**{1000 * median(asks.ours):.0f}**",
                f"{1000 * max(asks.ours):.0f}",
                f"{1000 * median(asks.optuna):.0f}",
                str(Ratio.of([median(asks.ours)], [median(asks.optuna)])).split(" ")[0],
            )
            for asks in found
        ),
        notes=(
            "TPE over the Sonar space; `equal`: a sampler for each of four placements, `sampler`: one over everything. "
            "Optuna: `Study.ask` of a study in memory with the same trials, placement included.",
        ),
        figures={asks.allocation: {"ours": asks.ours, "optuna": asks.optuna} for asks in found},
    )
