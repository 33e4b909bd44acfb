// Taking turns over two items of `localStorage`: does what the machine of Lamport's fast mutex says (LOCK-1).
//
// What always holds: an asking ends once, with the lock, without it, or with what the storage has thrown; letting go throws
// nothing. Not here: when to look again, and whose mark counts; that is decided in the wasm (`shared/src/lock`).

/** One asker, over two registers that all askers share. Times are milliseconds of `performance.now()`. */
export interface Mutex {
  /** Begins to ask; `timeout` may be `Infinity`. What was seen in an asking before counts. */
  begin(now: number, timeout: number, interval: number, retries: number): void;
  /** Is told what was read, and gives the next step, as {@link Told}, and 16 times what it is about. */
  next(now: number, seen: number): number;
  /** Ends the asking or the holding; then `next` tells what is left to do. */
  leave(): void;
}

export interface Asking {
  /** What the two items' names begin with. */
  readonly key: string;
  readonly limits: Record<"timeout" | "lockCheckInterval" | "maxRetries", number>;
  /** Ends the waiting, which then rejects with its reason. */
  readonly signal: AbortSignal;
  onContended?(): void;
  /** The lock was lost while it was held. */
  onLost?(): void;
}

export type Release = () => void;

/** Gives nothing if it was given up. */
export function byMutex(make: () => Mutex, asking: Asking): Promise<Release | undefined> {
  return new Promise((resolve, reject) => new Asker(make, asking, resolve, reject).go());
}

class Asker {
  readonly #asking: Asking;
  readonly #mutex: Mutex;
  /** Since when it has looked, over all askings. */
  readonly #since: number;
  readonly #resolve: (release: Release | undefined) => void;
  readonly #reject: (cause: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last: number | undefined;
  /** Its mark, as it was written last. */
  #mark = "";
  #markedAt = -Infinity;
  #isContended = false;
  #isHeld = false;
  #isOver = false;

  constructor(
    make: () => Mutex,
    asking: Asking,
    resolve: (release: Release | undefined) => void,
    reject: (cause: unknown) => void,
  ) {
    const { key, limits, signal } = asking;
    this.#asking = asking;
    this.#resolve = resolve;
    this.#reject = reject;
    [this.#mutex, this.#since] = waiting.get(key) ?? [make(), performance.now()];
    waiting.delete(key);
    const { timeout, lockCheckInterval, maxRetries } = limits;
    this.#mutex.begin(performance.now(), timeout, lockCheckInterval, maxRetries);
    globalThis.addEventListener?.("pagehide", this.#onHide);
    signal.addEventListener("abort", () => {
      if (this.#isHeld) return;
      // What is under way at the door comes to its end without the caller.
      this.#mutex.leave();
      reject(signal.reason);
    });
  }

  go(seen = 0): void {
    clearTimeout(this.#timer);
    try {
      let next: number | undefined = seen;
      while (next !== undefined) next = this.#step(next);
    } catch (cause) {
      // The storage has refused, and with it whatever stood there.
      if (this.#isHeld) this.#asking.onLost?.();
      this.#end();
      this.#reject(cause);
    }
  }

  /** Gives what was read, or nothing if the next step has its time. */
  #step(seen: number): number | undefined {
    const { key, onContended, onLost, signal } = this.#asking;
    const told = this.#mutex.next(performance.now(), seen);
    const about = Math.floor(told / 16);
    const last = this.#last;
    this.#last = told % 16;
    switch (this.#last as Told) {
      case Told.ReadX:
        return read(`${key}:x`);
      case Told.ReadY:
        return read(`${key}:y`);
      case Told.WriteX:
        localStorage.setItem(`${key}:x`, `${about}`);
        return 0;
      case Told.WriteY:
        [this.#mark, this.#markedAt] = [`${about}`, performance.now()];
        localStorage.setItem(`${key}:y`, this.#mark);
        return 0;
      case Told.EraseY:
        localStorage.removeItem(`${key}:y`);
        return 0;
      case Told.Pause:
        // The pause after the first mark is everybody's.
        if (!this.#isHeld && !this.#isContended && last !== Told.WriteY) {
          this.#isContended = true;
          onContended?.();
        }
        this.#timer = setTimeout(() => this.go(), about);
        return undefined;
      case Told.Held:
        if (signal.aborted) return 0;
        this.#isHeld = true;
        this.#resolve(this.#letGo);
        return 0;
      case Told.GaveUp:
        this.#end();
        // What it has seen serves the next call; of two, what was seen for longer.
        if (waiting.size >= WAITING_MAX) waiting.clear();
        if (this.#since <= (waiting.get(key)?.[1] ?? Infinity)) waiting.set(key, [this.#mutex, this.#since]);
        this.#resolve(undefined);
        return undefined;
      case Told.Lost:
        this.#end();
        onLost?.();
        return undefined;
      case Told.Released:
        this.#end();
        return undefined;
    }
  }

  readonly #letGo = () => {
    if (this.#isOver) return;
    this.#isHeld = false;
    this.#mutex.leave();
    this.go();
  };

  // What goes on in a page that comes back goes on without the lock.
  readonly #onHide = ({ persisted }: PageTransitionEvent) => {
    if (!this.#isHeld) return this.#giveUp();
    this.#letGo();
    if (persisted) this.#asking.onLost?.();
  };

  // It may never get to its next step, and others would wait for it.
  #giveUp(): void {
    const item = `${this.#asking.key}:y`;
    try {
      // One that is about to expire may become another's between the look and the erasing.
      const isFresh = performance.now() - this.#markedAt < FRESH_MS;
      if (isFresh && localStorage.getItem(item) === this.#mark) localStorage.removeItem(item);
    } catch {
      // The storage refuses; the mark expires.
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#isHeld = false;
    globalThis.removeEventListener?.("pagehide", this.#onHide);
  }
}

// What is no mark stands for one that expires like any other.
function read(item: string): number {
  const text = localStorage.getItem(item);
  return text === null ? 0 : Number(text) || 1;
}

/** What the machine tells; `next` in `runtime-lead/src/mutex.rs` has the same numbers. */
const enum Told {
  ReadX,
  ReadY,
  WriteX,
  WriteY,
  EraseY,
  Pause,
  Held,
  GaveUp,
  Lost,
  Released,
}

/** Of locks that were not to be had, what this page has seen of them, and since when. */
const waiting = new Map<string, readonly [Mutex, number]>();
const WAITING_MAX = 100;
/** Half of the time after which a mark that stands unchanged is nobody's. */
const FRESH_MS = 5_000;
