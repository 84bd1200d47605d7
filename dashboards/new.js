// A new sweep: a table, what to predict, what to try. The text of the definition is the truth: fields write into it by
// way of the service, which keeps its comments, and are filled in from what the service understands of it.
import { all, announce, ask, copyText, count, duration, el, ended, FEW, grouped, listed, one, patiently, Refused, runners, saying, sentence, size } from "./common.js";
import { fill, listen, showProblems } from "./fields.js";
import { takeFiles } from "./upload.js";

const text = one("#toml");
let upload = null; // id of the table that was handed in
let source = null; // "sklearn:…", where that is the table
let task = null;
let pasted = false; // whether the text is somebody's own, and not to be replaced by a table that is handed in
let latest = 0; // what was asked last about the text; answers to earlier questions are dropped
let sound = false;
let measuring; // the timer of the next estimate
let changing = 0; // changes of fields that are not in the text yet

// --- 1: the table ----------------------------------------------------------------------------------------------------

// What is asked for about the table; whoever asks for something else meanwhile is answered instead.
let tables = 0;
const fromTable = async (look) => {
  const turn = (tables += 1);
  const wanted = () => turn === tables;
  try {
    const found = await patiently(look, saying("#source-wait"), wanted);
    return wanted() ? found : null;
  } catch (error) {
    if (!wanted()) return null;
    throw error;
  }
};

const begin = () => {
  tables += 1; // nothing else is waited for any more
  saying("#source-wait")("");
  one("#rest").hidden = false;
  one("#source-wrong").textContent = "";
};

const useTable = (table, { target, others, notes, title }) => {
  one("#table-step").hidden = !table;
  task = table?.task ?? null;
  if (!table) return;
  const facts = [["Table", title], ["Rows", grouped(table.rows)], ["Columns", grouped(table.columns.length)], ["Task", TASKS[table.task] ?? table.task]].filter(([, value]) => value);
  one("#table-facts").replaceChildren(...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  const names = table.columns.map((column) => column.name);
  const unknown = target ? [] : [el("option", { value: "", selected: true, disabled: true }, "Choose a column")];
  const select = one("#target");
  if (target) select.removeAttribute("aria-invalid");
  else select.setAttribute("aria-invalid", "true");
  one("#f-data-target-wrong").textContent = target ? "" : "Choose the column to predict.";
  select.replaceChildren(...unknown, ...names.map((name) => el("option", { value: name, selected: name === target }, name)));
  const candidates = others?.length ? [`It could also be ${listed(others, "or")}.`] : [];
  one("#table-notes").replaceChildren(...[...(notes ?? []), ...candidates].map((note) => el("li", {}, sentence(note))));
  one("#columns").replaceChildren(...table.columns.map((column) => columnRow(column, target)));
};

const TASKS = { binary: "tell two classes apart", multiclass: "tell classes apart", classification: "tell classes apart", regression: "predict a number" };

const columnRow = (column, target) =>
  el(
    "tr",
    { class: column.name === target ? "is-target" : null },
    el("th", { scope: "row", title: column.name }, column.name),
    el("td", { class: "nowrap" }, el("span", { class: "kind" }, column.kind), column.name === target ? " target" : null),
    el("td", { class: "number" }, column.missing ? grouped(column.missing) : "none"),
    el("td", { class: "number" }, grouped(column.distinct)),
    el("td", { class: "examples" }, column.examples.join(" · ")),
  );

const useUpload = async (document) => {
  upload = document.id;
  source = null;
  begin();
  useTable(document.table, { ...document, title: `${document.name}, ${size(document.size)}` });
  history.replaceState(null, "", `/new?upload=${encodeURIComponent(upload)}`);
  if (pasted && text.value.trim()) await check();
  else await setSuggested(document.definition);
  const target = document.target ? `the target is ${document.target}` : "choose what to predict";
  announce(`${document.name} was read. ${count(document.table.rows, "row")}; ${target}.`);
  reveal();
};

const useSource = async (chosen, target = null) => {
  const found = await fromTable(() => ask("POST", "/v1/definitions/suggest", { source: chosen, target }));
  if (!found) return;
  [upload, source, pasted] = [null, chosen, false];
  begin();
  useTable(found.table, { ...found, title: chosen });
  await setSuggested(found.definition);
  reveal();
};

const useShipped = async (name) => {
  const found = await fromTable(() => ask("GET", `/v1/definitions/${encodeURIComponent(name)}`));
  if (found) await useDefinition(found.definition);
};

const useDefinition = async (definition) => {
  [upload, source, pasted] = [null, null, true];
  begin();
  useTable(null, {});
  await setText(definition);
  reveal("#step-space");
};

const still = matchMedia("(prefers-reduced-motion: reduce)");
const reveal = (selector = "#step-target") => {
  one(selector).scrollIntoView({ behavior: still.matches ? "auto" : "smooth", block: "start" });
};

const refused = (selector) => (error) => {
  if (!(error instanceof Refused)) throw error;
  one(selector).textContent = error.message;
};

takeFiles(useUpload);
one("#ready").addEventListener("change", ({ target: { value } }) => {
  one("#source-wrong").textContent = "";
  if (!value) return;
  history.replaceState(null, "", "/new");
  const taken = value.startsWith("sklearn:") ? useSource(value) : useShipped(value);
  taken.catch(refused("#source-wrong"));
});
one("#paste").addEventListener("click", async () => {
  if (upload === null) await useDefinition("");
  pasted = true; // a table that was handed in stays
  text.focus();
  text.select();
});
one("#target").addEventListener("change", async ({ target: { value } }) => {
  try {
    pasted = false;
    if (upload === null) await useSource(source, value);
    else {
      const found = await fromTable(() => ask("POST", `/v1/uploads/${upload}/definition`, { target: value }));
      if (!found) return;
      useTable(found.table, { ...found, title: one("#table-facts dd").textContent });
      await setSuggested(found.definition);
    }
    announce(`The definition is fitted to the target ${value} now.`);
  } catch (error) {
    refused("#f-data-target-wrong")(error);
  }
});

// A definition that was suggested for a table, unless another one is asked for meanwhile.
const setSuggested = async (definition) => {
  const suggested = definition && (await fromTable(() => withFreeName(definition)));
  if (suggested || definition === null) await setText(suggested);
};

// The same under a name that no sweep has yet.
const withFreeName = async (definition) => {
  const [, name] = definition.match(/^name = "(.+)"$/m);
  const { sweeps } = await ask("GET", `/v1/sweeps?limit=1000&q=${encodeURIComponent(name)}`);
  const taken = new Set(sweeps.map((sweep) => sweep.name));
  if (!taken.has(name)) return definition;
  let next = 2;
  while (taken.has(`${name.slice(0, 90)}-${next}`)) next += 1;
  const changes = { name: `${name.slice(0, 90)}-${next}` };
  return (await ask("POST", "/v1/definitions/edit", { definition, changes })).definition;
};

// --- 3: what to try --------------------------------------------------------------------------------------------------

const setText = async (definition) => {
  for (const part of all(".with-definition")) part.hidden = definition === null; // until there is a target
  text.value = definition ?? "";
  if (definition !== null) await check();
};

// Has the service read the text; fills in the fields, or shows what is wrong.
const check = async () => {
  const turn = (latest += 1);
  let found;
  try {
    found = await patiently(
      () => ask("POST", "/v1/definitions/check", { definition: text.value, upload }),
      saying("#estimate"),
      () => turn === latest,
    );
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (turn !== latest) return;
    found = { problems: error.problems.length ? error.problems : [{ place: "", said: error.message }], fields: null };
  }
  if (turn !== latest) return;
  if (found.fields && !changing) fill(found.fields, task); // else a field holds what the text has yet to get
  tell(found.problems);
  one("#launch-wrong").textContent = "";
  if (sound) soon();
  else one("#estimate").textContent = "";
};

const tell = (problems) => {
  sound = problems.length === 0;
  const placed = showProblems(problems);
  one("#problems").replaceChildren(
    ...placed.map(({ place, said, field }) => {
      const label = field && one("label, .label", field).textContent;
      const name = place ? el("code", {}, place) : null;
      const control = field && one("input:not([hidden]), select", field);
      const jump = control && el("button", { type: "button", class: "link", click: () => control.focus() }, `go to ${label}`);
      return el("li", {}, name, name ? " " : null, said, jump ? " " : null, jump);
    }),
  );
  text.toggleAttribute("aria-invalid", false);
  if (sound) text.removeAttribute("aria-invalid");
  else text.setAttribute("aria-invalid", "true");
  const launch = one("#launch");
  launch.setAttribute("aria-disabled", String(!sound));
};

let editing = Promise.resolve(); // changes are made one after the other
listen((changes) => {
  changing += 1;
  clearTimeout(measuring);
  one("#estimate").textContent = "";
  editing = editing.then(async () => {
    try {
      await change(changes);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      tell(error.problems.length ? error.problems : [{ place: "", said: error.message }]);
    }
  });
});

const change = async (changes) => {
  let edited;
  try {
    let before;
    do {
      before = text.value;
      edited = await patiently(() => ask("POST", "/v1/definitions/edit", { definition: before, changes }), saying("#estimate"));
    } while (text.value !== before); // somebody types into the text meanwhile
  } finally {
    changing -= 1;
  }
  await setText(edited.definition);
};

let typing;
text.addEventListener("input", () => {
  clearTimeout(typing);
  clearTimeout(measuring);
  typing = setTimeout(check, 400);
});
one("#copy").addEventListener("click", ({ currentTarget }) => copyText(text.value, currentTarget));

// --- how long it takes -----------------------------------------------------------------------------------------------

const soon = () => {
  clearTimeout(measuring);
  const turn = latest;
  const current = () => turn === latest;
  one("#estimate").textContent = "Measuring how long it takes…"; // what stood there was of another text
  measuring = setTimeout(() => estimate(current).catch((error) => current() && refused("#estimate")(error)), 1200);
};

const estimate = async (current) => {
  const place = one("#estimate");
  const say = (said) => {
    if (current() && place.textContent !== said) place.textContent = said;
  };
  if (!(await patiently(runners, say, current)).length) {
    say("How long it takes is measured by a runner, and none is there. It can be launched all the same, and waits for one.");
    return;
  }
  say("Measuring how long it takes…");
  const job = await patiently(() => ask("POST", "/v1/estimates", { definition: text.value, upload }), say, current);
  const done = await ended(job, undefined, current);
  if (!current()) return;
  if (done.state === "failed") say(`How long it takes could not be measured: ${done.reason}`);
  else if (done.result?.problems?.length) {
    say("");
    tell(done.result.problems);
  } else {
    const { estimate: time, trials } = done.result;
    const arms = Object.keys(trials.per_placement).length;
    const each = arms > 1 ? ` over ${count(arms, "placement")}` : "";
    const few = arms > 1 && trials.budget / arms < FEW ? " So few for each are a try of the machinery: an answer takes more." : "";
    const search = `About ${duration(time.seconds)} on ${count(time.workers, "worker")}: ${count(trials.budget, "trial")}${each}`;
    say(`${search}. The answer takes at most as long again.${few}`);
  }
};

// --- launch ----------------------------------------------------------------------------------------------------------

// The same for the same text: whoever presses twice, or loses the answer, starts one sweep.
const keys = new Map();
const keyOf = (definition) => {
  const asked = `${upload} ${definition}`;
  if (!keys.has(asked)) keys.set(asked, [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join("-"));
  return keys.get(asked);
};

one("#launch").addEventListener("click", async ({ currentTarget: button }) => {
  const wrong = one("#launch-wrong");
  wrong.textContent = "";
  if (button.disabled) return;
  button.disabled = true;
  clearTimeout(typing);
  try {
    await editing;
    const headers = { "Idempotency-Key": keyOf(text.value) };
    const sweep = await ask("POST", "/v1/sweeps", { definition: text.value, upload }, headers);
    location.assign(`/sweeps/${encodeURIComponent(sweep.name)}`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const taken = error.status === 409 && !error.problems.length;
    tell(taken ? [{ place: "name", said: error.message }] : error.problems);
    if (taken) wrong.textContent = "There is a sweep of that name: take another one.";
    else wrong.textContent = error.problems.length > 1 ? `${count(error.problems.length, "problem")}: see the fields.` : error.message;
    if (error.problems.length || taken) one('[aria-invalid="true"]')?.focus();
  } finally {
    button.disabled = false;
  }
});

// --- at first --------------------------------------------------------------------------------------------------------

const start = async () => {
  const { definitions } = await patiently(() => ask("GET", "/v1/definitions"), saying("#source-wait"));
  one("#shipped").append(...definitions.map(({ name, summary }) => el("option", { value: name, title: summary }, name)));
  const wanted = new URLSearchParams(location.search);
  if (wanted.get("upload")) {
    const found = await fromTable(() => ask("GET", `/v1/uploads/${encodeURIComponent(wanted.get("upload"))}`));
    if (found) await useUpload(found);
  } else if (wanted.get("definition")) await useShipped(wanted.get("definition"));
};
if (text) start().catch(refused("#source-wrong"));
