// The outbox's face: takes the app's objects apart, and puts the wasm's answers together.
//
// What always holds: one promise and one callback per event, and no timer of its own unless the app
// asked for one. Not here: any decision about the queue.

import { BellwetherError, appFault, named, settled } from "./errors.js";
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
import type { Client, Fault, RawDelivery, RawListed, Settle } from "./wasm.js";

export class PageOutbox implements Outbox {
  readonly #client: Client;
  readonly #patience = new Patience();
  readonly #settlePosted: Settle<number>;

  /** `report` is told of events that were posted and could not be stored. */
  constructor(client: Client, report: (fault: Fault) => void) {
    this.#client = client;
    this.#settlePosted = (_, fault) => fault && report(fault);
  }

  enqueue(event: NewEvent, options: EnqueueOptions = DEFAULT): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const receipt: Receipt = { id: "", position: 0 };
      const isUsual = options.timeoutMs === undefined && options.signal === undefined;
      const release = isUsual ? this.#wait(receipt, reject) : limit(options, receipt, reject);
      try {
        receipt.id = this.#append(event, options, (position, fault) => {
          release();
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
      return this.#append(event, options, this.#settlePosted);
    } catch (cause) {
      throw named(cause);
    }
  }

  async pending(): Promise<QueuedEvent[]> {
    const events = await settled<RawListed<QueuedEvent>[]>((settle) => this.#client.pending(settle));
    return events.map(decoded);
  }

  async failed(): Promise<DeadLetter[]> {
    const letters = await settled<RawListed<DeadLetter>[]>((settle) => this.#client.failed(settle));
    return letters.map(decoded).sort((one, other) => one.buriedAt - other.buriedAt);
  }

  retry(id?: string): Promise<number> {
    return settled((settle) => this.#client.ask("retry", text("id", id), settle));
  }

  async discard(id: string): Promise<void> {
    await settled((settle) => this.#client.ask("discard", idOf(id), settle));
  }

  async pause(): Promise<void> {
    await settled((settle) => this.#client.ask("pause", undefined, settle));
  }

  async resume(): Promise<void> {
    await settled((settle) => this.#client.ask("resume", undefined, settle));
  }

  async delivered(id: string): Promise<Delivery> {
    const { status, offset, result, code, message } = await settled<RawDelivery>((settle) =>
      this.#client.delivered(idOf(id), settle),
    );
    const delivery: Delivery = { id, status };
    if (offset !== undefined) delivery.offset = offset;
    if (result !== undefined) delivery.result = decode(result);
    if (code !== undefined) delivery.error = { code, message: message ?? "" };
    return delivery;
  }

  #append(
    event: NewEvent,
    options: EnqueueOptions,
    settle: Settle<number>,
  ): string {
    const { type, data, key, id, correlationId, schema = 0 } = checked(event);
    const { priority, immediate = false } = options;
    const lane = priority === undefined ? 1 : PRIORITIES.indexOf(priority);
    if (lane < 0) oneOf("priority", priority, PRIORITIES);
    const body = data === undefined ? undefined : encode(data);
    const raw = lane as 0 | 1 | 2;
    return this.#client.append(
      type,
      body,
      key,
      id,
      correlationId,
      schema,
      raw,
      !!immediate,
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
function checked(event: NewEvent): NewEvent {
  const code = "event-invalid";
  if (typeof event !== "object" || event === null) {
    throw unfit("event", event, "an object with a `type`", code);
  }
  if (typeof event.type !== "string") throw unfit("event.type", event.type, "a string", code);
  text("event.key", event.key, code);
  text("event.id", event.id, code);
  text("event.correlationId", event.correlationId, code);
  checkU32("event.schema", event.schema, code);
  return event;
}

function encode(data: unknown): string {
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
function decoded<T extends { readonly data: string | undefined }>(raw: T) {
  return { ...raw, data: decode(raw.data) };
}

function decode(json: string | undefined): unknown {
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
