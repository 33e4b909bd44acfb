// A page without a database (HOST-4): rows are kept by the pages themselves, and outlive them only in `localStorage`.
//
// What always holds:
// - the page's own client appends and reads as before, and the coordinator is the same;
// - what is promised is what the rung can: `status.storage` says which it is;
// - the line is let go of when the page is left, so that it may be brought back.
//
// A module of its own, loaded where there is no database, or none is allowed. Not here: who hosts; that is `seat.ts`.

import type { Inside } from "./inside.js";
import { Keep } from "./keep.js";
import { fields, textOf } from "./listing.js";
import { openLine } from "./line.js";
import type { Line } from "./line.js";
import { Replica } from "./replica.js";
import type { Store } from "./replica.js";
import { usableStorage } from "./storage.js";
import type { HostKind } from "./types.js";

/** Where the rows of a page are that has no database. */
export interface Below {
  readonly rung: HostKind;
  /** Makes this page the one that keeps them; `lost` is called if another is. */
  lead(epoch: number, lost: () => void): Promise<Store>;
  resign(): void;
}

/** Lets this page's rows be kept by the pages; one of the rungs `allowed` is taken. */
export function goBelow(inside: Inside, allowed: (rung: HostKind) => boolean): Below | undefined {
  const { asked, client, over, page } = inside;
  const { channel } = asked.raw;
  const storage = allowed("storage-mutex") ? usable() : undefined;
  const isAlone = !storage && !allowed("broadcast-vote");
  const name = `bellwether:${channel}:rows`;
  let line: Line | undefined;
  const open = () => {
    if (!isAlone) line = openLine(name, (data) => isSaid(data, page.id) && replica.receive(data.from, data.data));
  };
  let lost = () => {};
  const replica = new Replica({
    page: page.id,
    keep: storage && new Keep(storage, channel),
    say: (to, data) => line?.post({ to, from: page.id, data }),
    fenced: () => lost(),
  });
  open();
  const rung = storage ? "storage-mutex" : line ? "broadcast-vote" : "solo";
  if (!allowed(rung)) {
    replica.close();
    return undefined;
  }
  client.keepIn(replica.journal);
  replica.join();
  const leave = () => {
    line?.close();
    line = undefined;
  };
  const come = () => {
    if (line || over.aborted) return;
    open();
    replica.join();
  };
  addEventListener("pagehide", leave, { signal: over });
  addEventListener("pageshow", come, { signal: over });
  over.addEventListener("abort", () => {
    replica.close();
    leave();
  });
  return {
    rung,
    lead: (epoch, onLost) => {
      lost = onLost;
      return replica.lead(epoch);
    },
    resign: () => replica.resign(),
  };
}

/** A page that has a database takes in the events that pages without one have kept: they go where others go, too. */
export async function adoptKept({ asked, client, kit }: Inside): Promise<void> {
  const storage = readable();
  const keep = storage && new Keep(storage, asked.raw.channel);
  const rows = keep?.load()?.copy.pairs("journal") ?? [];
  const adopted = await Promise.allSettled(
    rows.map(([, row]) => kit.settled<number>((settle) => client.adopt(row as Uint8Array, settle))),
  );
  // Now that they are on disk. Who has kept another meanwhile keeps it; taken in twice, each is one event.
  keep?.forgetEvents(rows.filter((_, at) => adopted[at]!.status === "fulfilled"));
  const failed = adopted.find((it) => it.status === "rejected");
  if (failed) throw failed.reason;
}

/** Removes what a wipe removes from what pages without a database have kept; gives how many events and letters went. */
export function wipeKept(
  { asked }: Inside,
  session: string | undefined,
  user: string | undefined,
  undelivered: boolean,
): number {
  const storage = readable();
  if (!storage) return 0;
  return new Keep(storage, asked.raw.channel).wipe((change) => {
    if (!change) return session === undefined && undelivered;
    const [store, key, row] = change;
    if (store === "meta" || (!undelivered && UNDELIVERED.includes(store))) return false;
    if (session === undefined || store === "kv") return true;
    // What a user has not made alone goes with the session.
    if (store === "document") return user === undefined && `${key}`.startsWith(documentOf(session));
    if (store === "cursor" && user !== undefined) return false;
    const [at, found] = [SESSION_AT[store], fields(row as Uint8Array)];
    if (!at || !found || textOf(found, at) !== session) return false;
    return user === undefined || (textOf(found, at + 1) ?? "") === user;
  });
}

/** How the keys of a session's document begin. */
function documentOf(session: string): string {
  return `${new TextEncoder().encode(session).length} ${session} `;
}

function usable(): Storage | undefined {
  try {
    return usableStorage();
  } catch {
    return undefined;
  }
}

/** Whether it can be written to or not: a full one can be read, and emptied. */
function readable(): Storage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}

/** What is on the line is not believed to be ours; what is said in it the replica looks at. */
function isSaid(data: unknown, me: string): data is { from: string; data: unknown } {
  const { to, from } = (data ?? {}) as { to?: unknown; from?: unknown };
  return (to === "" || to === me) && typeof from === "string";
}

/** What stays, unless it is asked for. */
const UNDELIVERED = ["journal", "flight", "stream", "dead"];
/** The number of the field that names the session; the user's is the next one. */
const SESSION_AT: Record<string, number> = { journal: 1, flight: 1, stream: 1, dead: 1, cursor: 1, retained: 2, done: 3 };
