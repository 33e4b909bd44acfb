// The tabs of the lab among themselves: who is there, who says that it hosts or leads, and what is asked of whom.
//
// What always holds: all of it goes over a channel of the lab's own, so none of it depends on what is to be broken; moments are
// those at which this tab heard of something, by its own clock.

/** @typedef {{ id: string, name: string, hosting: boolean, leads: boolean, epoch: number, inSight: boolean }} Facts */
/** @typedef {"close" | "hang" | "deaf" | "unregister" | "force" | "resign"} What */
/** What one tab asks of another, or does itself: told to all of them first. @typedef {{ what: What, to: string, by: string }} Order */
/** @typedef {Facts & { heardAt: number, hangs: boolean }} Peer */
/** @typedef {{ at: number, how: "goodbye" | "beat" }} Sign */

/** How often a tab in sight tells its facts, and has those out of sight tell theirs. */
export const BEAT_MS = 250;
/** After this long without a word a tab is listed as silent. */
export const SILENT_MS = 1500;
/** After this long it is not listed any more. */
const FORGOTTEN_MS = 45_000;

/** Fires `"beat"` with a {@link Peer}, `"order"` with an {@link Order}, `"change"` if who is there, or what they are, has changed. */
export class Circle extends EventTarget {
  /** The other tabs, by the id of their page. @type {Map<string, Peer>} */
  peers = new Map();
  /** @type {BroadcastChannel | undefined} */
  #line;
  #name;
  #facts;
  /** @type {Map<string, Sign>} */
  #signs = new Map();
  /** Who was the first to say that it hosts under an epoch. @type {Map<number, string>} */
  #hosts = new Map();

  /** @param {string} name @param {() => Facts} facts  what this tab has to tell of itself */
  constructor(name, facts) {
    super();
    this.#name = name;
    this.#facts = facts;
    this.#open();
    setInterval(() => {
      if (document.visibilityState === "visible") this.tell(true);
      this.#forget();
    }, BEAT_MS);
    addEventListener("pagehide", () => {
      this.#post({ kind: "gone", id: facts().id });
      this.#line?.close();
      this.#line = undefined;
    });
    addEventListener("pageshow", ({ persisted }) => persisted && this.#open());
  }

  /** Tells what this tab is; `asks` those that are out of sight, whose timers the browser slows down, to do so, too. */
  tell(asks = false) {
    const facts = this.#facts();
    this.#noteHost(facts);
    this.#post({ kind: "beat", facts, asks });
  }

  /** @param {What} what @param {string} [to]  one tab; else it is for all to know */
  order(what, to = "") {
    const order = { what, to, by: this.#facts().name };
    this.#post({ kind: "order", order });
    this.#fire("order", order);
  }

  /** Tells that this tab will say nothing for a while. */
  tellHang() {
    this.#post({ kind: "hangs", id: this.#facts().id });
  }

  /** The tab that hosts under this epoch, as far as any has said so. @param {number} epoch */
  hostUnder(epoch) {
    return this.#hosts.get(epoch);
  }

  /** The tab that hosts by all that is known; the one of the highest epoch if two say so. */
  get host() {
    const all = [this.#facts(), ...this.peers.values()].filter(({ hosting }) => hosting);
    return all.sort((one, other) => other.epoch - one.epoch)[0];
  }

  /** The last word of another tab. @param {string} id */
  signOf(id) {
    return this.#signs.get(id);
  }

  /** A tab's name, also of one that has gone. @param {string} id */
  nameOf(id) {
    const me = this.#facts();
    return id === me.id ? `${me.name} (this tab)` : (this.#names.get(id) ?? "a tab unheard of");
  }

  /** @type {Map<string, string>} */
  #names = new Map();

  #open() {
    this.#line = new BroadcastChannel(this.#name);
    this.#line.addEventListener("message", ({ data }) => this.#hear(data));
    this.tell(true);
  }

  /** @param {unknown} data */
  #post(data) {
    this.#line?.postMessage(data);
  }

  /** @param {{ kind: string, id: string, facts: Facts, asks: boolean, order: Order }} data */
  #hear({ kind, id, facts, asks, order }) {
    const heardAt = performance.now();
    if (kind === "beat") {
      if (asks && document.visibilityState !== "visible") this.tell();
      const before = this.peers.get(facts.id);
      const peer = { ...facts, heardAt, hangs: false };
      this.peers.set(facts.id, peer);
      this.#names.set(facts.id, facts.name);
      this.#signs.set(facts.id, { at: heardAt, how: "beat" });
      this.#noteHost(facts);
      this.#fire("beat", peer);
      if (!before || before.hangs || before.hosting !== facts.hosting || before.leads !== facts.leads) this.#fire("change");
    } else if (kind === "hangs") {
      const peer = this.peers.get(id);
      if (peer) this.peers.set(id, { ...peer, hangs: true });
      this.#fire("change");
    } else if (kind === "gone") {
      this.peers.delete(id);
      this.#signs.set(id, { at: heardAt, how: "goodbye" });
      this.#fire("change");
    } else if (kind === "order") this.#fire("order", order);
  }

  /** @param {Facts} facts */
  #noteHost({ hosting, epoch, id }) {
    // Whoever takes over says so a moment before it knows its epoch; then the former host has said so of that one already.
    if (hosting && epoch > 0 && !this.#hosts.has(epoch)) this.#hosts.set(epoch, id);
  }

  #forget() {
    for (const [id, { heardAt }] of this.peers) {
      if (performance.now() - heardAt > FORGOTTEN_MS) this.peers.delete(id);
    }
    this.#fire("change");
  }

  /** @param {string} type @param {unknown} [detail] */
  #fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
