// Named locks between pages: the browser's own, else Lamport's fast mutex over `localStorage`.
//
// What always holds: `fn` runs once or not at all; what it throws goes through, and letting go throws nothing; a lock that
// is found lost while `fn` runs is told by "error". Not here: the turns that are taken over `localStorage` (`mutex.ts`).

import { closed } from "./closed.js";
import type { BellwetherError } from "./errors.js";
import type { Inside } from "./inside.js";
import { machines } from "./machines.js";
import type { Bellwether, LockMetrics, LockOptions } from "./types.js";

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
  end(inside.over, () => closed(kit));
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
        const release = () => {
          isHeld = false;
          globalThis.removeEventListener?.("pagehide", onHide);
          done(undefined);
        };
        // What goes on in a page that comes back goes on without the lock.
        const onHide = ({ persisted }: PageTransitionEvent) => {
          release();
          if (persisted) lost(call);
        };
        globalThis.addEventListener?.("pagehide", onHide);
        isHeld = true;
        resolve(release);
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

/** Where the browser has no locks; gives nothing if it was given up. */
async function byMutex(call: Call): Promise<Release> {
  const { counts, ending, key, limits } = call;
  const { byMutex } = await machines(call.inside);
  ending.signal.throwIfAborted();
  const release = await byMutex({
    key,
    limits,
    signal: ending.signal,
    onContended: () => (counts.contended += 1),
    onLost: () => lost(call),
  });
  if (!release) throw TIMED_OUT;
  return release;
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

const pages = new WeakMap<Bellwether, Counts>();
/** Keys of locks that this page holds. */
const held = new Set<string>();
const TIMEOUT_MS = 5_000;
const TIMED_OUT = Symbol();
const NESTED = "this page itself holds it: a call inside another of the same name waits for itself";
const AGAIN = "call again, or wait longer";
const WHY = "the page slept or was too busy to renew it, or the storage was cleared";
/** Browsers keep a delay in 32 signed bits, and wrap. */
const TIMER_MS_MAX = 2_147_483_647;
