"""The page: self-contained, escaped, honest, and complete."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sweep.analysis.results import SweepSummary, arms_of
from sweep.answer.records import Answer
from sweep.answer.sentences import sentence
from sweep.export.files import OWN_WITHIN
from sweep.figures.draw import plotly_js
from sweep.figures.forest_info import forest_info
from sweep.records import TableInfo
from sweep.report.answer_section import forest_caption
from sweep.report.html import MARK, render
from sweep.report.page import page
from sweep.spec.model import Chosen
from tests.made_answer import ALL, answer, arm, helps, with_rivals
from tests.made_sweep import DEFINITION, made_summary, sonar
from tests.pruned_sweep import pruned_summary

VOID = {"meta", "circle", "rect", "line", "path", "br", "link", "img"}


class Outline(HTMLParser):
    """Tags in order with their attributes, text by tag, and whether tags close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.texts.append((self.open[-1], data.strip()))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def summary() -> SweepSummary:
    return made_summary()


@pytest.fixture(scope="module")
def html(summary: SweepSummary) -> str:
    return render(summary)


@pytest.fixture(scope="module")
def outline(html: str) -> Outline:
    return Outline(html)


def without_plotly(html: str) -> str:
    return html.replace(plotly_js(), "")


def test_the_page_is_well_formed_and_holds_plotly_once(html: str, outline: Outline) -> None:
    assert outline.open == []
    assert html.count("plotly.js v") == 1
    assert len(html) < 6_000_000


def test_it_says_near_its_beginning_what_it_is(html: str) -> None:
    assert MARK in html[:OWN_WITHIN].encode()


def test_nothing_is_loaded_from_anywhere(html: str, outline: Outline) -> None:
    loading = {"src", "href", "srcset", "action", "data"}
    assert not [(tag, a) for tag, a in outline.tags if loading & set(a)]
    assert "url(" not in without_plotly(html)
    assert "@import" not in without_plotly(html)
    assert "http" not in without_plotly(html).replace("http-equiv", "")


def test_the_policy_lets_only_our_scripts_run(html: str, outline: Outline) -> None:
    (policy,) = [a["content"] or "" for a in outline.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts}
    assert len(hashes) == 2
    assert set(directives["script-src"].split()) == hashes
    assert not [name for tag, attributes in outline.tags for name in attributes if name.startswith("on")]


def test_the_page_has_each_colour_light_and_dark(html: str) -> None:
    style = re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL)[0]
    rule = r":root \{ (--surface: [^}]*)\}"
    light = re.search(rf"^{rule}", style, re.MULTILINE)
    dark = re.search(rf"^@media \(prefers-color-scheme: dark\) \{{ {rule}", style, re.MULTILINE)
    assert light is not None
    assert dark is not None
    colours = [dict(re.findall(r"(--[\w-]+): ([^;]+);", found[1])) for found in (light, dark)]
    assert colours[0].keys() == colours[1].keys() >= set(re.findall(r"var\((--arm-\d)\)", without_plotly(html)))
    assert all(colours[1][name] != colour for name, colour in colours[0].items())


def test_the_headline_says_raw_and_honest_score(html: str) -> None:
    assert "Best of 128 trials: dropout on the inputs" in html
    assert "85.3 %" in html
    assert "(81.2 to 89.4)" in html
    assert "The sweep&#39;s best reads 88.1 %, 2.8 too high because it was chosen for being high." in html


def tied(summary: SweepSummary, *placements: str) -> SweepSummary:
    """The same where the best of these placements are equally good."""
    assert summary.best is not None
    score = summary.best.score
    best = {arm.best.number for arm in summary.arms if arm.placement in placements}
    trials = tuple(replace(trial, score=score) if trial.number in best else trial for trial in summary.trials)
    return replace(summary, trials=trials, arms=arms_of(trials, summary.spec.space.placements, summary.metric))


def test_placements_that_tie_are_all_named(summary: SweepSummary) -> None:
    three = tied(summary, "none", "input", "all")
    assert [arm["wins"] for arm in page(three)["arms"]] == [True, True, False, True]
    assert page(three)["best"]["words"].endswith(", the first of those that tie")
    assert "tie" not in page(summary)["best"]["words"]
    assert page(three)["headline"]["title"] == (
        "Best of 128 trials, a tie: no dropout; dropout on the inputs; dropout on the inputs and the hidden layers"
    )


def test_many_that_tie_are_counted() -> None:
    definition = DEFINITION.replace('{ choices = ["none", "input", "hidden", "all"] }', '"subsets"')
    many = made_summary(32, definition=definition)
    assert page(tied(many, *many.spec.space.placements))["headline"]["title"] == "Best of 32 trials: 8 placements tie"


def test_of_one_trial_nothing_is_compared() -> None:
    html = without_plotly(render(made_summary(1)))
    assert "One trial: no dropout" in html
    for part in ("by placement", "Best of", "best", "came with", "Not tested yet", "told good trials"):
        assert part not in re.sub(
            r"best of 12 checkpoints|best first|<style>.*</style>|best-title", "", html, flags=re.DOTALL
        ), part


def test_the_picture_of_the_network_is_a_proportion(outline: Outline, summary: SweepSummary) -> None:
    assert summary.best is not None
    kept = [a["width"] for a in outline.of("rect") if a.get("class") == "kept"]
    assert kept == [f"{round(100 * (1 - rate), 2)}%" for rate in summary.best.hyperparameters.dropout]
    assert not [a for a in outline.of("circle") if a.get("class") == "dropped"], "nothing to count"


def test_an_error_metric_turns_the_words_around() -> None:
    html = without_plotly(render(made_summary(40, "rmse")))
    assert "too low because it was chosen for being low" in html


def test_every_figure_has_a_place_and_words(html: str, outline: Outline) -> None:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, flags=re.DOTALL)
    assert found is not None
    drawn = json.loads(found[1])
    places = {a["id"]: a for a in outline.of("div") if a.get("role") == "img"}
    assert set(drawn) == set(places)
    assert all(a["aria-label"] for a in places.values())
    # Placements, 3 rates, 3 interactions, gap, epochs, stability, 2 curves, 4 importances.
    assert len(drawn) == 16


def test_where_and_how_much_is_said_in_words_too(html: str) -> None:
    text = without_plotly(html)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text, flags=re.DOTALL)
    assert len(captions) >= 10
    assert any("highest near" in one for one in captions)
    assert any("bootstrap samples of the rows choose" in one for one in captions)
    assert "A smooth model of the accuracy over all searched parameters" in text
    assert "best without dropout</span>" not in text, "the curves have no such line"


def test_with_few_trials_the_rates_are_shown_as_they_are() -> None:
    text = without_plotly(render(made_summary(8)))
    assert "What the rate does by itself cannot be told: fewer than" in text
    assert "best without dropout</span>" in text
    assert "Dropout rate together with the rest" not in text


def test_nothing_in_a_figure_ends_the_script_that_holds_it(html: str) -> None:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, flags=re.DOTALL)
    assert found is not None
    assert "<br>" in json.dumps(json.loads(found[1])), "there is markup to look at"
    assert not set("<>&\u2028\u2029") & set(found[1])


def test_each_cell_says_what_it_sorts_by(summary: SweepSummary, html: str) -> None:
    table = html.split('<table id="trials"')[1].split("</table>")[0]
    head, *rows = re.findall(r"<tr>(.*?)</tr>", table, flags=re.DOTALL)
    first = re.findall(r'<th [^>]*data-first="(\w+)"', head)
    assert first == ["ascending", "ascending", "descending", *["ascending"] * (len(first) - 3)]
    cells = [re.findall(r'<td[^>]* data-value="([^"]*)"', row) for row in rows]
    assert {len(row) for row in cells} == {len(first)}
    trials = {trial.number: trial for trial in summary.trials}
    assert len(cells) == len(trials)
    for number, placement, score, *others in cells:
        trial = trials[int(number)]
        assert (placement, float(score)) == (trial.placement, trial.score), "unrounded"
        assert float(others[-1]) == trial.seconds
        assert [rate for rate in others[1:4] if rate] == [repr(rate) for rate in trial.hyperparameters.dropout if rate]


def test_the_table_holds_every_trial_best_first(summary: SweepSummary) -> None:
    content = page(summary)
    order = [int(row[0]["text"]) for row in content["rows"]]
    scores = {trial.number: trial.score for trial in summary.trials}
    assert sorted(order) == list(scores)
    assert [scores[number] for number in order] == sorted(scores.values(), reverse=True)
    assert [column["sorted"] for column in content["columns"]].count("descending") == 1
    titles = [column["title"] for column in content["columns"]]
    assert "Learning rate" in titles
    assert "Weight decay" not in titles, "the same in all trials"
    assert all(len(row) == len(titles) for row in content["rows"])
    for row in content["rows"]:
        assert all(cell["value"] == "" or cell["arm"] or float(cell["value"]) is not None for cell in row)


def test_the_best_of_an_error_metric_is_the_lowest() -> None:
    content = page(made_summary(40, "rmse"))
    scores = [float(row[2]["value"]) for row in content["rows"]]
    assert scores == sorted(scores)
    assert content["columns"][2]["sorted"] == "ascending"


def test_user_text_is_escaped_everywhere() -> None:
    evil = "</script><img src=x onerror=alert(1)>{{ 7*7 }}"
    info = replace(
        sonar(), target=evil, classes=(evil, "b"), source=f"data/{evil}.csv", notes=(evil,), features=(evil,)
    )
    definition = DEFINITION.replace('source = "openml:40"', f'source = "{evil}.csv"')
    summary = made_summary(40, info=info, definition=definition)
    summary = replace(summary, status=replace(summary.status, name=evil), note=evil)
    html = without_plotly(render(summary))
    assert "<img" not in html
    assert "onerror=alert(1)&gt;" in html
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", html)[0]
    assert html.count("</script>") == 3
    assert Outline(html).open == []


def test_folders_of_the_machine_stay_away() -> None:
    info = replace(sonar(), source="/home/someone/secret/sonar.csv")
    definition = DEFINITION.replace("openml:40", "/home/someone/secret/sonar.csv")
    html = without_plotly(render(made_summary(40, info=info, definition=definition)))
    assert "sonar.csv" in html
    assert "someone" not in html
    assert str(Path.cwd()) not in html


def test_a_sweep_without_trials_and_one_under_way() -> None:
    empty = made_summary(0)
    waiting = replace(empty, status=replace(empty.status, state="running", budget=128))
    html = without_plotly(render(waiting))
    assert "No trial has finished yet" in html
    assert "0 of 128 trials finished" in html
    some = made_summary(3)
    html = without_plotly(render(replace(some, status=replace(some.status, state="paused", budget=128))))
    assert "This sweep is paused: 3 of 128 trials finished" in html
    assert "Too few trials to tell" in html


def test_without_an_honest_score_no_raw_one_makes_the_headline(written: Callable[..., str]) -> None:
    summary = replace(made_summary(40), honest=None)
    content = page(summary)
    assert content["headline"]["value"] is None
    assert "%" not in content["headline"]["sentence"]
    assert "undefined on every resampling" in written(summary)


def test_a_configuration_chosen_elsewhere_says_where() -> None:
    where = "the honest score is that of the sweep mine, where this configuration was chosen among 64 trials"
    summary = replace(made_summary(1), chosen=Chosen("mine", 64, "rows", "definition", None))
    assert summary.honest is not None
    headline = page(summary)["headline"]
    assert headline["value"] == f"{100 * summary.honest.value:.1f} %"
    assert headline["sentence"].startswith(f"Here it reads {100 * summary.honest.raw:.1f} %; {where}")
    assert f"{where} on these rows, which has none" in page(replace(summary, honest=None))["headline"]["sentence"]


def test_only_placements_without_dropout(written: Callable[..., str]) -> None:
    definition = DEFINITION.replace('{ choices = ["none", "input", "hidden", "all"] }', '"none"')
    content = page(made_summary(20, definition=definition))
    assert content["headline"]["title"] == "Best of 20 trials: no dropout"
    assert content["untested"] is None, "there is nothing to compare"
    html = written(made_summary(20, definition=definition))
    assert "against dropout rate" not in html


def test_failed_and_diverged_trials_are_counted() -> None:
    summary = made_summary(60)
    counts = replace(summary.status.counts, failed=2)
    text = page(replace(summary, status=replace(summary.status, counts=counts)))["trials_text"]
    assert text.startswith("60 trials finished; 2 diverged in some fold")
    assert "2 failed and were replaced" in text
    assert "stopped early" not in text


def test_a_pruned_sweep_says_what_was_saved_and_who_was_stopped() -> None:
    summary = pruned_summary()
    content = page(summary)
    share = round(100 * summary.status.epochs.trained / (128 * 300))
    assert 10 < share < 40
    assert content["trials_text"].startswith(f"112 of 128 trials stopped early; {share} % of the epochs were trained; ")
    facts = {fact["label"]: fact["value"] for fact in content["searched"][1]["facts"]}
    assert facts["Pruning"] == "halving at the epochs 25 and 100: the best one in 3 of a placement goes on"
    assert [(arm["trials"], arm["complete"]) for arm in content["arms"]] == [(32, 4)] * 4
    titles = [column["title"] for column in content["columns"]]
    trained = {row[0]["text"]: row[titles.index("Trained to")]["text"] for row in content["rows"]}
    assert trained == {str(trial.number): str(trial.trained) for trial in summary.trials}
    html = without_plotly(render(summary))
    assert "112 faint marks: stopped early, with the score at that epoch." in html
    assert "faint: stopped early" in html
    assert '<th scope="col" class="number">To the end</th>' in html
    assert "stopped early at epoch" not in html, "both curves are whole"


def test_a_sweep_without_pruning_does_not_speak_of_it(summary: SweepSummary, html: str) -> None:
    content = page(summary)
    assert "Pruning" not in {fact["label"] for fact in content["searched"][1]["facts"]}
    assert "Trained to" not in {column["title"] for column in content["columns"]}
    assert "stopped early" not in html
    assert "To the end" not in html


def test_as_long_as_no_trial_is_complete_the_best_says_so(written: Callable[..., str]) -> None:
    summary = pruned_summary(complete=False)
    assert summary.best is not None
    content = page(summary)
    assert "stopped early at epoch 100, as every trial so far" in content["best"]["words"]
    html = written(summary)
    assert f"(trial {summary.best.number}, stopped early at epoch 100)" in html


def test_a_pruned_trial_never_ties_with_a_complete_one() -> None:
    summary = pruned_summary()
    best = summary.best
    assert best is not None
    alike = tuple(replace(trial, score=best.score) if trial.pruned else trial for trial in summary.trials)
    content = page(replace(summary, trials=alike))
    assert "of those that tie" not in content["best"]["words"]


def test_several_classes_are_counted_not_listed() -> None:
    info = replace(sonar(), task="multiclass", classes=tuple("abcdefghijklmnop"))
    content = page(made_summary(12, info=info))
    assert "telling 16 classes of Class apart" in content["lede"]
    table = {fact["label"]: fact["value"] for fact in content["searched"][2]["facts"]}
    assert table["Classes"].endswith("k and 5 more")


def test_regression_is_worded_as_such() -> None:
    info = TableInfo("sklearn:diabetes", "ab" * 32, 442, ("age",), "progression", "regression", (), 152.1, 77.0, ())
    content = page(made_summary(20, "rmse", info=info))
    assert "442 rows with 1 feature from sklearn:diabetes: predicting progression" in content["lede"]
    assert content["headline"]["track"]["legend"][-1][1].startswith("always the mean")


# --- with and without an answer ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answered(summary: SweepSummary) -> str:
    return render(summary, fitted(helps(), summary))


def fitted(made: Answer, summary: SweepSummary) -> Answer:
    """The same, of the winners of a made sweep."""
    numbers = {one.placement: one.best.number for one in summary.arms}
    return replace(made, arms=tuple(replace(one, trial=numbers[one.placement]) for one in made.arms))


def headings(html: str) -> list[str]:
    return [text for tag, text in Outline(html).texts if tag == "h2"]


def test_an_answer_is_told_from_the_sentence_to_the_details(answered: str, html: str) -> None:
    assert headings(answered) == [
        "Dropout on the inputs helps here: +2.4 points (95\u00a0%: 0.6 to 4.2), against the best network without "
        "dropout and against the same network with its dropout removed.",
        "Dropout against no dropout, placement by placement",
        "Accuracy by placement",
        "Accuracy against dropout rate",
        "Dropout rate together with the rest",
        "Overfitting, and when to stop",
        "Learning curves",
        "What told good trials from poor ones",
        "Would other rows have chosen the same?",
        "Best of 128 trials: dropout on the inputs",
        "The best configuration",
        "What was searched",
        "Beside the answer",
        "All trials",
    ]
    assert headings(html)[:2] == ["Best of 128 trials: dropout on the inputs", "The best configuration"]
    assert Outline(answered).open == []
    assert "Not tested yet" not in answered
    assert "not tested here" not in answered
    assert "not tested here" in html


def test_the_numbers_of_the_sentence_are_those_of_the_table(answered: str) -> None:
    table = without_plotly(answered).split('aria-label="Each placement tested"')[1].split("</table>")[0]
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr>(.*?)</tr>", table, flags=re.DOTALL)[1:]]
    assert [row[0] for row in rows] == ["input", "all", "hidden", "none"]
    assert rows[0][:6] == ["input", "helps", "+2.4", "0.6", "to", "4.2"]
    assert " ".join(rows[1][1:7]) == "cannot tell +1.2 −0.7 to 3.1"
    assert " ".join(rows[2][1:6]) == "hurts −3.1 −5.1 to −1.1"
    assert " ".join(rows[3][1:]) == "the control 82.0 % ±&nbsp;1.2 85.0 %"


def test_the_next_best_without_dropout_have_a_column(
    summary: SweepSummary, answered: str, written: Callable[..., str]
) -> None:
    assert "Gain over the next best" not in answered
    page = written(summary, with_rivals(helps()))
    table = page.split('aria-label="Each placement tested"')[1].split("</table>")[0]
    assert table.count("Gain over the next best without dropout") == 1
    rows = re.findall(r"<tr>(.*?)</tr>", table, flags=re.DOTALL)
    assert len({len(re.findall(r"<t[hd]\b", row)) for row in rows}) == 1, "as many cells in each row"
    assert all("+0.4" in row and "−0.8 to 1.6" in row for row in rows[1:3]), "of those ahead the hardest to beat"
    assert "+2.4" in rows[3], "of the one behind the hardest to fall behind"
    assert "A verdict needs all 4 comparisons: with the 3 best networks without dropout" in page
    assert "as clear of the next best networks without dropout (below)" in page


def test_what_an_answer_rests_on_and_what_would_tell_stands_beside_it(
    answered: str, written: Callable[..., str]
) -> None:
    text = without_plotly(answered)
    assert (
        "20 repeats of 5\u2011fold cross-validation, with folds and seeds that nothing was chosen with; 300 rows."
        in text
    )
    assert "more repeats would not, about 910 rows would." in text
    assert "no fresh folds" not in text
    assert "they decide nothing" in text
    assert "<details>" not in text
    history = written(made_summary(40), fitted(ALL["history"](), made_summary(40)))
    assert "One history: other seeds and shifted origins, no fresh folds." in history
    assert "With 12 test folds a line reaches" in history


def test_without_reference_or_other_metrics_no_section_is_empty(
    summary: SweepSummary, written: Callable[..., str]
) -> None:
    made = fitted(helps(), summary)
    bare = replace(made, arms=tuple(replace(one, reference=None, beside=()) for one in made.arms))
    assert "Beside the answer" not in headings(written(summary, bare))
    some = replace(made, arms=tuple(replace(one, reference=None) for one in made.arms))
    text = written(summary, some)
    assert "Other metrics" in text
    assert "Tests of the literature" not in text
    nothing = written(summary, replace(made, arms=()))
    assert "No placement of dropout was tested." in nothing
    assert Outline(nothing).open == []


def test_the_fresh_score_stands_beside_the_honest_one_where_the_best_was_trained_again(
    summary: SweepSummary, answered: str
) -> None:
    assert "2.8 too high because it was chosen for being high." in answered
    assert "Trained again on fresh folds it reads 84.4 %" in answered
    assert page(summary, helps())["headline"]["fresh"] is None, "its trials are others"


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (
            "done",
            "Not tested yet: <code>sweep answer sonar</code> trains the chosen networks again on fresh folds and says",
        ),
        ("paused", "Not tested yet: once the sweep is finished, <code>sweep answer sonar</code>"),
    ],
)
def test_without_an_answer_the_page_says_how_to_get_one(
    summary: SweepSummary, state: str, says: str, written: Callable[..., str]
) -> None:
    changed = replace(summary, status=replace(summary.status, state=state))  # type: ignore[arg-type]
    assert says in written(changed)


def test_the_name_of_a_sweep_is_quoted_for_the_shell(summary: SweepSummary) -> None:
    untested = page(replace(summary, status=replace(summary.status, name="it's mine")))["untested"]
    assert untested["command"] == """sweep answer 'it'"'"'s mine'"""


def test_text_of_an_answer_is_escaped(summary: SweepSummary) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    made = replace(fitted(helps(), summary), name=evil, cautions=(evil,))
    html = without_plotly(render(replace(summary, status=replace(summary.status, name=evil)), made))
    assert "<img" not in html
    assert html.count("</script>") == 3
    assert Outline(html).open == []


def test_many_placements_have_their_words_behind_a_fold(written: Callable[..., str]) -> None:
    definition = re.sub("hidden = .*", "hidden = [60, 30, 20, 10]", DEFINITION)
    definition = definition.replace('{ choices = ["none", "input", "hidden", "all"] }', '"subsets"')
    many = made_summary(64, definition=definition)
    html = written(many, ALL["subsets"]())
    assert html.count("<details>") == 1
    assert html.count('class="verdict cannot"') == 26
    assert Outline(html).open == []


def test_the_captions_numbers_are_of_this_data() -> None:
    made = helps()
    info = forest_info(made, ("none", "input", "hidden", "all"))
    assert info is not None
    caption = forest_caption(made, info)
    assert "Here: helps: 1; cannot tell: 1; hurts: 1. With 300 rows a line reaches about 1.9 points" in caption
    assert "arrow" not in caption
    wide = answer(
        [
            arm("input", "cannot tell", (0.0, 0.01)),
            arm("all", "cannot tell", (0.0, 0.01)),
            arm("hidden", "cannot tell", (0.0, 0.2)),
        ]
    )
    info = forest_info(wide, ("none", "input", "hidden", "all"))
    assert info is not None
    assert "a line with an arrow goes on" in forest_caption(wide, info)


@pytest.mark.parametrize("name", [name for name in ALL if name != "subsets"])
def test_every_answer_makes_a_page(name: str, summary: SweepSummary) -> None:
    whole = ALL[name]()
    content = page(made_summary(20, "rmse") if whole.metric == "rmse" else summary, whole)
    said = " ".join([content["answer"]["sentence"], *content["answer"]["others"]])
    assert said.replace("\u00a0", " ") == sentence(whole)
