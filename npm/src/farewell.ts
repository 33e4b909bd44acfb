// What a page leaves that has no worker to leave it to (OUT-8).
//
// ```text
// critical event ─▶ on disk ─▶ ticket, by the page's token ──┐ in memory
//                                                            ▼
// pagehide ─┬─ critical events, and what goes before them ─▶ beacon ─▶ server
//           └─ what is not yet on disk ─▶ localStorage ─▶ the next page ─▶ journal
// ```
//
// What always holds:
// - a ticket is in memory only; so is whatever was made of a token;
// - what goes by the beacon stays in the journal: whoever hosts brings it again, and the server knows its id;
// - of a lane and key all goes, or nothing: the server would not put it in order;
// - what is enqueued after the page was left is left as well, as it comes;
// - a cell that is not whole, or not ours, is removed and stored nowhere.

import { base64, bytesOf } from "./base64.js";
import { read, write } from "./cbor.js";
import type { Inside } from "./inside.js";
import { fields, queued, rows, textOf } from "./listing.js";
import type { Queued } from "./listing.js";

/** Tickets for one user and session. */
interface Tickets {
  readonly session: string;
  readonly user: string;
  readonly device: Uint8Array;
  readonly left: Uint8Array[];
  /** By this page's own clock. */
  readonly until: number;
}

/** From here on this page's last moments are prepared for, as long as it has no worker. */
export function prepareFarewell(inside: Inside): void {
  const { asked, client, over, page } = inside;
  const { server, requests } = asked.raw;
  const critical: Queued[] = [];
  let device: Uint8Array | undefined;
  let tickets: Tickets | undefined;
  let through = -1;
  let triedAt = -Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isAtWork = false;
  let isWanted = false;
  /** It is left, and may not be there for what is done next. */
  let isAway = false;
  /** The ids that were sent since then. */
  const told = new Set<string | undefined>();

  const isAlone = () => page.status.host !== "service-worker";
  const isMine = ({ session, user, lane }: Queued) =>
    lane === 0 && session === asked.raw.session && user === asked.raw.user;
  const isGood = (it: Tickets | undefined): it is Tickets =>
    it?.session === asked.raw.session &&
    it.user === asked.raw.user &&
    it.left.length > 0 &&
    performance.now() < it.until;

  /** One at a time, and once more for what came meanwhile. */
  const prepare = async () => {
    isWanted = true;
    if (isAtWork || server === "" || requests) return;
    isAtWork = true;
    while (isWanted && isAlone() && !over.aborted) {
      isWanted = false;
      // A disk or a server that does not answer leaves things as they are.
      await look().catch(() => {});
    }
    isAtWork = false;
  };

  const look = async () => {
    for (const [key, row] of await rows(inside, "journal", through)) {
      through = Math.max(through, Number(key));
      const found = queued(key, row);
      if (found?.lane === 0) critical.push(found);
    }
    if (!critical.some(isMine) || isGood(tickets)) return;
    if (performance.now() - triedAt < AGAIN_MS) return;
    triedAt = performance.now();
    device ??= await deviceOf(inside);
    tickets = await fetchTickets(inside, device);
    clearTimeout(timer);
    if (tickets) timer = setTimeout(prepare, Math.max(tickets.until - performance.now(), AGAIN_MS));
  };

  const leave = () => {
    isAway = true;
    if (!isAlone()) return;
    let unwritten: Uint8Array[] = [];
    client.read("unwritten", 0, (found) => (unwritten = found));
    store(start(asked.raw.channel) + page.id, unwritten);
    if (!isGood(tickets)) return;
    const last = unwritten.map((row, at) => queued(Number.MAX_SAFE_INTEGER - unwritten.length + at, row));
    const all = [...critical, ...last].filter((it) => it !== undefined && isMine(it)) as Queued[];
    const going = chosen(all);
    if (going.every(({ event }) => told.has(textOf(event, 0)))) return;
    for (const { event } of going) told.add(textOf(event, 0));
    const events = going.map(({ sealed }) => sealed);
    const { session, user, device } = tickets;
    const body = write([[1, 1], tickets.left.pop()!, device, session, user, events]);
    const url = at(server, "farewell");
    // Without a type, so that a server of another origin is not asked for leave beforehand.
    if (navigator.sendBeacon?.(url, new Blob([body]))) return;
    fetch(url, { method: "POST", body, keepalive: true, credentials: "omit" }).catch(() => {});
  };

  // What the app's own listeners enqueue comes after this one, and may be on its way to the disk when the page dies.
  const { append, set } = client;
  const noted = <T>(id: T): T => {
    if (isAway && !over.aborted) leave();
    return id;
  };
  client.append = (...how) => noted(append.apply(client, how));
  client.set = (...how) => noted(set.apply(client, how));

  const leaveAnew = () => {
    told.clear();
    leave();
  };
  addEventListener("pagehide", leaveAnew, { signal: over });
  const comeBack = () => {
    isAway = false;
    // What it has left is its own again, to be stored or cancelled.
    remove(start(asked.raw.channel) + page.id);
  };
  addEventListener("pageshow", comeBack, { signal: over });
  page.addEventListener("status", prepare, { signal: over });
  over.addEventListener("abort", () => clearTimeout(timer));
  void prepare();
}

/** Takes in what pages without a worker have left, in the order in which it was made. */
export function adopt(inside: Inside): void {
  const { asked, client, kit, report } = inside;
  const { channel } = asked.raw;
  for (const cell of cells(channel)) {
    const left = whole(localStorage.getItem(cell) ?? "");
    if (!left) {
      localStorage.removeItem(cell);
      report(kit.appFault("left-unreadable", `what a closing page had left in "${cell}" cannot be read, and was removed`));
      continue;
    }
    const adopted = left.map((row) => kit.settled<number>((settle) => client.adopt(row, settle)));
    // Until it is on disk it stays; taken in twice, it is one event.
    Promise.all(adopted).then(() => localStorage.removeItem(cell), report);
  }
}

/** Removes what was left of a session and a user; all of it without them. */
export function forget(channel: string, session?: string, user?: string): void {
  for (const cell of cells(channel)) {
    const stays = (row: Uint8Array) => {
      const of = queued(1, row);
      return of?.session !== session || (user !== undefined && of?.user !== user);
    };
    const left = session === undefined ? [] : (whole(localStorage.getItem(cell) ?? "") ?? []).filter(stays);
    remove(cell);
    store(cell, left);
  }
}

/** What goes by one beacon: for each key all or nothing, the key of the newest event first. */
function chosen(events: readonly Queued[]): Queued[] {
  const byKey = new Map<string | undefined, Queued[]>();
  for (const event of events) {
    const key = textOf(event.event, 3);
    const same = byKey.get(key) ?? [];
    byKey.delete(key);
    byKey.set(key, [...same, event]);
  }
  let bytes = 0;
  let picked: Queued[] = [];
  for (const same of [...byKey.values()].reverse()) {
    const more = same.reduce((sum, { sealed }) => sum + sealed.length + OVERHEAD_BYTES, bytes);
    if (more > EVENTS_BYTES_MAX || picked.length + same.length > EVENTS_MAX) continue;
    bytes = more;
    picked = [...picked, ...same];
  }
  return picked.sort((one, other) => one.position - other.position);
}

async function fetchTickets(inside: Inside, device: Uint8Array): Promise<Tickets | undefined> {
  const { session, user, server, hasToken } = inside.asked.raw;
  const token = await inside.token(user, session);
  if (hasToken && token === undefined) return undefined;
  const sentAt = performance.now();
  const response = await fetch(at(server, "tickets"), {
    method: "POST",
    headers: {
      "content-type": "application/cbor",
      accept: "application/cbor",
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: write([[1, 1], device, session, user]),
    credentials: "omit",
    redirect: "error",
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  if (!response.ok) return undefined;
  const answer = read(new Uint8Array(await response.arrayBuffer()));
  const [left, expiresAt, now] = answer as [Uint8Array[], number, number];
  const until = sentAt + expiresAt - now;
  const isWhole = left.every((it) => it instanceof Uint8Array) && until > sentAt;
  return isWhole ? { session, user, device, left, until } : undefined;
}

/** The device's id; where none was minted yet, one for this page's life. */
async function deviceOf(inside: Inside): Promise<Uint8Array> {
  const meta = await rows(inside, "meta").catch(() => []);
  const row = meta.find(([key]) => key === "device")?.[1];
  const id = row instanceof Uint8Array && fields(row)?.get(1);
  return id instanceof Uint8Array ? id : crypto.getRandomValues(new Uint8Array(16));
}

function store(cell: string, rows: readonly Uint8Array[]): void {
  let bytes = 0;
  const kept = rows.filter((row) => (bytes += row.length) <= LEFT_BYTES_MAX).map(base64);
  if (kept.length === 0) return;
  try {
    localStorage.setItem(cell, JSON.stringify([FORMAT, sum(kept), ...kept]));
  } catch {
    // There is no room, or no storage: these events were not durable yet, and nobody was told they are.
  }
}

function remove(cell: string): void {
  try {
    localStorage.removeItem(cell);
  } catch {
    // There is no storage, so nothing is in it.
  }
}

/** The rows in a cell; `undefined` if it is not whole, or not ours. */
function whole(text: string): Uint8Array[] | undefined {
  try {
    if (text.length > LEFT_BYTES_MAX * 2) return undefined;
    const [format, told, ...kept] = JSON.parse(text) as [unknown, unknown, ...string[]];
    if (format !== FORMAT || told !== sum(kept) || kept.length === 0) return undefined;
    const left = kept.map(bytesOf);
    return left.every((row) => queued(1, row)) ? left : undefined;
  } catch {
    return undefined;
  }
}

function cells(channel: string): string[] {
  return items(start(channel));
}

/** The names in `localStorage` that begin so. */
export function items(start: string): string[] {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(start));
  } catch {
    return [];
  }
}

/** FNV-1a, by which half of a cell is told from a whole one. */
function sum(texts: readonly string[]): number {
  let hash = 0x811c9dc5;
  for (const letter of texts.join()) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return hash >>> 0;
}

function at(server: string, path: string): string {
  return `${server.replace(/\/+$/, "")}/v1/${path}`;
}

/** `page.ts` looks for the same. */
function start(channel: string): string {
  return `bellwether:left:${encodeURIComponent(channel)}:`;
}

const FORMAT = "bellwether-left-1";
/** As a journal row, before base64. */
const LEFT_BYTES_MAX = 64 * 1024;
/** A farewell has at most 64 KiB; what is not events in it fits in the rest. */
const EVENTS_BYTES_MAX = 62 * 1024;
const OVERHEAD_BYTES = 5;
const EVENTS_MAX = 64;
const ANSWER_MS_MAX = 15_000;
/** After a ticket was asked for in vain. */
const AGAIN_MS = 30_000;
