// "What you just saw": the story of the events, in sentences.
//
// Facts come in as they happen; a burst of the same fact becomes one sentence. While the server is
// away the story is an episode: it ends with how many notes waited and what became of them.

import { byId, element, icon } from "./element.js";
import { waits } from "./status.js";
import { counted, duration, quoted } from "./words.js";

/** @typedef {import("/bellwether/index.js").Status} Status */
/** @typedef {import("/bellwether/index.js").Delivery} Delivery */
/** @typedef {import("/bellwether/index.js").DeadLetter} DeadLetter */
/** @typedef {import("./compose.js").Written} Written */

const SENTENCES_MAX = 30;
/** A burst ends after this long without another delivery. */
const BURST_MS = 500;

export class Explain {
  #list = byId("explain");
  /** @type {Status | undefined} */ #before;
  /** Most notes that waited in the present episode; 0 outside of one. */
  #waited = 0;
  #deadBefore = 0;
  /** When the last episode ended, on the clock of `performance.now()`. */
  #returnedAt = -Infinity;
  /** @type {{ accepted: Delivery[], duplicate: Delivery[] }} */ #burst = { accepted: [], duplicate: [] };
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #burstEnds;

  constructor() {
    this.#list.replaceChildren();
    this.say("bell", "Write a note. It is on this device’s disk before the field is empty again.");
  }

  /**
   * @param {Written[]} notes
   * @param {number} tookMs
   */
  onWritten(notes, tookMs) {
    const [note] = notes;
    if (!note) return;
    if (notes.length > 1) {
      this.say("disk", `${notes.length} notes were put on disk in ${duration(tookMs)}. They share few transactions, and keep their order in each place.`);
    } else {
      this.say("disk", `${quoted(note.text)} was on disk after ${duration(tookMs)}. From here on it survives this tab, the worker and the browser.`);
    }
  }

  /** @param {Status} status */
  onStatus(status) {
    const before = this.#before;
    this.#before = status;
    this.#tellWaiting(status);
    if (!before) return;
    this.#tellHost(before, status);
    if (before.pages > 0 && status.pages > before.pages) {
      this.say("tab", `Another tab joined. ${status.pages} tabs share one queue and one connection; each sees the others’ notes.`);
    } else if (status.pages > 0 && status.pages < before.pages) {
      this.say("tab", `A tab went away. What it wrote is on disk and goes on without it; ${counted(status.pages, "tab")} left.`);
    }
    if (status.paused && !before.paused) this.say("pause", "Paused. Notes are still put on disk; none is sent until you resume.");
    if (!status.paused && before.paused) this.say("play", "Resumed. What was waiting goes out in order.");
    if (status.sync === "blocked" && before.sync !== "blocked") {
      this.say("error", `Nothing can be sent just now: ${status.blocked ?? "the reason is not known"}. What is on disk stays.`);
    }
  }

  /** @param {Delivery} delivery */
  onDelivery(delivery) {
    if (delivery.status === "refused") return; // The dead letter tells it.
    const isOfEpisode = this.#waited > 0 || performance.now() - this.#returnedAt < BURST_MS;
    if (delivery.status === "accepted" && isOfEpisode) return; // The episode's end tells it.
    this.#burst[delivery.status].push(delivery);
    clearTimeout(this.#burstEnds);
    this.#burstEnds = setTimeout(() => this.#tellBurst(), BURST_MS);
  }

  /**
   * @param {string} text
   * @param {{ code: string, message: string }} reason
   */
  onDead(text, { code, message }) {
    this.say("dead", `The server will never take ${quoted(text)}: ${message || code}. It was set aside with its reason; the notes behind it went on.`);
  }

  /** @param {string} words  what the server does under its new mood */
  onMood(words) {
    this.say("server", words);
  }

  /**
   * @param {string} name  of an icon
   * @param {string} sentence
   */
  say(name, sentence) {
    const newest = this.#list.firstElementChild;
    if (newest?.querySelector(".sentence")?.textContent === sentence) return;
    const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this.#list.prepend(
      element("li", { "data-icon": name }, icon(name), element("p", { class: "sentence" }, sentence), element("time", {}, time)),
    );
    while (this.#list.children.length > SENTENCES_MAX) this.#list.lastElementChild?.remove();
  }

  /** @param {Status} status */
  #tellWaiting(status) {
    const isAway = status.pending > 0 && !status.paused && waits(status);
    if (isAway && this.#waited === 0) {
      this.#deadBefore = status.dead;
      this.say("disk", `The server gives no good answer, so ${counted(status.pending, "note")} wait${status.pending === 1 ? "s" : ""} on disk. It tries again by itself, each time a little later; no note loses a try by this.`);
    }
    if (isAway || this.#waited > 0) this.#waited = Math.max(this.#waited, status.pending);
    if (this.#waited > 0 && status.pending === 0) {
      const waited = this.#waited;
      this.#waited = 0;
      this.#returnedAt = performance.now();
      const set = status.dead > this.#deadBefore ? " What it refused is set aside." : "";
      this.say("check", `The server is back. ${waited === 1 ? "The waiting note was" : `All ${waited} waiting notes were`} delivered, in order, each one once.${set}`);
    }
  }

  /**
   * @param {Status} before
   * @param {Status} status
   */
  #tellHost(before, status) {
    if (status.host !== before.host && status.host !== "starting") {
      this.say("bell", HOSTS[status.host] ?? `The coordinator runs in: ${status.host}.`);
    } else if (before.epoch > 0 && status.epoch > before.epoch) {
      this.say("bell", `The coordinator was started again (epoch ${status.epoch}). It had no farewell and needed none: it went on from what the disk says.`);
    }
  }

  #tellBurst() {
    const { accepted, duplicate } = this.#burst;
    this.#burst = { accepted: [], duplicate: [] };
    const [one] = accepted;
    if (one && accepted.length === 1) {
      this.say("check", `The server took the note as number ${one.offset ?? "?"} of its log and said so. Now, and not before, it may leave this disk.`);
    } else if (one) {
      this.say("check", `The server took ${accepted.length} notes in order, up to number ${accepted.at(-1)?.offset ?? "?"}.`);
    }
    if (duplicate.length) {
      this.say("check", `${counted(duplicate.length, "note")} had arrived before, but the answer was lost on its way. Sent again, recognised by the server, counted once.`);
    }
  }
}

/** @type {Record<string, string>} */
const HOSTS = {
  "service-worker": "The service worker runs the coordinator: one for all tabs, and it may go on when they are closed.",
  "web-locks": "One of the tabs runs the coordinator, chosen by a Web Lock. Notes are as safe as before.",
  "indexeddb-lease": "One of the tabs runs the coordinator, chosen by a lease on disk. Notes are as safe as before.",
  "storage-mutex": "One of the tabs runs the coordinator, chosen through localStorage.",
  "broadcast-vote": "One of the tabs runs the coordinator, chosen by vote.",
  solo: "This tab is on its own: the browser offers nothing to share through.",
};
