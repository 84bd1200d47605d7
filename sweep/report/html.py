"""The report: one self-contained HTML page, without any access to a network.

Plotly's script and the figures travel inside the page, and its content security policy lets nothing else in: the two
inline scripts run by their hashes, no address can be reached.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from sweep import wording
from sweep.analysis.results import SweepSummary, TrialRow
from sweep.answer.nested_records import Nested
from sweep.answer.records import Answer
from sweep.figures import info as figure_info
from sweep.figures import palette
from sweep.figures.draw import plotly_js, to_json
from sweep.figures.draw_answer import draw
from sweep.figures.forest_info import forest_info
from sweep.figures.info import PlacementInfo
from sweep.report.answer_section import forest_caption
from sweep.report.page import page
from sweep.shipped import folder

# What a page says of itself near its beginning: an earlier report may be replaced unasked.
MARK = b'<meta name="generator" content="dropout-sweep">'


def render(summary: SweepSummary, answer: Answer | None = None, nested: Nested | None = None) -> str:
    """The whole page as HTML, about 5 MB, nearly all of it Plotly's script.

    Args:
        summary: Of the sweep.
        answer: Of the same sweep, if it was asked for.
        nested: What its nested cross-validation said, likewise.
    """
    content, drawn = page(summary, answer, nested), _Drawn()
    if answer is not None:
        forest = forest_info(answer, summary.spec.space.placements)
        content["answer"]["forest"] = (
            None if forest is None else drawn.add(forest, caption=forest_caption(answer, forest))
        )
    _add_figures(summary, content, drawn, tested=answer is not None)
    script, plotly = _asset("report.js"), plotly_js()
    return _template().render(
        # The template marks all but the page's own content as safe: it comes with the program, or is made here.
        page=content,
        light_colours=palette.css_variables(palette.LIGHT),
        dark_colours=palette.css_variables(palette.DARK),
        style=_asset("report.css"),
        figures_json=_inline_json(drawn.figures),
        plotly_js=plotly,
        script=script,
        script_hashes=f"{_csp_hash(plotly)} {_csp_hash(script)}",
    )


class _Drawn:
    """Figures by the id of their place in the page."""

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}

    def add(self, info: Any, title: str | None = None, caption: str | None = None) -> dict[str, Any]:
        """Draw one, and say what the template needs to place it."""
        name = f"figure-{len(self.figures)}"
        drawn = json.loads(to_json(draw(info)))
        self.figures[name] = {"data": drawn["data"], "layout": drawn["layout"]}
        height = drawn["layout"]["height"]
        return {"id": name, "title": title, "caption": caption, "alt": figure_info.describe(info), "height": height}


def _add_figures(summary: SweepSummary, content: dict[str, Any], drawn: _Drawn, *, tested: bool) -> None:
    by_placement = figure_info.placement_info(summary)
    if by_placement is not None and content["compared"]:
        content["placement"] = drawn.add(by_placement, caption=_placement_caption(by_placement, tested=tested))
    content["rates"] = [
        drawn.add(info, "All layers" if info.layer is None else wording.layer(info.layer))
        for info in figure_info.rate_infos(summary)
    ]
    content["curves"] = [drawn.add(info, _curve_title(info.trial)) for info in figure_info.curve_infos(summary)]
    content["importance"] = [
        drawn.add(info, f"{wording.placement(info.placement).capitalize()}")
        for info in figure_info.importance_infos(summary)
    ]


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


def _asset(name: str) -> str:
    return (folder("dashboards") / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(folder("dashboards")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _inline_json(value: Any) -> str:
    """JSON that no HTML parser mistakes for markup, inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _csp_hash(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"
