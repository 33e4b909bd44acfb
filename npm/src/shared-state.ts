// The shared state's public face. Types only.
//
// What always holds: reads are synchronous and of this page's own copy; a value that is handed out is not changed
// afterwards, so that `Object.is` tells whether a key has changed.

/**
 * How two writes to the same key are told apart, made by pages or devices that did not know of one another.
 *
 * - `"last-write-wins"`: the later one counts, by hybrid logical clocks that are believed at most a minute ahead.
 * - `"merge"`: the same, for each member of an object on its own, however deep; an array is one value.
 * - `"first-write-wins"`: the one that is taken first counts; the other is rolled back and reported.
 * - `"custom"`: the one that is taken first counts, until {@link StateOptions.customResolver} has made one of both.
 */
export type ConflictStrategy = "last-write-wins" | "merge" | "first-write-wins" | "custom";

/** How the shared state behaves in this page. Every field is optional. */
export interface StateOptions {
  /** Only these keys are shared; the others stay in this page. Default, and if empty: all keys. */
  syncKeys?: readonly string[] | undefined;
  /**
   * These keys never leave this page: they are not sent to other pages or to the server, and not stored. Stands above
   * `syncKeys`. Default: none.
   */
  excludeKeys?: readonly string[] | undefined;
  /**
   * Writes are passed on at most this often, in milliseconds: the first at once, the last of those that follow at the end,
   * or when the page goes out of sight, closes or changes its user. This page sees each at once. Where a conflict rolls back
   * (`"first-write-wins"`, `"custom"`), nothing waits. Default 0.
   */
  throttleMs?: number | undefined;
  /** Writes are passed on once none has followed for so long, in milliseconds; with the same exceptions. Default 0. */
  debounceMs?: number | undefined;
  /** For keys that `keyStrategies` does not name. Default `"last-write-wins"`. */
  conflictStrategy?: ConflictStrategy | undefined;
  /** For single keys. */
  keyStrategies?: Readonly<Record<string, ConflictStrategy>> | undefined;
  /**
   * Makes one value of two, for keys whose strategy is `"custom"`. It is asked in one page at a time, and may be asked
   * again if others write meanwhile. What it throws, or does not give within 5 seconds, leaves the conflict for the next page
   * that can resolve it.
   */
  customResolver?: ((conflict: Conflict) => unknown) | undefined;
  /** Whether a change is passed on; it is shown the state before and after. Default: always. */
  shouldSync?:
    | ((
        previous: Readonly<Record<string, unknown>>,
        next: Readonly<Record<string, unknown>>,
      ) => boolean)
    | undefined;
  /**
   * Looks at each value that comes from elsewhere before this page shows it. `false`, or what it throws, refuses it: the
   * page keeps the value it has, and `"error"` reports `"state-refused"`. Default: all are shown.
   */
  validate?: ((key: string, value: unknown) => boolean) | undefined;
  /** What keys have until somebody has written to them, or deleted them. Is never written itself. Default: nothing. */
  initial?: Readonly<Record<string, unknown>> | undefined;
}

/** One keyed JSON document per session, which all pages and devices of it share. */
export interface SharedState {
  /** All keys and values. The same object until something changes. */
  get(): Readonly<Record<string, unknown>>;
  /** One key's value; `undefined` if there is none. */
  get<T>(key: string): T | undefined;

  /**
   * Writes keys. This page shows them when the call returns, and the other pages in the same moment; `undefined` deletes a
   * key, as it does a member. Values become what JSON makes of them, a `Date` a text; what JSON would lose is refused, such
   * as functions and `NaN`.
   *
   * Resolves once it cannot be undone: where the later write counts, when it is durable on this device; where a
   * conflict rolls back, when whoever orders the writes has taken or refused it.
   *
   * @throws {@link BellwetherError} with `code`
   *   - `"state-invalid"`: a key or value cannot be used, or more than 1,000 places or 256 KiB are written at once;
   *     nothing was written
   *   - `"option-invalid"`: `shouldSync` has thrown; nothing was written
   *   - `"state-refused"`: the server has refused it; it is rolled back
   *   - `"store-…"`, `"outbox-full"`: it could not be stored; it is rolled back
   *   - `"closed"`: this page was closed
   */
  set(patch: Readonly<Record<string, unknown>>): Promise<Commit>;

  /** Writes what `fn` makes of the key's value; after a conflict once more, of the value as it is then, up to 5 times in all. */
  update<T>(key: string, fn: (value: T | undefined) => T): Promise<Commit>;

  /** Deletes a key. */
  delete(key: string): Promise<Commit>;

  /** Calls `listener` after each change. Returns what ends that. */
  subscribe(listener: (change: Change) => void): () => void;
  /** The same, for changes of some keys. */
  subscribe(keys: readonly string[], listener: (change: Change) => void): () => void;

  /** Reads the state anew, and asks the server for what is newer; resolves when this page shows it. */
  request(): Promise<void>;

  /** Tells the other pages what this one shows of these keys, or of all, and writes it once more. */
  broadcast(keys?: readonly string[]): Promise<void>;
}

/** What came of a write. */
export interface Commit {
  /** The version of the newest of its keys. */
  version: number;
  /** The keys that it was about. */
  keys: string[];
  /** Whether others had written meanwhile: then it was rolled back, and `"conflict"` tells more. */
  conflict: boolean;
}

/** What listeners are told. */
export interface Change {
  /** The keys that have another value. */
  keys: string[];
  /** The page that wrote: its id, or `""` where it is not known. */
  source: string;
  /** Whether this page wrote, another page of this device, or another device. */
  origin: "local" | "page" | "server";
  /** The version of the newest of the keys; 0 where nothing of it is confirmed. */
  version: number;
}

/** Two writes to the same key that did not know of one another. */
export interface Conflict {
  /** The key. */
  key: string;
  /** What this device had of it before. */
  base: unknown;
  /** What this device wrote. */
  local: unknown;
  /** What the other one wrote. */
  remote: unknown;
  /** What stands now; `undefined` as long as nobody has resolved it. */
  result: unknown;
  /** By which strategy. */
  strategy: ConflictStrategy;
}
