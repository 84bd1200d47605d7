// On every page: whether somebody is there to do the work.
import { el, one, runners, whileSeen } from "./common.js";

const place = one("#runners");
const look = async () => {
  let found;
  try {
    found = await runners();
  } catch (error) {
    place.dataset.said = "";
    place.replaceChildren(el("span", { class: "lamp off", "aria-hidden": "true" }), error.status === 0 ? "not connected" : "runners unknown");
    return;
  }
  const busy = found.filter((runner) => runner.doing).length;
  const said = !found.length ? "no runner" : busy ? "runner at work" : "runner ready";
  if (place.dataset.said === said) return;
  place.dataset.said = said;
  const missing = !found.length;
  place.replaceChildren(el("span", { class: `lamp ${missing ? "off" : busy ? "busy" : "on"}`, "aria-hidden": "true" }), said);
  document.body.classList.toggle("without-runner", missing);
  for (const note of document.querySelectorAll(".no-runner")) note.hidden = !missing;
};
if (place) {
  whileSeen(5, look);
  look();
}
