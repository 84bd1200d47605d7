"""Which search finds what, for how many epochs: ``python -m benchmarks.search``, hours at full size.

Whole sweeps on Sonar, ionosphere and digits by random search, TPE, and TPE with each pruner, each with several seeds.
The best complete trial of each is trained again on fresh folds with fresh seeds (``confirm``), and that score is
compared with the epochs that the sweep spent. All methods of a seed share folds and draws: differences are paired.

A process for each core runs one sweep after the other. Every sweep that is done is written at once: what was
interrupted goes on where it stopped when it is started with the same file and sizes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter

from benchmarks.confirm import REPEATS, confirmed
from benchmarks.machine import RESULTS, machine, table
from benchmarks.measuring import Settings
from benchmarks.report import Section, write, write_json
from sweep.errors import DefinitionError
from sweep.launch.inline import InlineLauncher
from sweep.metrics import direction
from sweep.run.loop import run_sweep
from sweep.run.prepare import prepare
from sweep.spec.definition import load
from sweep.spec.model import SweepSpec
from sweep.store.store import Store

METHODS = {
    "random": ("search.sampler=random",),
    "tpe": ("search.sampler=tpe",),
    "tpe+median": ("search.sampler=tpe", "search.pruner=median"),
    "tpe+halving": ("search.sampler=tpe", "search.pruner=halving"),
}
TRIALS = {"tpe+halving": 1.375}
"""How many times the trials a method is given: what it saves of a trial's epochs is spent on more trials."""
REFERENCE = "tpe"
"""What the others are compared with: nothing pruned."""

DATASETS = {
    "sonar": (),
    "ionosphere": (),
    "digits": ("network.hidden=[64, 32]", "training.batch_size=32"),
}
_SOURCES = {"digits": "sklearn:digits"}


@dataclass(frozen=True)
class Sizes:
    """What every sweep of a table of results has in common."""

    trials: int = 128
    epochs: int = 100
    folds: int = 10
    repeats: int = REPEATS


@dataclass(frozen=True, slots=True)
class Task:
    """One sweep to be run, with ``changes`` of its definition beside those of the method."""

    dataset: str
    method: str
    seed: int
    sizes: Sizes
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What one sweep found.

    Attributes:
        task: Which.
        raw: Score of the best complete trial, as the search saw it.
        score: The same configuration confirmed.
        maximize: Whether more is better.
        epochs: Trained in all, the sum over trials.
        complete: Trials that were trained to the end.
        seconds: Of the sweep in one process, and
        confirmation: of confirming.
    """

    task: Task
    raw: float
    score: float
    maximize: bool
    epochs: int
    complete: int
    seconds: float
    confirmation: float


# --- running ----------------------------------------------------------------------------------------------------------


def definition(task: Task) -> SweepSpec:
    """Of a sweep.

    Raises:
        DefinitionError: The program does not have this method.
    """
    changes = (
        *table(_SOURCES.get(task.dataset, task.dataset)),
        *DATASETS.get(task.dataset, ()),
        *METHODS[task.method],
        *task.changes,
        f"seed={task.seed}",
        f"search.trials={trials_of(task)}",
        f"training.epochs={task.sizes.epochs}",
        f"validation.folds={task.sizes.folds}",
    )
    return load("sonar", changes)


def trials_of(task: Task) -> int:
    """How many trials a sweep is given."""
    return round(task.sizes.trials * TRIALS.get(task.method, 1))


def run(task: Task) -> Found:
    """One sweep in this process, then the confirmation of what it chose."""
    spec = definition(task)
    setup, begun = prepare(spec), perf_counter()
    with tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder, InlineLauncher() as launcher:
        storage = f"sqlite:///{Path(folder) / 'sweep.db'}"
        run_sweep(spec, storage=storage, launcher=launcher, setup=setup)
        with Store.open(storage) as store:
            sweep = store.sweep(spec.name)
            trials = () if sweep is None else store.trials(sweep.key)
    searched = perf_counter()
    whole = setup.plan.epochs
    spent = {trial.number: trial.trained for trial in trials}
    complete = [trial for trial in trials if spent[trial.number] == whole]
    maximize = direction(setup.plan.metric) == "maximize"
    best = max(complete, key=lambda trial: (trial.score if maximize else -trial.score, -trial.number))
    score = confirmed(setup, best.hyperparameters, best.epoch, task.sizes.repeats)
    return Found(
        task=task,
        raw=best.score,
        score=score,
        maximize=maximize,
        epochs=sum(spent.values()),
        complete=len(complete),
        seconds=searched - begun,
        confirmation=perf_counter() - searched,
    )


def run_all(tasks: Sequence[Task], path: Path, processes: int) -> tuple[list[Found], list[str]]:
    """What of them is not in the file yet, and the whole of it; with a note for every method that cannot be run."""
    known = {found.task: found for found in read(path)}
    refused = dict[str, str]()
    for task in tasks:
        try:
            definition(task)
        except DefinitionError as error:
            refused[task.method] = f"{task.method} was left out: {error}"
    left = [task for task in tasks if task not in known and task.method not in refused]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        futures = [pool.submit(run, task) for task in left]
        for done, future in enumerate(as_completed(futures), start=1):
            found = future.result()
            known[found.task] = found
            write_json(path, [asdict(each) for each in known.values()])
            task = found.task
            print(f"{done} of {len(left)}: {task.dataset}, {task.method}, seed {task.seed}: ", end="")
            print(f"{found.score:.4f} for {found.epochs} epochs in {found.seconds:.0f} s", flush=True)
    return [known[task] for task in tasks if task in known], list(refused.values())


def read(path: Path) -> Iterator[Found]:
    """What was written by :func:`run_all` before."""
    if path.exists():
        for plain in json.loads(path.read_text()):
            task = plain.pop("task")
            task |= {"sizes": Sizes(**task["sizes"]), "changes": tuple(task.get("changes", ()))}
            yield Found(task=Task(**task), **plain)


# --- saying it --------------------------------------------------------------------------------------------------------


def section(found: Sequence[Found], notes: Sequence[str] = ()) -> Section:
    """A row for each table and method; differences to the unpruned TPE, seed by seed."""
    rows, figures = [], []
    for dataset in dict.fromkeys(each.task.dataset for each in found):
        own = [each for each in found if each.task.dataset == dataset]
        reference = {each.task.seed: each for each in own if each.task.method == REFERENCE}
        for method in dict.fromkeys(each.task.method for each in own):
            runs = [each for each in own if each.task.method == method]
            pairs = [(each, reference[each.task.seed]) for each in runs if each.task.seed in reference]
            scores = [each.score for each in runs]
            differences = [each.score - other.score for each, other in pairs]
            epochs = [each.epochs / other.epochs for each, other in pairs]
            plain = method == REFERENCE or not pairs
            rows.append(
                (
                    dataset,
                    method,
                    f"{len(runs)}",
                    f"{mean(scores):.4f} ± {error(scores)}",
                    f"{mean(each.raw for each in runs):.4f}",
                    f"{mean(each.complete for each in runs):.0f} of {trials_of(runs[0].task)}",
                    f"{mean(epochs):.1%}" if pairs else f"{mean(each.epochs for each in runs):,.0f}",
                    "" if plain else f"{mean(differences):+.4f} ± {error(differences)}",
                    f"{mean(each.seconds for each in runs):.0f}",
                )
            )
            figures.append(
                {"dataset": dataset, "method": method, "scores": scores, "differences": differences, "epochs": epochs}
            )
    sizes = found[0].task.sizes if found else Sizes()
    return Section(
        name="search",
        title="Confirmed score against epochs spent",
        header=(
            "table",
            "search",
            "seeds",
            "confirmed score",
            "raw score",
            "trials to the end",
            f"epochs, of those of {REFERENCE}",
            f"score − that of {REFERENCE}, paired",
            "seconds a sweep, one process",
        ),
        rows=tuple(rows),
        notes=(
            f"Trials of {sizes.folds} folds and {sizes.epochs} epochs. Mean ± standard error"
            f" over seeds; confirmed on {sizes.repeats} fresh repeats of all folds.",
            *notes,
        ),
        figures={"summary": figures, "runs": [asdict(each) for each in found]},
    )


def error(values: Sequence[float]) -> str:
    """Standard error of the mean; unknown for a single value."""
    return f"{stdev(values) / len(values) ** 0.5:.4f}" if len(values) > 1 else "?"


# --- the command line -------------------------------------------------------------------------------------------------


def measure(settings: Settings) -> Section:
    """Two seeds of everything, small: that the table can be made. The real one has its own command."""
    tasks = [Task(d, m, s, Sizes(trials=32, epochs=60, repeats=3)) for s in (1, 2) for d in DATASETS for m in METHODS]
    with tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder:
        return section(*run_all(tasks, Path(folder) / "search.json", machine().cores))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs, prints, writes JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="sweeps of each method on each table (3)")
    parser.add_argument("--datasets", nargs="+", choices=list(DATASETS), default=list(DATASETS), help="tables (all)")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS), help="searches (all)")
    parser.add_argument("--trials", type=int, default=Sizes.trials, help="of each sweep (%(default)s)")
    parser.add_argument("--epochs", type=int, default=Sizes.epochs, help="of each trial (%(default)s)")
    parser.add_argument("--folds", type=int, default=Sizes.folds, help="(%(default)s)")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of the confirmation (%(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change of the definitions")
    parser.add_argument("--processes", type=int, default=machine().cores, help="at a time (one a core)")
    parser.add_argument("--runs", type=Path, default=RESULTS / "search_runs.json", help="file of the single sweeps")
    parser.add_argument("--json", type=Path, default=RESULTS / "search.json", help="file for the figures")
    options = parser.parse_args(arguments)
    sizes, facts = Sizes(options.trials, options.epochs, options.folds, options.repeats), machine()
    # Seed by seed: whoever stops early has whole pairs.
    tasks = [
        Task(dataset, method, seed, sizes, tuple(options.set))
        for seed in range(1, options.seeds + 1)
        for dataset in options.datasets
        for method in options.methods
    ]
    made = section(*run_all(tasks, options.runs, options.processes))
    print(f"\n{made.markdown()}\n\n{facts.describe()}")
    write(options.json, facts, [made])
    print(f"\nwritten to {options.json}")


if __name__ == "__main__":
    main()
