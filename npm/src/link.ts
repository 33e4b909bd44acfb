// What the faces for stores and frameworks share: where they get a Bellwether from, and what they do until they have it.
//
// What always holds: it is asked for once at a time, and a failure is told once and forgotten, so that who asks next tries
// again; a Bellwether that is there is used in the same turn. Nothing is closed here: `connect` gives one object per channel, so
// that other parts of the page may hold the same. Not here: reading and writing; that is the state's.

import { BellwetherError, connect } from "./index.js";
import type { Bellwether, Commit, ConnectOptions, SharedState, Status } from "./types.js";

/**
 * Where a face gets its Bellwether from: one that is connected, a promise of one, a function that gives either, or the
 * options to {@link connect} with.
 */
export type BellwetherSource =
  | Bellwether
  | PromiseLike<Bellwether>
  | (() => Bellwether | PromiseLike<Bellwether>)
  | ConnectOptions;

/** Is told of what no call waits for, and of what is refused to a call that may not have been waited for. */
export type ErrorListener = (error: BellwetherError) => void;

/** One source, and the Bellwether it has given. */
export class Link {
  readonly #source: BellwetherSource;
  readonly #onError: ErrorListener;
  readonly #waiting = new Set<(bellwether: Bellwether) => void>();
  #bellwether: Bellwether | undefined;
  #opening: Promise<Bellwether> | undefined;

  constructor(source: BellwetherSource = {}, onError: ErrorListener = report) {
    checkSource(source);
    this.#source = source;
    this.#onError = onError;
    if (isBellwether(source)) this.#bellwether = source;
  }

  /** What the source has given; `undefined` until it has. */
  get bellwether(): Bellwether | undefined {
    return this.#bellwether;
  }

  /** Asks the source. Ignoring a failure is fine: it was told. */
  open(): Promise<Bellwether> {
    if (this.#bellwether) return Promise.resolve(this.#bellwether);
    if (!this.#opening) {
      this.#opening = obtain(this.#source).then((bellwether) => {
        this.#bellwether = bellwether;
        const waiting = [...this.#waiting];
        this.#waiting.clear();
        for (const begin of waiting) begin(bellwether);
        return bellwether;
      });
      this.#opening.catch((cause: unknown) => {
        this.#opening = undefined;
        this.#onError(cause as BellwetherError);
      });
    }
    return this.#opening;
  }

  /**
   * Attaches to the Bellwether, at once or when there is one; then `changed` is called, since there is more to see. Returns
   * what ends it. On a server nothing is asked for.
   */
  follow(attach: (bellwether: Bellwether) => () => void, changed: () => void): () => void {
    if (this.#bellwether) return attach(this.#bellwether);
    let detach: (() => void) | undefined;
    const begin = (bellwether: Bellwether) => {
      detach = attach(bellwether);
      changed();
    };
    this.#waiting.add(begin);
    if (isPage()) this.open().catch(() => {});
    return () => {
      this.#waiting.delete(begin);
      detach?.();
    };
  }

  /** The same for one key's value. */
  followKey(key: string, changed: () => void): () => void {
    return this.follow(({ state }) => state.subscribe([key], changed), changed);
  }

  /** The same for the status. */
  followStatus(changed: () => void): () => void {
    return this.follow((bellwether) => {
      bellwether.addEventListener("status", changed);
      return () => bellwether.removeEventListener("status", changed);
    }, changed);
  }

  get status(): Status | undefined {
    return this.#bellwether?.status;
  }

  /** Writes, at once or when there is a Bellwether. Ignoring a failure is fine: it was told. */
  write(act: (state: SharedState) => Promise<Commit>): Promise<Commit> {
    const there = this.#bellwether;
    const done = there
      ? this.told(() => act(there.state))
      : this.open().then(({ state }) => this.told(() => act(state)));
    done.catch(() => {});
    return done;
  }

  /** Tells of a failure before it goes on. */
  async told<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (cause) {
      this.#onError(cause as BellwetherError);
      throw cause;
    }
  }
}

/** Writes one key: a value, or what a function makes of the one that is there. */
export function writeKey<T>(
  link: Link,
  key: string,
  initial: T | undefined,
  next: T | ((value: T) => T),
): Promise<Commit> {
  if (typeof next !== "function") return link.write((state) => state.set({ [key]: next }));
  const make = next as (value: T) => T;
  return link.write((state) => state.update<T>(key, (value) => make(or(value, initial) as T)));
}

/** The value, or what stands for it as long as there is none; `null` is a value. */
export function or<T>(value: T | undefined, initial: T | undefined): T | undefined {
  return value === undefined ? initial : value;
}

/** Refuses what cannot lead to a Bellwether. */
export function checkSource(source: unknown): void {
  if (typeof source === "function" || (typeof source === "object" && source !== null)) return;
  throw optionFault("there is no Bellwether to be had of this; give a connected one, or options for `connect`");
}

/** Whether it is connected, and not what leads to a connected one. */
export function isBellwether(source: BellwetherSource): source is Bellwether {
  return typeof (source as Partial<Bellwether>).addEventListener === "function";
}

/** Whether it is options to connect with. */
export function isOptions(source: BellwetherSource): source is ConnectOptions {
  if (typeof source === "function" || isBellwether(source)) return false;
  return typeof (source as Partial<PromiseLike<Bellwether>>).then !== "function";
}

/** Whether there is a page to connect: elsewhere, as where one is rendered on a server, there is nothing to share with. */
export function isPage(): boolean {
  return typeof document !== "undefined";
}

/** What to tell of an option that cannot be used. */
export function optionFault(message: string): BellwetherError {
  return new BellwetherError("option-invalid", "app", message);
}

async function obtain(source: BellwetherSource): Promise<Bellwether> {
  if (isOptions(source)) return connect(source);
  return typeof source === "function" ? source() : source;
}

function report(error: BellwetherError): void {
  console.error("[bellwether]", error);
}
