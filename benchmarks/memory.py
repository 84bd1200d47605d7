"""Memory of a large table: 500,000 rows of 100 columns, from the file to a few epochs.

In fresh processes; before each phase the kernel's high-water mark is set back, so that its peak is its own. Beside it
the table's size as float32, which is what the program keeps of it.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from benchmarks.measuring import Settings, forget_peak, fresh_process, held_bytes, peak_bytes, prepare_process
from benchmarks.report import Section
from benchmarks.shapes import Shape, Work
from sweep.records import BlockJob
from sweep.run.prepare import prepare
from sweep.spec.definition import parse
from sweep.spec.model import SweepSpec
from sweep.tables.load import read_table
from sweep.training.block_size import block_trials
from sweep.training.train import train_block

T = TypeVar("T")

SHAPE = Shape("large", "binary", 500_000, 100, (32,), 2, 256, 2)

_DEFINITION = """
format = 1
name = "large"
[data]
source = "{source}"
target = "y"
[network]
hidden = {hidden}
[training]
batch_size = {batch}
[validation]
folds = {folds}
"""


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the way.

    Attributes:
        name: What was done.
        before: Bytes held when it began.
        peak: Most bytes held meanwhile.
        after: Bytes held when it was done.
    """

    name: str
    before: int
    peak: int
    after: int


def measure(settings: Settings) -> Section:
    """Columns of float32; in full also of float64, as most files have them."""
    kinds = ("float32", "float64") if settings.full else ("float32",)
    return section(SHAPE, {kind: take(SHAPE, kind) for kind in kinds})


def take(shape: Shape, kind: str, epochs: int = 2) -> list[Phase]:
    """Writes a Parquet file in one process, and reads and trains it in another."""
    with tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder:
        path = Path(folder) / "table.parquet"
        with fresh_process() as process:
            process.submit(write_table, path, shape, kind).result()
        with fresh_process() as process:
            found = process.submit(reading, path, shape).result()
        with fresh_process() as process:
            return found + process.submit(phases, path, shape, epochs).result()


def write_table(path: Path, shape: Shape, kind: str) -> None:
    """A Parquet file of normal numbers with a target of two classes, made from a fixed seed."""
    rng = np.random.default_rng(1)
    columns = {f"x{place}": rng.standard_normal(shape.rows).astype(kind) for place in range(shape.features)}
    target = (columns["x0"] + rng.standard_normal(shape.rows) > 0).astype(np.int64)
    pa.parquet.write_table(pa.table({**columns, "y": target}), path)


def reading(path: Path, shape: Shape) -> list[Phase]:
    """In a process of its own, since allocators keep what they once had: nothing, then the file as it is read."""
    spec = _spec(path, shape)
    nothing = Phase("Python and everything imported", held_bytes(), held_bytes(), held_bytes())
    return [nothing, _phase("reading the file alone", lambda: read_table(spec.data, spec.base_dir))[0]]


def phases(path: Path, shape: Shape, epochs: int) -> list[Phase]:
    """In another: reading and preparing, one trial, a block of as many trials as the program chooses."""
    prepare_process()
    spec = _spec(path, shape)
    phase, setup = _phase("reading, encoding, splitting: `prepare`", lambda: prepare(spec))
    found = [phase]
    work = Work(shape, setup.data, setup.folds)
    trials = block_trials(setup.data, setup.folds, shape.hidden, setup.plan)
    plan = replace(setup.plan, epochs=epochs, checkpoints=(epochs,))

    def train(count: int) -> None:
        train_block(setup.data, setup.folds, BlockJob(tuple(range(count)), work.trials(count), plan))

    found.append(_phase(f"training {epochs} epochs: one trial", lambda: train(1))[0])
    found.append(_phase(f"training {epochs} epochs: a block of {trials} trials", lambda: train(trials))[0])
    return found


def _spec(path: Path, shape: Shape) -> SweepSpec:
    return parse(_DEFINITION.format(source=path, hidden=list(shape.hidden), batch=shape.batch, folds=shape.folds))


def _phase(name: str, action: Callable[[], T]) -> tuple[Phase, T]:
    gc.collect()
    before = held_bytes()
    forget_peak()
    result = action()
    peak = peak_bytes()
    gc.collect()
    return Phase(name, before, peak, held_bytes()), result


def section(shape: Shape, found: dict[str, list[Phase]]) -> Section:
    """A row for each phase; multiples of the table above what Python and the libraries hold."""
    table = 4 * shape.rows * shape.features
    rows = []
    for kind, phases_of in found.items():
        base = phases_of[0].after
        for phase in phases_of:
            multiple = f"**{(phase.peak - base) / table:.2f}**" if phase is not phases_of[0] else ""
            held = (phase.before, phase.peak, phase.after)
            rows.append((kind, phase.name, *(f"{size / 1e6:,.0f}" for size in held), multiple))
    return Section(
        name="memory",
        title="Memory of a large table",
        header=("file of", "phase", "before, MB", "peak, MB", "after, MB", "peak above Python / table"),
        rows=tuple(rows),
        notes=(
            f"{shape.rows:,} × {shape.features} in a Parquet file; as float32 it takes {table / 1e6:,.0f} MB. One "
            "process; a local worker holds one more copy of the table.",
            f"{shape.network}, {shape.folds} folds, mini-batches of {shape.batch}.",
        ),
        figures={"table": table, **{kind: [asdict(phase) for phase in each] for kind, each in found.items()}},
    )
