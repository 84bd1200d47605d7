"""A definition fitted to a table: what ``sweep init`` writes.

The text is a complete definition that runs as it stands, with the reason for every choice beside it. Where to look:
``columns.py`` guesses what the columns are, ``sizes.py`` how large network, training and search should
be; the metric and the words are here.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sweep.records import Task
from sweep.spec.model import DataSpec, safe_name
from sweep.spec.source import TABLE_ENDINGS, is_local, kind_of, name_in
from sweep.suggest.columns import Survey, copies, survey, telling
from sweep.suggest.sizes import CORES, SMALL, Sizes, fit
from sweep.suggest.target import Columns
from sweep.suggest.text import bullets, comment, key_line, quoted, rough_duration, several, toml_value
from sweep.tables.encode import Encoded, encode
from sweep.tables.load import read_table
from sweep.tables.types import Table
from sweep.wording import count, number

# Accuracy is misleading where the rarest class has less than this part of an equal share (two classes: 30 % of all).
_BALANCED = 0.6

_MOST_ROWS_COMPARED = 200_000  # searching for copies sorts them

# A regression target with values so many standard deviations from its mean: a squared error is about these rows.
_OUTLYING = 10.0
_WARNING = "warning: "


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A definition for a table.

    Attributes:
        name: Of the sweep.
        path: The file it is meant for; ``data.source`` is relative to its folder.
        text: TOML with comments.
        target: Name of the column to predict.
        others: Other columns that it could be, each with what it holds, where it was guessed.
        notes: What to tell the user at once, a sentence each: what was guessed, left out, or looks odd.
        task: Of the target.
    """

    name: str
    path: Path
    text: str
    target: str
    others: tuple[str, ...]
    notes: tuple[str, ...]
    task: Task


@dataclass(frozen=True, slots=True)
class _Choice:
    """A metric and class weights, and why."""

    metric: str
    why: str
    class_weight: str = "none"


def suggest(source: str, target: str | int | None = None, path: Path | None = None) -> Suggestion:
    """Fits a definition to a table.

    Args:
        source: A path (relative to the current folder), a URL, ``sklearn:<name>`` or ``openml:<id>``.
        target: Name or position of the column to predict; ``None`` to guess it.
        path: The file the text will be written to; by default ``<name>.toml`` in the current folder.

    Raises:
        NotFoundError: There is no such table.
        DataError: The table cannot be used, or the target cannot be guessed: the message lists the columns.
    """
    return suggest_for(read_table(data_of(source), None), source, target, path)


def suggest_for(
    table: Table,
    source: str,
    target: str | int | None = None,
    path: Path | None = None,
    header: bool | None = None,
    columns: Columns | None = None,
) -> Suggestion:
    """The same for a table as read.

    Args:
        table: That one.
        source: From where, as :func:`suggest` has it.
        target: As there.
        path: As there.
        header: What was said of its first row when it was read; the definition says it too.
        columns: What :func:`~sweep.tables.describe.describe_each` says of it, where that is known.

    Raises:
        DataError: As :func:`suggest`.
    """
    name = table_name(source)
    path = Path(f"{name}.toml") if path is None else path
    seen = survey(table, target, columns)
    table = replace(table, missing=frozenset(seen.missing))
    data = data_of(source, target=seen.target, drop=tuple(finding.column for finding in seen.drop))
    encoded = encode(table, data)
    counts = (
        None if encoded.info.task == "regression" else np.bincount(encoded.target, minlength=len(encoded.info.classes))
    )
    smallest = None if counts is None else int(counts.min())
    sizes = fit(encoded.info.rows, len(encoded.info.features), encoded.info.outputs, smallest)
    choice = _metric(encoded, counts)
    odd = _odd(encoded, seen, choice)
    lines = [
        *_heading(name, path, encoded, counts, sizes),
        *_data_lines(_relative(source, path.parent), table, encoded, seen, odd, header),
        *_network_lines(encoded, sizes),
        *_training_lines(encoded, sizes, choice),
        *_space_lines(encoded),
        *_validation_lines(encoded, sizes, choice, smallest, seen),
        *_search_lines(sizes),
    ]
    return Suggestion(
        name, path, "\n".join(lines) + "\n", seen.target, seen.others, _notes(seen, odd), encoded.info.task
    )


def table_name(source: str) -> str:
    """The name of a table as the name of a sweep: ``"data/My table.csv.gz"`` is ``"My-table"``."""
    match kind_of(source):
        case "sklearn":
            stem = name_in(source)
        case "openml":
            stem = f"openml-{name_in(source)}"
        case "file":
            stem = TABLE_ENDINGS.sub("", Path(source).name)
        case _:  # not urlsplit, which refuses some: what is no URL is for the reading to say
            path = re.sub(r"^[^:]*:/+[^/?#]*|[?#].*", "", source, flags=re.DOTALL)
            stem = TABLE_ENDINGS.sub("", Path(urllib.parse.unquote(path)).name)
    return safe_name(stem)


def data_of(source: str, target: str | int = -1, drop: tuple[str, ...] = (), header: bool | None = None) -> DataSpec:
    """``[data]`` of a definition that says no more than this of its table."""
    return DataSpec(source, target, header=header, task=None, positive=None, categorical=(), drop=drop, groups=None)


def _relative(source: str, folder: Path) -> str:
    """``data.source`` for a definition in ``folder``: a relative path stays relative, but to that folder."""
    if not is_local(source) or Path(source).is_absolute() or source.startswith("~"):
        return source
    file = Path(source)
    # Folders may be links, and ".." is taken of what they lead to; the file keeps its own name.
    return os.path.relpath(file.parent.resolve() / file.name, folder.resolve())


# --- decisions --------------------------------------------------------------------------------------------------------


def _metric(encoded: Encoded, counts: np.ndarray[tuple[int], np.dtype[np.int64]] | None) -> _Choice:
    """The metric, by task and balance of the classes."""
    if counts is None:
        return _Choice("rmse", "root mean squared error, in units of the target; mae minds outliers less")
    share, classes = counts.min() / counts.sum(), len(counts)
    if share >= _BALANCED / classes:
        rarest = f"{100 * share:.0f}" if share > 0.095 else number(100 * share, 2)
        return _Choice("accuracy", f"the classes are balanced enough for it: the rarest has {rarest} % of the rows")
    most = counts.max() / counts.sum()
    constant = f"always saying the most frequent class would be right in {most:.0%} of the rows"
    if classes == 2:
        return _Choice("roc_auc", f"not accuracy: {constant}; this is about the order of the rows")
    return _Choice("balanced_accuracy", f"mean recall of the classes, not accuracy: {constant}", "balanced")


def _odd(encoded: Encoded, seen: Survey, choice: _Choice) -> list[str]:
    """What looks odd about the rows and should be looked at by someone who knows them."""
    info = encoded.info
    odd = [_sentence(note) for note in info.notes if note.startswith(_WARNING)]
    if seen.stand_ins:
        which = "; ".join(f"{quoted(remark.column)} ({remark.text})" for remark in seen.stand_ins[:10])
        odd.append(f"Numbers that may stand for missing values: {which}. If they do, empty these cells in the table.")
    if info.task != "multiclass" and (names := telling(encoded.features, info.features, encoded.target)):
        odd.append(f"Tells the target all by itself, known before it is? {several(names)}. If not, name it in drop.")
    measured = len(info.features) > 2 and not all(map(_whole, encoded.features.T))
    if measured and info.rows <= _MOST_ROWS_COMPARED and (copied := copies(encoded.features)):
        repeat = count(copied, "row repeats", "rows repeat")
        odd.append(f"{repeat} the features of another row: a copy in another fold makes scores too good.")
    if choice.metric == "rmse":
        far = float(np.abs((encoded.target - info.target_mean) / info.target_scale).max())
        if far > _OUTLYING:
            odd.append(
                f"The target has a value {far:.0f} standard deviations from its mean: rmse is about rows like that."
            )
    return odd


def _sentence(note: str) -> str:
    """A warning about a table as a sentence."""
    text = note.removeprefix(_WARNING)
    return text[0].upper() + text[1:] + "."


def _whole(column: np.ndarray[tuple[int], np.dtype[np.float32]]) -> bool:
    present = column[~np.isnan(column)]
    return bool(np.array_equal(present, np.floor(present)))


def _notes(seen: Survey, odd: Sequence[str]) -> tuple[str, ...]:
    notes = [f"target {seen.target!r}" + (f" ({seen.why})" if seen.why else "")]
    notes += [f"other candidates: {', '.join(seen.others)}; --target names one"] if seen.others else []
    notes += [f"column {gap.column!r}: {gap.text}: read as missing" for gap in seen.gaps]
    notes += [f"column {remark.column!r} is left out: {remark.text}" for remark in seen.drop]
    notes += odd
    notes += [
        f"column {remark.column!r}: {remark.text}; if such rows belong together, set data.groups"
        for remark in seen.groups
    ]
    return tuple(notes)


# --- text -------------------------------------------------------------------------------------------------------------


def _heading(
    name: str, path: Path, encoded: Encoded, counts: np.ndarray[tuple[int], np.dtype[np.int64]] | None, sizes: Sizes
) -> list[str]:
    info = encoded.info
    what = f"{count(info.rows, 'row')}, {count(len(info.features), 'feature')}, target {quoted(info.target)}, "
    if counts is None:
        what += f"a number, {info.target_mean:.4g} ± {info.target_scale:.4g}."
    else:
        each = [f"{quoted(label)} ({count(int(n), 'row')})" for label, n in zip(info.classes, counts, strict=True)]
        what += f"{len(each)} classes: " + ", ".join(each[:12]) + (", …" if len(each) > 12 else "") + "."
    file = path.name if re.fullmatch(r"[A-Za-z0-9._-]+", path.name) else "FILE"
    return [
        *comment(f"A sweep of dropout, fitted to a table by `sweep init`. {what}"),
        "#",
        *comment("It runs as it stands. Every choice has its reason beside it; change what you know better. Then:"),
        "#",
        f"#   sweep check {file}",
        f"#   sweep run {file}",
        f"#   sweep report {name}",
        "",
        *key_line("format", 1),
        *key_line("name", name),
        *key_line("seed", 7, "of everything random; another seed shows how much is luck"),
        "",
    ]


def _data_lines(
    source: str, table: Table, encoded: Encoded, seen: Survey, odd: Sequence[str], header: bool | None
) -> list[str]:
    info = encoded.info
    lines = ["[data]"]
    relative = is_local(source) and not Path(source).is_absolute()
    lines += key_line("source", source, "relative to this file" if relative else "")
    lines += [] if header is None else key_line("header", header, "whether the first row names the columns")
    generic = table.columns == tuple(f"column{position}" for position in range(1, len(table.columns) + 1))
    position = table.columns.index(info.target)
    if generic:
        last = position == len(table.columns) - 1
        lines += key_line(
            "target",
            -1 if last else position,
            f"position {'from the end' if last else 'from 0'}; {seen.why}".rstrip("; "),
        )
    else:
        lines += key_line("target", info.target, seen.why)
    lines += comment(f"Other candidates: {', '.join(seen.others)}.") if seen.others else []
    if info.task == "binary":
        first, second = map(quoted, info.classes)
        lines += comment(
            f"positive = {first}   to make that the positive class; unless named it is the second, {second}"
        )
    if seen.drop:
        for remark in seen.drop:
            lines += comment(f"{quoted(remark.column)}: {remark.text}")
        lines += key_line("drop", [remark.column for remark in seen.drop], "left out, for these reasons")
    if seen.missing:
        for gap in seen.gaps:
            lines += comment(f"{quoted(gap.column)}: {gap.text}")
        lines += key_line("missing", list(seen.missing), "read as missing; correct the cells if they mean something")
    for remark in seen.groups[:3]:
        what = f"rows of one value ({remark.text}) belong together, as those of one patient or one customer do"
        lines += comment(f"groups = {quoted(remark.column)}   to keep them in one fold, if {what}")
    if seen.codes:
        names = [remark.column for remark in seen.codes]
        lines += comment(
            f"categorical = {toml_value(names[:8])}   if these few whole numbers are codes, not quantities."
        )
    if odd:
        lines += ["#", *comment("To look at:"), *bullets(odd)]
    # Whether a download was made now or earlier is about this machine.
    own = table.notes if is_local(source) else ()
    read = [note for note in info.notes if not note.startswith(_WARNING) and (note in own or note not in table.notes)]
    if read:
        lines += ["#", *comment("How the table is read:"), *bullets(read[:12])]
        lines += comment(f"… and {len(read) - 12} more: sweep check says them all") if len(read) > 12 else []
    return [*lines, ""]


def _network_lines(encoded: Encoded, sizes: Sizes) -> list[str]:
    features = count(len(encoded.info.features), "feature")
    return [
        "[network]",
        *key_line(
            "hidden",
            list(sizes.hidden),
            f"by {features} and {count(encoded.info.rows, 'row')}; {{ choices = [[..], [..]] }} searches",
        ),
        *key_line("activation", "relu", "relu, tanh or sigmoid"),
        *key_line("init", "glorot_uniform", "glorot_uniform, he_uniform, normal or torch"),
        "",
    ]


def _training_lines(encoded: Encoded, sizes: Sizes, choice: _Choice) -> list[str]:
    steps = -(-(encoded.info.rows - encoded.info.rows // sizes.folds) // sizes.batch_size)
    lines = ["[training]"]
    lines += key_line(
        "epochs",
        sizes.epochs,
        f"of {count(steps, 'mini-batch', 'mini-batches')}, so that the sweep ends within minutes",
    )
    lines += key_line(
        "batch_size", sizes.batch_size, f"by {count(encoded.info.rows, 'row')}: small tables small, large ones large"
    )
    lines += key_line("checkpoints", 12, "epochs at which everything is measured")
    lines += key_line("stop", "best", 'the checkpoint best in the mean over all folds; "last" is the last epoch')
    if encoded.info.task != "regression":
        why = (
            "rare classes count as much as frequent ones"
            if choice.class_weight == "balanced"
            else '"balanced" makes rare classes count as much'
        )
        lines += key_line("class_weight", choice.class_weight, why)
    return [*lines, ""]


def _space_lines(encoded: Encoded) -> list[str]:
    fastest = 0.1 if encoded.info.task == "regression" else 0.5
    slowest = 0.001 if encoded.info.task == "regression" else 0.003
    return [
        "[space]",
        *comment("The ranges follow Srivastava et al. (2014), appendix A. A bare value instead of a range fixes it."),
        *key_line(
            "placement",
            {"choices": ["none", "input", "hidden", "all"]},
            'equal trials for each; "subsets": every subset of layers',
        ),
        *key_line("dropout", {"low": 0.05, "high": 0.7}, "probability of dropping a unit, each layer its own"),
        *key_line("learning_rate", {"low": slowest, "high": fastest, "log": True}),
        *key_line("momentum", {"low": 0.5, "high": 0.99}),
        *key_line("max_norm", {"low": 1.0, "high": 5.0}, 'on each hidden unit\'s incoming weights; "off" for none'),
        *key_line("lr_decay", {"low": 0.01, "high": 1.0, "log": True}, "last / first learning rate"),
        *key_line(
            "weight_decay",
            {"low": 1e-6, "high": 1e-2, "log": True},
            "the rival of dropout: the arm without dropout may use it too",
        ),
        "",
    ]


def _validation_lines(encoded: Encoded, sizes: Sizes, choice: _Choice, smallest: int | None, seen: Survey) -> list[str]:
    reason = "10 for small tables, fewer for large ones"
    if sizes.folds < 10 and encoded.info.rows <= SMALL:
        reason = f"no more than {count(encoded.info.rows, 'row')} can fill"
    scheme = "auto"
    how = "kfold for numbers" if smallest is None else "stratified for classes"
    if smallest is not None and smallest < 2:
        scheme, how = "kfold", "not stratified: a class has one row only, and no fold can hold it on both sides"
    elif smallest is not None and sizes.folds == smallest:
        reason = f"no more than the rarest class has rows ({smallest})"
    lines = ["[validation]", *key_line("folds", sizes.folds, reason), *key_line("scheme", scheme, how)]
    if seen.dates:
        when = f"if rows are in the order of {several(seen.dates)} and the future is to be predicted"
        lines += comment(f'scheme = "timeseries"   {when}')
    return [*lines, *key_line("metric", choice.metric, choice.why), ""]


def _search_lines(sizes: Sizes) -> list[str]:
    return [
        "[search]",
        *key_line(
            "trials",
            sizes.trials,
            f"{rough_duration(sizes.seconds)} on {CORES} cores, sweep check measures it; may be raised later",
        ),
        *key_line("sampler", "tpe", "tpe, random, qmc or grid"),
    ]
