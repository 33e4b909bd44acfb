// The shared state's face: values for JSON, and what of a write leaves this page, when, and how.
//
// What always holds: a read is answered from here; a value that is handed out is never changed; what `excludeKeys` names,
// or `syncKeys` does not, is in this object and nowhere else.

import { refuseClosed } from "./closed.js";
import { BellwetherError, appFault, named, naming, settled } from "./errors.js";
import type { Inside } from "./inside.js";
import { later } from "./load.js";
import type {
  Change,
  Commit,
  Conflict,
  ConflictStrategy,
  SharedState,
  StateOptions,
} from "./shared-state.js";
import type { Happenings, Leaves, Settle, StateWrite } from "./wasm.js";

type Values = Readonly<Record<string, unknown>>;

export class PageState implements SharedState {
  readonly #inside: Inside;
  readonly #options: StateOptions;
  readonly #listeners = new Set<(change: Change) => void>();
  /** What is shown, as far as it was looked at. */
  readonly #known = new Map<string, unknown>();
  /** What this page alone has: keys that are not shared, and writes that have not left yet. */
  readonly #own = new Map<string, unknown>();
  /** What was shown of these before. */
  readonly #before = new Map<string, unknown>();
  #all: Values | undefined;
  /** What was confirmed of keys before somebody else wrote. */
  readonly #bases = new Map<string, unknown>();
  #resolve: (() => void) | undefined;
  /** Keys that are being written. */
  #leaving: string[] = [];
  /** Those who wait for what is held back. */
  #held: { resolve(left: Promise<Commit>): void; reject(cause: Error): void }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastLeft = -Infinity;
  #version = 0;

  constructor(inside: Inside) {
    this.#inside = inside;
    this.#options = inside.asked.state ?? {};
    const { client, over } = inside;
    over.addEventListener("abort", this.leave);
    // A page that goes out of sight may not come back.
    globalThis.addEventListener?.("visibilitychange", this.leave, { signal: over });
    const { customResolver, validate } = this.#options;
    // What was there before anybody could listen comes from elsewhere, too.
    if (validate) client.state(undefined).forEach((key) => this.#takes(key, "server"));
    if (!customResolver) return;
    const resolvable = {
      value: (key: string) => this.#value(key),
      base: (key: string) => this.#bases.get(key),
      write: (key: string, value: unknown) => this.set({ [key]: value }),
      isCustom: (key: string) => this.#isShared(key) && this.#strategy(key) === "custom",
    };
    later().then((it) => {
      this.#resolve = it.resolver(inside, resolvable, customResolver);
    }, inside.report);
  }

  get(): Values;
  get<T>(key: string): T | undefined;
  get(key?: string): unknown {
    if (key !== undefined) return this.#value(key);
    this.#all ??= Object.freeze(this.#collect());
    return this.#all;
  }

  set(patch: Values): Promise<Commit> {
    return naming(async () => this.#write(checked(patch)));
  }

  async update<T>(key: string, fn: (value: T | undefined) => T): Promise<Commit> {
    for (let round = 1; ; round += 1) {
      const commit = await this.set({ [key]: fn(this.get(key)) });
      if (!commit.conflict || round === ROUNDS_MAX) return commit;
      // The outcome may be known before what it was lost against.
      await this.request().catch(() => {});
    }
  }

  delete(key: string): Promise<Commit> {
    return this.set({ [key]: undefined });
  }

  subscribe(listener: (change: Change) => void): () => void;
  subscribe(keys: readonly string[], listener: (change: Change) => void): () => void;
  subscribe(
    first: readonly string[] | ((change: Change) => void),
    second?: (change: Change) => void,
  ): () => void {
    const call = (change: Change) => {
      if (typeof first === "function") return first(change);
      const keys = change.keys.filter((key) => first.includes(key));
      if (keys.length > 0) second!({ ...change, keys });
    };
    this.#listeners.add(call);
    return () => this.#listeners.delete(call);
  }

  async request(): Promise<void> {
    await settled((settle) => this.#inside.client.ask("pull", undefined, undefined, settle));
  }

  async broadcast(keys: readonly string[] = Object.keys(this.get())): Promise<void> {
    // What nobody has written is not written by this.
    const written = (key: string) => this.#own.has(key) || this.#inside.client.state(key);
    const shared = keys.filter((key) => this.#isShared(key) && written(key));
    const values = Object.fromEntries(shared.map((key) => [key, this.#value(key)]));
    await naming(async () => this.#send(values, true));
  }

  /** What is held back leaves. */
  readonly leave = (): void => {
    if (this.#held.length === 0) return;
    try {
      void this.#leave({}, []);
    } catch {
      // Those who wait are told.
    }
  };

  /** The wasm shows keys otherwise than before. */
  onChange(changed: Happenings["state"], source: string, from: number, version: number): void {
    this.#resolve?.();
    this.#version = version;
    const origin = ORIGINS[from]!;
    const all = typeof changed === "string" ? [changed] : changed;
    const keys = all.filter((key) => this.#isShared(key) && this.#takes(key, origin));
    this.#tell({ keys, source, origin, version });
  }

  /** This device and another have written without knowing of one another. */
  onClash({ key, base, local, remote }: Happenings["clash"]): void {
    if (!this.#isShared(key)) return;
    const strategy = this.#strategy(key);
    const [before, mine, theirs] = [base, local, remote].map((leaves) => put(leaves));
    if (strategy === "custom") {
      this.#bases.set(key, before);
      // Told once it is resolved.
      if (this.#options.customResolver) return this.#resolve?.();
    }
    const result = strategy === "custom" ? undefined : this.#value(key);
    const conflict: Conflict = { key, base: before, local: mine, remote: theirs, result, strategy };
    this.#inside.fire("conflict", conflict);
  }

  #tell(change: Change): void {
    if (change.keys.length === 0) return;
    this.#all = undefined;
    for (const listener of [...this.#listeners]) {
      try {
        // One may have ended another.
        if (this.#listeners.has(listener)) listener(change);
      } catch (cause) {
        // One that fails is not the others' affair.
        reportError(cause);
      }
    }
    if (change.origin !== "local") this.#inside.fire("remote-update", change);
  }

  #tellOwn(keys: string[], version: number): void {
    this.#tell({ keys, source: this.#inside.page.id, origin: "local", version });
  }

  // Whether listeners are to hear of it. A value that is refused leaves the one before.
  #takes(key: string, origin: Change["origin"]): boolean {
    const { validate } = this.#options;
    const wasKnown = this.#known.has(key);
    const before = this.#known.get(key);
    this.#known.delete(key);
    if (this.#leaving.includes(key)) return false;
    if (!validate && !wasKnown) return !this.#own.has(key);
    const value = this.#read(key);
    this.#known.set(key, before);
    if (wasKnown && same(before, value)) return false;
    let why: unknown = "by `validate`";
    try {
      if (!validate || origin === "local" || value === undefined || validate(key, value)) {
        this.#known.set(key, value);
        return !this.#own.has(key);
      }
    } catch (cause) {
      why = cause;
    }
    if (!wasKnown) this.#known.set(key, this.#initial(key));
    const message = `a value of "${key}" from elsewhere was refused: ${why}`;
    this.#inside.report(appFault("state-refused", message, { cause: why }));
    return false;
  }

  #value(key: string): unknown {
    if (this.#own.has(key)) return this.#own.get(key);
    if (!this.#known.has(key)) this.#known.set(key, this.#read(key));
    return this.#known.get(key);
  }

  #read(key: string): unknown {
    const leaves = this.#isShared(key) ? this.#inside.client.state(key) : undefined;
    return leaves ? put(leaves) : this.#initial(key);
  }

  #initial(key: string): unknown {
    return own(this.#options.initial ?? {}, key);
  }

  #collect(): Record<string, unknown> {
    const shared = this.#inside.client.state(undefined).filter((key) => this.#isShared(key));
    const keys = new Set([
      ...Object.keys(this.#options.initial ?? {}),
      ...shared,
      ...this.#own.keys(),
    ]);
    const entries = [...keys].map((key) => [key, this.#value(key)]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  #isShared(key: string): boolean {
    const { syncKeys = [], excludeKeys = [] } = this.#options;
    return !excludeKeys.includes(key) && (syncKeys.length === 0 || syncKeys.includes(key));
  }

  #strategy(key: string): ConflictStrategy {
    const { conflictStrategy = "last-write-wins", keyStrategies = {} } = this.#options;
    return (own(keyStrategies, key) as ConflictStrategy | undefined) ?? conflictStrategy;
  }

  #isBased(key: string): boolean {
    const strategy = this.#strategy(key);
    return strategy === "first-write-wins" || strategy === "custom";
  }

  async #write(patch: Values): Promise<Commit> {
    refuseClosed(this.#inside);
    const { throttleMs = 0, debounceMs = 0 } = this.#options;
    const keys = Object.keys(patch);
    const shared = keys.filter((key) => this.#isShared(key));
    const leaves = this.#passes(patch) && shared.length > 0;
    // What counts only on what it was built on cannot wait for others to write meanwhile.
    const isBased = shared.some((key) => this.#isBased(key));
    const waits = (throttleMs > 0 || debounceMs > 0) && !isBased;
    // A patch is refused as a whole, and what has waited has nothing to do with it.
    if (leaves && isBased) this.#leave({}, []).catch(() => {});
    // Throws before anything is shown.
    const sent = leaves && !waits ? this.#leave(patch, shared) : undefined;
    this.#keep(patch, sent ? keys.filter((key) => !shared.includes(key)) : keys);
    if (!leaves) return { version: 0, keys, conflict: false };
    return { ...(await (sent ?? this.#hold(throttleMs, debounceMs))), keys };
  }

  #passes(patch: Values): boolean {
    const { shouldSync } = this.#options;
    try {
      return !shouldSync || shouldSync(this.get(), { ...this.get(), ...patch });
    } catch (cause) {
      throw appFault("option-invalid", `\`shouldSync\` failed (${cause})`, { cause });
    }
  }

  /** What does not leave at once is shown from here. */
  #keep(patch: Values, keys: string[]): void {
    const changed = keys.filter((key) => !same(this.#value(key), patch[key]));
    for (const key of changed) {
      if (!this.#own.has(key)) this.#before.set(key, this.#value(key));
      this.#own.set(key, patch[key]);
    }
    this.#tellOwn(changed, 0);
  }

  /** Writes that follow one another leave together. */
  #hold(throttleMs: number, debounceMs: number): Promise<Commit> {
    const commit = new Promise<Commit>((resolve, reject) => this.#held.push({ resolve, reject }));
    // The first at once, unless one has left a moment ago; the last of those that follow at the end.
    const throttled = this.#lastLeft + throttleMs - performance.now();
    const wait = Math.max(0, debounceMs, throttled);
    if (wait === 0) this.leave();
    else if (debounceMs > 0 || this.#held.length === 1) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(this.leave, Math.min(wait, TIMER_MS_MAX));
    }
    return commit;
  }

  /** What this page has been showing alone leaves with it. Throws if nothing leaves; what was shown alone is then gone. */
  #leave(patch: Values, keys: string[]): Promise<Commit> {
    const alone = [...this.#own].filter(([key]) => this.#isShared(key));
    const values = Object.fromEntries([...alone, ...keys.map((key) => [key, patch[key]] as const)]);
    const leaving = Object.keys(values);
    const shown = leaving.map((key) => this.#value(key));
    leaving.forEach((key) => this.#own.delete(key));
    const held = this.#held;
    if (held.length > 0) clearTimeout(this.#timer);
    this.#leaving = leaving;
    this.#held = [];
    try {
      const sent = this.#send(values);
      held.forEach(({ resolve }) => resolve(sent));
      return sent;
    } catch (cause) {
      held.forEach(({ reject }) => reject(named(cause)));
      throw cause;
    } finally {
      this.#lastLeft = performance.now();
      this.#leaving = [];
      leaving.forEach((key) => this.#before.delete(key));
      // What is the same stays the same object.
      const changed = leaving.filter((key, at) => {
        const leaves = this.#inside.client.state(key);
        const isShown =
          leaves !== undefined &&
          (leaves === json(values[key]) || same(put(leaves), values[key]));
        if (isShown) this.#known.set(key, values[key]);
        else this.#known.delete(key);
        const isSame = same(this.#value(key), shown[at]);
        if (isSame) this.#known.set(key, shown[at]);
        return !isSame;
      });
      this.#tellOwn(changed, this.#version);
    }
  }

  /** `again`: also what is there already. */
  #send(values: Values, again = false): Promise<Commit> {
    const { client, stored } = this.#inside;
    const keys = Object.keys(values);
    const writes: StateWrite[] = [];
    for (const key of keys) {
      const [to, now] = [values[key], this.#value(key)];
      // The other pages wait for this: only what looks the same is looked at more closely.
      if (!again && same(now, to) && same(put(client.state(key)), to)) continue;
      if (this.#strategy(key) === "merge") {
        const before = this.#before.has(key) ? this.#before.get(key) : now;
        const tell = (path: string[], value: unknown) =>
          writes.push([key, "", json(value) ?? "", ...path]);
        places(again ? to : client.state(key) && before, to, [], tell, again);
      } else writes.push([key, this.#isBased(key) ? "based" : "", json(to) ?? ""]);
    }
    const commit = { version: this.#version, keys, conflict: false };
    if (writes.length === 0) return Promise.resolve(commit);
    const resolves = keys.some((key) => this.#strategy(key) === "custom");
    let settle!: Settle<number>;
    const version = new Promise<number>((resolve, reject) => {
      settle = (version, fault) => {
        stored(fault);
        if (fault) reject(named(fault));
        else resolve(version);
      };
    });
    const id = client.set(writes, resolves ? 4 : 0, settle);
    return this.#outcome(id, version, commit, writes.some(([, based]) => based !== ""));
  }

  async #outcome(
    id: string,
    stored: Promise<number>,
    commit: Commit,
    isBased: boolean,
  ): Promise<Commit> {
    const version = await stored;
    if (!isBased) return { ...commit, version };
    // It counts only on what it was built on, and whoever orders the writes says whether it does.
    const { status, offset = version, error } = await (await later()).delivered(this.#inside, id);
    const conflict = status === "refused" && error?.code === "state-conflict";
    if (status === "refused" && !conflict) {
      const message = error?.message || "the server has refused the write";
      throw new BellwetherError("state-refused", "server", message);
    }
    return { ...commit, version: offset, conflict };
  }
}

function checked(patch: Values): Values {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
    throw appFault("state-invalid", "the patch is no object; give `{ key: value }`");
  }
  // Throws for what is no JSON, before anything is shown.
  return Object.fromEntries(Object.entries(patch).map(([key, value]) => [key, plain(value)]));
}

/** A frozen copy, which others cannot change by their object. */
export function plain(value: unknown): unknown {
  if (value === undefined) return undefined;
  try {
    const text = JSON.stringify(value);
    refuseLost(value);
    return frozen(JSON.parse(text));
  } catch (cause) {
    throw appFault("state-invalid", `a value cannot be JSON (${cause}); give plain values`, { cause });
  }
}

// JSON would leave these out without a word, or make `null` of them. A member that is `undefined` is none; what says itself
// what its JSON is, is asked.
function refuseLost(value: unknown): void {
  const type = typeof value;
  if (type === "function" || type === "symbol" || (type === "number" && !Number.isFinite(value))) {
    throw new TypeError(`${type === "number" ? value : type} is no JSON`);
  }
  if (type !== "object" || value === null) return;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return refuseLost(toJSON.call(value, ""));
  if (Array.isArray(value) && value.includes(undefined)) throw new TypeError("undefined is no JSON");
  Object.values(value as object).forEach(refuseLost);
}

function json(value: unknown): string | undefined {
  return JSON.stringify(value);
}

/** Puts together what stands at the places of a key, in their order. */
function put(leaves: Leaves | undefined): unknown {
  if (typeof leaves === "string") return frozen(JSON.parse(leaves));
  let whole: unknown;
  for (const [text, ...path] of leaves ?? []) {
    whole = place(whole, path, text === undefined ? undefined : JSON.parse(text));
  }
  return frozen(whole);
}

// What stands in the way of a member and is no object gives way, as the server has it; but not to what was deleted.
function place(into: unknown, [name, ...path]: string[], value: unknown): unknown {
  if (name === undefined) return value;
  if (!isObject(into) && value === undefined) return into;
  const object: Record<string, unknown> = isObject(into) ? into : {};
  const member = place(own(object, name), path, value);
  if (member === undefined) delete object[name];
  // Not by assignment, which `__proto__` would take for something else.
  else Object.defineProperty(object, name, { value: member, ...PLAIN });
  return object;
}

/** Whether two values are the same JSON, in whatever order their members are. */
function same(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  // Of what is neither object nor array only the same is the same.
  if (typeof one !== "object" || typeof other !== "object") return false;
  if (!isObject(one) || !isObject(other)) return json(one) === json(other);
  const names = Object.keys(one);
  const isIn = (name: string) => Object.hasOwn(other, name) && same(one[name], other[name]);
  return names.length === Object.keys(other).length && names.every(isIn);
}

/** Tells each place where `to` differs from `from`, or `all`, with what is there; `undefined` for what is gone. */
function places(
  from: unknown,
  to: unknown,
  path: string[],
  tell: (path: string[], value: unknown) => void,
  all = false,
): void {
  if (!isObject(from) || !isObject(to) || path.length === DEPTH_MAX) {
    if (all || json(from) !== json(to)) tell(path, to);
    return;
  }
  for (const name of new Set([...Object.keys(from), ...Object.keys(to)])) {
    places(own(from, name), own(to, name), [...path, name], tell, all);
  }
}

function own(object: Values, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function frozen(value: unknown): unknown {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}

/** Of a change, by the wasm's numbers. */
const ORIGINS = ["local", "page", "server"] as const;
const PLAIN = { enumerable: true, configurable: true, writable: true };
const DEPTH_MAX = 32;
const ROUNDS_MAX = 5;
/** Browsers keep a delay in 32 signed bits. */
const TIMER_MS_MAX = 2 ** 31 - 1;
