// What pages say to one another about their copies (HOST-4), and how it is told from what is not ours.
//
// What always holds: a message has a format, and grows by fields only; what is not of the shape that it should be is none, nor
// is one that is larger than a message may be.
//
// Not here: what is done about it; `replica.ts` does that.

import { BUS_BYTES_MAX, areChanges, areTold, isCount, isLine, isTerm, isVersion } from "./copy.js";
import type { Step, Term, Turn, Version } from "./copy.js";

export type Word =
  /** The primary is to give its copy, if it is not of this version. */
  | { readonly word: "want"; readonly version: Version }
  /** The page that is asked is to give its copy, primary or not. */
  | { readonly word: "give" }
  /** Who has a newer copy, or has heard of a later term, is to say so. */
  | { readonly word: "poll"; readonly version: Version }
  | ({ readonly word: "have" } & Known)
  /** From the primary: it has this version. A term begins with the last rows of the line. */
  | { readonly word: "lead"; readonly version: Version; readonly line: Turn[]; readonly next: number }
  | ({ readonly word: "did" } & Step)
  | ({ readonly word: "copy"; readonly line: Turn[]; readonly part: number; readonly of: number } & Step)
  /** To the primary: to be appended. */
  | { readonly word: "rows"; readonly ticket: number; readonly rows: Uint8Array[] }
  /** From the primary: they cannot be. */
  | { readonly word: "failed"; readonly ticket: number; readonly name: string; readonly message: string };

/** What a page has, and of which term it has heard last. */
export interface Known {
  readonly version: Version;
  readonly heard: Term;
}

/** Whether one message may bring them. */
export function areRows(it: unknown): boolean {
  if (!Array.isArray(it) || it.length === 0 || it.length > ROWS_MAX) return false;
  return it.every((row) => row instanceof Uint8Array) && it.reduce((sum, row) => sum + row.length, 0) <= BUS_BYTES_MAX;
}

export function isWord(data: unknown): data is Word {
  const told = (data ?? {}) as Record<string, unknown>;
  const fields = told["v"] === FORMAT ? FIELDS.get(told["word"]) : undefined;
  return fields !== undefined && fields.every((field) => FIT[field](told[field]));
}

function isText(it: unknown): boolean {
  return typeof it === "string" && it.length <= TEXT_MAX;
}

/** Whether a field of a message is as it should be. */
const FIT = {
  version: isVersion,
  heard: isTerm,
  line: isLine,
  next: isCount,
  changes: areChanges,
  told: areTold,
  part: isCount,
  of: isCount,
  ticket: isCount,
  rows: areRows,
  name: isText,
  message: isText,
};
/** What each message has. */
const FIELDS: ReadonlyMap<unknown, (keyof typeof FIT)[]> = new Map(
  Object.entries({
    want: ["version"],
    give: [],
    poll: ["version"],
    have: ["version", "heard"],
    lead: ["version", "line", "next"],
    did: ["version", "changes", "next", "told"],
    copy: ["version", "line", "changes", "next", "told", "part", "of"],
    rows: ["ticket", "rows"],
    failed: ["ticket", "name", "message"],
  } satisfies Record<Word["word"], (keyof typeof FIT)[]>),
);

/** Of all messages. */
export const FORMAT = 1;
/** `GROUP_ROWS_MAX` of the core's limits. */
export const ROWS_MAX = 4_096;
/** Of a fault's name and message. */
export const TEXT_MAX = 1_000;
