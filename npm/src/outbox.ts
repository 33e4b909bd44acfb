// The outbox's face: takes the app's objects apart, and puts the wasm's answers together.
//
// What always holds: one promise and one callback per event, and no timer of its own unless the app
// asked for one. Not here: any decision about the queue, and what `later.ts` adds for those who want it.

import { BellwetherError, appFault, named, settled } from "./errors.js";
import type { Inside } from "./inside.js";
import { later } from "./load.js";
import { checkLimits, checkU32, oneOf, text, unfit } from "./options.js";
import { Patience } from "./patience.js";
import type { Waiting } from "./patience.js";
import type {
  DeadLetter,
  Delivery,
  EnqueueOptions,
  NewEvent,
  Outbox,
  Priority,
  QueuedEvent,
  Receipt,
} from "./types.js";
import type { Client, How, Settle, What } from "./wasm.js";

export class PageOutbox implements Outbox {
  readonly #inside: Inside;
  readonly #client: Client;
  readonly #patience = new Patience();
  readonly #settlePosted: Settle<number>;

  /** `inside.stored` is told what came of each event, `inside.report` of those that nobody waits for. */
  constructor(inside: Inside) {
    this.#inside = inside;
    this.#client = inside.client;
    this.#settlePosted = (_, fault) => {
      inside.stored(fault);
      if (fault) inside.report(fault);
    };
  }

  /** `kind` is for {@link Outbox.request}. */
  enqueue(
    event: NewEvent,
    options: EnqueueOptions = DEFAULT,
    kind: 0 | (How & 32) = 0,
  ): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const receipt: Receipt = { id: "", position: 0 };
      const isUsual = options.timeoutMs === undefined && options.signal === undefined;
      const release = isUsual ? this.#wait(receipt, reject) : limit(options, receipt, reject);
      try {
        receipt.id = this.#append(event, options, kind, (position, fault) => {
          release();
          this.#inside.stored(fault);
          if (fault) return reject(named(fault));
          receipt.position = position;
          resolve(receipt);
        });
      } catch (cause) {
        release();
        reject(named(cause));
      }
    });
  }

  post(event: NewEvent, options: EnqueueOptions = DEFAULT): string {
    try {
      return this.#append(event, options, 0, this.#settlePosted);
    } catch (cause) {
      throw named(cause);
    }
  }

  async request(..._: Parameters<Outbox["request"]>): Promise<Receipt> {
    const message = 'this channel sends no plain requests: connect it with `deliver: "requests"`';
    throw appFault("not-supported", message);
  }

  async cancel(id: string): Promise<void> {
    await this.#ask("cancel", idOf(id));
  }

  replace(id: string, event: NewEvent): Promise<void> {
    return this.#change(id, event, 64);
  }

  edit(id: string, event: NewEvent): Promise<void> {
    return this.#change(id, event, 128);
  }

  async pending(): Promise<QueuedEvent[]> {
    return (await later()).pending(this.#inside);
  }

  async failed(): Promise<DeadLetter[]> {
    return (await later()).failed(this.#inside);
  }

  async retry(id?: string): Promise<number> {
    return this.#ask("retry", text("id", id));
  }

  async discard(id: string): Promise<void> {
    await this.#ask("discard", idOf(id));
  }

  async pause(): Promise<void> {
    await this.#ask("pause");
  }

  async resume(): Promise<void> {
    await this.#ask("resume");
  }

  async delivered(id: string): Promise<Delivery> {
    const of = idOf(id);
    return (await later()).delivered(this.#inside, of);
  }

  #ask(what: What, id?: string): Promise<number> {
    return settled((settle) => this.#client.ask(what, id, undefined, settle));
  }

  async #change(id: string, event: NewEvent, what: How): Promise<void> {
    const own = { ...checked(event), id: idOf(id) };
    if (event.id !== undefined && event.id !== id) {
      throw unfit("event.id", event.id, "the same id, or leave it out", "event-invalid");
    }
    await settled<number>((settle) => this.#append(own, DEFAULT, what, settle));
  }

  #append(
    event: NewEvent,
    options: EnqueueOptions,
    kind: number,
    settle: Settle<number>,
  ): string {
    const { type, data, key, id, correlationId, after, binds, schema = 0 } = checked(event);
    const { onPrerequisiteFailed, collapse } = event;
    const { priority, immediate } = options;
    let how = priority === undefined ? 1 : PRIORITIES.indexOf(priority);
    if (how < 0) oneOf("priority", priority, PRIORITIES);
    if (immediate) how |= 4;
    if (onPrerequisiteFailed === "release") how |= 8;
    if (collapse) how |= 16;
    return this.#client.append(
      type,
      data === undefined ? undefined : encode(data),
      key,
      id,
      correlationId,
      after,
      binds && JSON.stringify(binds),
      schema,
      how | kind,
      settle,
    );
  }

  #wait(receipt: Receipt, reject: (fault: Error) => void): () => void {
    const waiting: Waiting = { since: 0, expire: () => reject(silent(receipt, TIMEOUT_MS)) };
    this.#patience.add(waiting);
    return () => this.#patience.remove(waiting);
  }
}

/** Holds one call to the app's own time limit and signal; returns what ends that. */
function limit(
  options: EnqueueOptions,
  receipt: Receipt,
  reject: (fault: Error) => void,
): () => void {
  // A throw in here rejects the promise, before anything is stored.
  checkLimits(options);
  const { signal, timeoutMs = TIMEOUT_MS } = options;
  if (signal?.aborted) throw aborted(" before the call; nothing was stored", signal);
  const release = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  };
  const giveUp = (fault: BellwetherError) => {
    release();
    reject(fault);
  };
  const onAbort = () =>
    giveUp(aborted(`; event ${receipt.id} may be stored, and is then sent. ${AGAIN}`, signal!));
  const expire = () => giveUp(silent(receipt, timeoutMs));
  const timer = timeoutMs === Infinity ? undefined : setTimeout(expire, timeoutMs);
  signal?.addEventListener("abort", onAbort, { once: true });
  return release;
}

function aborted(when: string, signal: AbortSignal): BellwetherError {
  return appFault("aborted", `the signal fired${when}`, { cause: signal.reason });
}

function silent({ id }: Receipt, afterMs: number): BellwetherError {
  const told = `the disk did not answer within ${afterMs} ms`;
  const message = `${told}; event ${id} may be stored, and is then sent. ${AGAIN}`;
  return new BellwetherError("store-timeout", "browser", message);
}

/** The event, if each field is of its type. */
export function checked(event: NewEvent): NewEvent {
  const code = "event-invalid";
  if (typeof event !== "object" || event === null) {
    throw unfit("event", event, "an object with a `type`", code);
  }
  if (typeof event.type !== "string") throw unfit("event.type", event.type, "a string", code);
  text("event.key", event.key, code);
  text("event.id", event.id, code);
  text("event.correlationId", event.correlationId, code);
  text("event.after", event.after, code);
  checkU32("event.schema", event.schema, code);
  const { onPrerequisiteFailed, binds } = event;
  oneOf("event.onPrerequisiteFailed", onPrerequisiteFailed, ["bury", "release"], code);
  if (binds !== undefined) {
    const isPointer = (it: unknown) => typeof it === "string" && /^(\/|$)/.test(it);
    const fits = event.after && Object.entries(binds ?? "x").flat().every(isPointer);
    if (!fits) throw unfit("event.binds", binds, "JSON pointers, and `after`", code);
  }
  return event;
}

export function encode(data: unknown): string {
  let cause: unknown = typeof data;
  try {
    const json: string | undefined = JSON.stringify(data);
    if (json !== undefined) return json;
  } catch (failure) {
    cause = failure;
  }
  const message = `the event's \`data\` cannot be JSON (${cause}); give plain values`;
  throw appFault("data-invalid", message, { cause });
}

/** What was stored is JSON; should it not be, the text itself says more than nothing. */
export function decode(json: string | undefined): unknown {
  if (json === undefined) return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

function idOf(id: unknown): string {
  if (typeof id === "string") return id;
  throw unfit("id", id, "the id of an event, a string");
}

const PRIORITIES: readonly Priority[] = ["critical", "normal", "bulk"];
const DEFAULT: EnqueueOptions = {};
const TIMEOUT_MS = 5_000;
const AGAIN = "Enqueueing it again with the same `id` is safe";
