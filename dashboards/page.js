// On every page: whether the service is there, and whether somebody is to do the work.
import { el, one, runners, whileSeen } from "./common.js";

const place = one("#runners");
const away = one("#away");

const AWAY = "The service cannot be reached just now. This page goes on by itself once it is back.";
const BUSY = "The service cannot say anything new just now: it is busy, or its database is away. This page goes on by itself.";

const say = (said, lamp) => {
  if (place.dataset.said === said) return;
  place.dataset.said = said;
  place.replaceChildren(el("span", { class: `lamp ${lamp}`, "aria-hidden": "true" }), said);
};

const look = async () => {
  let found;
  try {
    found = await runners();
  } catch (error) {
    say(error.status === 0 ? "not connected" : "runners unknown", "off");
    if (!error.passes) return undefined;
    const text = error.status === 0 ? AWAY : BUSY;
    if (one("p", away).textContent !== text) one("p", away).textContent = text;
    away.hidden = false;
    return error.after || 2;
  }
  const missing = !found.length;
  const busy = found.some((runner) => runner.doing);
  say(missing ? "no runner" : busy ? "runner at work" : "runner ready", missing ? "off" : busy ? "busy" : "on");
  for (const note of document.querySelectorAll(".no-runner")) note.hidden = !missing;
  if (!away.hidden) {
    away.hidden = true;
    document.dispatchEvent(new Event("service-back"));
  }
  return undefined;
};

// Looks at once: for who suspects that the service is away.
export const lookNow = place ? whileSeen(5, look) : () => {};
lookNow();
