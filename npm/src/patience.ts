// Gives up waiting for the disk: one timer for all calls that wait equally long.
//
// What always holds: the timer runs only while something waits, and ticks late count as one, so a
// page that was frozen or blocked gives the disk its time to answer after it wakes.

/** Someone who waits. */
export interface Waiting {
  /** Told once, unless removed before. */
  expire(): void;
  /** The tick in which the waiting began; kept here. */
  since: number;
}

/** Everyone who waits for 5 s. */
export class Patience {
  readonly #waiting = new Set<Waiting>();
  #ticks = 0;
  #isTicking = false;

  add(one: Waiting): void {
    one.since = this.#ticks;
    this.#waiting.add(one);
    if (!this.#isTicking) this.#next();
  }

  remove(one: Waiting): void {
    this.#waiting.delete(one);
  }

  #next(): void {
    this.#isTicking = this.#waiting.size > 0;
    if (this.#isTicking) setTimeout(() => this.#tick(), TICK_MS);
  }

  // A set keeps the order in which its members came, so the first who may still wait ends the walk.
  #tick(): void {
    this.#ticks += 1;
    for (const one of this.#waiting) {
      if (this.#ticks - one.since <= TICKS_MAX) break;
      this.#waiting.delete(one);
      one.expire();
    }
    this.#next();
  }
}

const TICK_MS = 500;

/** Whoever comes between two ticks waits for a part of one more. */
const TICKS_MAX = 10;
