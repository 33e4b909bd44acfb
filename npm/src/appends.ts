// What a page appends and its own copy does not have yet (HOST-4), in its order.
//
// What always holds:
// - only the first is on its way, so one that has a later number comes after it;
// - whoever appended is told once, and never before the call has returned;
// - what was done before, and was lost with another line, is given up for nothing;
// - what waits has a bound, and what is refused at the bound is told so.
//
// Not here: where they are sent, and how it is known that they are done; `replica.ts` does that.

import { BUS_BYTES_MAX } from "./copy.js";
import type { StoreFault, Term } from "./copy.js";
import { ROWS_MAX, areRows } from "./words.js";

/** Called once, and never before the call has returned. */
export type Done = (value: unknown, fault?: StoreFault) => void;

export interface Append {
  readonly rows: Uint8Array[];
  /** Without it they were done before. */
  readonly done?: Done;
  /** Its number, once it was on its way. */
  ticket?: number | undefined;
  /** To whom it was sent last. */
  sent?: Term | undefined;
}

export class Appends {
  #all: Append[] = [];
  #bytes = 0;
  #tickets = 0;

  get count(): number {
    return this.#all.length;
  }

  get first(): Append | undefined {
    return this.#all[0];
  }

  /** The number of the first. */
  number(first: Append): number {
    return (first.ticket ??= this.#tickets += 1);
  }

  add(rows: Uint8Array[], done: Done): void {
    const append = { rows, done };
    if (rows.length === 0) settle(done, undefined);
    else if (!areRows(rows)) settle(done, undefined, { name: "DataError", message: "too much at once" });
    else if (this.#bytes + size(append) > WAITING_BYTES_MAX) settle(done, undefined, FULL);
    else this.#put(append);
  }

  /** What was done before goes before all that waits. */
  addAgain(rows: readonly Uint8Array[]): void {
    const appends: Append[] = [];
    let bytes = Infinity;
    for (const row of rows) {
      bytes += row.length;
      if (bytes > BUS_BYTES_MAX || appends.at(-1)!.rows.length === ROWS_MAX) {
        appends.push({ rows: [] });
        bytes = row.length;
      }
      appends.at(-1)!.rows.push(row);
    }
    // What is on its way goes to another line; with a later number it cannot be taken for done.
    if (this.first) this.first.ticket = undefined;
    const all = this.#all.splice(0);
    this.#bytes = 0;
    for (const append of [...appends, ...all]) this.#put(append);
  }

  /** Through this number all is done; the last row is at `position`. */
  settle(ticket: number, position: number): void {
    const { first } = this;
    if (first?.ticket === undefined || first.ticket > ticket) return;
    this.#drop(first);
    settle(first.done, position);
  }

  /** The first cannot be appended; gives whether what waits behind it may go at once. */
  fail(first: Append, { name, message }: StoreFault): boolean {
    this.#drop(first);
    settle(first.done, undefined, { name, message });
    // It must not be lost for want of room now.
    if (!first.done) this.#put({ rows: first.rows });
    return first.done !== undefined;
  }

  close(fault: StoreFault): void {
    for (const { done } of this.#all.splice(0)) settle(done, undefined, fault);
  }

  #put(append: Append): void {
    this.#all.push(append);
    this.#bytes += size(append);
  }

  #drop(first: Append): void {
    this.#all.shift();
    this.#bytes -= size(first);
  }
}

export function settle(done: Done | undefined, value: unknown, fault?: StoreFault): void {
  if (done) queueMicrotask(() => done(value, fault));
}

function size({ rows }: Append): number {
  return rows.reduce((sum, row) => sum + row.length + ROW_BYTES, 0);
}

const FULL: StoreFault = { name: "full", message: "no page does the work, and no more can wait for one" };
/** Some groups of rows, each of at most `GROUP_BYTES_MAX` of the core's limits. */
const WAITING_BYTES_MAX = 4 * BUS_BYTES_MAX;
/** What a row takes besides. */
const ROW_BYTES = 64;
