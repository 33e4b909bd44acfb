// What the page's wasm and this package ask of one another. Types only.
//
// What always holds: texts, numbers, flags and callbacks cross, never the app's own objects.

import type { BellwetherEventMap, DeadLetter, Delivery, QueuedEvent, Status } from "./types.js";

/** Starts the page's wasm, once per page. */
export type Start = (input: { module_or_path: WebAssembly.Module | Response }) => Promise<unknown>;

/** What it exports. */
export interface ClientClass {
  /** Calls `opened` when the journal is open, or known not to be openable; within 3 s. */
  open(options: RawOptions, sink: Sink, opened: () => void): Client;
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
}

/** Called by the wasm with what happens; the names are the app's where the app hears of it as it is. */
export type Sink = <K extends keyof Happenings>(name: K, detail: Happenings[K]) => void;

export interface Happenings {
  ready: object;
  status: RawStatus;
  "dead-letter": BellwetherEventMap["dead-letter"]["detail"];
  "state-lost": BellwetherEventMap["state-lost"]["detail"];
  "reload-needed": BellwetherEventMap["reload-needed"]["detail"];
  error: Fault;
  /** To be answered by {@link Client.token}. */
  token: { user: string; session: string };
  /** Only with `debug`. */
  message: { out: boolean; name: string };
}

/** A status as the wasm tells it. */
export type RawStatus = Omit<Status, "reasons"> & {
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
  /** Returns the event's id at once; throws for an unfit event. Settles with its position. */
  append(
    type: string,
    data: string | undefined,
    key: string | undefined,
    id: string | undefined,
    correlation: string | undefined,
    schema: number,
    lane: 0 | 1 | 2,
    immediate: boolean,
    settle: Settle<number>,
  ): string;
  pending(settle: Settle<RawListed<QueuedEvent>[]>): void;
  /** In any order. */
  failed(settle: Settle<RawListed<DeadLetter>[]>): void;
  delivered(id: string, settle: Settle<RawDelivery>): void;
  /** Settles with a number of letters, or after a flush with its report. */
  ask(
    what: "retry" | "discard" | "pause" | "resume" | "flush",
    id: string | undefined,
    settle: Settle<any>,
  ): void;
  record(on: boolean, bodies: boolean): void;
  recording(settle: Settle<Uint8Array<ArrayBuffer>>): void;
  token(user: string, session: string, token: string | undefined): void;
  /** With a sink if there are tokens to be had. */
  identify(user: string, session: string, sink: Sink | undefined): void;
  close(closed: Settle<undefined>): void;
}

/** An event as it is listed, but with its data as JSON. */
export type RawListed<T> = Omit<T, "data"> & { readonly data: string | undefined };

/** An outcome as the wasm tells it, its result as JSON. */
export interface RawDelivery {
  readonly status: Delivery["status"];
  readonly offset: number | undefined;
  readonly result: string | undefined;
  readonly code: string | undefined;
  readonly message: string | undefined;
}
