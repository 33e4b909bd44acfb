// Every note this page knows of, and how far each has come.
//
// Three sources say so: the runtime's queue, its dead letters, and the server's log. They are read
// one after another, so for a moment a note may be in none of them. What always holds:
// - a note is shown once, whatever number of sources know it;
// - a note that was seen stays until a later, complete reading of the log shows that it is gone;
// - a note is "delivered" only on the word of the server.
//
// Not here: how notes are drawn (`board.js`), and when the sources are read (`main.js`).

/** @typedef {import("/bellwether/index.js").QueuedEvent} QueuedEvent */
/** @typedef {import("/bellwether/index.js").DeadLetter} DeadLetter */
/** @typedef {import("./log.js").LogEvent} LogEvent */
/** @typedef {"durable" | "sending" | "delivered" | "dead"} Way */

/**
 * @typedef {object} Note
 * @property {string} id
 * @property {Way} way
 * @property {string} place   the event's key, so order is kept within a place
 * @property {string} text
 * @property {string} by      which tab wrote it
 * @property {boolean} rumour
 * @property {number} at      when it was written
 * @property {number} [position]  its place on this device, while it is queued
 * @property {number} [offset]    its place in the server's log, once it is there
 * @property {{ code: string, message: string, tries: number }} [reason]  why it is dead
 */

/** The type of an ordinary note. */
export const NOTE = "note.added";
/** The type of a note that the server can be told to refuse. */
export const RUMOUR = "note.rumour";
/** The type of a change of the shared state, which waits in the same queue and is no note. */
const PATCH = "bellwether.patch";

/** Delivered notes kept in memory; the oldest go first. */
const DELIVERED_MAX = 2000;

/** Fires "change" whenever a note came, went or moved on. */
export class Notes extends EventTarget {
  /** Events that the log holds under two offsets. It should stay at nought. */
  twice = 0;
  /** Changes of the shared state in the log, which are no notes. */
  others = 0;

  /** @type {Map<string, Note>} */ #queued = new Map();
  /** @type {Map<string, Note>} */ #dead = new Map();
  /** @type {Map<string, Note>} */ #delivered = new Map();
  /** Seen before, in no source now. @type {Map<string, { note: Note, since: number }>} */
  #between = new Map();
  /** @type {Set<string>} */ #discarded = new Set();

  /**
   * Takes in what the runtime holds. Read the queue first and the dead letters second, so that a
   * note on its way from one to the other is in at least one of them.
   *
   * @param {QueuedEvent[]} pending
   * @param {DeadLetter[]} failed
   */
  setQueue(pending, failed) {
    const before = [...this.#queued.values(), ...this.#dead.values()];
    const isNote = (/** @type {{ type: string }} */ { type }) => type !== PATCH;
    this.#queued = new Map(pending.filter(isNote).map((event) => [event.id, ofQueued(event)]));
    this.#dead = new Map(failed.filter(isNote).map((letter) => [letter.id, ofLetter(letter)]));
    for (const note of before) {
      if (!this.#isHeld(note.id)) this.#between.set(note.id, { note, since: performance.now() });
    }
    for (const id of this.#between.keys()) {
      if (this.#isHeld(id)) this.#between.delete(id);
    }
    this.#changed();
  }

  /**
   * Takes in a note that has just become durable, ahead of the next reading of the queue.
   *
   * @param {Note} note
   */
  add(note) {
    if (this.has(note.id)) return;
    this.#queued.set(note.id, note);
    this.#changed();
  }

  /**
   * Takes in a complete reading of the server's log.
   *
   * @param {LogEvent[]} events
   * @param {number} startedAt  when the reading began, on the clock of `performance.now()`
   */
  setLog(events, startedAt) {
    let twice = 0;
    const delivered = new Map();
    this.others = events.filter(({ type }) => type === PATCH).length;
    for (const event of events) {
      if (event.type !== NOTE && event.type !== RUMOUR) continue;
      if (delivered.has(event.id)) twice += 1;
      else delivered.set(event.id, ofLogged(event));
    }
    // What a delivery has told us may be ahead of what was read.
    const last = events.at(-1)?.offset ?? 0;
    for (const [id, note] of this.#delivered) {
      if (!delivered.has(id) && (note.offset ?? 0) > last) delivered.set(id, note);
    }
    this.#delivered = new Map([...delivered].slice(-DELIVERED_MAX));
    this.twice = twice;
    for (const [id, { note, since }] of this.#between) {
      if (!this.#delivered.has(id) && since >= startedAt) continue;
      this.#between.delete(id);
      if (!this.#delivered.has(id) && note.way === "dead") this.#discarded.add(id);
    }
    this.#changed();
  }

  /** Forgets the log, because the server has begun another. */
  forgetLog() {
    this.#delivered.clear();
  }

  /**
   * Takes in the server's word on one note, which usually comes before the log is read again.
   *
   * @param {string} id
   * @param {number} offset
   */
  setDelivered(id, offset) {
    const note = this.get(id);
    if (!note || this.#delivered.has(id)) return;
    const { position, reason, ...rest } = note;
    this.#delivered.set(id, { ...rest, way: "delivered", offset });
    this.#queued.delete(id);
    this.#between.delete(id);
    this.#changed();
  }

  /**
   * Takes in that the person threw this dead note away.
   *
   * @param {string} id
   */
  setDiscarded(id) {
    this.#dead.delete(id);
    this.#between.delete(id);
    this.#discarded.add(id);
    this.#changed();
  }

  /** @param {string} id */
  has(id) {
    return this.#isHeld(id) || this.#between.has(id);
  }

  /** @param {string} id */
  isDiscarded(id) {
    return this.#discarded.has(id);
  }

  /**
   * @param {string} id
   * @returns {Note | undefined}
   */
  get(id) {
    const dead = this.#dead.get(id);
    if (dead) return dead;
    const queued = this.#queued.get(id);
    const delivered = this.#delivered.get(id);
    // The server has it, but the device has not heard so: it is still on its way.
    if (queued && delivered) return { ...queued, way: "sending", offset: delivered.offset };
    return queued ?? delivered ?? this.#between.get(id)?.note;
  }

  /**
   * Every note, those that need attention first, then those that wait, then the newest delivered.
   *
   * @returns {Note[]}
   */
  all() {
    const ids = new Set([
      ...this.#dead.keys(),
      ...this.#queued.keys(),
      ...this.#between.keys(),
      ...this.#delivered.keys(),
    ]);
    /** @type {Note[]} */
    const notes = [];
    for (const id of ids) {
      const note = this.get(id);
      if (note) notes.push(note);
    }
    return notes.sort(byWay);
  }

  /** @param {string} id */
  #isHeld(id) {
    return this.#dead.has(id) || this.#queued.has(id) || this.#delivered.has(id);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * @param {Note} a
 * @param {Note} b
 */
function byWay(a, b) {
  const rank = { dead: 0, durable: 1, sending: 1, delivered: 2 };
  return (
    rank[a.way] - rank[b.way] ||
    (b.offset ?? 0) - (a.offset ?? 0) ||
    (b.position ?? 0) - (a.position ?? 0) ||
    b.at - a.at
  );
}

/**
 * @param {QueuedEvent} event
 * @returns {Note}
 */
function ofQueued(event) {
  const way = event.state === "sending" ? "sending" : "durable";
  return { ...body(event), way, position: event.position, at: event.appendedAt };
}

/**
 * @param {DeadLetter} letter
 * @returns {Note}
 */
function ofLetter(letter) {
  const { code, message, tries } = letter;
  return { ...body(letter), way: "dead", at: letter.buriedAt, reason: { code, message, tries } };
}

/**
 * @param {LogEvent} event
 * @returns {Note}
 */
function ofLogged(event) {
  return { ...body(event), way: "delivered", offset: event.offset, at: event.at ?? event.taken_at ?? 0 };
}

/**
 * What all three sources tell alike. Notes come from other devices too, so nothing is assumed of
 * their data.
 *
 * @param {{ id: string, type: string, key?: string | null | undefined, data?: unknown }} event
 */
function body({ id, type, key, data }) {
  const said = /** @type {Record<string, unknown>} */ (data && typeof data === "object" ? data : {});
  return {
    id,
    rumour: type === RUMOUR,
    place: key || String(said.place ?? "Elsewhere"),
    text: String(said.text ?? ""),
    by: String(said.by ?? ""),
  };
}
