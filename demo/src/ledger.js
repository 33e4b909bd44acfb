// What became of the notes that this tab wrote: a sum anyone can check.

import { byId, element } from "./element.js";
import { counted } from "./words.js";

/** @typedef {import("./notes.js").Notes} Notes */

export class Ledger {
  /** @type {Set<string>} */ #written = new Set();
  #shown = "";

  /** @param {string} id */
  enter(id) {
    this.#written.add(id);
  }

  /** @param {Notes} notes */
  draw(notes) {
    const sum = { delivered: 0, waiting: 0, dead: 0, discarded: 0, missing: 0 };
    for (const id of this.#written) {
      const way = notes.get(id)?.way;
      if (way === "delivered" || way === "dead") sum[way] += 1;
      else if (way) sum.waiting += 1;
      else if (notes.isDiscarded(id)) sum.discarded += 1;
      else sum.missing += 1;
    }
    const shown = JSON.stringify([this.#written.size, sum, notes.twice]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    if (this.#written.size === 0) {
      byId("ledger").replaceChildren("Write a note: this line will account for every one from this tab.");
      return;
    }
    const parts = [
      `${sum.delivered} delivered`,
      `${sum.waiting} waiting`,
      ...(sum.dead ? [`${sum.dead} set aside`] : []),
      ...(sum.discarded ? [`${sum.discarded} discarded`] : []),
    ];
    byId("ledger").replaceChildren(
      `This tab wrote ${counted(this.#written.size, "note")} = ${parts.join(" + ")}. `,
      verdict("twice", notes.twice),
      ", ",
      verdict("missing", sum.missing),
      ".",
    );
  }
}

/**
 * @param {string} word
 * @param {number} count
 */
function verdict(word, count) {
  return element("strong", { "data-good": String(count === 0) }, `${count} ${word}`);
}
