// The answer of a sweep, in words and as a table of placements.
import { bareScore, chip, count, el, inPercent, marksOf, placementWords, score } from "./common.js";

// Decimals of a difference and its interval, as the program chooses them: as many as scores have, more where the
// interval is narrow, or where an end of it would read 0 and is not.
const digitsOf = (metric, low, high, like) => {
  const unit = inPercent(metric) ? 100 : 1;
  const least = inPercent(metric) ? 1 : (score(metric, like).split(".")[1]?.length ?? 0);
  const half = (Math.abs(high - low) / 2) * unit;
  const digits = half > 0 ? Math.min(Math.max(least, Math.ceil(Math.log10(5 / half))), least + 4) : least;
  const ends = [unit * low, unit * high].filter((end) => end !== 0);
  return digits + ([0, 1, 2].find((more) => ends.every((end) => Number(end.toFixed(digits + more)) !== 0)) ?? 0);
};

const signed = (value, digits, plus) => {
  const shown = value.toFixed(digits);
  if (Number(shown) === 0) return shown.replace("-", "");
  return `${plus && value > 0 ? "+" : ""}${shown}`.replace("-", "−");
};

// "+2.4 points" and "0.6 to 4.2"; positive is better, whatever the metric.
const difference = (metric, { value, low, high }, like) => {
  if (![value, low, high].every(Number.isFinite)) return ["", ""];
  const unit = inPercent(metric) ? 100 : 1;
  const digits = digitsOf(metric, low, high, like);
  const [middle, from, to] = [value, low, high].map((number) => unit * number);
  return [`${signed(middle, digits, true)}${unit === 100 ? " points" : ""}`, `${signed(from, digits)} to ${signed(to, digits)}`];
};

const VERDICTS = { helps: "helps", hurts: "hurts" };
const verdictText = (arm) => (arm.verdict === "helps" && arm.p_helps < 0.5 ? "helps, slightly" : arm.verdict);

const cell = (label, [value, interval]) =>
  el("td", { class: "number", "data-label": label }, value && el("b", {}, value), interval && " ", interval && el("small", { class: "interval" }, interval));

const armRow = (arm, answer, mark) =>
  el(
    "tr",
    {},
    el("th", { scope: "row" }, chip(arm.placement, mark)),
    el("td", { "data-label": "Verdict" }, el("span", { class: `verdict ${VERDICTS[arm.verdict] ?? ""}` }, verdictText(arm))),
    cell(HEADS[2], difference(answer.metric, { value: arm.difference, low: arm.low, high: arm.high }, answer.control.score)),
    cell(HEADS[3], difference(answer.metric, { value: arm.matched_difference, low: arm.matched_low, high: arm.matched_high }, answer.control.score)),
    el("td", { class: "number", "data-label": HEADS[4] }, score(answer.metric, arm.score)),
  );

const HEADS = ["Placement", "Verdict", "Gain over the best without dropout", "Gain over itself without dropout", "On fresh folds"];

// The first sentence, and what follows it.
export const sentences = (text) => {
  const [first, ...rest] = text.split(/(?<=\.) (?=[A-Z])/);
  return rest.length ? [first, " ", el("span", { class: "rest" }, rest.join(" "))] : [first];
};

export const answerParts = (answer) => {
  const marks = marksOf(["none", ...answer.arms.map((arm) => arm.placement)]);
  const groups = answer.groups === null || answer.groups === undefined ? "" : ` in ${count(answer.groups, "group")}`;
  const basis = `${count(answer.repeats, "repeat")} of ${answer.folds}‑fold cross-validation, with folds and seeds that nothing was chosen with; ${count(answer.rows, "row")}${groups}.`;
  const honest = answer.honest_score;
  const control = el(
    "tr",
    {},
    el("th", { scope: "row" }, chip("none", marks.none)),
    el("td", {}, el("small", {}, "the control")),
    el("td"),
    el("td"),
    el("td", { class: "number", "data-label": HEADS[4] }, score(answer.metric, answer.control.score)),
  );
  return [
    el(
      "div",
      { class: "scroll", role: "region", tabindex: "0", "aria-label": "Each placement tested" },
      el(
        "table",
        { class: "arms" },
        el("thead", {}, el("tr", {}, HEADS.map((head, place) => el("th", { scope: "col", class: place > 1 ? "number" : null }, head)))),
        el("tbody", {}, answer.arms.map((arm) => armRow(arm, answer, marks[arm.placement])), control),
      ),
    ),
    el("p", { class: "note" }, `Intervals are of 95 %; more than 0 is better. ${basis}`),
    ...answer.cautions.map((caution) => el("div", { class: "said" }, el("p", {}, caution))),
    honest &&
      el(
        "p",
        { class: "note" },
        `What to expect of the best configuration on new rows, its honest score: ${score(answer.metric, honest.value)} (95 %: ${bareScore(answer.metric, honest.low)} to ${bareScore(answer.metric, honest.high)}). Of the scores here only this one belongs on a slide: the others are of networks that were chosen for theirs.`,
      ),
    el(
      "details",
      {},
      el("summary", {}, "Each placement in words"),
      el("ul", { class: "notes" }, answer.arms.map((arm) => el("li", {}, arm.explanation ?? placementWords(arm.placement)))),
    ),
  ].filter(Boolean);
};
