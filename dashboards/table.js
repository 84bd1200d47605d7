// A row of the table of sweeps, from the document of a sweep: the same as the template makes.
import { PLACEMENTS } from "./facts.js";
import { ago, chip, el, grouped, marksOf, score } from "./common.js";

export const finished = (sweep) => sweep.trials.complete + sweep.trials.pruned;
export const howFar = (sweep) => {
  const { pruned, failed } = sweep.trials;
  const others = [pruned && `${grouped(pruned)} pruned`, failed && `${grouped(failed)} failed`].filter(Boolean);
  const trials = `${grouped(finished(sweep))} of ${grouped(sweep.trials.budget)} ${sweep.trials.budget === 1 ? "trial" : "trials"}`;
  return others.length ? `${trials}, ${others.join(", ")}` : trials;
};

// Placements that have a score, with their marks, and whether each is the best of all.
export const bests = (sweep) => {
  const usual = Object.keys(PLACEMENTS);
  const place = ([placement]) => (usual.includes(placement) ? usual.indexOf(placement) : usual.length);
  const found = Object.entries(sweep.best ?? {}).sort((a, b) => place(a) - place(b));
  const marks = marksOf(found.map(([placement]) => placement));
  const sign = sweep.maximize ? 1 : -1;
  const top = Math.max(...found.map(([, best]) => sign * best.score));
  const alike = found.length > 1 && found.every(([, best]) => sign * best.score === top); // none of them is better
  return found.map(([placement, best]) => ({ placement, ...best, mark: marks[placement], top: !alike && sign * best.score === top }));
};

// Its dropout rates, each once, from the input on: "0.2", "0.2, 0.45".
export const ratesOf = ({ rates }) => [...new Set(rates.filter((rate) => rate > 0).map((rate) => String(Number(rate.toPrecision(2)))))].join(", ");

export const row = (sweep) =>
  el(
    "tr",
    { "data-name": sweep.name },
    el(
      "th",
      { scope: "row", class: "name" },
      el("a", { href: `/sweeps/${encodeURIComponent(sweep.name)}` }, sweep.name),
      el("small", { title: sweep.source }, sweep.source),
    ),
    el("td", {}, el("span", { class: `state ${sweep.state}` }, sweep.state)),
    el(
      "td",
      { class: "how-far" },
      el("progress", {
        max: sweep.trials.budget,
        value: finished(sweep),
        "aria-label": `Trials of ${sweep.name}`,
        class: sweep.state === "done" ? "done" : null,
      }),
      el("small", {}, howFar(sweep)),
    ),
    el("td", { "data-label": "Best so far, raw" }, scores(sweep)),
    el("td", { class: "answer", "data-label": "Answer" }, el("span", {}, sweep.answer?.headline ?? "")),
    el("td", { class: "nowrap" }, el("time", { datetime: sweep.updated_at }, ago(sweep.updated_at))),
  );

const scores = (sweep) => {
  const found = bests(sweep);
  if (!found.length) return null;
  const pairs = found.map((best) =>
    el(
      "div",
      { class: best.top ? "top" : null },
      el("dt", {}, chip(best.placement, best.mark)),
      el("dd", {}, score(sweep.metric, best.score)),
    ),
  );
  return el("dl", { class: "scores" }, pairs);
};
