// Named locks between pages: the browser's own, else Lamport's fast mutex over `localStorage`.
//
// What always holds: `fn` runs once or not at all; what it throws goes through, and letting go throws nothing; a lock that
// is found lost while `fn` runs is told by "error". Not here: when to look again, and whose mark counts; that is decided in
// the wasm (`shared/src/lock`).

import type { BellwetherError } from "./errors.js";
import type { Inside } from "./inside.js";
import type { Bellwether, LockMetrics, LockOptions } from "./types.js";
import type { Mutex } from "./wasm.js";

/** See {@link Bellwether.withLock}. */
export async function withLock<T>(
  inside: Inside,
  name: string,
  fn: () => T | Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const call = begin(inside, name, fn, options);
  const release = await acquire(call, options.runWithout);
  if (!release) return fn();
  held.add(call.key);
  try {
    return await fn();
  } finally {
    held.delete(call.key);
    release();
  }
}

/** See {@link Bellwether.lockMetrics}. */
export function lockMetrics(page: Bellwether): LockMetrics {
  return { ...countsOf(page) };
}

/** One call, checked. */
interface Call {
  inside: Inside;
  name: string;
  /** What the lock is called where all of the origin's have a name. */
  key: string;
  limits: Record<"timeout" | "lockCheckInterval" | "maxRetries", number>;
  /** Ends the waiting, with the fault as its reason. */
  ending: AbortController;
  counts: Counts;
}

type Counts = { -readonly [K in keyof LockMetrics]: LockMetrics[K] };
type Release = () => void;

function begin(inside: Inside, name: unknown, fn: unknown, options: LockOptions): Call {
  const { asked, kit, page } = inside;
  kit.refuseUnknown(options, ["timeout", "lockCheckInterval", "maxRetries", "signal", "runWithout"]);
  if (typeof name !== "string") throw kit.unfit("name", name, "a string");
  if (typeof fn !== "function") throw kit.unfit("fn", fn, "a function");
  const { timeout = TIMEOUT_MS, lockCheckInterval = 50, signal, runWithout } = options;
  // Who waits longer than usual is not to be stopped by a count that fits the usual.
  const { maxRetries = timeout > TIMEOUT_MS ? TIMER_MS_MAX : 100 } = options;
  const limits = { timeout, lockCheckInterval, maxRetries };
  for (const [name, value] of Object.entries(limits)) {
    const isCount = typeof value === "number" && value >= 0 && value <= TIMER_MS_MAX;
    if (!isCount && !(name === "timeout" && value === Infinity)) {
      throw kit.unfit(name, value, `a number from 0 to ${TIMER_MS_MAX}`);
    }
  }
  if (signal !== undefined && typeof signal?.addEventListener !== "function") {
    throw kit.unfit("signal", signal, "an AbortSignal");
  }
  if (runWithout !== undefined && typeof runWithout !== "boolean") {
    throw kit.unfit("runWithout", runWithout, "true or false");
  }
  const key = `bellwether:${encodeURIComponent(asked.raw.channel)}:lock:${name}`;
  const ending = new AbortController();
  const end = (signal: AbortSignal | undefined, fault: () => BellwetherError) => {
    if (signal?.aborted) throw fault();
    signal?.addEventListener("abort", () => ending.abort(fault()), { signal: ending.signal });
  };
  end(inside.over, () => kit.appFault("closed", "this page was closed; `connect` again"));
  end(signal, () => {
    const message = `the signal fired before there was the lock "${name}"; nothing was run`;
    return kit.appFault("aborted", message, { cause: signal!.reason });
  });
  return { inside, name, key, limits, ending, counts: countsOf(page) };
}

/** Waits for the lock; gives nothing if it is to run without. */
async function acquire(call: Call, runWithout = false): Promise<Release | undefined> {
  const { counts, ending, inside, limits, name } = call;
  const { kit } = inside;
  const began = performance.now();
  try {
    const release = await (globalThis.navigator?.locks ? byBrowser(call) : byMutex(call));
    counts.acquired += 1;
    return release;
  } catch (failure) {
    const cause: unknown = ending.signal.aborted ? ending.signal.reason : failure;
    if (cause === TIMED_OUT) {
      counts.timedOut += 1;
      const { timeout, maxRetries } = limits;
      const looks = maxRetries < TIMER_MS_MAX ? ` or ${maxRetries} looks` : "";
      const message = `the lock "${name}" was not to be had within ${timeout} ms${looks}`;
      throw kit.appFault("lock-timeout", `${message}; ${held.has(call.key) ? NESTED : AGAIN}`);
    }
    if (ending.signal.aborted) throw cause;
    const message = `neither Web Locks nor \`localStorage\` can be used for the lock "${name}" (${cause})`;
    if (!runWithout) throw kit.named({ code: "lock-unavailable", culprit: "browser", message });
    counts.ranWithout += 1;
    console.warn(`[bellwether] ${message}; it runs without`);
    return undefined;
  } finally {
    counts.waitedMs += performance.now() - began;
    // Nothing of the waiting stays behind.
    ending.abort();
  }
}

/** The browser holds a lock as long as a promise, which letting go resolves. */
function byBrowser(call: Call): Promise<Release> {
  const { counts, ending, key, limits } = call;
  const { locks } = navigator;
  return new Promise((resolve, reject) => {
    let isHeld = false;
    const hold = () =>
      new Promise<undefined>((done) => {
        isHeld = true;
        resolve(() => {
          isHeld = false;
          done(undefined);
        });
      });
    const ask = async () => {
      const take = (lock: Lock | null) => (lock ? hold() : "taken");
      if (!(await locks.request(key, { ifAvailable: true }, take))) return;
      counts.contended += 1;
      const { signal } = ending;
      if (limits.timeout !== Infinity) {
        const timer = setTimeout(() => ending.abort(TIMED_OUT), limits.timeout);
        signal.addEventListener("abort", () => clearTimeout(timer));
      }
      await locks.request(key, { signal }, hold);
    };
    // Somebody may steal it.
    ask().catch((cause: unknown) => (isHeld ? lost(call) : reject(cause)));
  });
}

/** Does with two items of `localStorage` what the machine says. */
function byMutex(call: Call): Promise<Release> {
  return new Promise((resolve, reject) => new Asker(call, resolve, reject).go());
}

class Asker {
  readonly #call: Call;
  readonly #mutex: Mutex;
  readonly #resolve: (release: Release) => void;
  readonly #reject: (cause: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last: number | undefined;
  #isContended = false;
  #isHeld = false;
  #isOver = false;

  constructor(call: Call, resolve: (release: Release) => void, reject: (cause: unknown) => void) {
    const { ending, inside, key, limits } = call;
    this.#call = call;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#mutex = waiting.get(key) ?? inside.client.mutex(Math.random());
    waiting.delete(key);
    const { timeout, lockCheckInterval, maxRetries } = limits;
    this.#mutex.begin(performance.now(), timeout, lockCheckInterval, maxRetries);
    ending.signal.addEventListener("abort", () => {
      if (this.#isHeld) return;
      // What is under way at the door comes to its end without the caller.
      this.#mutex.leave();
      reject(ending.signal.reason);
    });
  }

  go(seen = 0): void {
    clearTimeout(this.#timer);
    try {
      let next: number | undefined = seen;
      while (next !== undefined) next = this.#step(next);
    } catch (cause) {
      // The storage has refused, and with it whatever stood there.
      if (this.#isHeld) lost(this.#call);
      this.#end();
      this.#reject(cause);
    }
  }

  /** Gives what was read, or nothing if the next step has its time. */
  #step(seen: number): number | undefined {
    const { counts, ending, key } = this.#call;
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
        localStorage.setItem(`${key}:y`, `${about}`);
        return 0;
      case Told.EraseY:
        localStorage.removeItem(`${key}:y`);
        return 0;
      case Told.Pause:
        // The pause after the first mark is everybody's.
        if (!this.#isHeld && !this.#isContended && last !== Told.WriteY) {
          this.#isContended = true;
          counts.contended += 1;
        }
        this.#timer = setTimeout(() => this.go(), about);
        return undefined;
      case Told.Held:
        if (ending.signal.aborted) return 0;
        this.#isHeld = true;
        globalThis.addEventListener?.("pagehide", this.#onHide);
        this.#resolve(this.#letGo);
        return 0;
      case Told.GaveUp:
        this.#end();
        // What it has seen serves the next call.
        if (waiting.size >= WAITING_MAX) waiting.clear();
        waiting.set(key, this.#mutex);
        this.#reject(TIMED_OUT);
        return undefined;
      case Told.Lost:
        this.#end();
        lost(this.#call);
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
    this.#letGo();
    if (persisted) lost(this.#call);
  };

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

function lost({ counts, inside, name }: Call): void {
  counts.lost += 1;
  const message = `the lock "${name}" was lost while it was held, and another may have it: ${WHY}`;
  inside.report({ code: "lock-lost", culprit: "browser", message });
}

function countsOf(page: Bellwether): Counts {
  let counts = pages.get(page);
  if (!counts) {
    counts = { acquired: 0, contended: 0, timedOut: 0, lost: 0, ranWithout: 0, waitedMs: 0 };
    pages.set(page, counts);
  }
  return counts;
}

/** What the machine tells; `next` in the wasm's `api.rs` has the same numbers. */
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

const pages = new WeakMap<Bellwether, Counts>();
/** Keys of locks that this page holds. */
const held = new Set<string>();
/** Of locks that were not to be had, what this page has seen of them. */
const waiting = new Map<string, Mutex>();
const WAITING_MAX = 100;
const TIMEOUT_MS = 5_000;
const TIMED_OUT = Symbol();
const NESTED = "this page itself holds it: a call inside another of the same name waits for itself";
const AGAIN = "call again, or wait longer";
const WHY = "the page slept or was too busy to renew it, or the storage was cleared";
/** Browsers keep a delay in 32 signed bits, and wrap. */
const TIMER_MS_MAX = 2_147_483_647;
