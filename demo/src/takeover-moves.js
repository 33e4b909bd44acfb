// The log of moves: each change of host or leader, with the time from the last word of the former one.
//
// ```text
// a button, a goodbye, or the last beat ──▶ this tab's epoch rises ──▶ enqueue ──▶ the server has that event
//                        ├────── taken over after ──────┤                                   │
//                        ├──────────────────────── delivered after ─────────────────────────┤
// ```
//
// What always holds: both times are measured in this tab, by its own clock; where nobody saw the beginning there is no time.

import { inWords } from "./banner.js";
import { byId, element, write } from "./element.js";
import { BEAT_MS } from "./takeover-circle.js";
import { duration } from "./words.js";

/** @typedef {import("/bellwether/index.js").Bellwether} Bellwether */
/** @typedef {import("./takeover-circle.js").Circle} Circle */
/** @typedef {import("./takeover-circle.js").Order} Order */
/** @typedef {import("./takeover-circle.js").What} What */
/** From when on it is measured, and in words; no `at`: nobody saw it begin. @typedef {{ at?: number, words: string }} Since */

/** How long an order may be the reason of a move. */
const ORDER_MS_MAX = 60_000;
const ENTRIES_MAX = 60;
/** What ends the one in the role, and is on its way to be measured from. @type {Record<"host" | "leader", readonly What[]>} */
const ENDS = { host: ["close", "hang", "deaf", "unregister"], leader: ["close", "hang", "force", "resign"] };
/** @type {Record<What, (who: string) => string>} */
const ASKED = {
  close: (who) => `asked ${who} to close`,
  hang: (who) => `asked ${who} to hang`,
  deaf: () => "told the worker to hear nothing for a while",
  unregister: () => "unregistered the worker",
  force: () => "takes the lead by force",
  resign: () => "lets go of the lead",
};

export class Moves {
  #bw;
  #circle;
  #epoch = 0;
  #host = "";
  /** The last that was known to lead. @type {string | undefined} */
  #leader;
  #leaderEpoch = 0;
  /** The last order that may end a host, or a leader. @type {Partial<Record<"host" | "leader", Order & { at: number }>>} */
  #orders = {};
  /** Entries that do not know yet which tab hosts, by epoch. @type {Map<number, HTMLElement>} */
  #open = new Map();

  /** @param {Bellwether} bw @param {Circle} circle @param {number} connectedAt  when `connect` was called */
  constructor(bw, circle, connectedAt) {
    this.#bw = bw;
    this.#circle = circle;
    bw.addEventListener("status", () => {
      this.#onStatus(connectedAt);
      this.#nameHosts();
    });
    bw.leader.addEventListener("change", () => this.#onLeader());
    circle.addEventListener("order", (event) => this.#onOrder(/** @type {CustomEvent<Order>} */ (event).detail));
    circle.addEventListener("change", () => this.#nameHosts());
    this.#onStatus(connectedAt);
    this.#onLeader();
  }

  /** @param {Order} order */
  #onOrder(order) {
    const at = performance.now();
    for (const role of /** @type {const} */ (["host", "leader"])) {
      if (ENDS[role].includes(order.what)) this.#orders[role] = { ...order, at };
    }
    const { what, to, by } = order;
    this.#enter("order", "", `${by} ${ASKED[what](to ? this.#circle.nameOf(to) : "")}.`);
  }

  /** @param {number} connectedAt */
  #onStatus(connectedAt) {
    const { epoch, host } = this.#bw.status;
    if (epoch <= this.#epoch || host === "starting") return;
    const now = performance.now();
    const before = { epoch: this.#epoch, host: this.#host };
    [this.#epoch, this.#host] = [epoch, host];
    if (before.epoch === 0) {
      const entry = this.#enter("first", duration(now - connectedAt), "", "since this tab called connect");
      this.#showHost(entry, before, epoch, host);
      return;
    }
    const former = before.host === "service-worker" ? undefined : this.#circle.hostUnder(before.epoch);
    const since = this.#since("host", former, before.host === "service-worker");
    const entry = this.#enter("host", since.at === undefined ? "" : duration(now - since.at), "", since.words);
    if (since.at !== undefined) entry.dataset.tookMs = String(Math.round(now - since.at));
    this.#showHost(entry, before, epoch, host);
    void this.#deliver(entry, since.at ?? now, since.at !== undefined);
  }

  #onLeader() {
    const { leaderId, epoch } = this.#bw.leader;
    if (leaderId === null || (leaderId === this.#leader && epoch === this.#leaderEpoch)) return;
    const former = this.#leader;
    [this.#leader, this.#leaderEpoch] = [leaderId, epoch];
    const what = `${this.#circle.nameOf(leaderId)} leads, epoch ${epoch}.`;
    if (former === undefined) {
      this.#enter("leader", "", what, "the first leader that this tab has heard of");
      return;
    }
    const { at, words } = this.#since("leader", former, false);
    this.#enter("leader", at === undefined ? "" : duration(performance.now() - at), what, words);
  }

  /**
   * From when on a move is measured.
   *
   * @param {"host" | "leader"} role
   * @param {string | undefined} former  the tab that had the role
   * @param {boolean} wasWorker
   * @returns {Since}
   */
  #since(role, former, wasWorker) {
    const order = this.#orders[role];
    delete this.#orders[role];
    const now = performance.now();
    const isOfIt = order && (order.to === "" || order.to === former || former === undefined);
    if (order && isOfIt && now - order.at < ORDER_MS_MAX) {
      return { at: order.at, words: `since ${order.by} pressed the button` };
    }
    if (wasWorker) {
      return { words: "the worker was started anew. Between events it gives no sign of life, so there is nothing to measure from" };
    }
    if (former === this.#bw.id) {
      const goesOn = role === "host" && this.#bw.status.hosting;
      return { words: goesOn ? "this tab hosted before, too: it has started its coordinator anew" : "it was this tab, which gave it away" };
    }
    const sign = former === undefined ? undefined : this.#circle.signOf(former);
    if (former === undefined || !sign) return { words: "this tab did not see it begin, so there is nothing to measure from" };
    const name = this.#circle.nameOf(former);
    if (sign.how === "goodbye") return { at: sign.at, words: `since ${name} said goodbye` };
    if (now - sign.at < 2 * BEAT_MS) return { words: `${name} is still there, and gave it away` };
    return { at: sign.at, words: `since the last sign of life of ${name}, which comes every ${BEAT_MS} ms` };
  }

  /**
   * An event of this tab, sent by whoever hosts by now.
   *
   * @param {HTMLElement} entry
   * @param {number} from
   * @param {boolean} isSeen  whether that is when the move began, or when it was over
   */
  async #deliver(entry, from, isSeen) {
    const said = element("p", { class: "delivered" }, "An event is on its way to the server…");
    entry.querySelector(".told")?.append(said);
    try {
      const data = { epoch: this.#epoch, host: this.#host };
      const { id } = await this.#bw.outbox.enqueue({ type: "takeover.seen", data }, { priority: "critical", immediate: true });
      const { status, error } = await this.#bw.outbox.delivered(id);
      const tookMs = performance.now() - from;
      entry.dataset.deliveredMs = String(Math.round(tookMs));
      const since = isSeen ? "from the same moment" : "from the move on";
      write(said, error ? `The server refused an event: ${error.message}` : `${duration(tookMs)} ${since} until an event was delivered (${status}).`);
    } catch (fault) {
      write(said, `No event could be sent: ${inWords(fault)}`);
    }
  }

  /** @param {HTMLElement} entry @param {{ epoch: number, host: string }} before @param {number} epoch @param {string} host */
  #showHost(entry, before, epoch, host) {
    const from = before.epoch === 0 ? "" : ` after ${before.epoch}${before.host === host ? "" : ` of ${before.host}`}`;
    entry.dataset.rest = ` (${host}), epoch ${epoch}${from}.`;
    this.#open.set(epoch, entry);
    if (host === "service-worker") {
      this.#write(epoch, "The worker hosts");
      this.#open.delete(epoch);
    } else {
      this.#write(epoch, "A tab hosts");
      this.#nameHosts();
    }
  }

  /** Which tab hosts is known a little later than that one does. */
  #nameHosts() {
    for (const epoch of this.#open.keys()) {
      const id = this.#circle.hostUnder(epoch);
      if (id === undefined) continue;
      this.#write(epoch, `${this.#circle.nameOf(id)} hosts`);
      this.#open.delete(epoch);
    }
  }

  /** @param {number} epoch @param {string} who */
  #write(epoch, who) {
    const entry = this.#open.get(epoch);
    const what = entry?.querySelector(".what");
    if (entry && what) write(what, `${who}${entry.dataset.rest}`);
  }

  /**
   * @param {string} kind
   * @param {string} took  in words; empty if it was not measured
   * @param {string} what
   * @param {string} [how]  what was measured
   */
  #enter(kind, took, what, how) {
    const told = element("div", { class: "told" }, element("p", { class: "what" }, what));
    if (how) {
      // The figure, for who hears it and does not see it beside the words.
      const heard = took ? element("span", { class: "visually-hidden" }, `${took} `) : "";
      told.append(element("p", { class: "how" }, heard, took ? how : `${how.charAt(0).toUpperCase()}${how.slice(1)}`, "."));
    }
    const figure = element("p", { class: "figure", "aria-hidden": "true" }, took || (how ? "–" : ""));
    const at = element("time", {}, new Date().toLocaleTimeString());
    const entry = element("li", { class: "move", "data-kind": kind }, figure, told, at);
    const list = byId("moves");
    list.prepend(entry);
    while (list.children.length > ENTRIES_MAX) list.lastElementChild?.remove();
    byId("moves-empty").hidden = true;
    return entry;
  }
}
