// What people take away: two files at once, the others when a runner has made them.
import { announce, ask, el, ended, one, Refused } from "./common.js";

const FORMATS = [
  { format: "toml", title: "Configuration, TOML", text: "The best one as a definition: sweep run takes it.", at: "exports/toml" },
  { format: "json", title: "Configuration, JSON", text: "The same for programs.", at: "exports/json" },
  { format: "python", title: "PyTorch script", text: "Trains the best network without sweep." },
  { format: "keras", title: "Keras script", text: "The same with Keras." },
  { format: "sklearn", title: "scikit-learn script", text: "A pipeline of sweep's own estimator with the best settings." },
  { format: "onnx", title: "ONNX model", text: "The trained network, for any runtime." },
  { format: "model", title: "Trained model", text: "A zip of plain files, for sweep predict." },
  { format: "predictions", title: "Predictions", text: "Of every row, by networks that had not seen it." },
];

const save = (href, name) => {
  const link = el("a", { href, download: name, class: "unseen" });
  document.body.append(link);
  link.click();
  link.remove();
};

const make = async (sweep, { format, title }, button, how) => {
  button.disabled = true;
  how.className = "note how";
  how.textContent = "Asked for; a runner makes it…";
  announce(`${title}: being made`);
  try {
    const asked = await ask("POST", `/v1/sweeps/${encodeURIComponent(sweep)}/exports`, { format });
    const job = await ended(asked, (latest) => {
      if (latest.state === "running") how.textContent = latest.progress ?? "Being made…";
    });
    if (job.state === "failed") throw new Refused(422, { detail: job.reason ?? "It could not be made." });
    how.replaceChildren("Ready: ", el("a", { href: job.file.href, download: job.file.name }, job.file.name));
    announce(`${title} is ready`);
    save(job.file.href, job.file.name);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    how.className = "wrong how";
    how.textContent = error.message;
  } finally {
    button.disabled = false;
  }
};

// Lists all formats; those that have to be made are for who may have things made.
export const listFiles = (sweep, writes) => {
  const items = FORMATS.filter(({ at }) => at || writes).map((one) => {
    const label = `${one.title}: ${one.at ? "download" : "make and download"}`;
    const how = el("p", { class: "note how", role: "status" });
    const control = one.at
      ? el("a", { class: "button small", href: `/v1/sweeps/${encodeURIComponent(sweep)}/${one.at}`, download: true, "aria-label": label }, "Download")
      : el("button", { type: "button", class: "button small", "aria-label": label, "data-format": one.format, click: ({ currentTarget }) => make(sweep, one, currentTarget, how) }, "Make");
    return el("li", {}, el("span", { class: "what" }, one.title), el("small", {}, one.text), control, one.at ? null : how);
  });
  one("#file-list").replaceChildren(...items);
};
