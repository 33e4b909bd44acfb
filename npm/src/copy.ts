// All stores of a channel in memory, as IndexedDB would have them, where there is none (HOST-4).
//
// What always holds:
// - keys sort as they do there: numbers before texts, numbers by size, texts by UTF-16 code unit;
// - a run is all or nothing: what throws inside, or refuses it at the end, undoes everything;
// - a position of the journal is never used again once a run that took it has been committed;
// - rows are copied in and out: who changes theirs changes nothing here.
//
// Not here: who may change it and how other pages learn of it (`replica.ts`), and what outlives all pages (`keep.ts`).

export type Key = number | string;
/** A row; or the device's key pair, `null` where the browser cannot sign. */
export type Value = Uint8Array | object | null;
/** What stands under a key from now on; nothing, if there is no value. */
export type Change = [store: string, key: Key, value?: Value];
/** A store, its method, and what that is given: as class `Store` in `store.js` takes it. */
export type Request = [store: string, method: string, first: unknown, second: unknown];

/** Of whom the changes are: one page, while it alone makes them. */
export interface Term {
  readonly epoch: number;
  readonly by: string;
}

/** Copies of the same version are equal, but for a key pair that could not travel. */
export interface Version extends Term {
  /** Counts the changes of the term. */
  readonly seq: number;
}

/** The last version of a term, and the journal's next position then; builds of before have not noted it. */
export interface Turn extends Version {
  readonly next?: number | undefined;
}

/** The last rows that a page had appended, by the number that it had given them, and the position of the last row. */
export type Told = [page: string, ticket: number, position: number];

/** What one run has changed. */
export interface Step {
  readonly version: Version;
  readonly changes: Change[];
  /** The journal's next position. */
  readonly next: number;
  readonly told: Told[];
}

/** What the browser threw, or one of our own. */
export interface StoreFault {
  readonly name: string;
  readonly message: string;
}

/** How a run is done. */
export interface Run {
  readonly mayWrite: boolean;
  /** Is shown what the first request has given, and gives the last ones; or nothing, and then nothing is changed. */
  readonly next?: ((first: unknown) => Request[] | undefined) | undefined;
  /** For whom rows are appended, under which number. */
  readonly teller?: readonly [page: string, ticket: number];
  /** Is shown what was changed, before it is final; what it throws undoes that. */
  readonly commit: (step: Step) => void;
}

export class Copy {
  #stores = new Map(STORES.map((name) => [name, new Rows()]));
  #next = 1;
  #told = new Map<string, readonly [ticket: number, position: number]>();

  /** `line` are the versions that it comes of: the last of each term, the latest term last. */
  constructor(
    public version: Version = BLANK,
    public line: readonly Turn[] = [],
  ) {}

  get next(): number {
    return this.#next;
  }

  /** The last number under which rows of this page are in here, and the position of the last of them. */
  told(page: string): readonly [ticket: number, position: number] {
    return this.#told.get(page) ?? [0, 0];
  }

  get allTold(): Told[] {
    return [...this.#told].map(([page, it]) => [page, ...it]);
  }

  /** Whether all that a copy of this version has seen, this one has seen, too. */
  comesOf(version: Version): boolean {
    // Rows whose head is gone are of no line.
    if (version.epoch === 0) return version.seq === 0;
    return [...this.line, this.version].some((it) => isSameTerm(it, version) && it.seq >= version.seq);
  }

  /** Where the journals of the two have parted: what lies before this position both have had. */
  partedAt(other: Copy): number {
    const [turns, others] = [this, other].map(({ line, version, next }): Turn[] => [...line, { ...version, next }]);
    for (const turn of turns!.reverse()) {
      const same = others!.find((it) => isSameTerm(it, turn));
      if (same && turn.epoch > 0) return (same.seq < turn.seq ? same : turn).next ?? 0;
    }
    return 0;
  }

  /** What the requests give. */
  run(requests: Request[], { mayWrite, next, teller, commit }: Run): unknown[] {
    const before = new Map<string, [store: string, key: Key, value: Value | undefined]>();
    const [position, told] = [this.#next, this.#told];
    const set = (store: string, key: Key, value: Value | undefined) => {
      if (!mayWrite) throw { name: "ReadOnlyError", message: "" };
      const rows = this.#rows(store);
      const id = `${store} ${typeof key} ${key}`;
      if (!before.has(id)) before.set(id, [store, key, rows.get(key)]);
      rows.set(key, value);
    };
    const ask = (request: Request) => this.#ask(request, set);
    try {
      const answers = requests.map(ask);
      if (next) {
        const more = next(answers[0]);
        if (!more) throw { name: "refused", message: "" };
        more.forEach(ask);
      }
      if (teller) this.#told = tellOne(told, [...teller, this.#next - 1]);
      if (before.size > 0 || this.#next > position) {
        const version = { ...this.version, seq: this.version.seq + 1 };
        const changes = [...before.values()].map(([store, key]) => change(store, key, this.#rows(store).get(key)));
        commit({ version, changes, next: this.#next, told: teller ? [[teller[0], ...this.told(teller[0])]] : [] });
        this.version = version;
      }
      return answers;
    } catch (fault) {
      for (const [store, key, value] of before.values()) this.#rows(store).set(key, value);
      [this.#next, this.#told] = [position, told];
      throw fault;
    }
  }

  /** Makes the same changes as the copy that this step is of. */
  apply({ version, changes, next, told }: Step): void {
    for (const [store, key, value] of changes) this.#rows(store).set(key, isUsable(value) ? value : undefined);
    for (const one of told) this.#told = tellOne(this.#told, one);
    this.#next = next;
    this.version = version;
  }

  /** The same rows are of another version from here on: another's turn begins. */
  turnTo(version: Version, line: readonly Turn[], next: number): void {
    this.line = line;
    this.version = version;
    this.#next = next;
  }

  /** Keys and rows beyond a key, or in a range; at most `limit`, and all for 0. */
  pairs(store: string, query?: unknown, limit = 0): [Key, Value][] {
    const rows = this.#rows(store);
    return rows.within(query, limit).map((key) => [key, given(rows.get(key)!)]);
  }

  count(store: string): number {
    return this.#rows(store).keys.length;
  }

  /** All rows, as the changes by which an empty copy becomes this one; not copied. */
  *all(): Generator<Change> {
    for (const [store, rows] of this.#stores) {
      for (const key of rows.keys) yield [store, key, rows.get(key)!];
    }
  }

  #rows(store: string): Rows {
    const rows = this.#stores.get(store);
    if (!rows) throw { name: "NotFoundError", message: `there is no store "${store}"` };
    return rows;
  }

  // https://w3c.github.io/IndexedDB/#object-store-interface, as far as it is asked for.
  #ask([store, method, first, second]: Request, set: (store: string, key: Key, value?: Value) => void): unknown {
    const rows = this.#rows(store);
    const row = (key: Key | undefined) => (key === undefined ? undefined : given(rows.get(key)!));
    if (method === "get") return row(rows.within(needed(first), 1)[0]);
    if (method === "getAll") return rows.within(first, second).map(row);
    if (method === "getAllKeys") return rows.within(first, second);
    if (method === "count") return rows.within(first, 0).length;
    if (method === "openKeyCursor" && second === "prev") {
      const key = rows.within(first, 0).at(-1);
      return key === undefined ? null : { key, primaryKey: key };
    }
    if (method === "delete") return rows.within(needed(first), 0).forEach((key) => set(store, key));
    const isJournal = store === "journal";
    const key = method === "add" && second === undefined && isJournal ? this.#next : second;
    if ((method !== "put" && method !== "add") || !isKey(key)) throw unfit(`${store}.${method}`);
    if (method === "add" && rows.get(key) !== undefined) throw { name: "ConstraintError", message: "" };
    if (!isValue(store, key, first) || !isUsable(first)) throw unfit(`a row of ${store}`);
    set(store, key, given(first));
    if (isJournal && typeof key === "number") this.#next = Math.max(this.#next, Math.floor(key) + 1);
    return key;
  }
}

/** One store: the keys in their order, and what is under them. */
class Rows {
  keys: Key[] = [];
  #values = new Map<Key, Value>();

  get(key: Key): Value | undefined {
    return this.#values.get(key);
  }

  set(key: Key, value: Value | undefined): void {
    const isThere = this.#values.has(key);
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
    if (isThere === (value !== undefined)) return;
    this.keys.splice(this.#place(key, false), isThere ? 1 : 0, ...(isThere ? [] : [key]));
  }

  /** The keys that a key or a range names, all without one; at most `limit`, without one or for 0 all. */
  within(query: unknown, limit: unknown): Key[] {
    const { lower, upper, lowerOpen, upperOpen } = range(query);
    const from = lower === undefined ? 0 : this.#place(lower, lowerOpen === true);
    const to = upper === undefined ? this.keys.length : this.#place(upper, upperOpen !== true);
    return this.keys.slice(from, typeof limit === "number" && limit > 0 ? Math.min(to, from + limit) : to);
  }

  /** Where the first key is that is not before this one; or the first `beyond` it. */
  #place(key: Key, beyond: boolean): number {
    let [low, high] = [0, this.keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const order = compareKeys(this.keys[middle]!, key);
      if (order < 0 || (order === 0 && beyond)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Which version is the newer one. */
export function compare(one: Version, other: Version): number {
  return compareTerms(one, other) || one.seq - other.seq;
}

/** Which term is the later one. Two pages may have counted up to the same epoch, and then one of them goes on. */
export function compareTerms(one: Term, other: Term): number {
  return one.epoch - other.epoch || compareKeys(one.by, other.by);
}

export function isSameTerm(one: Term, other: Term): boolean {
  return compareTerms(one, other) === 0;
}

export function isTerm(it: unknown): it is Term {
  const { epoch, by } = (it ?? {}) as Partial<Record<keyof Term, unknown>>;
  return isCount(epoch) && typeof by === "string";
}

export function isVersion(it: unknown): it is Version {
  return isTerm(it) && isCount((it as Partial<Version>).seq);
}

export function isLine(it: unknown): it is Turn[] {
  return Array.isArray(it) && it.length <= LINE_MAX && it.every(isTurn);
}

function isTurn(it: unknown): it is Turn {
  if (!isVersion(it)) return false;
  const { next } = it as Turn;
  return next === undefined || isCount(next);
}

export function isCount(it: unknown): it is number {
  return Number.isSafeInteger(it) && (it as number) >= 0;
}

export function areTold(it: unknown): it is Told[] {
  const isTold = (one: unknown) =>
    Array.isArray(one) && typeof one[0] === "string" && isCount(one[1]) && isCount(one[2]);
  return Array.isArray(it) && it.length <= TOLD_MAX && it.every(isTold);
}

/** Whether they could be of a step or of a copy, and are not too many for one message. */
export function areChanges(it: unknown): it is Change[] {
  if (!Array.isArray(it)) return false;
  const isChange = (one: unknown) => {
    if (!Array.isArray(one)) return false;
    const [store, key, value] = one;
    return STORES.includes(store) && isKey(key) && (one.length === 2 || isValue(store, key, value));
  };
  return it.every(isChange) && bytesOf(it as Change[]) <= BUS_BYTES_MAX;
}

export function bytesOf(changes: readonly Change[]): number {
  const bytes = ([, key, value]: Change) =>
    OVERHEAD_BYTES + String(key).length + (value instanceof Uint8Array ? value.length : 0);
  return changes.reduce((sum, change) => sum + bytes(change), 0);
}

/** A row of these two is the device's own: what it signs with cannot be kept, and may not travel. */
export function isOfDevice(store: string, key: Key): boolean {
  return store === "meta" && (key === DEVICE || key === SIGNING);
}

export function change(store: string, key: Key, value: Value | undefined): Change {
  return value === undefined ? [store, key] : [store, key, value];
}

function tellOne(told: ReadonlyMap<string, readonly [number, number]>, [page, ...it]: Told) {
  const all = new Map(told);
  // It is the latest; the earliest one is the first to go.
  all.delete(page);
  all.set(page, it);
  const [first] = all.keys();
  if (all.size > TOLD_MAX && first !== undefined) all.delete(first);
  return all;
}

function compareKeys(one: Key, other: Key): number {
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return one < other ? -1 : one > other ? 1 : 0;
}

function isKey(it: unknown): it is Key {
  return typeof it === "string" || (typeof it === "number" && !Number.isNaN(it));
}

function isValue(store: string, key: Key, it: unknown): it is Value {
  if (it instanceof Uint8Array) return it.length <= BUS_BYTES_MAX - ROOM_BYTES;
  return store === "meta" && key === SIGNING && typeof it === "object";
}

// A way between pages that cannot carry keys leaves an empty object of them.
function isUsable(it: Value | undefined): boolean {
  if (it === null || it === undefined || it instanceof Uint8Array) return true;
  return typeof CryptoKey === "function" && (it as Partial<CryptoKeyPair>).privateKey instanceof CryptoKey;
}

function given(value: Value): Value {
  return value instanceof Uint8Array ? value.slice() : value;
}

function range(query: unknown): Partial<Record<"lower" | "upper", Key> & Record<"lowerOpen" | "upperOpen", boolean>> {
  if (query === undefined || query === null) return {};
  if (isKey(query)) return { lower: query, upper: query };
  const { lower, upper } = query as Partial<IDBKeyRange>;
  const isFit = [lower, upper].every((it) => it === undefined || isKey(it));
  if (!isFit || (lower === undefined && upper === undefined)) throw unfit("a key or a range");
  return query;
}

function needed(query: unknown): unknown {
  if (query === undefined || query === null) throw unfit("no key");
  return query;
}

function unfit(what: string): StoreFault {
  return { name: "DataError", message: what };
}

/** Of a copy that has seen nothing. */
export const BLANK: Version = { epoch: 0, by: "", seq: 0 };
/** The device's row in `meta`, and its key pair; `META_DEVICE` and `META_SIGNING` of the core's rows. */
export const DEVICE = "device";
export const SIGNING = "signing";
/** Who comes of a version that is further back counts as one that does not come of it. */
export const LINE_MAX = 64;
/** Pages whose last append is known. Rows of one that was forgotten may come twice, which does no harm. */
const TOLD_MAX = 256;
/** `BUS_BYTES_MAX` of the core's limits. */
export const BUS_BYTES_MAX = 4 * 1024 * 1024;
/** What a row comes with. */
const OVERHEAD_BYTES = 32;
const ROOM_BYTES = 4 * 1024;
/** The same as the coordinator creates (`rows::Store`). */
export const STORES: readonly string[] = [
  "journal",
  "flight",
  "done",
  "retained",
  "dead",
  "document",
  "stream",
  "cursor",
  "lease",
  "idle",
  "meta",
  "kv",
];
