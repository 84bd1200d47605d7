"""Simulated sweeps as tables, and what has to hold of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.report import Section
from benchmarks.simulation import rates
from benchmarks.simulation.nested import NestedCell
from benchmarks.simulation.pairs import PAIRS, PairCell
from benchmarks.simulation.rates import Line
from benchmarks.simulation.sweeps import Cell
from benchmarks.simulation.worlds import WORLDS

AnyCell = Cell | PairCell | NestedCell

ENOUGH = 200
"""Sweeps or comparisons of a cell from which on it is judged."""

_TWO_POINTS = (1.5, 2.5)
_BINS = ((-100.0, 0.5), (0.5, 1.5), _TWO_POINTS, (2.5, 3.5), (3.5, 100.0))
_SILENT = ("no practical difference", "cannot tell", "nothing learned")
_VERDICTS = ("helps", "hurts", *_SILENT)
_NESTED_VERDICTS = ("pays", "costs", *_SILENT)


def sections(known: Mapping[AnyCell, Sequence[Line]]) -> list[Section]:
    """All tables that there are lines for."""
    sweeps = {cell: lines for cell, lines in known.items() if isinstance(cell, Cell)}
    pairs = {cell: lines for cell, lines in known.items() if isinstance(cell, PairCell)}
    made = []
    if sweeps:
        made += [_verdicts(sweeps), _differences(sweeps), _scores(sweeps)]
    helping = {cell: lines for cell, lines in sweeps.items() if not WORLDS[cell.world].null}
    if helping:
        made.append(_power(helping))
    if pairs:
        made.append(_pairs(pairs))
    nested = {cell: lines for cell, lines in known.items() if isinstance(cell, NestedCell)}
    if nested:
        made += [_nested(nested), _nested_scores(nested)]
    asked = checks(known)
    return [*made, _checks(asked)] if asked else made


def named(cell: AnyCell) -> str:
    """World, rows, and what is not as usual."""
    if isinstance(cell, PairCell):
        return f"{PAIRS[cell.pair].title}, n {cell.rows}, R {cell.repeats}" + _unless(cell.folds, 5, "k")
    if isinstance(cell, NestedCell):
        usual = _unless(cell.trials, 40, "trials") + _unless(cell.folds, 5, "k")
        return f"{WORLDS[cell.nested].title}, n {cell.rows}{usual}"
    parts = [f"{WORLDS[cell.world].title}, n {cell.rows}"]
    if cell.repeats is not None:
        parts.append(f", R {cell.repeats}")
    parts.append(_unless(cell.folds, 5, "k"))
    if cell.sampler != "random":
        parts.append(f", {cell.sampler.upper()}, {cell.trials} trials")
    if cell.stop != "last":
        parts.append(", epoch chosen")
    if cell.hidden != (32, 16):
        parts.append(f", {'-'.join(map(str, cell.hidden))}")
    return "".join(parts)


def _unless(value: int, usual: int, letter: str) -> str:
    return "" if value == usual else f", {letter} {value}"


# --- what has to hold -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to hold.

    Attributes:
        what: In words.
        measured: Likewise.
        number: Of sweeps, or comparisons, in the cell.
        holds: Whether it does.
    """

    what: str
    measured: str
    number: int
    holds: bool

    @property
    def judged(self) -> str:
        """``"yes"``, ``"no"``; in brackets where there are too few to say."""
        answer = "yes" if self.holds else "no"
        return answer if self.number >= ENOUGH else f"({answer})"


def checks(known: Mapping[AnyCell, Sequence[Line]]) -> list[Check]:
    """All that there are lines for. Of nested cross-validation nothing is asked: it is shown."""
    made: list[Check] = []
    for cell, lines in known.items():
        if isinstance(cell, PairCell):
            made += _pair_checks(cell, lines)
        elif isinstance(cell, Cell):
            made += _sweep_checks(cell, lines)
    two = [lines for cell, lines in known.items() if isinstance(cell, PairCell) and _judged(cell, "two")]
    if two:
        # Pairs of one true difference differ in how alike their networks are, and so in how easily they are told apart.
        share = rates.found_better([line for lines in two for line in lines])
        what = f"{len(two)} pairs of 2 points, n 300, R 20: found in at least 65 %"
        made.append(Check(what, str(share), min(map(len, two)), share.value >= 65.0))
    return made


def _judged(cell: PairCell, kind: str, rows: int = 300) -> bool:
    """Whether it is a pair of this kind under the conditions that are asked for."""
    return cell.pair.startswith(kind) and (cell.rows, cell.repeats, cell.folds) == (rows, 20, 5)


def _sweep_checks(cell: Cell, lines: Sequence[Line]) -> Iterator[Check]:
    name, number, world = named(cell), len(lines), WORLDS[cell.world]
    if world.null:
        share = rates.found(lines, "helps", "hurts")
        what = f"{name}: any verdict (false) in at most 5 %, upper end at most 8 %"
        yield Check(what, str(share), number, share.value <= 5.0 and share.high <= 8.0)
    if world.signal:
        mean = rates.covered(lines, "true")
        yield Check(f"{name}: true difference covered in at least 92 %", mean.share, number, mean.value >= 92.0)
    bias, _ = rates.score_errors(lines, "honest")
    within = abs(bias.value) - 2 * bias.error <= 0.5
    yield Check(f"{name}: honest score within 0.5 points, allowing for two errors", str(bias), number, within)
    if not world.null and cell.rows == 300:
        share = rates.leading(lines, *_TWO_POINTS)
        what = f"{name}: leading arm found in at least 45 % where truly 1.5 to 2.5 points"
        yield Check(what, f"{share}, of {share.number}", number, share.value >= 45.0)


def _pair_checks(cell: PairCell, lines: Sequence[Line]) -> Iterator[Check]:
    name, number = named(cell), len(lines)
    better, same = rates.found_better(lines), rates.equivalent(lines)
    if _judged(cell, "five"):
        yield Check(f"{name}: found in at least 95 %", str(better), number, better.value >= 95.0)
    if _judged(cell, "equal", 1000):
        yield Check(f"{name}: no practical difference in at least 50 %", str(same), number, same.value >= 50.0)


# --- tables -----------------------------------------------------------------------------------------------------------


def _verdicts(known: Mapping[Cell, Sequence[Line]]) -> Section:
    rows = []
    for cell, lines in known.items():
        rows.append(
            (
                named(cell),
                f"{len(lines)}",
                f"{lines[0]['repeats']}",
                f"{rates.found(lines, 'helps', 'hurts')}",
                f"{rates.found(lines, 'helps')}",
                f"{rates.found(lines, 'hurts')}",
                " / ".join(f"{rates.share_of(lines, verdict):.1f}" for verdict in _VERDICTS),
            )
        )
    return Section(
        name="verdicts",
        title="Verdicts",
        header=("world", "sweeps", "R", "any verdict, %", "any *helps*, %", "any *hurts*, %", "arms, %"),
        rows=tuple(rows),
        notes=(
            "A sweep counts once, however many of its three arms have the verdict; 95 % Clopper-Pearson intervals.",
            f"Arms: {' / '.join(_VERDICTS)}.",
        ),
        figures={},
    )


def _differences(known: Mapping[Cell, Sequence[Line]]) -> Section:
    rows = []
    for cell, lines in known.items():
        rows.append(
            (
                named(cell),
                rates.gains(lines),
                rates.spread(lines),
                rates.covered(lines, "true").share,
                rates.covered(lines, "true_matched", "matched").share,
                rates.covered(lines, "refit").share,
                str(rates.bias_of_difference(lines)),
                f"{rates.half_width(lines):.1f}",
            )
        )
    return Section(
        name="differences",
        title="Differences from the tuned control",
        header=(
            "world",
            "true, by placement",
            "their SD",
            "covered, %",
            "matched: covered, %",
            "refit: covered, %",
            "bias",
            "half-width",
        ),
        rows=tuple(rows),
        notes=(
            "Points of accuracy. True: networks trained on 30 fresh tables of (k − 1)/k · n rows. Refit: on all rows"
            " of the sweep's table. ± is one standard error over sweeps.",
        ),
        figures={},
    )


def _scores(known: Mapping[Cell, Sequence[Line]]) -> Section:
    rows = []
    for cell, lines in known.items():
        cells = [named(cell)]
        for score in ("raw", "fresh", "honest"):
            bias, error = rates.score_errors(lines, score)
            cells += [str(bias), f"{error:.1f}"]
        rows.append((*cells, str(rates.score_errors(lines, "honest", "true")[0]), str(rates.honest_covered(lines))))
    return Section(
        name="scores",
        title="Scores of the best trial",
        header=(
            "world",
            "raw: bias",
            "RMSE",
            "fresh folds: bias",
            "RMSE",
            "honest: bias",
            "RMSE",
            "honest, source's shares",
            "honest: covered, %",
        ),
        rows=tuple(rows),
        notes=(
            "Points of accuracy, against the expected score of the best trial's configuration on fresh tables, the"
            " hold-out weighted to the class shares of the sweep's table; last but one: not weighted.",
        ),
        figures={},
    )


def _power(known: Mapping[Cell, Sequence[Line]]) -> Section:
    labels = [f"{low:.1f} to {high:.1f}" for low, high in _BINS[1:-1]]
    return Section(
        name="power",
        title="The leading arm is found to help, %",
        header=("world", f"true gain below {_BINS[0][1]}", *labels, f"above {_BINS[-1][0]}", "corrected t-test"),
        rows=tuple(
            (
                named(cell),
                *(f"{(share := rates.leading(lines, *own))}, of {share.number}" for own in _BINS),
                str(rates.leading_by_reference(lines, *_TWO_POINTS)),
            )
            for cell, lines in known.items()
        ),
        notes=(
            "The arm with the best raw score, by its true gain over the tuned control in points. Last: how often "
            "Nadeau & Bengio's test finds a true gain of 1.5 to 2.5 points, over the tuned control alone.",
        ),
        figures={},
    )


def _pairs(known: Mapping[PairCell, Sequence[Line]]) -> Section:
    return Section(
        name="pairs",
        title="Fixed pairs",
        header=(
            "pair",
            "tables",
            "true difference",
            "found better, %",
            "found different, %",
            "no practical difference, %",
            "covered, %",
            "SE / real SD",
        ),
        rows=tuple(
            (
                named(cell),
                f"{len(lines)}",
                str(rates.true_gap(lines)),
                str(rates.found_better(lines)),
                str(rates.rejected(lines)),
                str(rates.equivalent(lines)),
                str(rates.gap_covered(lines)),
                f"{rates.se_ratio(lines):.2f}",
            )
            for cell, lines in known.items()
        ),
        notes=("One-sided 2.5 %, or two-sided 5 %. No practical difference: within ±1 point.",),
        figures={},
    )


def _nested(known: Mapping[NestedCell, Sequence[Line]]) -> Section:
    return Section(
        name="nested",
        title="Nested cross-validation: does tuning dropout pay?",
        header=(
            "world",
            "sweeps",
            "*pays*, %",
            "*costs*, %",
            "verdicts, %",
            "true difference",
            "covered, %",
            "that of the winners: covered, %",
            "SE / real SD",
            "half-width",
        ),
        rows=tuple(
            (
                named(cell),
                f"{len(lines)}",
                str(rates.said(lines, "pays")),
                str(rates.said(lines, "costs")),
                " / ".join(f"{rates.said(lines, verdict).value:.1f}" for verdict in _NESTED_VERDICTS),
                str(rates.true_gap(lines)),
                str(rates.gap_covered(lines)),
                str(rates.winners_covered(lines)),
                f"{rates.se_ratio(lines):.2f}",
                f"{rates.half_width(lines):.1f}",
            )
            for cell, lines in known.items()
        ),
        notes=(
            "*Pays* and *costs* are both false on random labels and with placebos. Points of accuracy.",
            f"Verdicts: {' / '.join(_NESTED_VERDICTS)}.",
            "True: mean over the outer folds of the difference between the two winners, on fresh tables as above; over"
            " all sweeps it is the expected difference of the searches. Then that of a sweep's own winners.",
            "Shown, not judged.",
        ),
        figures={},
    )


def _nested_scores(known: Mapping[NestedCell, Sequence[Line]]) -> Section:
    rows = []
    for cell, lines in known.items():
        cells = [named(cell)]
        for score, truth in (
            ("raw", "true_weighted"),
            ("honest", "true_weighted"),
            ("nested", "true_weighted"),
            ("nested", "true_outer"),
        ):
            bias, error = rates.score_errors(lines, score, truth)
            cells += [str(bias), f"{error:.1f}"]
        rows.append((*cells, str(rates.honest_covered(lines)), str(rates.nested_covered(lines, "true_weighted"))))
    return Section(
        name="nested-scores",
        title="Raw, honest and nested score",
        header=(
            "world",
            "raw: bias",
            "RMSE",
            "honest: bias",
            "RMSE",
            "nested: bias",
            "RMSE",
            "nested, own winners: bias",
            "RMSE",
            "honest: covered, %",
            "nested: covered, %",
        ),
        rows=tuple(rows),
        notes=(
            "Points of accuracy, as in the table of the best trial's scores, against the same truth; own winners:"
            " against what the winners of the outer folds are worth, which were chosen on fewer rows.",
        ),
        figures={},
    )


def _checks(made: Sequence[Check]) -> Section:
    return Section(
        name="checks",
        title="What has to hold",
        header=("what", "measured", "of", "holds"),
        rows=tuple((one.what, one.measured, f"{one.number}", one.judged) for one in made),
        notes=(f"In brackets: fewer than {ENOUGH}.",),
        figures={},
    )
