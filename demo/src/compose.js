// Writing notes: the form, and a hundred at once.

import { button, byId, element, input, select, write } from "./element.js";
import { NOTE, RUMOUR } from "./notes.js";
import { counted, duration } from "./words.js";

/** @typedef {import("/bellwether/index.js").Outbox} Outbox */
/** @typedef {{ id: string, position: number, place: string, text: string, by: string, rumour: boolean }} Written */

const SEEN = [
  "Two herons in the reeds",
  "First swallow of the year",
  "Fresh fox tracks in the mud",
  "Frogspawn, a good deal of it",
  "A kestrel, hovering",
  "Hawthorn just in flower",
  "Hare in the long grass",
  "Bees at the old hive again",
  "Kingfisher, gone in a blink",
  "Roe deer with a fawn",
  "Puffballs along the path",
  "Heard a cuckoo, did not see it",
];

/** Fires "written" with `{ notes, tookMs }` once notes are durable, "refused" with an error. */
export class Compose extends EventTarget {
  #outbox;
  #by;

  /**
   * @param {Outbox} outbox
   * @param {string} by  the name this tab writes under
   */
  constructor(outbox, by) {
    super();
    this.#outbox = outbox;
    this.#by = by;
    byId("add-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    button("write-100").addEventListener("click", () => void this.#hundred());
    for (const id of ["note-text", "note-place", "add", "write-100"]) {
      byId(id).removeAttribute("disabled");
    }
  }

  async #submit() {
    const field = input("note-text");
    const text = field.value.trim();
    if (!text) return;
    const type = input("note-rumour").checked ? RUMOUR : NOTE;
    // The field is emptied only once the note is durable: what is refused can be corrected.
    const notes = await this.#write([{ type, text, place: select("note-place").value }]);
    if (notes && field.value.trim() === text) field.value = "";
    field.focus();
  }

  async #hundred() {
    const places = [...select("note-place").options].map((option) => option.value);
    const drafts = Array.from({ length: 100 }, (_, at) => ({
      type: NOTE,
      text: `${SEEN[at % SEEN.length]}, ${at + 1}/100`,
      place: /** @type {string} */ (places[at % places.length]),
    }));
    button("write-100").disabled = true;
    await this.#write(drafts);
    button("write-100").disabled = false;
  }

  /** @param {{ type: string, text: string, place: string }[]} drafts */
  async #write(drafts) {
    const startedAt = performance.now();
    const by = this.#by;
    const writing = drafts.map(async ({ type, text, place }) => {
      const receipt = await this.#outbox.enqueue({ type, key: place, data: { text, place, by } });
      return { ...receipt, text, place, by, rumour: type === RUMOUR };
    });
    const ended = await Promise.allSettled(writing);
    const tookMs = performance.now() - startedAt;
    const notes = ended.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
    const fault = ended.find((end) => end.status === "rejected");
    if (notes.length) {
      write(byId("written"), `${counted(notes.length, "note")} on disk in ${duration(tookMs)}`);
      this.dispatchEvent(new CustomEvent("written", { detail: { notes, tookMs } }));
    }
    if (fault) this.dispatchEvent(new CustomEvent("refused", { detail: fault.reason }));
    return fault ? undefined : notes;
  }
}

/**
 * Offers these places in the form.
 *
 * @param {string[]} places
 */
export function offerPlaces(places) {
  const field = select("note-place");
  const chosen = field.value;
  field.replaceChildren(...places.map((place) => element("option", { value: place }, place)));
  if (places.includes(chosen)) field.value = chosen;
}

/**
 * Chooses a place and waits for words.
 *
 * @param {string} place
 */
export function writeHere(place) {
  select("note-place").value = place;
  input("note-text").focus();
}
