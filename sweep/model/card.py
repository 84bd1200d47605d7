"""``card.md`` of a model folder: what it is, how good, of what data, and how to use it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sweep import wording
from sweep.analysis.results import SweepSummary, TrialRow
from sweep.answer.records import Answer
from sweep.answer.sentences import sentence
from sweep.export.versions import versions
from sweep.model.model import Model
from sweep.networks import Networks
from sweep.spec.source import shown_source
from sweep.texts.best import configuration_rows, scores_rows

_MOST_CLASSES = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """The trial of a model, and how it was chosen: as the best one, by its number, or as the best of its placement."""

    trial: TrialRow
    how: Literal["best", "number", "placement"]


def card_text(
    summary: SweepSummary, choice: Choice, model: Model, answer: Answer | None, *, device: str, folder: str
) -> str:
    """The card as Markdown.

    Args:
        summary: Of the sweep.
        choice: The trial.
        model: Trained.
        answer: The sweep's, if it was asked for one.
        device: That it was trained on.
        folder: Name of the folder that it will lie in.
    """
    trial = choice.trial
    sections = (
        ("", _what_it_is(summary, choice, model)),
        ("Scores", _scores(summary, trial)),
        ("Does dropout help here?", _answer(summary, answer)),
        ("Data", _data(summary)),
        ("Network", _network(summary, trial, model.networks, device)),
        ("Use", _use(model, folder)),
        ("By hand", _by_hand(model)),
    )
    heading = f"# {summary.name}: trial {trial.number}, {wording.placement(trial.placement)}"
    body = "\n\n".join(f"## {title}\n\n{text}" if title else text for title, text in sections)
    return f"{heading}\n\n{body}\n"


# --- sections ---------------------------------------------------------------------------------------------------------


def _what_it_is(summary: SweepSummary, choice: Choice, model: Model) -> str:
    info, trial = summary.info, choice.trial
    members = model.networks.members
    what = "A multilayer perceptron" if members == 1 else f"An ensemble of {members} multilayer perceptrons"
    if info.task == "regression":
        does = f"predicts the number {_code(info.target)}"
    else:
        labels = ", ".join(map(_code, info.classes[:_MOST_CLASSES])) + ", …" * (len(info.classes) > _MOST_CLASSES)
        does = f"tells the {len(info.classes)} classes of {_code(info.target)} apart ({labels})"
    why = {
        "best": f"the best of {wording.count(len(summary.trials), 'trial')}",
        "number": "taken by its number",
        "placement": f"the best of the placement `{trial.placement}`",
    }[choice.how]
    text = (
        f"{what} that {does}. Its configuration is trial {trial.number} of the sweep {_code(summary.name)}, {why}, "
        f"trained again on all {wording.count(info.rows, 'row')}."
    )
    if trial.pruned:
        text += (
            f" The trial was stopped early, after {trial.trained} of {summary.spec.training.epochs} epochs; the model "
            f"is trained to its chosen epoch, {trial.epoch}."
        )
    lost = _lost(model.networks)
    if lost:
        text += f" **{lost} of {wording.count(members, 'network')} diverged, and predict a constant.**"
    return text


def _scores(summary: SweepSummary, trial: TrialRow) -> str:
    metric, best, honest = summary.metric, summary.best, summary.honest
    is_best = best is not None and best.number == trial.number
    if is_best:
        rows = scores_rows(metric, trial.score, honest, summary.chosen)
    else:
        of = "the sweep's best" if best is None else f"the sweep's best, trial {best.number}"
        value = "undefined" if honest is None else _honest(summary)
        note = f"; of {wording.count(trial.trained, 'epoch')} only: it was stopped early" if trial.pruned else ""
        rows = [
            ("honest score", f"that of {of}: {value}; of this trial there is none"),
            ("raw score", f"{wording.powers(metric.format(trial.score))}, not corrected for any choice{note}"),
        ]
    table = _table(("score", metric.title), [(name, _cell(value)) for name, value in rows])
    exact = f"Exactly: raw {trial.score!r}"
    if honest is not None:
        whose = "honest" if is_best else "honest score of the best"
        exact += f", {whose} {honest.value!r} (95 % interval {honest.low!r} to {honest.high!r})"
    return (
        f"{table}\n\n{exact}.\n\n"
        "Both are of networks that cross-validation trained, each on the rows outside of its test fold. The model\n"
        "itself is trained on all rows: none is left to score it on. The honest score is what to expect on new rows;\n"
        "a raw one is too good wherever something was chosen for it."
    )


def _honest(summary: SweepSummary) -> str:
    honest, metric = summary.honest, summary.metric
    if honest is None:
        return "undefined"
    return f"{wording.score(metric, honest.value)} (95 % interval {wording.interval(metric, honest.low, honest.high)})"


def _answer(summary: SweepSummary, answer: Answer | None) -> str:
    if answer is None:
        return (
            f"This was not asked: `sweep answer {shlex.quote(summary.name)}`, on the database of the sweep, tests it."
        )
    return sentence(answer)


def _data(summary: SweepSummary) -> str:
    info, source = summary.info, summary.spec.data.source
    rows = [
        ("source", _code(shown_source(info.source))),
        ("rows", f"{info.rows:,}"),
        ("features", f"{len(info.features):,}"),
        ("target", _code(info.target)),
        ("SHA-256 of the decoded table", _code(info.content_hash)),
    ]
    text = _table(("", ""), rows)
    if shown_source(source) != source:
        text += (
            "\n\n`config.toml` holds the whole address of the table, with what is left out here: mind that before the "
            "folder is passed on."
        )
    return text


def _network(summary: SweepSummary, trial: TrialRow, networks: Networks, device: str) -> str:
    spec = summary.spec
    rows = [
        *configuration_rows(trial.hyperparameters),
        ("activation", spec.network.activation),
        ("initial weights", spec.network.init),
        ("epochs", f"{trial.epoch} of {spec.training.epochs}, over which the learning rate falls"),
        ("batch size", str(spec.training.batch_size)),
        ("Nesterov momentum", "yes" if spec.training.nesterov else "no"),
        ("class weight", spec.training.class_weight),
        ("networks", str(networks.members)),
        ("seed", str(spec.seed)),
        ("device", device),
        ("trained", f"{datetime.now(UTC):%Y-%m-%d}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions().items())),
    ]
    return _table(("", ""), rows)


def _use(model: Model, folder: str) -> str:
    columns = ", ".join(map(_code, model.recipe.columns[:_MOST_CLASSES]))
    more = f", … ({len(model.recipe.columns)} in all)" if len(model.recipe.columns) > _MOST_CLASSES else ""
    spread = ""
    if any(model.networks.dropout):
        spread = (
            "\n\nWith `--passes 100`, in Python `passes=100`, dropout stays on: what is predicted is the mean over so\n"
            "many passes, and the spread beside it says how far they lie apart."
        )
    return f"""A table with the columns {columns}{more}, in any order:

```
$ sweep predict {shlex.quote(folder)} new.csv -o predictions.csv
```

From Python, with `sweep` installed:

```python
from sweep.model.folder import read_model
from sweep.tables.load import read_for

model = read_model({json.dumps(folder, ensure_ascii=False)})
table = read_for(model.recipe, "new.csv", None)  # or from_frame(frame, "its name")
predictions = model.predict(table)
print(predictions.{"values" if not model.classes else "labels"}[:10])
```{spread}"""


def _by_hand(model: Model) -> str:
    layers = len(model.networks.weights)
    act = {
        "relu": "np.maximum(x, 0)",
        "tanh": "np.tanh(x)",
        "sigmoid": "1 / (1 + np.exp(-x))",
    }[model.networks.activation]
    # What is shorter than a class per line, and the same as `networks.probabilities`.
    last, meaning = {
        "binary": ("result = (1 / (1 + np.exp(-x[..., 0]))).mean(0)", "probability of the second class"),
        "multiclass": (
            "result = (np.exp(x - x.max(-1, keepdims=True)) / "
            "np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)).mean(0)",
            "probability of each class",
        ),
        "regression": (
            'result = (x[..., 0] * about["target_std"] + about["target_mean"]).mean(0)',
            "the number",
        ),
    }[model.networks.task]
    return f"""Without `sweep`, in the folder, NumPy and safetensors are enough. `features` is a float32 array with a
column for each name in `about["features"]`, NaN where a value is missing. `about["recipe"]` says how they come from a
table: a number as it is, less `shift` and divided by 2 to the power of `exponent`; a date in days since 1970-01-01; 1
for the level of a category that a cell holds, 0 for the others.

```python
import json
from pathlib import Path
import numpy as np
from safetensors.numpy import load_file

about = json.loads(Path("preprocessing.json").read_text("utf-8"))
tensors = load_file("weights.safetensors")
x = (features - np.float32(about["mean"])) * np.float32(about["inverse_std"])
x = np.nan_to_num(x, nan=0.0).astype(float)
for layer in range(1, {layers + 1}):
    x = x @ tensors[f"weight{{layer}}"] + tensors[f"bias{{layer}}"][:, None]
    x = {act} if layer < {layers} else x
{last}  # [rows]: {meaning}
```"""


# --- Markdown ---------------------------------------------------------------------------------------------------------


def _lost(networks: Networks) -> int:
    """Networks that diverged: all of their weights are 0."""
    return sum(not any(weight[member].any() for weight in networks.weights) for member in range(networks.members))


def _table(heading: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"| {name} | {value} |" for name, value in (heading, ("---", "---"), *rows))


def _code(text: str) -> str:
    """A name from somewhere else, which cannot be anything but a text there."""
    plain = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
    ticks = max((len(run) for run in re.findall("`+", plain)), default=0)
    fence, pad = "`" * (ticks + 1), " " * (ticks > 0)
    return f"{fence}{pad}{_cell(plain)}{pad}{fence}"


def _cell(text: str) -> str:
    """Text that cannot end its cell."""
    return text.replace("|", "\\|")
