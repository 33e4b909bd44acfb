// What the page's wasm and this package ask of one another. Types only.
//
// What always holds: texts, numbers, flags and callbacks cross, never the app's own objects.

import type { DeadLetter, QueuedEvent } from "./types.js";

/** What the page's wasm exports: the default export starts it, once per page. */
export interface PageModule {
  default(input: { module_or_path: WebAssembly.Module | Response }): Promise<unknown>;
  Client: ClientClass;
}

export interface ClientClass {
  /** Resolves when the journal is open, or known not to be openable; within 3 s. */
  open(options: RawOptions, sink: Sink): Promise<Client>;
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

/** Called by the wasm. */
export interface Sink {
  /** Makes the error that the wasm throws or rejects with. */
  fault(code: string, culprit: string, message: string, cause: unknown): Error;
  status(
    host: string,
    /** Why no better host could be had, a sentence per line; `""` if there is nothing to say. */
    reason: string,
    epoch: number,
    sync: string,
    /** Why delivery stands still; `""` if it does not. */
    blocked: string,
    connection: string,
    online: boolean,
    pages: number,
    pending: number,
    dead: number,
    /** Milliseconds since the Unix epoch; 0 for none. */
    nextAttemptAt: number,
    paused: boolean,
    /** `""` until a coordinator has answered. */
    workerBuild: string,
    protocol: number,
  ): void;
  ready(): void;
  deadLetter(id: string, type: string, code: string, message: string, tries: number): void;
  stateLost(what: string, from: string, to: string): void;
  reloadNeeded(build: string, message: string): void;
  error(error: Error): void;
  token(user: string, session: string): Promise<string | undefined>;
  /** Only with `debug`. */
  log(direction: "in" | "out" | "note", text: string): void;
}

/** A page's client of the coordinator. */
export interface Client {
  id(): string;
  /** Returns the event's id at once; throws for an unfit event. `settle` is called once. */
  append(
    type: string,
    data: string | undefined,
    key: string | undefined,
    id: string | undefined,
    correlation: string | undefined,
    schema: number,
    lane: 0 | 1 | 2,
    immediate: boolean,
    settle: (position: number, fault: Error | undefined) => void,
  ): string;
  pending(): Promise<RawListed<QueuedEvent>[]>;
  failed(): Promise<RawListed<DeadLetter>[]>;
  delivered(
    id: string,
    settle: (
      status: string,
      /** 0 for none. */
      offset: number,
      result: string | undefined,
      code: string,
      message: string,
      fault: Error | undefined,
    ) => void,
  ): void;
  retry(id: string | undefined): Promise<number>;
  discard(id: string): Promise<void>;
  pause(on: boolean): Promise<void>;
  flush(): Promise<{ delivered: number; pending: number; dead: number }>;
  identify(user: string, session: string, hasToken: boolean): Promise<void>;
  close(): Promise<void>;
}

/** An event as it is listed, but with its data as JSON. */
export type RawListed<T> = Omit<T, "data"> & { readonly data: string | undefined };
