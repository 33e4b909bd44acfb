// The shared state's face: values for JSON, and what of a write leaves this page, when, and how.
//
// What always holds: a read is answered from here; a value that is handed out is never changed; what `excludeKeys` names,
// or `syncKeys` does not, is in this object and nowhere else.

import { appFault, named, naming, settled } from "./errors.js";
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
import type { Happenings, Leaf, StateWrite } from "./wasm.js";

type Values = Readonly<Record<string, unknown>>;

export class PageState implements SharedState {
  readonly #inside: Inside;
  readonly #options: StateOptions;
  readonly #listeners = new Set<(change: Change) => void>();
  /** What is shown, as far as it was looked at. */
  readonly #known = new Map<string, unknown>();
  /** What this page alone has: keys that are not shared, and writes that have not left yet. */
  readonly #own = new Map<string, unknown>();
  #all: Values | undefined;
  /** What was confirmed of keys before somebody else wrote. */
  readonly #bases = new Map<string, unknown>();
  #resolve: (() => void) | undefined;
  /** Values that are leaving, and were shown before. */
  readonly #leaving = new Map<string, unknown>();
  /** Those who wait for what is held back. */
  #held: ((left: Promise<Commit>) => void)[] | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastLeft = 0;

  constructor(inside: Inside) {
    this.#inside = inside;
    this.#options = inside.asked.state ?? {};
    inside.over.addEventListener("abort", () => clearTimeout(this.#timer));
    const { customResolver } = this.#options;
    if (!customResolver) return;
    const resolvable = {
      value: (key: string) => this.#value(key),
      base: (key: string) => this.#bases.get(key),
      write: (key: string, value: unknown) => this.set({ [key]: value }),
      isCustom: (key: string) => this.#strategy(key) === "custom",
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
    const shared = keys.filter((key) => this.#isShared(key));
    const values = Object.fromEntries(shared.map((key) => [key, this.#value(key)]));
    if (shared.length > 0) await naming(() => this.#send(values, () => true));
  }

  /** The wasm shows keys otherwise than before. */
  onChange(change: Happenings["state"]): void {
    this.#resolve?.();
    const shown = change.keys.filter((key) => this.#isShared(key) && !this.#own.has(key));
    const keys = shown.filter((key) => !this.#isLeaving(key) && this.#takes(key, change));
    if (keys.length === 0) return;
    this.#tell({ ...change, keys });
  }

  /** This device and another have written without knowing of one another. */
  onClash({ key, base, local, remote }: Happenings["clash"]): void {
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
    this.#all = undefined;
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (cause) {
        // One that fails is not the others' affair.
        reportError(cause);
      }
    }
    if (change.origin !== "local") this.#inside.fire("remote-update", change);
  }

  // It is shown already, as this very object.
  #isLeaving(key: string): boolean {
    const value = this.#leaving.get(key);
    const stays = this.#leaving.has(key) && json(put(this.#inside.client.state(key))) === json(value);
    if (stays) this.#known.set(key, value);
    return stays;
  }

  // A value that is refused leaves the one before.
  #takes(key: string, { origin }: Change): boolean {
    const { validate } = this.#options;
    const before = this.#known.get(key);
    this.#known.delete(key);
    if (!validate || origin === "local") return true;
    const value = this.#value(key);
    let why: unknown = "by `validate`";
    try {
      if (value === undefined || validate(key, value)) return true;
    } catch (cause) {
      why = cause;
    }
    this.#known.set(key, before);
    const message = `a value of "${key}" from elsewhere was refused: ${why}`;
    this.#inside.report(appFault("state-refused", message, { cause: why }));
    return false;
  }

  #value(key: string): unknown {
    if (this.#own.has(key)) return this.#own.get(key);
    if (!this.#known.has(key)) this.#known.set(key, put(this.#inside.client.state(key)));
    return this.#known.get(key) ?? this.#options.initial?.[key];
  }

  #collect(): Record<string, unknown> {
    const { initial = {} } = this.#options;
    const shared = (this.#inside.client.state(undefined) as string[]).filter((key) =>
      this.#isShared(key),
    );
    const keys = new Set([...Object.keys(initial), ...shared, ...this.#own.keys()]);
    const entries = [...keys].map((key) => [key, this.#value(key)]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  #isShared(key: string): boolean {
    const { syncKeys = [], excludeKeys = [] } = this.#options;
    return !excludeKeys.includes(key) && (syncKeys.length === 0 || syncKeys.includes(key));
  }

  #strategy(key: string): ConflictStrategy {
    const { conflictStrategy = "last-write-wins", keyStrategies } = this.#options;
    return (Object.hasOwn(keyStrategies ?? {}, key) && keyStrategies?.[key]) || conflictStrategy;
  }

  async #write(patch: Values): Promise<Commit> {
    if (this.#inside.over.aborted) throw appFault("closed", "this page was closed; `connect` again");
    const { throttleMs = 0, debounceMs = 0, shouldSync } = this.#options;
    const keys = Object.keys(patch);
    const shared = keys.filter((key) => this.#isShared(key));
    const leaves = !shouldSync || shouldSync(this.get(), { ...this.get(), ...patch });
    const waits = throttleMs > 0 || debounceMs > 0;
    // What does not leave at once is shown from here.
    const own = leaves && !waits ? keys.filter((key) => !shared.includes(key)) : keys;
    own.forEach((key) => this.#own.set(key, detached(patch[key])));
    const source = this.#inside.page.id;
    if (own.length > 0) this.#tell({ keys: own, source, origin: "local", version: 0 });
    if (!leaves || shared.length === 0) return { version: 0, keys, conflict: false };
    return waits ? this.#hold(throttleMs, debounceMs) : this.#leave(patch, shared);
  }

  /** Writes that follow one another leave together. */
  #hold(throttleMs: number, debounceMs: number): Promise<Commit> {
    const isFirst = this.#held === undefined;
    const waiting = (this.#held ??= []);
    // The first at once, unless one has left a moment ago; the last of those that follow at the end.
    const throttled = Math.max(0, this.#lastLeft + throttleMs - performance.now());
    const wait = Math.max(debounceMs, throttled);
    const commit = new Promise<Commit>((resolve) => waiting.push(resolve));
    if (debounceMs > 0) clearTimeout(this.#timer);
    const release = () => {
      this.#held = undefined;
      this.#lastLeft = performance.now();
      const left = this.#leave({}, []);
      waiting.forEach((resolve) => resolve(left));
    };
    if (wait === 0) release();
    else if (isFirst || debounceMs > 0) this.#timer = setTimeout(release, wait);
    return commit;
  }

  /** What this page has been showing alone leaves with it. */
  #leave(patch: Values, keys: string[]): Promise<Commit> {
    const held = [...this.#own.keys()].filter((key) => this.#isShared(key) && !keys.includes(key));
    for (const key of [...held, ...keys]) {
      if (!keys.includes(key)) this.#leaving.set(key, this.#own.get(key));
      this.#own.delete(key);
    }
    const values = [...this.#leaving, ...keys.map((key) => [key, patch[key]] as const)];
    const sent = naming(() => this.#send(Object.fromEntries(values)));
    this.#leaving.clear();
    return sent;
  }

  async #send(values: Values, differs = this.#differs): Promise<Commit> {
    const keys = Object.keys(values);
    const writes: StateWrite[] = [];
    for (const key of keys) {
      const strategy = this.#strategy(key);
      const isBased = strategy === "first-write-wins" || strategy === "custom";
      const [from, to] = [put(this.#inside.client.state(key)), values[key]];
      if (!differs(from, to)) continue;
      if (strategy === "merge") places(from, to, [], (path, value) => writes.push([key, false, json(value), ...path]));
      else writes.push([key, isBased, json(to)]);
    }
    const based = writes.some(([, isBased]) => isBased);
    if (writes.length === 0) return { version: 0, keys, conflict: false };
    const resolves = keys.some((key) => this.#strategy(key) === "custom");
    let id = "";
    const stored = settled<number>((settle) => {
      id = this.#inside.client.set(writes, resolves ? 4 : 0, settle);
    });
    const version = await stored.catch((cause: unknown) => {
      throw named(cause);
    });
    this.#inside.stored(undefined);
    if (!based) return { version, keys, conflict: false };
    // It counts only on what it was built on, and whoever orders the writes says whether it does.
    const { status, offset = version, error } = await (await later()).delivered(this.#inside, id);
    const conflict = status === "refused" && error?.code === "state-conflict";
    if (status === "refused" && !conflict) {
      throw appFault("state-refused", error?.message ?? "the server refused the write");
    }
    return { version: offset, keys, conflict };
  }

  readonly #differs = (from: unknown, to: unknown) => json(from) !== json(to);
}

function checked(patch: Values): Values {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
    throw appFault("state-invalid", "the patch is no object; give `{ key: value }`");
  }
  // Throws for what is no JSON, before anything is shown.
  Object.values(patch).forEach(json);
  return patch;
}

function json(value: unknown): string | undefined {
  try {
    const text = JSON.stringify(value) as string | undefined;
    if (text !== undefined || value === undefined) return text;
  } catch (cause) {
    throw appFault("state-invalid", `a value cannot be JSON (${cause}); give plain values`, { cause });
  }
  throw appFault("state-invalid", `a ${typeof value} cannot be JSON; give plain values`);
}

/** What others may do with their object does not change what is shown. */
function detached(value: unknown): unknown {
  const text = json(value);
  return text === undefined ? undefined : frozen(JSON.parse(text));
}

/** Puts together what stands at the places of a key, in their order. */
function put(leaves: Leaf[] | undefined): unknown {
  let whole: unknown;
  for (const [text, ...path] of leaves ?? []) {
    const value: unknown = text === undefined ? undefined : JSON.parse(text);
    if (path.length === 0) whole = value;
    else if (value !== undefined || isObject(whole)) whole = place(whole, path, value);
  }
  return frozen(whole);
}

// What stands in the way of a member and is no object gives way.
function place(into: unknown, [name, ...path]: string[], value: unknown): unknown {
  const object: Record<string, unknown> = isObject(into) ? into : {};
  const member = path.length === 0 ? value : place(own(object, name!), path, value);
  if (member === undefined) delete object[name!];
  // Not by assignment, which `__proto__` would take for something else.
  else Object.defineProperty(object, name!, { value: member, ...PLAIN });
  return object;
}

/** Tells each place where `to` differs from `from`, with what is there; `undefined` for what is gone. */
function places(
  from: unknown,
  to: unknown,
  path: string[],
  tell: (path: string[], value: unknown) => void,
): void {
  if (!isObject(from) || !isObject(to) || path.length === DEPTH_MAX) {
    if (path.length === 0 || json(from) !== json(to)) tell(path, to);
    return;
  }
  for (const name of new Set([...Object.keys(from), ...Object.keys(to)])) {
    places(own(from, name), own(to, name), [...path, name], tell);
  }
}

function own(object: Record<string, unknown>, name: string): unknown {
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

const PLAIN = { enumerable: true, configurable: true, writable: true };
const DEPTH_MAX = 32;
const ROUNDS_MAX = 5;
