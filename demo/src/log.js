// The session's log at the server, read forward, with a copy for when the server is away.
//
// What always holds: `events` are in the log's order and of one log epoch. A server that was
// wiped or restored from a backup shows as another epoch, or as a head behind ours, and is read
// anew.

/**
 * @typedef {object} LogEvent
 * @property {number} offset
 * @property {string} id
 * @property {string} type
 * @property {string | null} [key]
 * @property {unknown} [data]
 * @property {number | null} at      when its page made it
 * @property {number} [taken_at]     when the server took it
 */

/**
 * @typedef {object} LogPage
 * @property {string | number} epoch
 * @property {LogEvent[]} events
 * @property {number} head
 * @property {number} floor
 * @property {boolean} more
 */

/** Events kept in memory and read at the first visit. */
const KEPT = 2000;
/** Events kept in the copy. */
const COPIED = 300;
/** Events asked for at once. */
const PAGE = 200;
const PATIENCE_MS = 8000;

/**
 * Fires "read" after each complete reading, "away" when the server did not give one, and "anew" when
 * what was read before is of another log.
 */
export class Log extends EventTarget {
  /** @type {LogEvent[]} */ events = [];
  /** The last offset the server has; unknown before the first reading. */
  head = 0;
  /** When the log was last read in full, in wall time; 0 if never. */
  readAt = 0;
  /** Whether the last reading failed. */
  isAway = false;
  /** When the last complete reading began, on the clock of `performance.now()`. */
  startedAt = 0;

  /** @type {string | number | undefined} */ #epoch;
  #cursor = 0;
  #session;
  /** @type {Promise<void> | undefined} */ #reading;
  #again = false;

  /** @param {string} session */
  constructor(session) {
    super();
    this.#session = session;
  }

  /** Takes up the copy of the last visit, if there is one. */
  restore() {
    try {
      const copy = JSON.parse(localStorage.getItem(this.#copyName) ?? "null");
      if (!Array.isArray(copy?.events)) return;
      this.events = copy.events;
      this.head = copy.head;
      this.readAt = copy.readAt;
      this.#epoch = copy.epoch;
      this.#cursor = this.events.at(-1)?.offset ?? copy.head;
    } catch {
      // No storage, or a copy that cannot be read: the server will tell.
    }
  }

  /** Reads on from where the last reading ended. Calls meanwhile make it read once more. */
  read() {
    if (this.#reading) this.#again = true;
    else this.#reading = this.#readAll().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #readAll() {
    do {
      this.#again = false;
      const startedAt = performance.now();
      try {
        await this.#readOn();
        this.isAway = false;
        this.readAt = Date.now();
        this.startedAt = startedAt;
        this.#copy();
        this.dispatchEvent(new Event("read"));
      } catch {
        this.isAway = true;
        this.dispatchEvent(new Event("away"));
      }
    } while (this.#again);
  }

  async #readOn() {
    for (;;) {
      const page = await this.#fetch(this.#cursor);
      if ("gone" in page) {
        this.#cursor = page.gone;
        this.events = [];
        this.dispatchEvent(new Event("anew"));
        continue;
      }
      this.head = page.head;
      if (page.epoch !== this.#epoch || page.head < this.#cursor) {
        this.#epoch = page.epoch;
        this.#cursor = Math.max(page.floor, page.head - KEPT, 0);
        this.events = [];
        this.dispatchEvent(new Event("anew"));
        continue;
      }
      this.events = [...this.events, ...page.events].slice(-KEPT);
      this.#cursor = page.events.at(-1)?.offset ?? this.#cursor;
      if (!page.more || page.events.length === 0) return;
    }
  }

  /**
   * The next page, or up to which offset events are no longer kept.
   * @param {number} after
   * @returns {Promise<LogPage | { gone: number }>}
   */
  async #fetch(after) {
    const query = new URLSearchParams({
      session: this.#session,
      after: String(after),
      limit: String(PAGE),
    });
    const answer = await fetch(`/v1/events?${query}`, {
      cache: "no-store",
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.status === 410) {
      const { floor } = await answer.json();
      if (floor > after) return { gone: floor };
    }
    if (!answer.ok) throw new Error(`the log was answered with ${answer.status}`);
    const page = await answer.json();
    if (!Array.isArray(page?.events)) throw new Error("the answer is not a page of the log");
    return page;
  }

  #copy() {
    const { head, readAt } = this;
    const events = this.events.slice(-COPIED);
    try {
      localStorage.setItem(
        this.#copyName,
        JSON.stringify({ epoch: this.#epoch, head, readAt, events }),
      );
    } catch {
      // The disk is full or forbidden: there is no copy then, and the board says nothing wrong.
    }
  }

  get #copyName() {
    return `${this.#session}:log`;
  }
}
