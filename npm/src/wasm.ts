// What the page's wasm and this package ask of one another. Types only.
//
// What always holds: texts, numbers, flags and callbacks cross, never the app's own objects.

import type { Journal } from "./replica.js";
import type { BellwetherEventMap, Status } from "./types.js";

/** Starts the page's wasm, once per page. */
export type Start = (input: { module_or_path: WebAssembly.Module | Response }) => Promise<unknown>;

/** What it exports. */
export interface ClientClass {
  /** Calls `opened` when the journal is open, or with why it cannot be opened; within 3 s. */
  open(options: RawOptions, sink: Sink, opened: Settle<undefined>): Client;
}

/** The app's options, checked for type. `undefined` stands for the default. */
export interface RawOptions {
  channel: string;
  session: string;
  /** `""` for nobody in particular. */
  user: string;
  /** `""` for none. */
  server: string;
  build: string;
  worker: string | undefined;
  workerOff: boolean;
  /** The rungs that are allowed, between commas; `undefined` for all. Not the wasm's affair, but two calls have to agree. */
  hosts: string | undefined;
  scope: string | undefined;
  relaxed: boolean;
  dropOldest: boolean;
  hasToken: boolean;
  debug: boolean;
  maxRetries: number | undefined;
  baseDelayMs: number | undefined;
  maxDelayMs: number | undefined;
  batchSize: number | undefined;
  batchAgeMs: number | undefined;
  deadLetterCap: number | undefined;
  safetyNetMs: number | undefined;
  /** Not the wasm's affair; here because two calls of `connect` have to agree on it. */
  maxPending: number | undefined;
  /** The page shows the shared state from the start. */
  state: boolean;
  /** The page has a `customResolver`. */
  resolves: boolean;
  /** Events leave as plain requests. */
  requests: boolean;
}

/** Called by the wasm with what happens; the names are the app's where the app hears of it as it is. */
export type Sink = <K extends keyof Happenings>(
  name: K,
  detail: Happenings[K],
  // Of a change of what is shown: the page that wrote; 0 for this page, 1 for another, 2 for another device.
  source?: string,
  origin?: number,
  version?: number,
) => void;

export interface Happenings {
  ready: object;
  status: RawStatus;
  "dead-letter": BellwetherEventMap["dead-letter"]["detail"];
  "state-lost": BellwetherEventMap["state-lost"]["detail"];
  "reload-needed": BellwetherEventMap["reload-needed"]["detail"];
  error: Fault;
  /** Keys that are shown differently, or the only one. Not of what this page has just written. */
  state: string | string[];
  clash: { key: string; base: Leaves; local: Leaves; remote: Leaves };
  /** To be answered by {@link Client.token}. */
  token: { user: string; session: string };
  /** Only with `debug`. */
  message: { out: boolean; name: string };
}

/** A status as the wasm tells it. */
export type RawStatus = Omit<Status, "reasons" | "storage" | "hosting"> & {
  /** Of all pages this is the one that does what one has to do. */
  readonly leads: boolean;
  /** Why no better host could be had, a sentence per line; `""` if there is nothing to say. */
  readonly reason: string;
};

/** What went wrong; the wasm throws it, too. */
export interface Fault {
  readonly code: string;
  readonly culprit: string;
  readonly message: string;
}

/** Called once, with one of the two. */
export type Settle<T> = (value: T, fault: Fault | undefined) => void;

/** A page's client of the coordinator. What it throws is a {@link Fault}. */
export interface Client {
  id(): string;
  /**
   * Returns the event's id at once; throws for an unfit event. Settles with its position, or with a number
   * of events changed. `how` is the lane, 0 to 2, and any of {@link How}.
   */
  append(
    type: string,
    data: string | undefined,
    key: string | undefined,
    id: string | undefined,
    correlation: string | undefined,
    after: string | undefined,
    binds: string | undefined,
    schema: number,
    how: number,
    settle: Settle<number>,
  ): string;
  /**
   * Gives the keys and rows of a store, in their order; with numbers, those beyond `after`. `"unwritten"`: the
   * rows that this page has not seen written, before it returns. `"recording"`: what was written down.
   */
  read(what: string, after: number, settle: Settle<any>): void;
  /** There is no database here: rows are kept by this journal. */
  keepIn(journal: Journal): void;
  /** Appends a row as it was left by another page. */
  adopt(row: Uint8Array, settle: Settle<number>): void;
  /**
   * Settles with a number of events or letters, or after a flush with its report; what is about recording does
   * not. `of` is the event, or with `user` the session that is wiped; all of them if it is left out.
   */
  ask(what: What, of: string | undefined, user: string | undefined, settle: Settle<any>): void;
  /**
   * Writes to the session's document, and returns the event's id at once; settles with how far the log is known. `how`
   * is 4 for a write that waits for a resolver if it loses.
   */
  set(writes: StateWrite[], how: number, settle: Settle<number>): string;
  /** What is shown of a key; or the keys that have a value. */
  state(key: string): Leaves | undefined;
  state(key: undefined): string[];
  /** Or the writes that have lost, and wait for a resolver. */
  state(key: null): Loser[];
  token(user: string, session: string, token: string | undefined): void;
  /**
   * A page hosts the coordinator: what is said to it is given to `post`, and what it says to the function that this gives. A
   * worker that is found meanwhile is `offered`; or nothing, if whoever hosts has been silent for long.
   */
  via(
    post: (message: Uint8Array) => void,
    offered: (worker: ServiceWorker | undefined) => void,
  ): (message: Uint8Array) => void;
  /** A worker hosts it again; or one is looked for. */
  back(worker: ServiceWorker | undefined): void;
  /** With a sink if there are tokens to be had. */
  identify(user: string, session: string, sink: Sink | undefined): void;
  close(closed: Settle<undefined>): void;
}

/** What a coordinator can be asked for. */
export type What =
  | "retry"
  | "discard"
  | "cancel"
  | "pause"
  | "resume"
  | "flush"
  | "pull"
  | "resolved"
  | "wipe"
  | "wipe-undelivered"
  | "record"
  | "record-bodies"
  | "record-end";

/**
 * A write: the key, `based` if it counts only on what it is built on, its JSON, which is empty for a deletion, and the
 * members on the way to the place.
 */
export type StateWrite = [key: string, based: "based" | "", json: string, ...path: string[]];

/** A write that has lost: its event, the page that made it, and each key with the JSON that was written. */
export type Loser = [id: string, page: string, writes: [key: string, json: string | undefined][]];

/** What stands in a key: the JSON of its value, or what is put together to one, in order. */
export type Leaves = string | Leaf[];

/** What stands at a place of a key: JSON, and the members on the way to it. */
export type Leaf = [json: string | undefined, ...path: string[]];

/** A row on disk, with its key. */
export type Row = [key: string | number, row: Uint8Array];

/** What an event may be beside its lane; `append` in the wasm's `api.rs` has the same numbers. */
export type How =
  /** It goes at once. */
  | 4
  /** It goes even if its prerequisite fails. */
  | 8
  /** A later one takes its place. */
  | 16
  /** It is a plain request. */
  | 32
  /** It takes the place of the queued event of its id. */
  | 64
  /** It takes the place of the event in the dead letter of its id. */
  | 128;
