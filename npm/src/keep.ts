// What outlives all pages where there is no IndexedDB but localStorage (HOST-4): some of a copy's stores, an item for each row.
//
// ```text
// run ─▶ redo: the whole change ─▶ its rows, one by one ─▶ head: the version they are of
//        └ from here on it counts: who finds a redo beyond the head does it again
// ```
//
// What always holds:
// - writing to one item is atomic, and nothing else is: a page may die between any two, and what it leaves is read as it was
//   before the change or after it;
// - what is refused for want of room is undone here as well; what makes room is not refused, and where there is none for a
//   redo it is written with the head gone;
// - who finds that a later primary has written here writes nothing;
// - what is removed for another page's sake is what that one has read, and not what has been written since;
// - what cannot be read is passed over. Where the head is gone, rows of different moments may lie side by side; then only
//   those are read that mean the same without the others: events and letters.
//
// Kept are the journal, the document, letters, outcomes, how far logs are known, and the configuration. A key pair cannot be
// kept; so neither is the device, nor what it has sealed: it is sealed again by another, under the same event ids.
//
// Not here: when something is written; `replica.ts` does that.

import { base64, bytesOf } from "./base64.js";
import {
  BLANK,
  Copy,
  areChanges,
  areTold,
  compare,
  isCount,
  isLine,
  isOfDevice,
  isSameTerm,
  isVersion,
} from "./copy.js";
import type { Change, Key, Step, Turn, Value, Version } from "./copy.js";

/** What was found. */
export interface Kept {
  readonly copy: Copy;
  /** The last change of it, if it is there in full, stores that are not kept among it. */
  readonly last: Step | undefined;
}

type Items = readonly (readonly [item: string, text: string | null])[];

/** What the rows are of, beside them. */
interface Head {
  readonly version: Version;
  readonly line: readonly Turn[];
  readonly next: number;
}

export class Keep {
  #storage;
  #prefix;
  /** The head as it was written last, and what it is of; it may have been changed since, or removed. */
  #written: { readonly head: string; readonly version: Version } | undefined;

  /** `storage` is localStorage, which may refuse anything. */
  constructor(storage: Storage, channel: string) {
    this.#storage = storage;
    this.#prefix = `bellwether:kept:${encodeURIComponent(channel)}:`;
  }

  /** What is there, if anything is; a change that was written by half is in it whole. */
  load(): Kept | undefined {
    try {
      const items = this.#items();
      if (items.length === 0) return undefined;
      const found = readHead(this.#get(HEAD));
      const changes = items.map((item) => readRow(item, this.#get(item))).filter((it) => it !== undefined);
      if (!found) {
        const safe = changes.filter(([store]) => MEANS_THE_SAME.includes(store));
        const version = { ...BLANK, seq: 1 };
        return { copy: copyOf({ version, line: [], next: 1 }, safe), last: undefined };
      }
      const redo = readRedo(this.#get(REDO));
      const copy = copyOf(found, changes);
      if (redo && follows(redo.step.version, redo.line, found.version)) {
        const kept = { ...redo.step, changes: redo.step.changes.filter(isKept) };
        copy.apply(kept);
        copy.line = redo.line;
      }
      return { copy, last: redo?.isWhole ? redo.step : undefined };
    } catch {
      // There is no such storage, or none for this page.
      return undefined;
    }
  }

  /** Removes these events where they are as they were read, and what is none; all else stays, and what was written since. */
  forgetEvents(events: readonly (readonly [Key, Value])[]): void {
    const gone = new Map(events.map(([key, row]) => [nameOf("journal", key), text(row)]));
    const head = this.#get(HEAD);
    for (const [item, row] of gone) if (this.#get(item) === row) this.#set(item, null);
    const isNone = (item: string) => item.startsWith("journal:") && !readRow(item, this.#get(item));
    for (const item of this.#items().filter(isNone)) this.#set(item, null);
    this.#leaveOut(([store, key, row]) => row !== undefined && gone.get(nameOf(store, key)) === text(row));
    // Another row may have come in the place of one; who keeps it finds no head, and writes everything again.
    if (this.#get(HEAD) !== head) this.#set(HEAD, null);
  }

  /**
   * Removes the rows that go, and all that cannot be read if `undefined` does; gives how many events and letters were among
   * them. The head stays: whoever lives and keeps these rows does not write them again.
   */
  wipe(goes: (change: Change | undefined) => boolean): number {
    const isRow = (item: string) => item !== HEAD && item !== REDO;
    const gone = this.#items().filter((item) => isRow(item) && goes(readRow(item, this.#get(item))));
    for (const item of gone) this.#set(item, null);
    if (!readRedo(this.#get(REDO)) && goes(undefined)) this.#set(REDO, null);
    this.#leaveOut((change) => change.length > 2 && goes(change));
    return gone.filter((item) => MEANS_THE_SAME.includes(item.split(":", 1)[0]!)).length;
  }

  /** What is there and is older, and what the copy does not come of. */
  stray(copy: Copy): Copy | undefined {
    if (this.#written && this.#get(HEAD) === this.#written.head) return undefined;
    const found = this.load()?.copy;
    return found && compare(found.version, copy.version) < 0 && !copy.comesOf(found.version) ? found : undefined;
  }

  /**
   * Writes a change down, before it is final: `copy` has it, under the version before. Throws what the storage throws, and
   * then nothing is changed; gives the version that is there if that is of a later primary, and has written nothing then.
   */
  write(copy: Copy, step: Step): Version | undefined {
    const there = this.#get(HEAD);
    const head = JSON.stringify({ version: step.version, line: copy.line, next: step.next } satisfies Head);
    const written = this.#written;
    if (there !== null && there === written?.head && follows(step.version, copy.line, written.version)) {
      this.#writeStep(copy, step, head);
    } else {
      const found = readHead(there)?.version;
      if (found && compare(found, copy.version) > 0) return found;
      this.#writeAll(copy, head);
    }
    this.#written = { head, version: step.version };
    return undefined;
  }

  #writeStep(copy: Copy, step: Step, head: string): void {
    const after = step.changes
      .filter(isKept)
      .map(([store, key, value]) => [nameOf(store, key), value === undefined ? null : text(value)] as const);
    const before = after.map(([item]) => [item, this.#get(item)] as const);
    const changes = step.changes.filter(([store, key]) => !isOfDevice(store, key));
    try {
      this.#set(REDO, redoOf({ ...step, changes }, copy.line, changes.length === step.changes.length));
      this.#setAll(after);
      this.#set(HEAD, head);
    } catch (fault) {
      // There was room for the rows of before beside the redo, so there is again; only then that goes.
      this.#setAll(before);
      this.#set(REDO, null);
      if (size(after) > size(before)) throw fault;
      // What makes room need not find it first: there is enough without a redo.
      this.#writeAll(copy, head);
    }
  }

  // What is there is of another line, or it is not known what. Until all is as it should be there is no head.
  #writeAll(copy: Copy, head: string): void {
    const rows = new Map<string, string | null>();
    for (const item of this.#items()) if (item !== HEAD && item !== REDO) rows.set(item, null);
    for (const one of copy.all()) if (isKept(one)) rows.set(nameOf(one[0], one[1]), text(one[2] ?? null));
    const other = [...rows].filter(([item, row]) => this.#get(item) !== row);
    const [gone, come] = [other.filter(([, row]) => row === null), other.filter(([, row]) => row !== null)];
    const before = [...other.map(([item]) => item), REDO, HEAD].map((item) => [item, this.#get(item)] as const);
    this.#written = undefined;
    try {
      if (other.length > 0) this.#setAll([[REDO, null], [HEAD, null]]);
      try {
        // The same event may be in both.
        this.#setAll(come);
      } catch {
        this.#setAll([...gone, ...come]);
      }
      this.#setAll(gone);
      this.#set(HEAD, head);
    } catch (fault) {
      this.#setAll(before);
      throw fault;
    }
  }

  /** The last change is without these from here on. */
  #leaveOut(goes: (change: Change) => boolean): void {
    const redo = readRedo(this.#get(REDO));
    const changes = redo?.step.changes.filter((it) => !goes(it));
    if (!redo || !changes || changes.length === redo.step.changes.length) return;
    this.#set(REDO, redoOf({ ...redo.step, changes }, redo.line, false));
  }

  /** What goes makes room for what comes. */
  #setAll(items: Items): void {
    for (const [item, text] of items) if (text === null) this.#set(item, null);
    for (const [item, text] of items) if (text !== null) this.#set(item, text);
  }

  #items(): string[] {
    const all = Array.from({ length: this.#storage.length }, (_, at) => this.#storage.key(at) ?? "");
    return all.filter((name) => name.startsWith(this.#prefix)).map((name) => name.slice(this.#prefix.length));
  }

  #get(item: string): string | null {
    return this.#storage.getItem(this.#prefix + item);
  }

  #set(item: string, text: string | null): void {
    if (text === null) this.#storage.removeItem(this.#prefix + item);
    else this.#storage.setItem(this.#prefix + item, text);
  }
}

/** Whether nothing lies between these two, but that a page became primary. */
function follows({ epoch, by, seq }: Version, line: readonly Turn[], before: Version): boolean {
  if (isSameTerm(before, { epoch, by })) return seq === before.seq + 1;
  const last = line.at(-1);
  return seq <= 1 && last !== undefined && compare(last, before) === 0;
}

function isKept([store, key]: Change): boolean {
  return STORES_KEPT.includes(store) && !isOfDevice(store, key);
}

function copyOf({ version, line, next }: Head, changes: Change[]): Copy {
  const copy = new Copy(version, line);
  const last = Math.max(0, ...changes.map(([store, key]) => (store === "journal" ? Number(key) : 0)));
  copy.apply({ version, changes, next: Math.max(next, last + 1), told: [] });
  return copy;
}

function readHead(json: string | null): Head | undefined {
  const { version, line, next } = parsed(json);
  return isVersion(version) && isLine(line) && isCount(next) ? { version, line, next } : undefined;
}

function redoOf(step: Step, line: readonly Turn[], isWhole: boolean): string {
  const changes = step.changes.map(([store, key, value]) => (value === undefined ? [store, key] : [store, key, text(value)]));
  return JSON.stringify({ ...step, changes, line, isWhole });
}

function readRedo(json: string | null): { step: Step; line: Turn[]; isWhole: boolean } | undefined {
  const { version, line, next, told, changes, isWhole } = parsed(json);
  if (!isVersion(version) || !isLine(line) || !isCount(next) || !areTold(told) || !Array.isArray(changes)) return undefined;
  const read = changes.map((it) => (Array.isArray(it) && it.length > 2 ? [it[0], it[1], bytes(it[2])] : it));
  if (!read.every((it) => areChanges([it]))) return undefined;
  return { step: { version, changes: read as Change[], next, told }, line, isWhole: isWhole === true };
}

function readRow(item: string, row: string | null): Change | undefined {
  const [, store = "", kind, name = ""] = /^([a-z]+):(?:(n)(?=\d+$)|t)(.*)$/s.exec(item) ?? [];
  const one: Change = [store, kind ? Number(name) : name, bytes(row) ?? {}];
  return isKept(one) && areChanges([one]) ? one : undefined;
}

function nameOf(store: string, key: Key): string {
  return `${store}:${typeof key === "number" ? "n" : "t"}${key}`;
}

function size(items: Items): number {
  return items.reduce((sum, [item, text]) => sum + (text === null ? 0 : item.length + text.length), 0);
}

function text(value: Value): string {
  return value instanceof Uint8Array ? base64(value) : "";
}

function bytes(text: unknown): Uint8Array | undefined {
  if (typeof text !== "string") return undefined;
  try {
    return bytesOf(text);
  } catch {
    return undefined;
  }
}

function parsed(json: string | null): Record<string, unknown> {
  try {
    return (JSON.parse(json ?? "null") as Record<string, unknown> | null) ?? {};
  } catch {
    return {};
  }
}

const HEAD = "head";
const REDO = "redo";
const STORES_KEPT = ["journal", "document", "cursor", "dead", "done", "meta"];
const MEANS_THE_SAME = ["journal", "dead"];
