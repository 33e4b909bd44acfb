// The board: places as columns, notes as cards, each card with its way.
//
// A card is made once per note and moved on in place, so that focus and screen readers are not
// disturbed by a note that changes its way.

import { byId, element, icon, write } from "./element.js";
import { counted } from "./words.js";

/** @typedef {import("./notes.js").Note} Note */

/** Cards drawn in one column; the rest is one line. */
const DRAWN = 40;
const KEPT = "field-notes:places";
const FIRST_PLACES = ["Heron pond", "North meadow", "Old orchard"];
const WORDS = { durable: "on disk", sending: "on the way", delivered: "delivered", dead: "set aside" };
const STEPS = /** @type {const} */ (["durable", "sending", "delivered"]);

/** Fires "retry" and "discard" with the note's id, "places" when one came, "write-here" with a place. */
export class Board extends EventTarget {
  /** @type {string[]} */ places = keptPlaces();
  /** @type {Map<string, { column: HTMLElement, list: HTMLElement, count: HTMLElement, rest: HTMLElement }>} */
  #columns = new Map();
  /** @type {Map<string, { card: HTMLElement, shown: string }>} */ #cards = new Map();
  #isWaiting = false;
  #root = byId("board");

  constructor() {
    super();
    byId("place-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = /** @type {HTMLInputElement} */ (byId("place-name"));
      const place = name.value.trim();
      if (!place) return;
      this.addPlace(place);
      name.value = "";
      this.#tell("write-here", place);
    });
  }

  /** @param {string} place */
  addPlace(place) {
    if (this.places.includes(place)) return;
    this.places.push(place);
    try {
      localStorage.setItem(KEPT, JSON.stringify(this.places));
    } catch {
      // The place lives as long as the page, and as its notes.
    }
    this.#column(place);
    this.#tell("places", place);
  }

  /**
   * @param {Note[]} notes  in the order in which they are to be shown
   * @param {boolean} isWaiting  whether what was tried waits for the next attempt
   */
  draw(notes, isWaiting) {
    this.#isWaiting = isWaiting;
    for (const { place } of notes) this.addPlace(place);
    for (const place of this.places) {
      const here = notes.filter((note) => note.place === place);
      this.#drawColumn(place, here);
    }
    const known = new Set(notes.map((note) => note.id));
    for (const id of this.#cards.keys()) {
      if (!known.has(id)) this.#cards.delete(id);
    }
  }

  /**
   * @param {string} place
   * @param {Note[]} notes
   */
  #drawColumn(place, notes) {
    const { column, list, count, rest } = this.#column(place);
    const drawn = notes.slice(0, DRAWN);
    const cards = drawn.map((note) => this.#card(note));
    const wanted = new Set(cards);
    for (const card of [...list.children]) {
      if (!wanted.has(/** @type {HTMLElement} */ (card))) this.#remove(card, column);
    }
    cards.forEach((card, at) => {
      if (list.children[at] !== card) list.insertBefore(card, list.children[at] ?? null);
    });
    write(count, notes.length);
    column.dataset.empty = String(notes.length === 0);
    const left = notes.length - drawn.length;
    rest.hidden = left === 0;
    write(rest, left ? `and ${counted(left, "earlier note")}` : "");
  }

  /**
   * Removes a card; if the focus was in it, the column's heading takes it over.
   *
   * @param {Element} card
   * @param {HTMLElement} column
   */
  #remove(card, column) {
    const hadFocus = card.contains(document.activeElement);
    card.remove();
    if (hadFocus) column.querySelector("h3")?.focus();
  }

  /** @param {string} place */
  #column(place) {
    const known = this.#columns.get(place);
    if (known) return known;
    const id = `place-${this.#columns.size}`;
    const count = element("span", { class: "number" }, "0");
    const add = element(
      "button",
      { type: "button", class: "quiet only-icon", "aria-label": `Write a note at ${place}` },
      icon("plus"),
    );
    add.addEventListener("click", () => this.#tell("write-here", place));
    const list = element("ul", { tabindex: 0, "aria-labelledby": id });
    const rest = element("p", { class: "rest", hidden: true });
    const column = element(
      "section",
      { class: "column", "aria-labelledby": id, "data-place": place, "data-empty": "true" },
      element("header", {}, element("h3", { id, tabindex: -1 }, place), count, add),
      list,
      element("p", { class: "empty" }, "Nothing seen here yet."),
      rest,
    );
    this.#root.append(column);
    const made = { column, list, count, rest };
    this.#columns.set(place, made);
    return made;
  }

  /** @param {Note} note */
  #card(note) {
    const shown = JSON.stringify([note, note.way === "sending" && this.#isWaiting]);
    const known = this.#cards.get(note.id);
    if (known?.shown === shown) return known.card;
    const card = known?.card ?? this.#emptyCard(note);
    this.#cards.set(note.id, { card, shown });
    this.#fill(card, note);
    return card;
  }

  /** @param {Note} note */
  #emptyCard(note) {
    const card = element(
      "li",
      { class: "card", "data-id": note.id },
      element("p", { class: "text" }, note.text),
      element("p", { class: "meta" }),
      element("div", { class: "track" }),
    );
    return card;
  }

  /**
   * @param {HTMLElement} card
   * @param {Note} note
   */
  #fill(card, note) {
    const [, meta, track] = card.children;
    const wasDead = card.dataset.way === "dead";
    card.dataset.way = note.way;
    const isWaiting = note.way === "sending" && this.#isWaiting;
    card.dataset.waiting = String(isWaiting);
    const time = element("time", { datetime: new Date(note.at).toISOString() }, clock(note.at));
    const by = note.by ? [`${note.by}, `] : [];
    const rumour = note.rumour ? [element("span", { class: "tag" }, "rumour")] : [];
    meta?.replaceChildren(...by, time, ...rumour);
    track?.replaceChildren(...trackOf(note, isWaiting));
    if (note.way === "dead" && !wasDead) card.append(this.#remedies(note));
    if (note.way !== "dead") card.querySelector(".remedies")?.remove();
    if (note.way === "dead") write(/** @type {Element} */ (card.querySelector(".reason")), reasonOf(note));
  }

  /** @param {Note} note */
  #remedies(note) {
    /** @param {"retry" | "discard"} what @param {string} word */
    const act = (what, word) => {
      const made = element(
        "button",
        { type: "button", class: "small", "data-testid": what, "aria-label": `${word}: ${note.text}` },
        word,
      );
      made.addEventListener("click", () => this.#tell(what, note.id));
      return made;
    };
    return element(
      "div",
      { class: "remedies" },
      element("p", { class: "reason" }),
      act("retry", "Try again"),
      act("discard", "Discard"),
    );
  }

  /**
   * @param {string} what
   * @param {string} detail
   */
  #tell(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}

/**
 * @param {Note} note
 * @param {boolean} isWaiting
 */
function trackOf(note, isWaiting) {
  const reached = note.way === "dead" ? 1 : isWaiting ? 0 : STEPS.indexOf(note.way);
  const steps = STEPS.map((step, at) => {
    const state = note.way === "dead" && at === 2 ? "failed" : at <= reached ? "done" : "open";
    return element("i", { class: `step ${step}`, "data-state": state, "aria-hidden": "true" });
  });
  const words = [WORDS[note.way]];
  if (note.way === "delivered" && note.offset) words.push(`no. ${note.offset}`);
  if (isWaiting) words.splice(0, 1, "on disk", "tried, waiting");
  if (note.way === "sending" && note.offset) words.push("the server has it, its answer is missing");
  return [element("span", { class: "steps" }, ...steps), element("span", { class: "way-word" }, words.join(" · "))];
}

/** @param {Note} note */
function reasonOf({ reason }) {
  if (!reason) return "";
  const tries = reason.tries > 0 ? ` after ${reason.tries === 1 ? "one try" : `${reason.tries} tries`}` : "";
  return `${reason.message || "The server refused it"} (${reason.code}${tries})`;
}

/** @param {number} at */
function clock(at) {
  const isToday = new Date(at).toDateString() === new Date().toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const time = { hour: "2-digit", minute: "2-digit" };
  return new Date(at).toLocaleString([], isToday ? time : { day: "numeric", month: "short", ...time });
}

/** @returns {string[]} */
function keptPlaces() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "null");
    if (Array.isArray(kept) && kept.every((place) => typeof place === "string")) return kept;
  } catch {
    // Begin with the places everyone begins with.
  }
  return [...FIRST_PLACES];
}
