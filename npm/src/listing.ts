// What is on disk, read by the page itself: events that wait, and dead letters.
//
// What always holds: a row that cannot be read, or that a newer build has written, hides no other. The
// fields have the numbers that `shared/src/rows` and `shared/src/wire/event.rs` give them, where they never
// change; the tests read the bytes that are kept there.

import { read } from "./cbor.js";
import type { Cbor } from "./cbor.js";
import type { Inside } from "./inside.js";
import type { DeadLetter, Priority, QueuedEvent } from "./types.js";
import type { Row } from "./wasm.js";

type Fields = Map<number, Cbor>;

/** Of a journal row what the page has to do with. */
export interface Queued {
  readonly position: number;
  readonly session: string;
  readonly user: string;
  readonly lane: number;
  /** The event as it is sent. */
  readonly sealed: Uint8Array;
  readonly event: Fields;
}

/** Events that the server has not answered, in the order of appending. */
export async function pending(inside: Inside): Promise<QueuedEvent[]> {
  const flights = await rows(inside, "flight");
  const sealed = flights.flatMap(([, row]) => spans(fields(row)));
  const events: QueuedEvent[] = [];
  for (const [key, row] of await rows(inside, "journal")) {
    const found = queued(key, row);
    if (!found) continue;
    const { position, event } = found;
    const isSending = sealed.some(([from, through]) => from <= position && position <= through);
    events.push({
      ...(await shown(inside, event, found)),
      position,
      correlationId: textOf(event, 9),
      after: textOf(event, 10),
      state: isSending ? "sending" : "durable",
      appendedAt: numberOf(event, 8),
    });
  }
  return events;
}

/** Dead letters, the oldest first. Of one that cannot be read there is nothing but its id. */
export async function failed(inside: Inside): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for (const [key, row] of await rows(inside, "dead")) {
    const dead = fields(row);
    if (!dead) continue;
    const [code, message] = dead.get(5) as [string, string];
    const sealed = dead.get(4);
    const event = (sealed instanceof Uint8Array && eventOf(sealed)) || new Map([[0, String(key)]]);
    const of = { session: "", user: "", lane: 1, ...(event.has(2) && belonging(dead)) };
    letters.push({
      ...(await shown(inside, event, of)),
      code,
      message,
      tries: numberOf(dead, 6),
      buriedAt: numberOf(dead, 7),
    });
  }
  return letters.sort((one, other) => one.buriedAt - other.buriedAt);
}

/** The rows of a store beyond a number. */
export function rows({ client, kit }: Inside, store: string, after = -1): Promise<Row[]> {
  return kit.settled((settle) => client.read(store, after, settle));
}

/** A row of the journal, if it can be read. */
export function queued(position: string | number, row: Uint8Array): Queued | undefined {
  const found = fields(row);
  const sealed = found?.get(4);
  if (!found || !(sealed instanceof Uint8Array) || typeof position !== "number") return undefined;
  const event = eventOf(sealed);
  return event && { position, sealed, event, ...belonging(found) };
}

/** The text in a field; `undefined` if there is none. */
export function textOf(of: Fields, field: number): string | undefined {
  const value = of.get(field);
  return typeof value === "string" ? value : undefined;
}

/** The fields of a row, if it is of a version that this build reads. */
export function fields(row: Uint8Array): Fields | undefined {
  const found = mapOf(row);
  return found?.get(0) === ROW_VERSION ? found : undefined;
}

function eventOf(sealed: Uint8Array): Fields | undefined {
  const event = mapOf(sealed);
  return event && typeof event.get(0) === "string" ? event : undefined;
}

function mapOf(bytes: Uint8Array): Fields | undefined {
  try {
    const found = read(bytes);
    return found instanceof Map ? found : undefined;
  } catch {
    return undefined;
  }
}

function belonging(row: Fields): { session: string; user: string; lane: number } {
  const [session = "", user = ""] = [textOf(row, 1), textOf(row, 2)];
  return { session, user, lane: numberOf(row, 3) };
}

// A flight is sealed, and so is the one behind it.
function spans(flight: Fields | undefined): [from: number, through: number][] {
  const [kind, source] = (flight?.get(7) ?? []) as [number?, [[number, number][]]?];
  const ahead = flight?.get(15);
  const behind = ahead instanceof Map ? (ahead.get(1) as [number, number][]) : [];
  return [...((kind === 0 && source?.[0]) || []), ...behind];
}

async function shown(
  inside: Inside,
  event: Fields,
  { session, user, lane }: { session: string; user: string; lane: number },
) {
  const [id = "", type = ""] = [textOf(event, 0), textOf(event, 2)];
  const data = await opened(inside, event.get(4), { id, type });
  const priority = PRIORITIES[lane] ?? "normal";
  return { id, type, key: textOf(event, 3), data, priority, session, user };
}

async function opened(inside: Inside, data: unknown, of: { id: string; type: string }) {
  if (!(data instanceof Uint8Array)) return undefined;
  const { kit, report } = inside;
  const { encrypt } = inside.asked;
  const value = kit.decode(new TextDecoder().decode(data));
  const sealed = (value as Sealed | null)?.[SEALED];
  if (!encrypt || typeof sealed !== "string") return value;
  try {
    return kit.decode(await encrypt.open(sealed, of));
  } catch (cause) {
    const message = `event ${of.id} could not be opened by \`encrypt.open\` (${cause}); it is listed sealed`;
    report(kit.appFault("open-failed", message, { cause }));
    return value;
  }
}

function numberOf(of: Fields, field: number): number {
  const value = of.get(field);
  return typeof value === "number" ? value : 0;
}

/** What stands for data that the app has sealed. */
export interface Sealed {
  readonly [SEALED]: string;
}
export const SEALED = "$sealed";

const ROW_VERSION = 1;
const PRIORITIES: readonly Priority[] = ["critical", "normal", "bulk"];
