"""The report: one self-contained HTML page, without any access to a network.

Plotly's script and the figures travel inside the page, and its content security policy lets nothing else in: the two
inline scripts run by their hashes, no address can be reached.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from sweep.analysis.results import SweepSummary
from sweep.answer.nested_records import Nested
from sweep.answer.records import Answer
from sweep.figures import draw_answer, draw_effects, palette  # noqa: F401 - the first two bring their figures
from sweep.figures import info as figure_info
from sweep.figures.draw import draw, plotly_js, to_json
from sweep.figures.forest_info import forest_info
from sweep.report.answer_section import forest_caption
from sweep.report.page import page
from sweep.report.templates import environment
from sweep.report.where_section import add_figures
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
    add_figures(summary, content, drawn.add, tested=answer is not None)
    script, plotly = _asset("colours.js") + _asset("report.js"), plotly_js()
    return (
        environment()
        .get_template("report.html.j2")
        .render(
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


def _asset(name: str) -> str:
    return (folder("dashboards") / name).read_text(encoding="utf-8")


def _inline_json(value: Any) -> str:
    """JSON that no HTML parser mistakes for markup, inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _csp_hash(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"
