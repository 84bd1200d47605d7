// The charts: drawn in a frame without an origin, which gets them as messages and tells how tall they are.
import { ask, el, one } from "./common.js";

const place = one("#frame");
let frame;
let ready = false;
let figures = [];
let version = null;

const send = () => {
  // The frame has no origin that could be named; it is ours by where it was loaded from.
  if (ready) frame.contentWindow.postMessage({ figures }, "*");
};

const open = () => {
  frame = el("iframe", { src: place.dataset.frame, sandbox: "allow-scripts", title: "Charts of the sweep", scrolling: "no" });
  addEventListener("message", ({ source, data }) => {
    if (source !== frame.contentWindow || data === null || typeof data !== "object") return;
    if (data.ready === true) {
      ready = true;
      send();
    } else if (Number.isFinite(data.height) && data.height > 0) {
      frame.style.height = `${Math.min(data.height, 6000)}px`;
    }
  });
  place.append(frame);
};

// Whether those of that version are what is drawn.
export const isDrawn = (one) => one === version;

// Draws the figures of a sweep, if there are others than are drawn already.
export const draw = async (name) => {
  const found = await ask("GET", `/v1/sweeps/${encodeURIComponent(name)}/figures`);
  if (!found.figures.length || isDrawn(found.version)) return;
  ({ version, figures } = found);
  one("#charts").hidden = false;
  one("#captions").replaceChildren(...figures.map(({ title, caption }) => el("p", {}, `${title}. ${caption}`)));
  if (frame) send();
  else open();
};
