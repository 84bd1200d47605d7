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


def difference_digits(metric: Metric, low: float, high: float, like: float) -> int | None:
    """Decimals of a difference of scores and its interval, so that they say the same after rounding.

    As many as scores have; more where the interval is narrow, or where an end of it would read 0 and is not.

    Args:
        metric: Of the scores.
        low: Lower end of the interval.
        high: Upper end.
        like: A score beside it: errors in units of a target are written by their size.

    Returns:
        Decimals, of points where the metric is a share; ``None`` where numbers are written with a power of ten.
    """
    written = f"{100 * like:.1f}" if metric.percent else metric.format(like)
    if "e" in written:
        return None
    unit = 100.0 if metric.percent else 1.0
    least = len(written.partition(".")[2])
    half = abs(high - low) / 2 * unit
    digits = min(max(least, math.ceil(math.log10(5 / half))), least + 4) if half > 0 else least
    ends = [unit * end for end in (low, high) if end]
    more = next((more for more in range(3) if all(float(f"{end:.{digits + more}f}") for end in ends)), 0)
    return digits + more


def difference(metric: Metric, value: float, digits: int | None, *, sign: bool = False) -> str:
    """A difference of scores without its unit: ``"2.4"``, ``"+2.4"`` with ``sign``, ``"−0.6"``.

    Args:
        metric: Of the scores.
        value: In the metric's units.
        digits: Of :func:`difference_digits`.
        sign: Whether a plus is written.
    """
    shown = f"{value * (100 if metric.percent else 1):.2e}" if digits is None else _rounded(metric, value, digits)
    if not float(shown):
        return shown.lstrip("-")
    return powers(f"{'+' if sign and value > 0 else ''}{shown}").replace("-", "\N{MINUS SIGN}")


def _rounded(metric: Metric, value: float, digits: int) -> str:
    return f"{value * (100 if metric.percent else 1):.{digits}f}"


def difference_interval(metric: Metric, low: float, high: float, digits: int | None) -> str:
    """``"0.6 to 4.2"``, ``"−0.6 to 4.2"``."""
    return f"{difference(metric, low, digits)} to {difference(metric, high, digits)}"


def improvement(metric: Metric, value: float, digits: int | None) -> str:
    """What an improvement is: ``"+2.4 points"`` for shares, else ``"log loss lower by 0.031"``, ``"R² higher by …"``.

    Args:
        metric: That improves.
        value: Positive where better, in the metric's units.
        digits: Of :func:`difference_digits`.
    """
    if metric.percent:
        return f"{difference(metric, value, digits, sign=True)} points"
    way = "higher" if (value >= 0) == metric.maximize else "lower"
    return f"{in_sentence(metric.title)} {way} by {difference(metric, abs(value), digits)}"


def equivalence(metric: Metric, rope: float) -> str:
    """The region of practical equivalence: ``"±1 point"``, ``"±0.77"``."""
    shown = powers(number(rope * (100 if metric.percent else 1), 2))
    return f"±{shown}" + ("" if not metric.percent else " point" if shown == "1" else " points")


def probability(value: float) -> str:
    """``"97 %"``; what is nearly 0 or 1 never reads as if it were."""
    if value < 0.01:
        return "< 1 %"
    return "> 99 %" if value > 0.99 else f"{100 * value:.0f} %"


def p_value(value: float) -> str:
    """``"0.014"``; finer at the level of 5 %, which decides."""
    if value < 0.001:
        return "< 0.001"
    shown = f"{value:.3f}"
    return f"{value:.4f}" if shown == "0.050" else shown


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
