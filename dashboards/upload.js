// Handing a table in: by a drop anywhere on the page, or by the button for a file.
import { all, one, Refused, size, toLogin } from "./common.js";

const send = (file, progress) =>
  new Promise((taken, refused) => {
    const request = new XMLHttpRequest(); // fetch does not say how much of a file is sent
    request.open("POST", `/v1/uploads?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => progress(event.loaded, event.total));
    request.addEventListener("load", () => {
      let document;
      try {
        document = JSON.parse(request.responseText);
      } catch {
        document = {};
      }
      if (request.status === 401) toLogin();
      if (request.status >= 200 && request.status < 300) taken(document);
      else refused(new Refused(request.status, document));
    });
    const broken = { detail: "The upload was cut off. Is the service still running?" };
    for (const event of ["error", "abort"]) request.addEventListener(event, () => refused(new Refused(0, broken)));
    request.send(file);
  });

// Shows the upload at `#uploading` and calls `taken` with the document of what was handed in.
export const takeFiles = (taken) => {
  const drop = one("#drop");
  const input = one("#file");
  const wrong = one("#upload-wrong");
  const progress = one("#upload-progress");
  const text = one("#upload-text");
  const state = one("#uploading");
  let busy = false;

  const take = async (files) => {
    if (busy || !files.length) return;
    const [file] = files;
    busy = true;
    wrong.textContent = "";
    state.hidden = false;
    progress.value = 0;
    text.textContent = `${file.name}, ${size(file.size)}`;
    try {
      const upload = await send(file, (sent, total) => {
        progress.value = total ? sent / total : 0;
        if (sent < total) {
          text.textContent = `${file.name}: ${size(sent)} of ${size(total)}`;
        } else {
          progress.removeAttribute("value"); // it is read now, which takes as long as it takes
          text.textContent = `${file.name}: reading it…`;
        }
      });
      text.textContent = "";
      await taken(upload);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      wrong.textContent = error.message;
    } finally {
      busy = false;
      state.hidden = true;
      input.value = "";
    }
  };

  input.addEventListener("change", () => take(input.files));
  let over = 0; // entered elements that were not left
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (on) => all(".drop").forEach((place) => place.classList.toggle("over", on));
  addEventListener("dragenter", (event) => {
    if (!holdsFiles(event)) return;
    over += 1;
    mark(true);
  });
  addEventListener("dragleave", (event) => {
    if (!holdsFiles(event)) return;
    over = Math.max(0, over - 1);
    if (!over) mark(false);
  });
  addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    over = 0;
    mark(false);
    if (!drop.closest("[hidden]")) take(event.dataTransfer.files);
  });
};
