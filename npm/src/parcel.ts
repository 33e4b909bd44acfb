// What pages say to one another about who leads, and about tasks.
//
// What always holds: what was read is of the shape it claims, whoever has said it; a page never hears itself. A word that is not
// known is passed over, and fields are only ever added.

/** What one page says to another, or to all. */
export interface Parcel {
  /** A page, by its id; all of them if it is empty. */
  readonly to: string;
  readonly from: string;
  readonly word: Word;
  /** Of a leader. */
  readonly epoch: number;
  /** Which task of the page that delegates it; counted by that page. */
  readonly n: number;
  /** The task's name. */
  readonly task: string;
  /** How much longer the result is waited for. */
  readonly ms: number;
  /** Input, result, or what a handler has thrown. Anything. */
  readonly body: unknown;
}

/** Says something; to all, unless it says to whom. */
export type Say = (parcel: Partial<Parcel> & Pick<Parcel, "word">) => void;

export type Word =
  /** A page has come: whoever leads is to say so. */
  | "who"
  | "leads"
  /** Who has led does no more. */
  | "gone"
  /** Whoever leads is to let go, and to keep the role for the one who asks. */
  | "force"
  /** A page that would lead is in sight. */
  | "seen"
  | "unseen"
  /** The page is left, frozen or closed. */
  | "bye"
  /** Who can do this task? */
  | "able"
  | "can"
  /** It is given to the page. */
  | "do"
  /** Is it still being done? */
  | "still"
  | "yes"
  | "done"
  | "failed"
  /** Nobody waits for it any more. */
  | "drop";

/** What was heard, if it is for this page. */
export function readParcel(data: unknown, me: string): Parcel | undefined {
  const { to, from, word, epoch = 0, n = 0, task = "", ms = 0, body } = (data ?? {}) as Partial<Parcel>;
  const isText = [to, from, word, task].every((it) => typeof it === "string" && it.length <= TEXT_MAX);
  const isCount = [epoch, n, ms].every((it) => Number.isSafeInteger(it) && it >= 0);
  if (!isText || !isCount || from === me || (to !== "" && to !== me)) return undefined;
  return { to: to!, from: from!, word: word!, epoch, n, task, ms, body };
}

/** A copy, as another page would get it. Throws what is wrong with it, in words. */
export function copied(value: unknown): unknown {
  let left = BYTES_MAX;
  const take = (bytes: number) => {
    left -= bytes;
    if (left < 0) throw new Error("is larger than 4 MiB");
  };
  const copy = (value: unknown, depth: number): unknown => {
    take(8);
    if (value === null || value === undefined || typeof value === "boolean" || Number.isFinite(value)) return value;
    if (typeof value === "string") {
      take(2 * value.length);
      return value;
    }
    if (value instanceof Uint8Array) {
      take(value.length);
      return value.slice();
    }
    if (depth > DEPTH_MAX) throw new Error("is too deep, or contains itself");
    if (Array.isArray(value)) return Array.from(value, (it) => copy(it, depth + 1));
    if (!isPlain(value)) throw new Error("has in it what is no text, finite number, flag, bytes, array or plain object");
    const members = Object.entries(value).map(([name, it]) => [copy(name, depth), copy(it, depth + 1)]);
    return Object.fromEntries(members) as unknown;
  };
  return copy(value, 0);
}

// Those of other windows are plain, too.
function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const parent: unknown = Object.getPrototypeOf(value);
  return parent === null || Object.getPrototypeOf(parent) === null;
}

const TEXT_MAX = 200;
/** `BUS_BYTES_MAX` of the core's limits. */
const BYTES_MAX = 4 * 1024 * 1024;
const DEPTH_MAX = 100;
