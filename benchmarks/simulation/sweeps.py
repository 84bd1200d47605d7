"""A whole sweep on a simulated table, its confirmation and its answer: the program's own parts, without a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import process_time
from typing import Any, Literal

import numpy as np

from benchmarks.simulation import truth
from benchmarks.simulation.worlds import WORLDS, Network, World, dataset, realised
from sweep.analysis.honest import Trial, honest_score
from sweep.analysis.results import NO_DROPOUT, TrialRow, arms_of
from sweep.analysis.weighted import Truth
from sweep.answer.choose import Choice, Pick, default_repeats, rivals_of
from sweep.answer.decide import Confirmed, Contender, Setting, decide
from sweep.answer.question import confirmation_folds, fresh_seed
from sweep.answer.records import Answer, ArmAnswer, Control
from sweep.data import Dataset
from sweep.folds import Folds, make_folds
from sweep.metrics import METRICS, direction, mean_over_splits, metrics_for
from sweep.records import VALIDATION, BlockJob, Configuration, HonestScore, Hyperparameters, TrainingPlan, TrialResult
from sweep.run.blocks import cut_blocks
from sweep.run.prepare import Setup, training_plan
from sweep.space.arms import budget
from sweep.space.proposer import Proposer, hyperparameters
from sweep.spec.definition import parse
from sweep.training.train import train_block

METRIC = "accuracy"

_MATCHED, _RIVAL = " matched", "rival "
"""After a placement: its winner's matched control. Before a number: the next best networks without dropout."""

_DEFINITION = """
format = 1
name = "simulated"

[data]
source = "simulated.csv"
target = -1

[network]
hidden = [32, 16]

[training]
epochs = 30
batch_size = 32

[space]
placement = { choices = ["none", "input", "hidden", "all"] }
dropout = { low = 0.05, high = 0.7 }
learning_rate = { low = 0.003, high = 0.5, log = true }
momentum = { low = 0.5, high = 0.99 }
max_norm = { low = 1.0, high = 5.0 }
lr_decay = { low = 0.01, high = 1.0, log = true }

[validation]
metric = "accuracy"
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """What simulated sweeps have in common.

    Attributes:
        world: Name, in :data:`~benchmarks.simulation.worlds.WORLDS`.
        rows: n.
        folds: k.
        trials: Of all arms together.
        sampler: Of the search.
        stop: Whether the epoch is chosen, among six, or is the last.
        hidden: Units of the hidden layers.
        repeats: R; ``None`` for the program's own choice.
        thorough: Whether more truth is wanted: of matched controls, and of networks trained on all of the sweep's rows.
    """

    world: str
    rows: int
    folds: int = 5
    trials: int = 40
    sampler: Literal["random", "tpe"] = "random"
    stop: Literal["best", "last"] = "last"
    hidden: tuple[int, ...] = (32, 16)
    repeats: int | None = None
    thorough: bool = False


def simulate(cell: Cell, replicate: int) -> dict[str, Any]:
    """One sweep: what it said, and what is true. A function of its arguments, but for ``seconds``.

    Returns:
        Plain JSON. Scores and differences in [-1, 1], not in points.
    """
    begun, world = process_time(), WORLDS[cell.world]
    rng = np.random.default_rng([world.mode, cell.rows, replicate])
    data = dataset(*world.draw(rng, cell.rows))
    setup = prepared(cell, data, seed=int(rng.integers(2**31)))
    results, trials = _searched(world, setup)
    honest = honest_score(
        _candidates(results, setup.plan),
        data.original_target(),
        data.info,
        metric=METRIC,
        folds=cell.folds,
        checkpoints=len(setup.plan.predicted_at),
    )
    choice = _chosen(results, trials, setup)
    repeats = cell.repeats or default_repeats(cell.trials, len(choice.configurations))
    folds = confirmation_folds(setup, repeats)
    fresh, networks = _confirmed(world, setup, choice, folds)
    answer = _answer(setup, folds, fresh)
    if not world.signal:  # all are right in half of the cases: what the best is worth depends on the class shares alone
        networks = {name: networks[name] for name in (_winner(answer).params.placement,)}
    known = _true(cell, world, setup, networks, rng)
    return {
        "cell": asdict(cell),
        "replicate": replicate,
        "seconds": round(process_time() - begun, 2),
        "repeats": repeats,
        "ones": float(data.target.mean()),
        "best": _best(answer, honest, known),
        "control": {"raw": answer.control.raw_score, "score": answer.control.score},
        "arms": [_arm(arm, known) for arm in answer.arms],
    }


# --- the sweep --------------------------------------------------------------------------------------------------------


def prepared(cell: Cell, data: Dataset, seed: int) -> Setup:
    """A definition with its table. ``seed`` is that of the sweep."""
    changes = (
        f"seed={seed}",
        f"network.hidden={list(cell.hidden)}",
        f"training.stop={cell.stop}",
        f"training.checkpoints={6 if cell.stop == 'best' else 1}",
        f"validation.folds={cell.folds}",
        f"search.trials={cell.trials}",
        f"search.sampler={cell.sampler}",
        f"search.batch={16 if cell.sampler == 'tpe' else cell.trials}",
    )
    spec = parse(_DEFINITION, overrides=changes)
    folds = make_folds(spec.validation, data, spec.seed)
    return Setup(spec, data, folds, training_plan(spec, data.info), budget(spec))


def _searched(world: World, setup: Setup) -> tuple[list[TrialResult], list[Hyperparameters]]:
    """All trials, batch by batch."""
    spec, proposer = setup.spec, Proposer(setup.spec, direction(METRIC))
    results: list[TrialResult] = []
    trials: list[Hyperparameters] = []
    for start in range(0, setup.budget.trials, spec.search.batch):
        batch = range(start, min(start + spec.search.batch, setup.budget.trials))
        trials += [hyperparameters(spec, proposer.propose(number).params) for number in batch]
        networks = {
            number: realised(world, trials[number], setup.plan.epochs, "trial", spec.space.placements)
            for number in batch
        }
        done = trained(networks, setup, setup.folds, setup.plan)
        for number in batch:
            proposer.observe(number, done[number].score)
            results.append(done[number])
    return results, trials


def trained(networks: Mapping[int, Network], setup: Setup, folds: Folds, plan: TrainingPlan) -> dict[int, TrialResult]:
    """Networks by number: those that share their seeds and epoch train together."""
    done: dict[int, TrialResult] = {}
    for stream, until in sorted({(network.stream, network.epoch) for network in networks.values()}):
        alike = {n: one.params for n, one in networks.items() if (one.stream, one.epoch) == (stream, until)}
        own = replace(plan, seed=stream_seed(plan.seed, stream))
        if until < plan.epochs:
            own = replace(own, checkpoints=tuple(sorted({until, *plan.checkpoints})))
        for block in cut_blocks(alike, setup, workers=1, device="cpu"):
            job = BlockJob(block, tuple(alike[number] for number in block), own, until)
            done.update(zip(block, train_block(setup.data, folds, job), strict=True))
    return done


def stream_seed(seed: int, stream: int) -> int:
    """Of a stream; the first one is the sweep's own."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0]) if stream else seed


def _candidates(results: Sequence[TrialResult], plan: TrainingPlan) -> list[Trial]:
    metric = metrics_for("binary").index(METRIC)
    found = []
    for result in results:
        by_checkpoint = result.metrics[:, -len(plan.predicted_at) :, VALIDATION, metric].T
        found.append(Trial(result.predictions, [mean_over_splits(METRIC, splits) for splits in by_checkpoint]))
    return found


# --- the answer -------------------------------------------------------------------------------------------------------


def _chosen(results: Sequence[TrialResult], trials: Sequence[Hyperparameters], setup: Setup) -> Choice:
    rows = [
        TrialRow(
            number=one.number,
            hyperparameters=params,
            score=one.score,
            folds=(),
            epoch=one.epoch,
            seconds=one.seconds,
            trained=one.trained,
            diverged=one.diverged,
        )
        for one, params in zip(results, trials, strict=True)
    ]
    arms = arms_of(rows, setup.spec.space.placements, METRICS[METRIC])
    best = {arm.placement: arm.best for arm in arms}
    picks = {
        name: Pick(one.number, Configuration(one.hyperparameters, one.epoch), one.score) for name, one in best.items()
    }
    return Choice(picks.pop(NO_DROPOUT), tuple(picks.values()), rivals_of(rows, METRICS[METRIC]))


@dataclass(frozen=True, slots=True)
class _Fresh:
    """Configurations on fresh folds: the tuned control, each winner with its matched control, and rivals."""

    control: Confirmed
    contenders: tuple[Contender, ...]
    rivals: tuple[Confirmed, ...]


def _confirmed(world: World, setup: Setup, choice: Choice, folds: Folds) -> tuple[_Fresh, dict[str, Network]]:
    """All that is compared, and what was trained for it, by placement; matched controls end in :data:`_MATCHED`."""
    placements = setup.spec.space.placements
    wanted: dict[str, tuple[Pick, Configuration]] = {NO_DROPOUT: (choice.control, choice.control.configuration)}
    for pick in choice.winners:
        placement = pick.configuration.params.placement
        wanted |= {placement: (pick, pick.configuration), placement + _MATCHED: (pick, pick.matched)}
    wanted |= {f"{_RIVAL}{place}": (pick, pick.configuration) for place, pick in enumerate(choice.rivals)}
    networks = {
        name: realised(world, one.params, one.epoch, "matched" if name.endswith(_MATCHED) else "trial", placements)
        for name, (_, one) in wanted.items()
    }
    plan = replace(setup.plan, seed=fresh_seed(setup.spec.seed), stop="last")
    done = trained(dict(enumerate(networks.values())), setup, folds, plan)
    confirmed = {
        name: _record(pick, one, done[place], folds) for place, (name, (pick, one)) in enumerate(wanted.items())
    }
    contenders = tuple(
        Contender(confirmed[name], confirmed[name + _MATCHED]) for name in placements if name != NO_DROPOUT
    )
    rivals = tuple(one for name, one in confirmed.items() if name.startswith(_RIVAL))
    return _Fresh(confirmed[NO_DROPOUT], contenders, rivals), networks


def _record(pick: Pick, configuration: Configuration, result: TrialResult, folds: Folds) -> Confirmed:
    shape = folds.repeats, folds.folds
    diverged = np.zeros(folds.splits, dtype=np.bool_)
    diverged[list(result.lost)] = True
    metric = metrics_for("binary").index(METRIC)
    return Confirmed(
        trial=pick.trial,
        params=configuration.params,
        epoch=configuration.epoch,
        raw_score=pick.raw_score,
        predictions=result.predictions[-1],
        scores=result.metrics[:, -1, VALIDATION, metric].reshape(*shape, 1),
        diverged=diverged.reshape(shape),
    )


def _answer(setup: Setup, folds: Folds, fresh: _Fresh) -> Answer:
    """Of the metric that decides, without those that are shown beside it."""
    data = setup.data
    setting = Setting(
        name=setup.spec.name,
        metric=METRIC,
        metrics=(METRIC,),
        truth=Truth.of(data.original_target(), data.info),
        folds=folds.folds,
        fold_of=folds.fold_of(data.info.rows),
    )
    return decide(setting, fresh.control, fresh.contenders, fresh.rivals)


# --- what is true -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Known:
    """Recalls of what was confirmed, by name: on fresh tables ``[tables, 2]``, and refit ``[seeds, 2]``."""

    expected: Mapping[str, truth.Floats]
    refit: Mapping[str, truth.Floats]
    ones: float


def _true(cell: Cell, world: World, setup: Setup, networks: Mapping[str, Network], rng: np.random.Generator) -> _Known:
    # Where seeds differ by stream, they are alike here: an expectation is over all seeds, and so has less noise.
    alike = {name: replace(one, stream=0, params=replace(one.params, placement="")) for name, one in networks.items()}
    alike = {name: one for name, one in alike.items() if not name.startswith(_RIVAL)}
    order = list(dict.fromkeys(one for name, one in alike.items() if cell.thorough or not name.endswith(_MATCHED)))
    alike = {name: one for name, one in alike.items() if one in order}
    ones, rows = float(setup.data.target.mean()), cell.rows - cell.rows // cell.folds
    # On random labels all that matters is how often a network says 1: a third of the tables will do.
    tables = truth.TABLES if world.signal else truth.GROUP
    found = truth.expected(world, order, setup.plan, rng, rows=rows, ones=round(rows * ones), tables=tables)
    again = truth.refit(world, order, setup.plan, rng, setup.data) if cell.thorough else None
    return _Known(
        {name: found[order.index(one)] for name, one in alike.items()},
        {} if again is None else {name: again[order.index(one)] for name, one in alike.items()},
        ones,
    )


def _gap(recalls: Mapping[str, truth.Floats], x: str, y: str) -> tuple[float, float] | None:
    """True difference in accuracy, classes equally frequent as in the source, and its standard error."""
    if x not in recalls or y not in recalls:
        return None
    each = truth.score(recalls[x], 0.5) - truth.score(recalls[y], 0.5)
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))


def _arm(arm: ArmAnswer, known: _Known) -> dict[str, Any]:
    name = arm.placement
    return {
        "placement": name,
        "verdict": arm.verdict,
        "reason": arm.reason,
        "method": arm.tuned.method,
        "raw": arm.raw_score,
        "score": arm.score,
        "difference": arm.tuned.difference,
        "low": arm.tuned.low,
        "high": arm.tuned.high,
        "se": arm.tuned.se,
        "p": arm.tuned.p_value,
        "p_value": arm.p_value,
        "p_equivalent": arm.p_equivalent,
        "matched": {
            "difference": arm.matched.difference,
            "low": arm.matched.low,
            "high": arm.matched.high,
            "p": arm.matched.p_value,
        },
        "nadeau_bengio_p": None if arm.reference is None else arm.reference.nadeau_bengio["p_value"],
        "true": _gap(known.expected, name, NO_DROPOUT),
        "true_matched": _gap(known.expected, name, name + _MATCHED),
        "refit": _gap(known.refit, name, NO_DROPOUT),
    }


def _best(answer: Answer, honest: HonestScore | None, known: _Known) -> dict[str, Any]:
    """The sweep's best trial: its raw, fresh and honest score, and what it is worth."""
    best = _winner(answer)
    own = known.expected[best.params.placement]
    return {
        "placement": best.params.placement,
        "raw": best.raw_score,
        "fresh": best.score,
        "honest": None if honest is None else [honest.value, honest.low, honest.high],
        "true": float(truth.score(own, 0.5).mean()),
        "true_weighted": float(truth.score(own, known.ones).mean()),
    }


def _winner(answer: Answer) -> Control | ArmAnswer:
    """The sweep's best trial, the earliest of equals."""
    every: tuple[Control | ArmAnswer, ...] = (answer.control, *answer.arms)
    return min(every, key=lambda one: (-one.raw_score, one.trial))
