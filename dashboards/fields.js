// The fields of a definition: filled in from its values, and what is changed in them as changes of the definition.
import { all, chip, el, marksOf, one, placementWords, sentence } from "./common.js";
import { METRICS } from "./facts.js";

const at = (values, path) => path.split(".").reduce((inner, key) => inner?.[key], values);

// Text of a field as the value that is meant; what is no number stays text, and is said to be wrong by the service.
const number = (text) => {
  const cleaned = text.trim();
  return cleaned !== "" && Number.isFinite(Number(cleaned)) ? Number(cleaned) : cleaned;
};
const parts = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);
const plain = (value) => (typeof value === "number" && value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential() : String(value));

const set = (input, text) => {
  if (input !== document.activeElement && input.value !== text) input.value = text;
};

const kinds = {
  number: {
    fill: (field, value) => set(one("input", field), value === undefined ? "" : plain(value)),
    read: (field) => number(one("input", field).value),
  },
  text: {
    fill: (field, value) => set(one("input", field), value ?? ""),
    read: (field) => one("input", field).value.trim(),
  },
  choice: {
    fill: (field, value) => set(one("select", field), value ?? ""),
    read: (field) => one("select", field).value || null, // none: the key is taken away
  },
  widths: {
    fill: (field, value) => {
      const candidates = Array.isArray(value) ? [value] : (value?.choices ?? []);
      set(one("input", field), candidates.map((widths) => widths.join(", ")).join(" or "));
    },
    read: (field) => {
      const candidates = one("input", field).value.split(/\bor\b/).map((text) => parts(text).map(number));
      return candidates.length === 1 ? candidates[0] : { choices: candidates };
    },
  },
  placements: {
    fill: (field, value, values) => {
      const chosen = typeof value === "string" ? [value] : (value?.choices ?? []);
      const hidden = at(values, "network.hidden");
      const depth = Array.isArray(hidden) ? hidden.length : Math.max(1, ...(hidden?.choices ?? []).map((widths) => widths.length));
      const layers = depth > 1 ? Array.from({ length: Math.min(depth, 4) }, (_, place) => `hidden${place + 1}`) : [];
      const offered = [...new Set(["none", "input", "hidden", "all", ...layers, ...chosen])];
      const shown = all("input", field).map((input) => input.value);
      if (shown.join() !== offered.join()) {
        const marks = marksOf(offered);
        const boxes = offered.map((name) =>
          el(
            "label",
            {},
            el("input", { type: "checkbox", value: name }),
            chip(name, marks[name]),
            el("small", {}, name === "none" ? "no dropout: the control" : placementWords(name)),
          ),
        );
        one("#placements").replaceChildren(...boxes);
      }
      for (const input of all("input", field)) input.checked = chosen.includes(input.value);
    },
    read: (field) => ({ choices: all("input:checked", field).map((input) => input.value) }),
  },
  dimension: {
    fill: (field, value) => {
      const form = formOf(value);
      const select = one(".form", field);
      if (select !== document.activeElement || select.value !== form) select.value = form;
      showForm(field, form);
      if (form === "range") {
        set(one(".low", field), plain(value.low));
        set(one(".high", field), plain(value.high));
      } else if (form === "fixed") set(one(".fixed", field), plain(value));
      else if (form === "choices") set(one(".list", field), value.choices.map(plain).join(", "));
    },
  },
};

const formOf = (value) => {
  if (value === "off") return "off";
  if (value !== null && typeof value === "object") return "choices" in value ? "choices" : "range";
  return "fixed";
};

const showForm = (field, form) => {
  const shown = { range: [".low", ".and", ".high"], fixed: [".fixed"], choices: [".list"], off: [] }[form];
  for (const part of [".low", ".and", ".high", ".fixed", ".list"]) one(part, field).hidden = !shown.includes(part);
};

// What a changed control of a dimension changes: one bound, or the whole dimension where it has another form.
const dimensionChange = (field, control) => {
  const { path, low, high, log } = field.dataset;
  if (control.classList.contains("low")) return { [`${path}.low`]: number(control.value) };
  if (control.classList.contains("high")) return { [`${path}.high`]: number(control.value) };
  if (control.classList.contains("fixed")) return { [path]: number(control.value) };
  if (control.classList.contains("list")) return { [path]: { choices: parts(control.value).map(number) } };
  const form = one(".form", field).value;
  const from = Number(low);
  const to = Number(high);
  if (form === "off") return { [path]: "off" };
  if (form === "fixed") return { [path]: number(one(".low", field).value) || from };
  if (form === "choices") return { [path]: { choices: [from, to] } };
  return { [path]: log ? { low: from, high: to, log: true } : { low: from, high: to } };
};

// Calls `changed` with the changes that a person makes, by path.
export const listen = (changed) => {
  for (const field of all(".field[data-path]")) {
    const { path, kind } = field.dataset;
    if (kind === "target") continue;
    field.addEventListener("change", (event) => {
      changed(kind === "dimension" ? dimensionChange(field, event.target) : { [path]: kinds[kind].read(field) }, event.target);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
      event.preventDefault(); // a form of one field would be sent
      event.target.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
};

// Fills all fields in from the values of a sound definition.
export const fill = (values, task) => {
  offerMetrics(task, at(values, "validation.metric"));
  for (const field of all(".field[data-path]")) {
    const { path, kind } = field.dataset;
    if (kind !== "target") kinds[kind].fill(field, at(values, path), values);
  }
};

const NUMBERS = ["rmse", "mae", "r2"];
const offerMetrics = (task, chosen) => {
  const select = one('[data-path="validation.metric"] select');
  const regression = task ? task === "regression" : NUMBERS.includes(chosen);
  const names = Object.keys(METRICS).filter((name) => !task && !chosen ? true : NUMBERS.includes(name) === regression);
  const options = [["", "the usual one"], ...names.map((name) => [name, `${METRICS[name].title}, ${METRICS[name].maximize ? "higher" : "lower"} is better`])];
  if (options.map(([name]) => name).join() === all("option", select).map((option) => option.value).join()) return;
  select.replaceChildren(...options.map(([value, title]) => el("option", { value }, title)));
};

// Shows problems beside the fields they belong to; the field of a problem, if there is one, is given back with it.
export const showProblems = (problems) => {
  const found = problems.map((problem) => ({ ...problem, field: fieldOf(problem.place) }));
  for (const field of all(".field[data-path]")) {
    const own = found.filter((problem) => problem.field === field);
    const wrong = one(".wrong", field);
    const text = own.map((problem) => sentence(problem.said)).join(" ");
    if (wrong.textContent !== text) wrong.textContent = text;
    for (const control of all("input:not([type=checkbox]), select", field)) {
      const bound = ["low", "high"].find((name) => control.classList.contains(name));
      const meant = own.some(({ place }) => !bound || !/\.(low|high)$/.test(place) || place.endsWith(`.${bound}`));
      if (meant) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
    }
  }
  return found;
};

const fieldOf = (place) =>
  all(".field[data-path]").find(({ dataset: { path } }) => place === path || place.startsWith(`${path}.`) || place.startsWith(`${path}[`)) ?? null;
