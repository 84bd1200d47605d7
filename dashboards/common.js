// What all pages share: asking the service, making elements, numbers in words. Text of users goes in as text, never as
// markup: `el` knows no other way.
import { COLOURS, MARKS, METRICS, PLACEMENTS, SHAPES } from "./facts.js";

export const one = (selector, within = document) => within.querySelector(selector);
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// An element with attributes and children; a function makes a listener, `null` and `false` leave an attribute out.
export const el = (tag, attributes = {}, ...children) => {
  const element = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

// --- asking the service ----------------------------------------------------------------------------------------------

export class Refused extends Error {
  constructor(status, problem, after = 0) {
    super(problem.detail || problem.title || `The service answered with ${status}.`);
    this.status = status;
    this.after = after; // seconds to wait before asking again, if the service says so
    this.code = problem.code ?? "";
    this.problems = problem.problems ?? [];
  }

  // Whether the same may be answered in a moment: the service is away or busy, or its database is away.
  get passes() {
    return [0, 502, 503, 504].includes(this.status);
  }
}

const UNREACHABLE = "The service cannot be reached. Is it still running, and are you still connected?";

export const toLogin = () => location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);

export const refusalOf = async (response) => {
  if (response.status === 401) toLogin();
  const problem = await response.json().catch(() => ({}));
  return new Refused(response.status, problem, Number(response.headers.get("Retry-After")) || 0);
};

// What an address answers; throws `Refused`.
export const fetched = async (path, options = {}) => {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused(0, { detail: UNREACHABLE });
  }
  if (!response.ok) throw await refusalOf(response);
  return response;
};

// JSON of an address; throws `Refused`.
export const ask = async (method, path, body = undefined, headers = {}) => {
  const options = { method, headers: { Accept: "application/json", ...headers } };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  const response = await fetched(path, options);
  if (response.status === 204) return null;
  return response.json().catch(() => {
    throw new Refused(0, { detail: UNREACHABLE }); // it was cut off
  });
};

export const pause = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

// Trials of a placement, below which its best network is a matter of luck.
export const FEW = 8;

const LONGEST = 60; // seconds between two times that the same is asked for

const inSight = () =>
  new Promise((seen) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      seen();
    };
    document.addEventListener("visibilitychange", look);
    look();
  });

// What `look` gives, asked for until the service can say it: after as long as it wants, and less and less often. `said`
// is told so in words while that lasts. It is given up, as it is refused for good, once it is not `wanted` any more.
export const patiently = async (look, said = () => {}, wanted = () => true) => {
  for (let turn = 0; ; turn += 1) {
    try {
      const found = await look();
      if (wanted()) said("");
      return found;
    } catch (error) {
      if (!wanted()) throw error;
      if (!(error instanceof Refused) || !error.passes) {
        said("");
        throw error;
      }
      said(`The service ${error.status ? "is busy" : "cannot be reached"} just now. It is asked again in a moment.`);
      await pause(1000 * Math.min(Math.max(error.after, 2 ** turn), LONGEST));
      await inSight();
      if (!wanted()) throw error;
    }
  }
};

// Text into an element, which hears it only if it is another one.
export const saying = (selector) => (text) => {
  const place = one(selector);
  if (place.textContent !== text) place.textContent = text;
};

// A job once it is done or has failed; `said` is called with it whenever it was looked at.
export const ended = async (job, said = () => {}, wanted = () => true) => {
  let latest = job;
  for (let looks = 0; ; looks += 1) {
    said(latest);
    if (latest.state === "done" || latest.state === "failed" || !wanted()) return latest;
    await pause(Math.min(400 + 200 * looks, 2000));
    try {
      latest = await patiently(() => ask("GET", `/v1/jobs/${latest.id}`), undefined, wanted);
    } catch (error) {
      if (wanted()) throw error;
    }
  }
};

// Calls `look` every so often while the page is seen, and at once when it is seen again. It may give the seconds until
// the next time.
export const whileSeen = (seconds, look) => {
  let timer;
  let busy = false;
  const turn = async () => {
    clearTimeout(timer);
    if (busy) return;
    busy = true;
    let wait;
    try {
      wait = await look();
    } finally {
      busy = false;
      if (!document.hidden) timer = setTimeout(turn, 1000 * (wait || seconds));
    }
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : turn()));
  timer = setTimeout(turn, 1000 * seconds);
  return turn;
};

// Who works on sweeps: what is said where nobody does.
export const runners = async () => (await ask("GET", "/v1/runners")).runners.filter((runner) => runner.silent < 60);

// --- in words --------------------------------------------------------------------------------------------------------

const whole = new Intl.NumberFormat("en");
export const grouped = (number) => whole.format(number);
export const count = (number, singular, plural = `${singular}s`) => `${grouped(number)} ${number === 1 ? singular : plural}`;
export const listed = (parts, word = "and") =>
  parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} ${word} ${parts.at(-1)}`;

const significant = (value, digits) => {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e7) return value.toExponential(digits - 1).replace("e", "×10^").replace("^+", "^");
  return value.toFixed(Math.min(12, Math.max(0, digits - 1 - Math.floor(Math.log10(size)))));
};

// "84.1 %" for shares, else with the metric's own precision; as the program writes them.
export const score = (metric, value) => {
  if (value === null || value === undefined || !Number.isFinite(value)) return "undefined";
  if (METRICS[metric]?.percent) return `${(100 * value).toFixed(1)} %`;
  return metric === "rmse" || metric === "mae" ? significant(value, 4) : value.toFixed(3);
};

export const bareScore = (metric, value) => score(metric, value).replace(" %", "");

export const inPercent = (metric) => Boolean(METRICS[metric]?.percent);

const ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"];

// "dropout on the inputs" for "input".
export const placementWords = (name) => {
  if (PLACEMENTS[name]) return PLACEMENTS[name];
  const parts = name.split("+").map((part) => {
    if (part === "input") return "the inputs";
    if (part === "hidden") return "the hidden layers";
    const number = Number(part.replace("hidden", ""));
    return `the ${ORDINALS[number - 1] ?? `${number}th`} hidden layer`;
  });
  return `dropout on ${listed(parts)}`;
};

export const duration = (seconds) => {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${grouped(Math.floor(minutes / 60))} h ${minutes % 60} min`;
};

export const ago = (instant, now = Date.now()) => {
  const seconds = Math.max(0, (now - new Date(instant).getTime()) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return count(Math.floor(seconds / 86400), "day") + " ago";
};

export const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

// What a program said, as a sentence.
export const sentence = (said) => {
  if (!said) return "";
  const begins = /^[\p{L}’'-]+[,:;.!?]?(\s|$)/u.test(said); // with a word: names of files and fields stay as they are
  return `${begins ? said.charAt(0).toUpperCase() : said.charAt(0)}${said.slice(1)}${/[.!?]$/.test(said) ? "" : "."}`;
};

// --- marks -----------------------------------------------------------------------------------------------------------

// [colour, shape] of every placement, as in the report: usual ones always have the same, others what is left.
export const marksOf = (placements) => {
  const taken = new Set(placements.filter((name) => MARKS[name]).map((name) => MARKS[name].join()));
  const free = [];
  for (let turn = 0; turn < SHAPES.length; turn += 1) {
    for (let colour = 1; colour < COLOURS; colour += 1) {
      const mark = [colour, (colour + turn) % SHAPES.length];
      if (!taken.has(mark.join())) free.push(mark);
    }
  }
  const others = placements.filter((name) => !MARKS[name]);
  return Object.fromEntries(
    placements.map((name) => [name, MARKS[name] ?? free[others.indexOf(name) % free.length]]),
  );
};

// A placement with its mark.
export const chip = (placement, [colour, shape], ...more) =>
  el(
    "span",
    { class: "chip", title: placementWords(placement) },
    el("svg:svg", { class: `mark arm-${colour}`, viewBox: "0 0 12 12", "aria-hidden": "true" }, el("svg:path", { d: SHAPES[shape] })),
    el("span", {}, placement),
    ...more,
  );

// Says something to people who hear the page: it has one place for that.
export const announce = (text) => {
  one("#said").textContent = text;
};

export const copyText = async (text, button) => {
  button.dataset.label ??= button.textContent; // pressed again it says something else
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copying is not allowed here";
  }
  announce(button.textContent);
  setTimeout(() => (button.textContent = button.dataset.label), 2000);
};
