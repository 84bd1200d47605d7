"""Where and how much: which figures of a sweep stand on the page, in which order, with their words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sweep import wording
from sweep.analysis.effects import effects_of
from sweep.analysis.results import SweepSummary, TrialRow
from sweep.figures import info as figure_info
from sweep.figures.captions import caption, effects_text, reading
from sweep.figures.effects_info import interaction_infos, response_infos
from sweep.figures.info import PlacementInfo
from sweep.figures.trials_info import epoch_info, gap_info, stability_info

# From an info record, a title and a caption to what the template needs to place the figure.
Add = Callable[[Any, str | None, str | None], dict[str, Any]]


def add_figures(summary: SweepSummary, content: dict[str, Any], add: Add, *, tested: bool) -> None:
    """Puts the figures of a sweep into the page's content.

    Args:
        summary: Of the sweep.
        content: Of the page; added to.
        add: Draws one.
        tested: Whether placements are compared on fresh folds on this page.
    """
    by_placement = figure_info.placement_info(summary)
    if by_placement is not None and content["compared"]:
        content["placement"] = add(by_placement, None, _placement_caption(by_placement, tested=tested))
    content["rates"], content["effects"] = _rates(summary, add)
    if content["effects"]["reading"]:
        content["rates_line"] = None  # the curves have no such line
    content["curves"] = [add(info, _curve_title(info.trial), None) for info in figure_info.curve_infos(summary)]
    content["importance"] = [
        add(info, f"{wording.placement(info.placement).capitalize()}", None)
        for info in figure_info.importance_infos(summary)
    ]


def _rates(summary: SweepSummary, add: Add) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The figures of rates, with a model's curves where there are any; and what else there is about rates."""
    effects = effects_of(summary)
    responses = response_infos(summary, effects)
    interactions = interaction_infos(summary, effects)
    others = {
        "gap": (gap_info(summary), "The gap between training and validation"),
        "epochs": (epoch_info(summary), "The chosen epochs"),
        "stability": (stability_info(summary), None),
    }
    about: dict[str, Any] = {
        "text": effects_text(effects, summary),
        "reading": reading(responses[0]) if responses else None,
        "interactions": [add(info, info.title, caption(info)) for info in interactions],
        "interactions_reading": reading(interactions[0]) if interactions else None,
        **{
            name: None if info is None else add(info, title, f"{caption(info)} {reading(info)}")
            for name, (info, title) in others.items()
        },
    }
    if responses:
        return [add(info, info.title, caption(info)) for info in responses], about
    plain = figure_info.rate_infos(summary)
    titles = ["All layers" if info.layer is None else wording.layer(info.layer) for info in plain]
    return [add(info, title, None) for info, title in zip(plain, titles, strict=True)], about


def _curve_title(trial: TrialRow) -> str:
    early = f", stopped early at epoch {trial.trained}" if trial.pruned else ""
    return f"{wording.placement(trial.placement).capitalize()} (trial {trial.number}{early})"


def _placement_caption(info: PlacementInfo, *, tested: bool) -> str:
    far = sum(not info.scale.holds(score) for row in info.rows for score in row.scores)
    parts = ["Each mark is a trial, in every row from the first, above, to the last."]
    if far:
        parts.append(f"{wording.count(far, 'hollow mark')} at the edge: worse still.")
    if pruned := sum(row.pruned for row in info.rows):
        parts.append(f"{wording.count(pruned, 'faint mark')}: stopped early, with the score at that epoch.")
    band = "" if all(noise is None for noise in info.noise) else "; the band is ± one standard deviation over its folds"
    parts.append(f"The line and the number at the right are the best{band}.")
    parts.append("The scores are raw: each best was chosen for being best.")
    if len(info.rows) > 1 and not tested:
        parts.append("Differences between placements are not tested here.")
    return " ".join(parts)
