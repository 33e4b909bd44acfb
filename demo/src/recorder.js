// The flight recorder: a switch, and a button that saves what was recorded as a file.

import { button } from "./element.js";

/** @typedef {import("/bellwether/index.js").Bellwether} Bellwether */

/** Fires "said" with a sentence when there is something to tell. */
export class Recorder extends EventTarget {
  /**
   * @param {Bellwether} bw
   * @param {(act: () => Promise<unknown>) => void} attempt
   */
  constructor(bw, attempt) {
    super();
    const record = button("record");
    const save = button("save-recording");
    record.addEventListener("click", () => {
      const on = record.getAttribute("aria-pressed") !== "true";
      record.setAttribute("aria-pressed", String(on));
      bw.record(on);
      save.disabled = false;
      this.#say(on
        ? "Recording: this tab and the coordinator write down what they are told, without what your notes say. The epoch counts up, because a recording begins with a new life."
        : "Recording has stopped. What was recorded can still be saved.");
    });
    save.addEventListener("click", () => attempt(async () => saveAs(await bw.recording())));
    record.disabled = false;
  }

  /** @param {string} words */
  #say(words) {
    this.dispatchEvent(new CustomEvent("said", { detail: words }));
  }
}

/** @param {Blob} file */
function saveAs(file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `field-notes-${new Date().toISOString().replace(/[:.]/g, "-")}.tape`;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
