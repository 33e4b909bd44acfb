// The journal and the store where a browser has no IndexedDB (HOST-4): each page has a copy, and one page, the primary, changes it.
//
// ```text
// follower ── rows, under a ticket ──▶ primary ◀── runs ── coordinator
//    ▲                                    ├─▶ localStorage, if there is one
//    └────── did: version, changes ───────┘
//
// a version is missed, or another line begins ─▶ want ─▶ copy, in parts
// a page becomes primary ─▶ poll ─▶ have ─▶ give ─▶ copy ─▶ lead: the version that it goes on from
// ```
//
// What always holds:
// - only the primary changes its copy by itself, and every other copy is what some primary's once was;
// - what a page appends is done once its own copy has it, and is sent until then; so what is done is at the primary, too;
// - terms are in one order: a page follows the latest that it has heard of, and a primary that hears of a later one is none;
// - where two pages were primary at once, the rows of the line that ended which the other has never had are appended to that
//   by whoever has them. Then one may come twice: the coordinator drops a row whose event is queued. What either has had is not
//   appended again, whatever has become of it: what is older than the parting, and what has an outcome or is a letter;
// - what another line has kept and there is no room for stays as it is: meanwhile nothing is appended, and all else is in memory;
// - what waits, and each message, has a bound; what is on the bus is not believed to be ours.
//
// It promises less than a disk: what is in no page and was not kept is gone, and a page that is alone has all of it alone.
//
// Not here: who becomes primary, and when; how what is said gets to a page; what
// it looks like (`words.ts`); what the rows mean.

import { Appends, settle } from "./appends.js";
import type { Append, Done } from "./appends.js";
import { base64 } from "./base64.js";
import type { Cbor } from "./cbor.js";
import { BLANK, BUS_BYTES_MAX, Copy, DEVICE, LINE_MAX, SIGNING, bytesOf, compare, compareTerms, isSameTerm } from "./copy.js";
import type { Change, Request, Run, Step, StoreFault, Term, Version } from "./copy.js";
import type { Keep, Kept } from "./keep.js";
import { fields, queued } from "./listing.js";
import { FORMAT, TEXT_MAX, isWord } from "./words.js";
import type { Known, Word } from "./words.js";

/** What a replica is given. */
export interface Around {
  /** This page, as the others know it. */
  readonly page: string;
  /** What outlives all pages, where there is such a thing. */
  readonly keep?: Keep | undefined;
  /** To one page; to all others if `to` is empty. In their order; some may be lost. */
  say(to: string, data: unknown): void;
  /** Another page is primary: the store is of no use any more. */
  fenced(): void;
}

/** The database as a coordinator uses it: class `Store` in `store.js`. */
export interface Store {
  readonly losses: number;
  open(): Promise<undefined>;
  /** Rejects with a {@link StoreFault}; then nothing is changed. */
  run(
    requests: Request[],
    durability: string,
    next?: ((first: unknown) => Request[] | undefined) | undefined,
  ): Promise<unknown[]>;
  close(): void;
}

/** The database as a page uses it: class `Journal` in `journal.js`. */
export interface Journal {
  open(done: Done): void;
  /** Gives the position of the last row. Fails with `full` where too much waits for a primary already. */
  append(bytes: Uint8Array, lengths: Uint32Array, durability: string, done: Done): void;
  read(store: string, after: number, limit: number, done: Done): void;
  readDocument(prefix: string, whole: boolean, done: Done): void;
  count(store: string, done: Done): void;
  close(): void;
}

export class Replica {
  readonly journal: Journal;
  #around;
  #copy = new Copy();
  /** The latest of which this page has heard; or itself. */
  #primary: Term = BLANK;
  /** The coordinator's, while this page is the primary. */
  #store: Store | undefined;
  #election: Election | undefined;
  /** A copy of which parts are missing. */
  #arriving: { from: string; part: number; copy: Copy } | undefined;
  #waiting = new Appends();
  #isWanting = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  #setReady!: () => void;
  /** A copy has come; or none has in time, and there seems to be none. */
  #ready = new Promise<void>((resolve) => (this.#setReady = resolve));
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(around: Around) {
    this.#around = around;
    this.journal = this.#journal();
  }

  /** Of this page's copy. */
  get version(): Version {
    return this.#copy.version;
  }

  /** Begins to take part: once at first, and each time that the page could not be heard for a while. */
  join(): void {
    this.#patience ??= setTimeout(this.#setReady, JOIN_MS_MAX);
    this.#say("", { word: "want", version: this.version });
  }

  /** No more. What waits fails. */
  close(): void {
    this.resign();
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#patience);
    this.#setReady();
    this.#waiting.close(CLOSED);
  }

  /**
   * Makes this page the primary, under this epoch or a later one; a later term may end that again at any time. Takes a
   * quarter of a second, in which the newest copy is found, and more if that is not this page's. Rejects if it is given up
   * meanwhile.
   */
  async lead(epoch: number): Promise<Store> {
    this.resign();
    const election: Election = (this.#election = { have: new Map() });
    const goOn = () => {
      if (this.#election !== election) throw FENCED;
    };
    this.#say("", { word: "poll", version: this.version });
    await pause(POLL_MS);
    goOn();
    const holders = [...election.have].sort(([, one], [, other]) => compare(other.version, one.version));
    for (const [page, { version }] of holders.slice(0, HOLDERS_MAX)) {
      if (compare(version, this.version) <= 0) break;
      election.asked = page;
      const came = new Promise<void>((resolve) => (election.came = resolve));
      this.#say(page, { word: "give" });
      await Promise.race([came, pause(GIVE_MS_MAX)]);
      goOn();
    }
    const kept = this.#around.keep?.load();
    if (kept) this.#takeKept(kept);
    const others = [...election.have.values()].flatMap(({ version, heard }) => [version, heard]);
    const known = [this.version, this.#primary, ...others];
    return this.#begin(Math.max(epoch, ...known.map((it) => it.epoch + 1)), kept?.copy.next ?? 1);
  }

  /** This page is not the primary any more, or does not become it. There is none until another is. */
  resign(): void {
    this.#store = this.#election = undefined;
  }

  /** What another page says. */
  receive(from: string, data: unknown): void {
    if (this.#isClosed || from === this.#around.page || !isWord(data)) return;
    switch (data.word) {
      case "want":
        if (!this.#store) return;
        return compare(data.version, this.version) === 0 ? this.#announce(from) : this.#give(from);
      case "give":
        return this.#give(from);
      case "poll": {
        const isLater = compareTerms(this.#primary, data.version) > 0;
        if (isLater || compare(this.version, data.version) > 0) this.#sayKnown(from);
        return;
      }
      case "have":
        return this.#onHave(from, data);
      case "rows":
        return this.#onRows(from, data.ticket, data.rows);
      case "failed": {
        const { first } = this.#waiting;
        const isFirst = from === this.#primary.by && data.ticket === first?.ticket;
        if (isFirst && this.#waiting.fail(first!, data)) this.#flush();
        return;
      }
      case "copy":
        if (from === this.#election?.asked || this.#follows(from, data.version)) this.#onCopy(from, data);
        return;
      case "did":
        if (this.#follows(from, data.version)) this.#onDid(data);
        return;
      case "lead":
        if (this.#follows(from, data.version)) this.#onLead(data);
    }
  }

  #onHave(from: string, known: Known): void {
    this.#election?.have.set(from, known);
    if (!this.#store) return;
    this.#heeds(known.heard);
    if (!this.#store) this.#want();
  }

  /** Whether it is the primary who says that. Nobody speaks for another. */
  #follows(from: string, version: Version): boolean {
    return from === version.by && this.#heeds(version);
  }

  /** Whether that is the primary's term; a later one is, from here on. */
  #heeds(term: Term): boolean {
    const order = compareTerms(term, this.#primary);
    // Who still believes to be primary, or in one that is not, is to learn of it.
    if (order < 0 && this.#store) this.#announce("");
    else if (order < 0) this.#sayKnown(term.by);
    if (order <= 0) return order === 0;
    this.#primary = { epoch: term.epoch, by: term.by };
    this.#isWanting = false;
    if (this.#store) {
      this.#store = undefined;
      this.#around.fenced();
    }
    return true;
  }

  #onDid(step: Step): void {
    const { version } = step;
    if (isSameTerm(version, this.version) && version.seq === this.version.seq + 1) {
      this.#copy.apply(step);
      this.#onChange();
    } else if (compare(version, this.version) > 0) this.#want();
  }

  #onLead({ version, line, next }: Extract<Word, { word: "lead" }>): void {
    const last = line.at(-1);
    if (version.seq === 0 && last && compare(last, this.version) === 0) this.#copy.turnTo(version, line, next);
    if (compare(version, this.version) > 0) this.#want();
    else if (compare(version, this.version) === 0) this.#onChange();
  }

  #onCopy(from: string, word: Extract<Word, { word: "copy" }>): void {
    if (word.part === 0) this.#arriving = { from, part: 0, copy: new Copy(word.version, word.line) };
    const arriving = this.#arriving;
    if (arriving?.from !== from || arriving.part !== word.part) return;
    if (compare(arriving.copy.version, word.version) !== 0) return;
    arriving.copy.apply(word);
    arriving.part += 1;
    if (arriving.part < word.of) return;
    this.#arriving = undefined;
    if (compare(word.version, this.version) > 0) this.#adopt(arriving.copy);
    this.#election?.came?.();
  }

  #adopt(copy: Copy): void {
    const before = this.#copy;
    this.#copy = copy;
    this.#settle();
    // What one line has and the other lacks.
    if (!copy.comesOf(before.version)) this.#waiting.addAgain(lacking(copy, before));
    this.#onChange();
  }

  #onChange(): void {
    if (this.#isInStep()) {
      this.#isWanting = false;
      this.#setReady();
    }
    this.#settle();
    this.#flush();
  }

  #isInStep(): boolean {
    return this.#primary.epoch > 0 && isSameTerm(this.version, this.#primary);
  }

  /** What this page's copy has is done. */
  #settle(): void {
    this.#waiting.settle(...this.#copy.told(this.#around.page));
  }

  /** Brings on its way what waits. */
  #flush(): void {
    // Each at most once: one that was done before and cannot be appended now waits on.
    for (let left = this.#waiting.count; this.#store && left > 0; left -= 1) {
      const first = this.#waiting.first!;
      const fault = this.#append(this.#around.page, this.#waiting.number(first), first.rows);
      if (!fault) this.#settle();
      else if (this.#store) this.#waiting.fail(first, fault);
    }
    const { first } = this.#waiting;
    if (first && !this.#store && this.#isInStep() && this.#primary.by !== this.#around.page) this.#send(first);
    if (this.#isWanting || (first && (this.#store || first.sent))) this.#timer ??= setTimeout(() => this.#again(), AGAIN_MS);
  }

  #send(first: Append): void {
    if (first.sent && isSameTerm(first.sent, this.#primary)) return;
    first.sent = this.#primary;
    this.#say(this.#primary.by, { word: "rows", ticket: this.#waiting.number(first), rows: first.rows });
  }

  #again(): void {
    this.#timer = undefined;
    const { first } = this.#waiting;
    if (first) first.sent = undefined;
    if (this.#isWanting) this.#want(true);
    this.#flush();
  }

  #want(again = false): void {
    if (this.#isWanting && !again) return;
    this.#isWanting = true;
    this.#say(this.#primary.by, { word: "want", version: this.version });
    if (!again) this.#flush();
  }

  #onRows(from: string, ticket: number, rows: Uint8Array[]): void {
    if (!this.#store) return;
    // It has missed that they are done.
    if (this.#copy.told(from)[0] >= ticket) return this.#give(from);
    const fault = this.#append(from, ticket, rows);
    if (!fault || !this.#store) return;
    const [name, message] = [fault.name, fault.message].map((text) => String(text).slice(0, TEXT_MAX)) as [string, string];
    this.#say(from, { word: "failed", ticket, name, message });
  }

  #append(page: string, ticket: number, rows: Uint8Array[]): StoreFault | undefined {
    try {
      this.#commit(rows.map(adding), { teller: [page, ticket] });
      return undefined;
    } catch (fault) {
      return fault as StoreFault;
    }
  }

  /** What the coordinator or a page wants to be changed. */
  #commit(requests: Request[], how: Pick<Run, "next" | "teller">): unknown[] {
    return this.#change(requests, how, this.#takeStray());
  }

  /** Nothing that was kept is written over before its events are here, too; gives why they cannot be. */
  #takeStray(): StoreFault | undefined {
    const stray = this.#around.keep?.stray(this.#copy);
    const rows = stray ? lacking(this.#copy, stray) : [];
    try {
      if (rows.length > 0) this.#change(rows.map(adding), {});
      return undefined;
    } catch (fault) {
      if (fault === FENCED) throw fault;
      return fault as StoreFault;
    }
  }

  /**
   * The primary's only way to change its copy: what outlives it first, then its own, then the others'. While nothing can be
   * written, for why, none of its rows outlive it; so it goes on with them, and only takes in no others.
   */
  #change(requests: Request[], how: Pick<Run, "next" | "teller">, why?: StoreFault): unknown[] {
    const steps: Step[] = [];
    const commit = (step: Step) => {
      if (!why) this.#write(step);
      else if (step.changes.some(([store, , row]) => store === "journal" && row)) throw why;
      steps.push(step);
    };
    const answers = this.#copy.run(requests, { ...how, mayWrite: true, commit });
    for (const step of steps) {
      if (bytesOf(step.changes) <= BUS_BYTES_MAX) this.#say("", { word: "did", ...step });
      else this.#announce("");
    }
    return answers;
  }

  #write(step: Step): void {
    const later = this.#around.keep?.write(this.#copy, step);
    if (!later) return;
    this.#heeds(later);
    this.#want();
    throw FENCED;
  }

  /** What was kept is newer, if all pages died that had seen it. */
  #takeKept({ copy, last }: Kept): void {
    const { version } = copy;
    if (compare(version, this.version) <= 0) return;
    const isNext = isSameTerm(version, this.version) && version.seq === this.version.seq + 1;
    if (isNext && last && compare(last.version, version) === 0) return this.#copy.apply(last);
    this.#adopt(copy);
    // It is not all that this version had, so a page that still has that is not to take it for its own.
    copy.version = { ...version, by: "" };
  }

  #begin(epoch: number, next: number): Store {
    const copy = this.#copy;
    const version = { epoch, by: this.#around.page, seq: 0 };
    copy.turnTo(version, [...copy.line, { ...copy.version, next: copy.next }].slice(-LINE_MAX), Math.max(copy.next, next));
    const store: Store = {
      losses: 0,
      open: async () => this.#check(store),
      // As late as a database: who asks may be in the middle of something.
      run: async (requests, durability, next) => {
        await undefined;
        this.#check(store);
        if (durability !== "default") return this.#commit(requests, { next });
        return this.#copy.run(requests, { mayWrite: false, next, commit() {} });
      },
      close() {},
    };
    this.#election = undefined;
    [this.#primary, this.#store] = [version, store];
    this.#announce("");
    this.#forgetDevice();
    this.#onChange();
    this.#keepBeginning();
    this.#check(store);
    return store;
  }

  /** The first change has written all, with what was to be appended again; where there was none it is written here. */
  #keepBeginning(): void {
    try {
      if (!this.#store || this.#takeStray()) return;
      const step = { version: this.version, changes: [], next: this.#copy.next, told: [] };
      if (this.#store && this.version.seq === 0) this.#write(step);
    } catch {
      // There is no room for what is there. The next change tries again, and is told so.
    }
  }

  #check(store: Store): undefined {
    if (this.#store !== store) throw FENCED;
  }

  // A device whose key pair has not come along signs nothing. Another seals the same events again.
  #forgetDevice(): void {
    const meta = this.#copy.pairs("meta").map(([key]) => key);
    if (!meta.includes(DEVICE) || meta.includes(SIGNING)) return;
    const sealed = ["flight", "stream", "retained"].flatMap((store) =>
      this.#copy.pairs(store).map(([key]): Request => [store, "delete", key, undefined]),
    );
    try {
      this.#commit([["meta", "delete", DEVICE, undefined], ...sealed], {});
    } catch {
      // Then it goes on unsigned, and the server says what it thinks of that.
    }
  }

  #sayKnown(to: string): void {
    this.#say(to, { word: "have", version: this.version, heard: this.#primary });
  }

  #announce(to: string): void {
    const { version, line, next } = this.#copy;
    this.#say(to, { word: "lead", version, line: [...line], next });
  }

  #give(to: string): void {
    const { version, line, next, allTold: told } = this.#copy;
    const parts: Change[][] = [[]];
    let bytes = 0;
    for (const change of this.#copy.all()) {
      bytes += bytesOf([change]);
      if (bytes > PART_BYTES && parts.at(-1)!.length > 0) {
        parts.push([]);
        bytes = bytesOf([change]);
      }
      parts.at(-1)!.push(change);
    }
    parts.forEach((changes, part) =>
      this.#say(to, { word: "copy", version, line: [...line], next, told, part, of: parts.length, changes }),
    );
  }

  #say(to: string, word: Word): void {
    if (this.#isClosed) return;
    try {
      this.#around.say(to, { v: FORMAT, ...word });
    } catch {
      // Who misses it finds out by what is said next.
    }
  }

  #journal(): Journal {
    const give = (done: Done, work: () => unknown) =>
      void this.#ready.then(work).then(
        (value) => done(value),
        (fault: StoreFault) => done(undefined, fault),
      );
    // Numbers and texts beyond a number, as `IDBKeyRange.lowerBound` has it.
    const beyond = (lower: number) => ({ lower, lowerOpen: true });
    return {
      open: (done) => give(done, () => undefined),
      append: (bytes, lengths, _, done) => {
        let at = 0;
        // At once: the bytes are the wasm's own memory.
        const rows = Array.from(lengths, (length) => bytes.slice(at, (at += length)));
        if (this.#isClosed) return settle(done, undefined, CLOSED);
        this.#waiting.add(rows, done);
        this.#flush();
      },
      read: (store, after, limit, done) => give(done, () => this.#copy.pairs(store, beyond(after), limit)),
      readDocument: (prefix, whole, done) =>
        give(done, () => {
          // No text that begins so comes after this one.
          const begins = this.#copy.pairs("document", { lower: prefix, upper: `${prefix}\uffff` });
          return whole ? [begins, this.#copy.pairs("journal")] : [begins];
        }),
      count: (store, done) => give(done, () => this.#copy.count(store)),
      close() {},
    };
  }
}

interface Election {
  /** Who has a newer copy, or has heard of a later term. */
  readonly have: Map<string, Known>;
  /** Who was asked for it. */
  asked?: string;
  came?: () => void;
}

function adding(row: Uint8Array): Request {
  return ["journal", "add", row, undefined];
}

/** The rows of the other's journal that this one has never had, wherever they lie. */
function lacking(copy: Copy, other: Copy): Uint8Array[] {
  const rows = (it: Copy, from: number) => it.pairs("journal", { lower: from }).map(([, row]) => row as Uint8Array);
  const there = new Set(rows(copy, 0).map(base64));
  const lacks = rows(other, copy.partedAt(other)).filter((row) => !there.has(base64(row)));
  if (lacks.length === 0) return lacks;
  // Another page may have brought them before.
  const outcomes = copy.pairs("done").flatMap(([, row]) => (fields(row as Uint8Array)?.get(2) ?? []) as Cbor[][]);
  const had = new Set<unknown>([...copy.pairs("dead").map(([id]) => id), ...outcomes.map((it) => it?.[0])]);
  const id = (row: Uint8Array) => queued(0, row)?.event.get(0);
  return lacks.filter((row) => id(row) === undefined || !had.has(id(row)));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What a coordinator takes for a closed database; and who is closed is told no more. */
const FENCED: StoreFault = { name: "InvalidStateError", message: "another page is the primary, or none" };
const CLOSED: StoreFault = { name: "InvalidStateError", message: "the page has ended its part" };

/** For word of newer copies. */
const POLL_MS = 250;
/** For such a copy to come. */
const GIVE_MS_MAX = 1_000;
const HOLDERS_MAX = 3;
/** Until a page that has joined goes by what it has, which is nothing. */
const JOIN_MS_MAX = 2_000;
/** Until what was not answered is said again. */
const AGAIN_MS = 1_000;
/** A part has at least one row. */
const PART_BYTES = 1024 * 1024;
