"""The tutorial's three Sonar figures against ours: ``python -m benchmarks.sonar_published``, a minute on two cores.

Runs ``studies/sonar_baseline``, ``sonar_visible`` and ``sonar_hidden`` with ten seeds of ten folds each. A published
figure is one such run. It should lie inside the range of ours and within 2.5 points of their mean; if not, the exit
status is 1.

A second table does the same on the very folds of the tutorial: ``StratifiedKFold(10, shuffle=True, random_state=7)`` as
scikit-learn 0.18 split (later versions shuffle otherwise), where only initial weights, batch order and dropout differ
from run to run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from statistics import mean, stdev

import numpy as np
import torch

from benchmarks.machine import machine, sonar
from sweep.data import Dataset
from sweep.folds import Folds
from sweep.metrics import metrics_for
from sweep.records import VALIDATION, BlockJob
from sweep.run.prepare import prepare
from sweep.space.proposer import Proposer, hyperparameters
from sweep.spec.definition import load
from sweep.training.train import train_block

WITHIN = 2.5
"""Points between a published figure and the mean of our runs."""


@dataclass(frozen=True, slots=True)
class Published:
    """A figure of the tutorial: mean and population standard deviation of ten fold accuracies, in percent."""

    study: str
    accuracy: float
    sd: float


PUBLISHED = (
    Published("sonar_baseline", 86.04, 4.58),
    Published("sonar_visible", 83.52, 7.68),
    Published("sonar_hidden", 83.59, 7.31),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One study with one seed: mean and population standard deviation of its fold accuracies, in percent."""

    accuracy: float
    sd: float


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A published figure and our runs of the same study, one for each seed."""

    published: Published
    runs: tuple[Run, ...]

    @property
    def mean(self) -> float:
        """Of our runs."""
        return mean(run.accuracy for run in self.runs)

    @property
    def low(self) -> float:
        """The worst of our runs."""
        return min(run.accuracy for run in self.runs)

    @property
    def high(self) -> float:
        """The best of our runs."""
        return max(run.accuracy for run in self.runs)

    @property
    def holds(self) -> bool:
        """Whether the published figure could be one of our runs."""
        inside = self.low <= self.published.accuracy <= self.high
        return inside and abs(self.published.accuracy - self.mean) <= WITHIN

    def row(self) -> str:
        """Of the table."""
        published = self.published
        spread = f"{stdev(run.accuracy for run in self.runs):.2f}" if len(self.runs) > 1 else "-"
        return (
            f"| `{published.study}` | {published.accuracy:.2f} % ({published.sd:.2f}) | {self.mean:.2f} % "
            f"({mean(run.sd for run in self.runs):.2f}) | {self.low:.2f} to {self.high:.2f} | {spread} "
            f"| {published.accuracy - self.mean:+.2f} | {'yes' if self.holds else '**no**'} |"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs, prints, and exits with 1 if a figure is not reproduced."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sonar_published")
    parser.add_argument("--seeds", type=int, default=10, help="runs of each study (10)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change of the definitions")
    options = parser.parse_args(arguments)
    facts = machine()
    overrides, table = sonar()
    if table.startswith("NOT"):
        raise SystemExit(table)
    seeds = range(options.first, options.first + options.seeds)
    print(f"{facts.describe()}. {table}.\n")
    own = reproduce(seeds, [*overrides, *options.set], facts.cores, published_folds=False)
    print(f"Each seed {seeds[0]} to {seeds[-1]} with its own folds:\n\n{table_of(own)}\n")
    same = reproduce(seeds, [*overrides, *options.set], facts.cores, published_folds=True)
    print(f"Seeds {seeds[0]} to {seeds[-1]}, all on the folds of the tutorial:\n\n{table_of(same)}")
    if not all(reproduction.holds for reproduction in own):
        raise SystemExit(1)


def reproduce(
    seeds: Sequence[int], overrides: Sequence[str], processes: int, *, published_folds: bool
) -> tuple[Reproduction, ...]:
    """Runs the three studies with every seed, one process per core."""
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        by_seed = list(pool.map(partial(run_seed, tuple(overrides), published_folds), seeds))
    return tuple(
        Reproduction(published, tuple(runs))
        for published, runs in zip(PUBLISHED, zip(*by_seed, strict=True), strict=True)
    )


def run_seed(overrides: Sequence[str], published_folds: bool, seed: int) -> tuple[Run, ...]:
    """The three studies with one seed: they share everything but the trial, so they train as one block."""
    specs = [load(published.study, [*overrides, f"seed={seed}"]) for published in PUBLISHED]
    trials = tuple(hyperparameters(spec, Proposer(spec, "maximize").propose(0).params) for spec in specs)
    setup = prepare(specs[0])
    folds = tutorial_folds(setup.data) if published_folds else setup.folds
    results = train_block(setup.data, folds, BlockJob(tuple(range(len(trials))), trials, setup.plan))
    accuracy = metrics_for(setup.data.info.task).index("accuracy")
    by_fold = [100 * result.metrics[:, -1, VALIDATION, accuracy] for result in results]
    return tuple(Run(float(scores.mean()), float(scores.std())) for scores in by_fold)


def tutorial_folds(data: Dataset) -> Folds:
    """The splits that the tutorial had: ``StratifiedKFold(10, shuffle=True, random_state=7)`` in scikit-learn 0.18.

    There each class was dealt out by a ``KFold`` of its own, all of them shuffled with the same seed. The table must
    have the row order of the UCI file.
    """
    count, seed = 10, 7
    codes = data.original_target()
    fold_of = np.empty(len(codes), np.int64)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        order = np.arange(len(rows))
        np.random.RandomState(seed).shuffle(order)  # the generator of those days
        for fold, part in enumerate(np.array_split(order, count)):
            fold_of[rows[part]] = fold
    train = tuple(torch.from_numpy(np.flatnonzero(fold_of != fold)) for fold in range(count))
    test = tuple(torch.from_numpy(np.flatnonzero(fold_of == fold)) for fold in range(count))
    return Folds(train, test, count, 1, "stratified")


def table_of(reproductions: Sequence[Reproduction]) -> str:
    """Published figures beside ours, in Markdown. In brackets: standard deviation of the ten fold accuracies."""
    return "\n".join(
        [
            "| study | published | mean of our runs | range of our runs | SD of our runs | published − ours | holds |",
            "|---|---|---|---|---|---|---|",
            *(reproduction.row() for reproduction in reproductions),
        ]
    )


if __name__ == "__main__":
    main()
