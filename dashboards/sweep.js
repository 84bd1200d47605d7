// One sweep, live: by server-sent events, and by asking now and then where these do not come through.
import { ago, all, announce, ask, bareScore, chip, copyText, count, duration, el, ended, FEW, fetched, grouped, one, patiently, placementWords, Refused, saying, score, sentence } from "./common.js";
import { answerParts, sentences } from "./answer.js";
import { draw, isDrawn } from "./charts.js";
import { listFiles } from "./downloads.js";
import { lookNow } from "./page.js";
import { bests, finished, howFar, ratesOf } from "./table.js";

const { name, writes } = one("#sweep").dataset;
const address = `/v1/sweeps/${encodeURIComponent(name)}`;
const mayWrite = writes === "true";
let sweep = null;
let lastLine = 0;

// --- how far it is ---------------------------------------------------------------------------------------------------

const WINDOW = 300; // seconds that the rate is measured over
let seen = []; // instants in seconds, and finished trials then

const pace = () => {
  const now = performance.now() / 1000;
  const trials = finished(sweep);
  if (sweep.state !== "running" || !one("#away").hidden) {
    seen = [];
    return "";
  }
  const news = !seen.length || seen.at(-1).trials !== trials;
  if (news) seen.push({ at: now, trials });
  seen = seen.filter(({ at }, place) => now - at < WINDOW || place >= seen.length - 2);
  const [first] = seen;
  const latest = seen.at(-1);
  if (latest.trials <= first.trials || latest.at - first.at < 1) return "measuring how quick it is…";
  const rate = (latest.trials - first.trials) / (latest.at - first.at);
  const left = Math.max(0, (sweep.trials.budget - latest.trials) / rate - (now - latest.at));
  const said = rate >= 1 ? `${rate.toFixed(1)} trials a second` : `${duration(1 / rate)} a trial`;
  return `${said} · about ${duration(Math.max(left, 1))} left`;
};

const REST = { queued: "It waits for a runner.", paused: "It rests.", cancelled: "It was given up. What is finished is kept.", orphaned: "Its Optuna study was deleted or renamed elsewhere." };

const show = (latest) => {
  const before = sweep;
  sweep = latest;
  if (before && (before.state !== sweep.state || before.holder !== sweep.holder)) one("#action-said").textContent = "";
  const state = one("#state");
  if (state.textContent !== sweep.state) {
    state.className = `state ${sweep.state}`;
    state.textContent = sweep.state;
    if (before) announce(`The sweep is ${sweep.state} now.`);
  }
  const progress = one("#progress");
  progress.max = sweep.trials.budget;
  progress.value = finished(sweep);
  progress.className = sweep.state === "done" ? "done" : "";
  one("#trials").textContent = howFar(sweep);
  one("#pace").textContent = pace();
  const because = sweep.reason ?? (sweep.holder ? `Run by ${sweep.holder}` : REST[sweep.state]);
  one("#because").hidden = !because;
  one("#because").textContent = because ?? "";
  one("#begun").textContent = ago(sweep.created_at);
  showStudy();
  document.title = `${sweep.state === "running" ? `${Math.floor((100 * finished(sweep)) / sweep.trials.budget)} % · ` : ""}${name} · sweep`;
  showActions();
  showBests();
  showAnswer(before);
};

const showStudy = () => {
  const link = one("#study");
  if (!link) return; // the service has no dashboard
  one("#dashboard").hidden = sweep.study === null;
  if (sweep.study !== null) link.href = `/dashboard/studies/${sweep.study}`;
};

const showBests = () => {
  const found = bests(sweep);
  one("#no-best").hidden = found.length > 0;
  for (const id of ["#best-table", "#files", "#report"]) one(id).hidden = !found.length;
  const rows = found.map((best) =>
    el(
      "tr",
      { class: best.top ? "wins" : null },
      el("th", { scope: "row" }, chip(best.placement, best.mark)),
      el("td", { class: "best-means" }, placementWords(best.placement)),
      el("td", { class: "number" }, ratesOf(best)),
      el("td", { class: "number" }, best.diverged === null ? null : el("small", {}, "diverged "), score(sweep.metric, best.score)),
      el("td", { class: "number" }, grouped(best.trial)),
    ),
  );
  one("#few").hidden = found.length < 2 || sweep.state === "running" || finished(sweep) / found.length >= FEW;
  one("#diverged").hidden = !found.length || found.some((best) => best.diverged === null);
  const body = one("#bests");
  const old = all("tr", body);
  if (rows.length !== old.length || rows.some((row, place) => !row.isEqualNode(old[place]))) body.replaceChildren(...rows);
};

// The honest score takes the service a moment: it is asked for when there is nothing more to come.
let honestOf = null;
const showHonest = async () => {
  if (sweep.state !== "done" || honestOf === sweep.updated_at) return;
  const of = sweep.updated_at;
  const wanted = () => honestOf === of && sweep.state === "done" && !sweep.answer;
  honestOf = of;
  try {
    const best = await patiently(() => ask("GET", `${address}/best`), saying("#honest"), wanted);
    const { honest_score: honest } = best;
    if (!honest || !wanted()) return;
    const [low, high] = [honest.low, honest.high].map((value) => bareScore(best.metric, value));
    one("#honest").textContent = `Of the best of all, trial ${best.trial}, ${score(best.metric, honest.value)} is to be expected on new rows: its honest score (95 %: ${low} to ${high}).`;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (honestOf === of) honestOf = null;
  }
};

// --- what can be done ------------------------------------------------------------------------------------------------

const ACTIONS = {
  pause: { title: "Pause", states: ["running", "queued"] },
  resume: { title: "Go on", states: ["paused", "cancelled", "failed"] },
  cancel: { title: "Cancel", states: ["running", "queued", "paused"] },
};

const showActions = () => {
  if (!mayWrite) return;
  const wanted = Object.entries(ACTIONS).filter(([, { states }]) => states.includes(sweep.state));
  const place = one("#actions");
  const names = wanted.map(([action]) => action);
  if (place.dataset.names === names.join()) return;
  place.dataset.names = names.join();
  const focused = place.contains(document.activeElement);
  place.replaceChildren(
    ...wanted.map(([action, { title }]) => el("button", { type: "button", class: "button small", "data-action": action, click: () => act(action) }, title)),
  );
  if (focused) one("button", place)?.focus();
};

const act = async (action, body = undefined, wrong = "#action-wrong") => {
  one(wrong).textContent = "";
  try {
    const done = await ask("POST", `${address}/${action}`, body);
    if (done.sweep) show(done.sweep);
    one("#action-said").textContent = sentence(done.said ?? "");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    one(wrong).textContent = error.message;
  }
};

one("#again")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = Number(one("#trials-wanted").value);
  const has = one("#progress").max; // the page comes with it; the sweep itself may still be asked for
  if (!Number.isInteger(wanted) || wanted <= has) {
    one("#again-wrong").textContent = `More than the ${count(has, "trial")} that it has, as a whole number.`;
    one("#trials-wanted").focus();
    return;
  }
  act("extend", { trials: wanted }, "#again-wrong");
});

const dialog = one("#delete-dialog");
if (dialog) {
  const typed = one("#delete-name");
  one("#delete").addEventListener("click", () => {
    typed.value = "";
    one("#delete-now").disabled = true;
    dialog.showModal();
  });
  typed.addEventListener("input", () => (one("#delete-now").disabled = typed.value !== name));
  one("#keep").addEventListener("click", () => dialog.close());
  one("#delete-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (typed.value !== name) return;
    one("#delete-now").disabled = true;
    try {
      events?.close();
      await ask("DELETE", address);
      location.assign("/");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      one("#delete-wrong").textContent = error.message;
      one("#delete-now").disabled = false;
      follow();
    }
  });
}

let definition = null; // as it is being asked for
one("#whole").addEventListener("toggle", async ({ currentTarget }) => {
  const place = one("#toml");
  const open = () => one("#whole").open;
  if (!currentTarget.open || definition) return;
  definition = patiently(() => fetched(`${address}/definition`).then((response) => response.text()), saying("#toml-wait"), open);
  try {
    place.textContent = await definition;
    for (const part of [place, one("#copy")]) part.hidden = false;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    definition = null;
    one("#toml-wait").textContent = error.message;
  }
});
one("#copy").addEventListener("click", ({ currentTarget }) => copyText(one("#toml").textContent, currentTarget));

one("#show-report").addEventListener("click", async ({ currentTarget: button }) => {
  const place = one("#report-place");
  const open = button.getAttribute("aria-expanded") !== "true";
  const wanted = () => button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(open));
  button.textContent = open ? "Hide it" : "Show it here";
  place.replaceChildren();
  saying("#report-wait")("");
  if (!open) return;
  try {
    // A frame would show what a busy service says in its place, and never ask again: it is made first.
    saying("#report-wait")("It is being made…");
    await patiently(() => fetched(`${address}/report`), saying("#report-wait"), wanted);
    if (!wanted() || place.childElementCount) return;
    place.replaceChildren(el("iframe", { class: "report", src: `${address}/report`, sandbox: "allow-scripts", title: `Report of ${name}` }));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (wanted()) saying("#report-wait")(error.message);
  }
});

// --- the answer ------------------------------------------------------------------------------------------------------

let answerOf = null; // instant of the answer that is shown
let confirming = false;

const showAnswer = () => {
  const words = one("#answer-words");
  const headline = sweep.answer?.headline ?? "";
  words.hidden = !headline;
  if (words.textContent !== headline) words.replaceChildren(...sentences(headline));
  one("#answer-wait").hidden = Boolean(headline);
  if (!headline) {
    answerOf = null;
    one("#answer-more").replaceChildren();
    one("#answer-busy").textContent = "";
    const job = (sweep.jobs ?? []).find(({ kind }) => kind === "answer");
    if (job && !confirming) followAnswer(job);
    const possible = sweep.state === "done" && !confirming;
    if (one("#answer-do")) one("#answer-do").hidden = !possible;
    one("#answer-text").textContent = answerText();
    showHonest();
  } else if (answerOf !== sweep.answer.created_at) loadAnswer(sweep.answer.created_at);
};

const answerText = () => {
  if (confirming) return "The winners of all placements are trained again, on fresh folds with fresh seeds.";
  if (sweep.state !== "done") return "The answer comes after the search: what a search finds best was chosen for a good score, and a good score is luck as much as merit.";
  const who = mayWrite ? "" : " An operator can start it.";
  return `The scores below were used for choosing, so they cannot tell. The confirmation trains the best network of every placement again, on fresh folds with fresh seeds, and compares it with the best networks without dropout and with itself without its dropout. It takes at most about as long as the search did.${who}`;
};

const loadAnswer = async (instant) => {
  const wanted = () => answerOf === instant;
  answerOf = instant;
  try {
    const answer = await patiently(() => ask("GET", `${address}/answer`), saying("#answer-busy"), wanted);
    if (!wanted()) return;
    one("#answer-more").replaceChildren(...answerParts(answer));
    one("#honest").textContent = "";
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (wanted()) answerOf = null; // asked again with the next news
  }
};

const followAnswer = async (job) => {
  confirming = true;
  one("#answer-job").hidden = false;
  one("#answer-wrong").textContent = "";
  try {
    const done = await ended(job, (latest) => {
      one("#answer-progress").textContent = latest.state === "queued" ? "Waiting for a runner…" : (latest.progress ?? "Training…");
    });
    if (done.state === "failed") throw new Refused(422, { detail: done.reason ?? "It could not be done." });
    announce("The answer is there.");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    one("#answer-wrong").textContent = error.message;
  } finally {
    confirming = false;
    one("#answer-job").hidden = true;
    await look();
  }
};

one("#confirm")?.addEventListener("click", async () => {
  one("#answer-do").hidden = true;
  try {
    const job = await ask("POST", `${address}/answer`, {});
    const followed = followAnswer(job);
    one("#answer-text").textContent = answerText();
    await followed;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    one("#answer-wrong").textContent = error.message;
    one("#answer-do").hidden = false;
  }
});

// --- what happened ---------------------------------------------------------------------------------------------------

const MOST_LINES = 300;
const clock = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

const addLine = (line) => {
  if (line.id <= lastLine) return; // after a new connection some come twice
  lastLine = line.id;
  one("#log-nothing")?.remove();
  const item = el("li", { class: line.level === "warning" ? "warning" : null }, el("time", { datetime: line.at }, clock.format(new Date(line.at))), el("span", {}, line.said));
  const list = one("#log");
  list.prepend(item); // the latest first
  while (list.childElementCount > MOST_LINES) list.lastElementChild.remove();
};

// --- news ------------------------------------------------------------------------------------------------------------

let events = null;
let polling;

const gone = () => {
  events?.close();
  clearTimeout(polling);
  one("#gone").hidden = false;
  one("#gone").scrollIntoView();
  one("#actions").replaceChildren();
};

let drawings = 0; // how often the charts were asked for
let drawing = false;

const figures = async () => {
  const turn = (drawings += 1);
  const wanted = () => turn === drawings; // else there are newer ones
  drawing = true;
  try {
    await patiently(() => draw(name), saying("#charts-wait"), wanted);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (wanted() && error.status >= 500) saying("#charts-wait")(error.message);
  } finally {
    if (wanted()) drawing = false;
  }
};

let told = 0; // how often events said how far it is

// The seconds after which to look again, if the service says so.
const look = async () => {
  const before = told;
  try {
    const latest = await ask("GET", address);
    if (told === before) show(latest); // else an event, which is newer, was quicker
    const { lines } = await ask("GET", `${address}/log?after=${lastLine}`);
    lines.forEach(addLine);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status === 404) gone();
    return error.after;
  }
  return 0;
};

const EVENTS_AGAIN = 10; // looks after which events are tried once more
let looks = 0;

const poll = async () => {
  clearTimeout(polling);
  let wait = 0;
  if (!document.hidden) {
    wait = await look();
    if (!drawing) await figures();
  }
  if (!one("#gone").hidden || events.readyState === EventSource.OPEN) return;
  polling = setTimeout(poll, 1000 * Math.max(3, wait));
  looks += 1;
  if (looks % EVENTS_AGAIN === 0 && events.readyState === EventSource.CLOSED) follow();
};

const follow = () => {
  events = new EventSource(`${address}/live${lastLine ? `?after=${lastLine}` : ""}`);
  events.addEventListener("status", ({ data }) => {
    told += 1;
    show(JSON.parse(data));
  });
  events.addEventListener("log", ({ data }) => addLine(JSON.parse(data)));
  events.addEventListener("figures", ({ data }) => {
    if (!isDrawn(JSON.parse(data).version)) figures();
  });
  events.addEventListener("gone", gone);
  events.addEventListener("open", () => clearTimeout(polling));
  events.addEventListener("error", () => {
    lookNow();
    // The browser connects again by itself, unless the service has refused.
    if (events.readyState === EventSource.CLOSED) poll();
  });
};

document.addEventListener("service-back", () => {
  if (!one("#gone").hidden) return;
  if (events.readyState === EventSource.CLOSED) follow();
  look();
});

listFiles(name, mayWrite);
look();
figures();
follow();
setInterval(() => {
  if (sweep?.state === "running") one("#pace").textContent = pace();
}, 1000);
