// The table of sweeps: searched, filtered and sorted without loading the page anew, and kept up to date.
import { ago, announce, all, ask, count, el, one, Refused, whileSeen } from "./common.js";
import { row } from "./table.js";
import { takeFiles } from "./upload.js";

const table = one("#sweeps");
const body = table.tBodies[0];
const tools = one("#tools");
const limit = Number(table.dataset.limit);
const wanted = {
  q: tools.q.value,
  state: tools.state.value,
  sort: tools.sort.value,
  order: tools.order.value,
  offset: Number(table.dataset.offset),
};
const STANDARD = { q: "", state: "", sort: "updated", order: "desc", offset: 0 };
let drawn = ""; // what the table shows, as text
let asking = 0;

const query = (changes = {}) => {
  const asked = { ...wanted, ...changes };
  const kept = Object.entries(asked).filter(([key, value]) => value !== STANDARD[key]);
  return new URLSearchParams(kept).toString();
};
const link = (changes) => {
  const text = query(changes);
  return text ? `/?${text}` : "/";
};

const look = async ({ aloud = false } = {}) => {
  const turn = (asking += 1);
  const asked = new URLSearchParams({ ...wanted, limit });
  for (const key of ["q", "state"]) if (!wanted[key]) asked.delete(key);
  let found;
  try {
    found = await ask("GET", `/v1/sweeps?${asked}`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.after; // every page says that the service is away; it is asked again with the next look
  }
  if (turn !== asking) return 0; // something else was asked for meanwhile
  show(found);
  if (aloud) announce(`${count(found.total, "sweep")} shown`);
  return 0;
};

const show = (found) => {
  const any = Object.keys(found.states).length > 0;
  if (any ? one("#list").hidden : !wanted.q && !one("#list").hidden) {
    location.reload(); // from the page for nobody's first sweep to the table, or back
    return;
  }
  const text = JSON.stringify(found.sweeps);
  if (text !== drawn) {
    drawn = text;
    const focused = document.activeElement?.closest?.("tr[data-name]")?.dataset.name;
    body.replaceChildren(...found.sweeps.map(row));
    if (focused) one(`tr[data-name="${CSS.escape(focused)}"] a`, body)?.focus({ preventScroll: true });
  } else {
    for (const time of all("time", body)) time.textContent = ago(time.dateTime);
  }
  one("#nothing").hidden = found.sweeps.length > 0;
  showStates(found.states);
  showPages(found.total);
};

const showStates = (states) => {
  const options = ["", ...Object.keys(states).filter((state) => states[state])];
  if (wanted.state && !options.includes(wanted.state)) options.push(wanted.state);
  const words = options.map((state) => (state ? `${state} (${states[state] ?? 0})` : "all"));
  if (words.join() === all("option", tools.state).map((option) => option.textContent).join()) return;
  tools.state.replaceChildren(
    ...options.map((state, place) => el("option", { value: state, selected: state === wanted.state }, words[place])),
  );
};

const showPages = (total) => {
  const { offset } = wanted;
  one("#pages").hidden = total <= limit && offset === 0;
  one("#range").textContent = offset < total ? `${offset + 1} to ${Math.min(offset + limit, total)} of ${total}` : "";
  const place = (selector, there, to) => {
    one(selector).hidden = !there;
    one(selector).href = link({ offset: to });
  };
  place("#before", offset > 0, Math.max(0, offset - limit));
  place("#after", offset + limit < total, offset + limit);
};

const change = (changes) => {
  Object.assign(wanted, { offset: 0 }, changes);
  history.replaceState(null, "", link());
  tools.sort.value = wanted.sort;
  tools.order.value = wanted.order;
  for (const header of all("th[data-sort]", table)) {
    const own = header.dataset.sort === wanted.sort;
    if (own) header.setAttribute("aria-sort", wanted.order === "asc" ? "ascending" : "descending");
    else header.removeAttribute("aria-sort");
  }
  return look({ aloud: true });
};

// Names rise first, everything else falls: the latest, the furthest.
const firstOrder = (sort) => (sort === "name" || sort === "state" ? "asc" : "desc");

for (const header of all("th[data-sort]", table)) {
  one("a", header).addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { sort } = header.dataset;
    const turned = wanted.order === "asc" ? "desc" : "asc";
    change({ sort, order: sort === wanted.sort ? turned : firstOrder(sort) });
  });
}
for (const selector of ["#before", "#after"]) {
  one(selector).addEventListener("click", (event) => {
    event.preventDefault();
    const { searchParams } = new URL(event.currentTarget.href);
    change({ offset: Number(searchParams.get("offset") ?? 0) }).then(() => {
      table.scrollIntoView();
      one("a", table.tHead).focus({ preventScroll: true });
    });
  });
}
let waiting;
tools.q.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => change({ q: tools.q.value }), 200);
});
tools.state.addEventListener("change", () => change({ state: tools.state.value }));
tools.sort.addEventListener("change", () => change({ sort: tools.sort.value, order: firstOrder(tools.sort.value) }));
tools.addEventListener("submit", (event) => {
  event.preventDefault();
  change({ q: tools.q.value, state: tools.state.value });
});

if (one("#file")) takeFiles((upload) => location.assign(`/new?upload=${encodeURIComponent(upload.id)}`));
const lookSoon = whileSeen(3, look);
document.addEventListener("service-back", lookSoon);
