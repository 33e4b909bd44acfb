// Elections by Web Locks: whoever holds the lock is elected, under an epoch that it raises on disk first (LEAD-1, LEAD-3).
//
// What always holds:
// - a page leads only inside the lock's callback, and waits for it without a timer;
// - the epoch under which it leads was raised while it held the lock: of those that take it at once the last one has the highest;
// - the lock is taken from somebody only once the epoch could be raised;
// - who gives it up lets go of the lock at once, whatever the disk does.

import type { Election, Serve } from "./election.js";
import { takeOnce } from "./taking.js";
import { fired, following } from "./within.js";

export class LockElection implements Election {
  readonly #name: string;
  readonly #raise: () => Promise<number>;

  /** `raise` gives an epoch that is higher than any before, once it is on disk. */
  constructor(name: string, raise: () => Promise<number>) {
    this.#name = name;
    this.#raise = raise;
  }

  async stand(signal: AbortSignal, serve: Serve): Promise<void> {
    while (!signal.aborted) await this.#hold({ signal }, signal, serve);
  }

  take(signal: AbortSignal, serve: Serve): Promise<void> {
    return takeOnce(signal, serve, async (signal, serve) => {
      await this.#raise();
      if (!signal.aborted) await this.#hold({ steal: true }, signal, serve);
    });
  }

  async #hold(options: LockOptions, signal: AbortSignal, serve: Serve): Promise<void> {
    const holding = following(signal);
    let isHeld = false;
    try {
      await navigator.locks.request(this.#name, options, async () => {
        isHeld = true;
        try {
          const raising = this.#raise();
          // Nobody is kept waiting by a disk that does not answer, or by a page that is frozen.
          raising.catch(() => {});
          const epoch = await Promise.race([raising, fired(holding.signal)]);
          if (epoch !== undefined && !holding.signal.aborted) await serve(holding.signal, epoch);
        } finally {
          isHeld = false;
        }
      });
    } catch (cause) {
      // What was held may have been stolen, and is asked for again. A database says the same of what it has aborted.
      const isStolen = isHeld && cause instanceof DOMException && cause.name === "AbortError";
      if (!signal.aborted && !isStolen) throw cause;
    } finally {
      holding.end();
    }
  }
}
