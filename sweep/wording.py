"""Scores, placements, hyperparameters in words and with sensible precision: for commands, pages, definitions alike."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from sweep.metrics import Metric
from sweep.records import HonestScore

# Longest first: "hidden" is part of the others' names.
_PLACEMENTS = {
    "none": "no dropout",
    "input": "dropout on the inputs",
    "hidden": "dropout on the hidden layers",
    "all": "dropout on the inputs and the hidden layers",
}
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

PARAMETERS = {
    "placement": "Placement",
    "hidden": "Hidden units",
    "dropout": "Dropout rate",
    "learning_rate": "Learning rate",
    "momentum": "Momentum",
    "max_norm": "Max-norm",
    "lr_decay": "Learning-rate decay",
    "weight_decay": "Weight decay",
}


def score(metric: Metric, value: float) -> str:
    """``"84.1 %"`` for shares, else with the metric's own precision."""
    if metric.percent and math.isfinite(value):
        return f"{100 * value:.1f} %"
    return powers(metric.format(value))


def bare_score(metric: Metric, value: float) -> str:
    """A score without its unit: ``"84.1"``."""
    return score(metric, value).removesuffix(" %")


def powers(text: str) -> str:
    """Numbers in exponent form as people write them, and as figures do: ``"7.067×10⁸"`` for ``"7.067e+08"``."""
    return re.sub(r"(?<=\d)e([+-]\d+)\b", lambda found: f"×10{str(int(found[1])).translate(_RAISED)}", text)


def spread(metric: Metric, value: float, score_of: float) -> str:
    """A standard deviation of scores without unit, with a power of ten where the score it stands beside has one."""
    return powers(f"{value:.3e}") if "×10" in score(metric, score_of) else bare_score(metric, value)


def interval(metric: Metric, low: float, high: float) -> str:
    """``"80.0 to 88.2"``."""
    return f"{bare_score(metric, low)} to {bare_score(metric, high)}"


def honest_value(metric: Metric, honest: HonestScore) -> str:
    """``"84.1 % (80.0 to 88.2)"``."""
    return f"{score(metric, honest.value)} ({interval(metric, honest.low, honest.high)})"


def raw_in_words(metric: Metric, honest: HonestScore) -> str:
    """What the best raw score reads, how far it is from the honest one, and what was chosen."""
    reads = f"the sweep's best reads {score(metric, honest.raw)}"
    alone, timed = honest.trials < 2, honest.checkpoints > 1
    unknown = "the choice of the epoch is not corrected for: earlier trials are stored at the chosen epoch only"
    if alone and timed and not honest.corrects_epoch:
        return f"{reads}; {unknown}"
    if alone and not timed:
        return f"{reads}, and nothing was chosen: there is one trial, at its last epoch"
    return f"{reads}, {_optimism(metric, honest)}" + ("" if honest.corrects_epoch else f"; {unknown}")


def _optimism(metric: Metric, honest: HonestScore) -> str:
    # Of the two numbers as they are shown, so that a reader's subtraction agrees.
    shown, corrected = ((f"{100 * v:.1f}" if metric.percent else metric.format(v)) for v in (honest.raw, honest.value))
    optimism = (float(shown) - float(corrected)) * (1 if metric.maximize else -1)
    too = "high" if metric.maximize else "low"
    digits = len(shown.partition(".")[2])
    by = f"{optimism:.3e}" if "e" in shown else f"{optimism:.{digits}f}"
    epochs = f"{honest.checkpoints} checkpoints"
    if float(by) > 0:
        chosen = f"its epoch, one of {epochs}, was" if honest.trials < 2 else "it was"
        return f"{powers(by)} too {too} because {chosen} chosen for being {too}"
    among = epochs if honest.trials < 2 else f"{honest.trials} trials"
    if honest.trials > 1 and honest.checkpoints > 1 and honest.corrects_epoch:
        among += f" at {epochs}"
    return f"which choosing among {among} did not make better than it is"


def chosen_in_words(sweep: str, trials: int) -> str:
    """Why the honest score of a configuration is not the one of the sweep it stands in."""
    return (
        f"the honest score is that of the sweep {sweep}, where this configuration was chosen among "
        f"{count(trials, 'trial')} on these rows"
    )


def placement(name: str) -> str:
    """``"dropout on the inputs"`` for ``"input"``; ``"no dropout"`` for ``"none"``."""
    if name in _PLACEMENTS:
        return _PLACEMENTS[name]
    parts = [_layer_phrase(part) for part in name.split("+")]
    return f"dropout on {listed(parts)}"


def layer(name: str) -> str:
    """``"Inputs"`` for ``"input"``, ``"Hidden layer 1"`` for ``"hidden1"``."""
    return "Inputs" if name == "input" else f"Hidden layer {name.removeprefix('hidden')}"


def parameter(name: str) -> str:
    """A title for an Optuna parameter: ``"Learning rate"``, ``"Dropout, hidden layer 1"``."""
    if name.startswith("dropout_"):
        return f"Dropout, {layer(name.removeprefix('dropout_')).lower()}"
    return PARAMETERS.get(name, name)


def number(value: float, digits: int = 3, *, trim: bool = True) -> str:
    """Significant digits, without an exponent between 0.0001 and a million: ``"0.0312"``, ``"300"``.

    Args:
        value: Any.
        digits: How many.
        trim: Without zeros at the end, for a sentence; with them numbers of a column line up.
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "undefined"
    if not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{value:.{max(0, decimals)}f}"
    return text.rstrip("0").rstrip(".") if trim and "." in text else text


def duration(seconds: float) -> str:
    """``"0.6 s"``, ``"45 s"``, ``"3 min"``, ``"2 h 5 min"``."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """``"1 trial"``, ``"1,024 trials"``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def listed(parts: Sequence[str], word: str = "and") -> str:
    """``"a, b and c"``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def in_sentence(title: str) -> str:
    """A metric's title in mid sentence: ``"accuracy"``, but ``"ROC AUC"``."""
    return title[0].lower() + title[1:] if title[1:2].islower() else title


def _layer_phrase(part: str) -> str:
    if part == "input":
        return "the inputs"
    if part == "hidden":
        return "the hidden layers"
    position = int(part.removeprefix("hidden"))
    ordinal = _ORDINALS[position - 1] if position <= len(_ORDINALS) else f"{position}th"
    return f"the {ordinal} hidden layer"
