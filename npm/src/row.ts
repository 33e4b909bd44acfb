// A row that pages share, and change by compare-and-swap alone.
//
// What always holds: a swap that is told to be made was made in one go, and one that is told to differ has written nothing. One
// that fails may have been made.

import type { Asking, Release } from "./mutex.js";

export interface SharedRow {
  read(): Promise<Uint8Array | undefined>;
  /** Writes `row` if what is there is `expected`, byte for byte. */
  swap(expected: Uint8Array | undefined, row: Uint8Array): Promise<Swap>;
  /** Calls `changed` when another page may have changed it, as far as the browser tells. */
  watch?(changed: () => void, signal: AbortSignal): void;
}

export type Swap = { isMade: true } | { isMade: false; found: Uint8Array | undefined };

/** One that can also be changed by what stands in it, in one go. */
export interface DatabaseRow extends SharedRow {
  /** Writes what `change` gives for the row that is there, if it gives anything; gives what was there. */
  change(change: (found: Uint8Array | undefined) => Uint8Array | undefined): Promise<Uint8Array | undefined>;
}

/** A row of the store `lease`. The database is opened for each use: so it stands in nobody's way, and no handle can die. */
export function databaseRow(database: string, key: string): DatabaseRow {
  const use = async (mode: IDBTransactionMode, change: (found: Uint8Array | undefined) => Uint8Array | undefined) => {
    const db = await open(database);
    try {
      return await new Promise<Uint8Array | undefined>((resolve, reject) => {
        const transaction = db.transaction("lease", mode, { durability: "relaxed" });
        const lease = transaction.objectStore("lease");
        let found: Uint8Array | undefined;
        const reading = lease.get(key);
        reading.onsuccess = () => {
          found = bytes(reading.result);
          const row = change(found);
          if (row) lease.put(row, key);
        };
        transaction.oncomplete = () => resolve(found);
        transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      db.close();
    }
  };
  return {
    read: () => use("readonly", () => undefined),
    change: (change) => use("readwrite", change),
    async swap(expected, row) {
      const found = await use("readwrite", (found) => (same(found, expected) ? row : undefined));
      return same(found, expected) ? { isMade: true } : { isMade: false, found };
    },
  };
}

/** An item of `localStorage`, which pages swap one after the other: a lock is taken for it, as far as there are such. Until `over`. */
export function storageRow(
  item: string,
  lock: (asking: Asking) => Promise<Release | undefined>,
  over: AbortSignal,
): SharedRow {
  const read = () => {
    const text = localStorage.getItem(item);
    return text === null ? undefined : Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  };
  const swapNow = (expected: Uint8Array | undefined, row: Uint8Array): Swap => {
    const found = read();
    if (!same(found, expected)) return { isMade: false, found };
    localStorage.setItem(item, Array.from(row, (byte) => String.fromCharCode(byte)).join(""));
    return { isMade: true };
  };
  // A page that is left, frozen or closed may die under the lock, and does not ask for it: what it still has to write is that it
  // lets go. Where another writes in the same instant one of the two is lost, and found out by the next look.
  let isLeft = over.aborted;
  const note = (left: boolean) => () => (isLeft = left);
  for (const [target, type, left] of [
    [window, "pagehide", true],
    [document, "freeze", true],
    [window, "pageshow", false],
    [document, "resume", false],
  ] as const) {
    target.addEventListener(type, note(left), { signal: over });
  }
  over.addEventListener("abort", note(true));
  return {
    read: async () => read(),
    async swap(expected, row) {
      if (isLeft) return swapNow(expected, row);
      const { signal } = new AbortController();
      const release = await lock({ key: item, limits: LIMITS, signal });
      if (!release) throw new Error(`${item} is locked`);
      try {
        return swapNow(expected, row);
      } finally {
        release();
      }
    },
    watch(changed, signal) {
      // Without a key all items were removed.
      const look = ({ key }: StorageEvent) => (key === item || key === null) && changed();
      addEventListener("storage", look, { signal });
    },
  };
}

/** The page's journal has made it; one that is not there is not made here. */
function open(database: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(database);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      reject(new Error("the database does not open"));
    }, OPEN_MS_MAX);
    opening.onupgradeneeded = () => opening.transaction?.abort();
    opening.onerror = () => {
      clearTimeout(timer);
      reject(opening.error);
    };
    opening.onsuccess = () => {
      clearTimeout(timer);
      if (isLate) opening.result.close();
      else resolve(opening.result);
    };
  });
}

function bytes(row: unknown): Uint8Array | undefined {
  // What is no row is one that nobody can read.
  return row === undefined || row instanceof Uint8Array ? row : new Uint8Array();
}

function same(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (!one || !other) return one === other;
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

const OPEN_MS_MAX = 3_000;
const LIMITS = { timeout: 1_000, lockCheckInterval: 50, maxRetries: 100 };
