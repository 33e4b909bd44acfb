// The one error class of the package, and the names of what can go wrong.
//
// What always holds: a code keeps its meaning for ever, and every failure the app can see is a
// `BellwetherError`. Not here: what is said of faults found in the wasm; that comes with them.

import type { Fault, Settle } from "./wasm.js";

/**
 * Stable names of what can go wrong. The package's README has a line on each.
 *
 * A name is never reused for another meaning; later releases may add more.
 */
export type ErrorCode =
  // The app asked for something that cannot be.
  | "option-invalid"
  | "channel-open"
  | "event-invalid"
  | "data-invalid"
  | "state-invalid"
  | "state-refused"
  | "resolver-failed"
  | "log-gap"
  | "request-invalid"
  | "seal-failed"
  | "open-failed"
  | "migrate-failed"
  | "left-unreadable"
  | "outbox-too-large"
  | "letter-unknown"
  | "event-unknown"
  | "already-sealed"
  | "not-supported"
  | "aborted"
  | "closed"
  | "lock-timeout"
  | "exclusive-failed"
  | "task-unknown"
  | "task-failed"
  | "task-timeout"
  // A bound is reached.
  | "outbox-full"
  | "dead-letters-full"
  | "dead-letter-dropped"
  | "tasks-full"
  // The browser, its disk included.
  | "store-quota"
  | "store-timeout"
  | "store-unavailable"
  | "store-closed"
  | "store-blocked"
  | "store-failed"
  | "lock-unavailable"
  | "lock-lost"
  | "wasm-unavailable"
  | "module-unavailable"
  | "signing-failed"
  | "stream-torn"
  // The coordinator, other pages, other versions.
  | "host-unavailable"
  | "leader-unavailable"
  | "coordinator-silent"
  | "page-unknown"
  | "reload-needed"
  | "fenced"
  | "stream-forked"
  // The server.
  | "server-misbehaved"
  // Bellwether itself.
  | "internal";

/**
 * Who has to act: the app's developers, whoever runs the server, a page of another version, the
 * browser (its disk included), or Bellwether's developers.
 */
export type Culprit = "app" | "server" | "peer" | "browser" | "us";

/**
 * Every failure of this package.
 *
 * Tell them apart by `code`; `message` is for people, says what to do, and may change.
 *
 * @example
 * try {
 *   await bw.outbox.enqueue({ type: "todo.added", data: { title } });
 * } catch (error) {
 *   if (error instanceof BellwetherError && error.code === "store-quota") askForSpace();
 *   else throw error;
 * }
 */
export class BellwetherError extends Error {
  override readonly name = "BellwetherError";
  /** What happened, by its stable name. */
  readonly code: ErrorCode;
  /** Who has to act. */
  readonly culprit: Culprit;
  /**
   * Whether the same call may succeed later, unchanged. After `"store-timeout"` the event may have
   * been stored: repeat it with the same `id`.
   */
  readonly retryable: boolean;

  constructor(code: ErrorCode, culprit: Culprit, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.culprit = culprit;
    this.retryable = RETRYABLE.includes(code);
  }
}

/** A fault of the app's. */
export function appFault(
  code: ErrorCode,
  message: string,
  options?: ErrorOptions,
): BellwetherError {
  return new BellwetherError(code, "app", message, options);
}

/** The failure as the app sees it: one that has no name yet is a fault of our own. */
export function named(cause: unknown): BellwetherError {
  if (cause instanceof BellwetherError) return cause;
  if (isFault(cause)) {
    const { code, culprit, message } = cause;
    return new BellwetherError(code as ErrorCode, culprit as Culprit, message);
  }
  const message = `Bellwether itself failed (${cause}); reload the page, and report it`;
  return new BellwetherError("internal", "us", message, { cause });
}

/** Makes a promise of a call to the wasm that settles. */
export function settled<T>(call: (settle: Settle<T>) => void): Promise<T> {
  return naming(
    () =>
      new Promise((resolve, reject) => {
        call((value, fault) => (fault ? reject(fault) : resolve(value)));
      }),
  );
}

/** Makes every failure of `call` a `BellwetherError`. */
export async function naming<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw named(cause);
  }
}

// An error of JavaScript's own has no culprit.
function isFault(cause: unknown): cause is Fault {
  return typeof (cause as Fault | undefined)?.culprit === "string";
}

const RETRYABLE: readonly ErrorCode[] = [
  "outbox-full",
  "lock-timeout",
  "task-unknown",
  "task-timeout",
  "tasks-full",
  "store-quota",
  "store-timeout",
  "store-closed",
  "store-failed",
  "wasm-unavailable",
  "module-unavailable",
  "host-unavailable",
  "leader-unavailable",
  "coordinator-silent",
  "page-unknown",
  "fenced",
];
