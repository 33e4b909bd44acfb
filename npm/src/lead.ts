// The machines by which pages elect one of them, or take turns, where the browser has no locks, with what drives them.
//
// What always holds: the wasm is loaded once; a failed loading is forgotten. A module of its own, loaded where it is needed.

import startWasm, { Lease, Mutex, Vote, raise } from "./bellwether_lead.js";
import { Campaign } from "./campaign.js";
import type { Candidate } from "./campaign.js";
import type { Election } from "./election.js";
import type { Line } from "./line.js";
import { byMutex as byMutexOf } from "./mutex.js";
import type { Asking, Release } from "./mutex.js";
import { databaseRow, storageRow } from "./row.js";
import type { SharedRow } from "./row.js";

let starting: Promise<unknown> | undefined;

/** Loads the wasm, before anything else here is called. */
export function start(): Promise<unknown> {
  starting ??= load().catch((cause: unknown) => {
    starting = undefined;
    throw cause;
  });
  return starting;
}

/** One asking for a lock; gives nothing if it was given up. */
export function byMutex(asking: Asking): Promise<Release | undefined> {
  return byMutexOf(() => new Mutex(Math.random()), asking);
}

/** What raises the epoch of a role in a row of the channel's database, for whoever has been elected otherwise. */
export function raiser({ build, channel, heard, me, role }: Candidate): () => Promise<number> {
  const row = databaseRow(`bellwether:${channel}`, `elected:${role}`);
  return async () => {
    let epoch = 0;
    await row.change((found) => {
      const [raisedTo, raised] = raise(Date.now(), me, build, heard(), found);
      epoch = raisedTo;
      return raised;
    });
    return epoch;
  };
}

/** Elections by a lease in a row of the channel's database. */
export function byDatabase(candidate: Candidate): Election {
  const { channel, role } = candidate;
  return byLease(candidate, databaseRow(`bellwether:${channel}`, `elected:${role}`));
}

/** Elections by a lease in an item of `localStorage`, which is swapped under a lock. */
export function byStorage(candidate: Candidate): Election {
  const { channel, over, role } = candidate;
  return byLease(candidate, storageRow(`bellwether:${channel}:elected:${role}`, byMutex, over));
}

/** Elections by a vote of the pages that hear one another. */
export function byVote(
  candidate: Candidate,
  open: (hear: (data: unknown) => void) => Line,
): Election {
  const { build, heard, me } = candidate;
  const make = (mono: number, wall: number) => new Vote(mono, wall, me, build, heard(), Math.random());
  return new Campaign(make, undefined, open);
}

function byLease(candidate: Candidate, row: SharedRow): Election {
  const { build, heard, me } = candidate;
  const make = (mono: number, wall: number) => new Lease(mono, wall, me, build, heard(), Math.random());
  return new Campaign(make, row);
}

async function load(): Promise<void> {
  const url = new URL("./bellwether_lead_bg.wasm", import.meta.url).href;
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_MS_MAX) });
  if (!response.ok) throw new Error(`${url}: the answer was ${response.status}`);
  await startWasm({ module_or_path: response });
}

const DOWNLOAD_MS_MAX = 30_000;
