// Keeps a store of the app's and the shared state alike: for any store with `getState`, `setState` and `subscribe`.
//
// What always holds:
// - a value is written only if the app has changed it in its store, by identity, so that none goes in circles;
// - what is shared already wins over what the store has when it starts, and a key that nobody has changed is not written;
// - functions stay in the store, and no value from elsewhere takes the place of one.
//
// Not here: pace, conflicts and validation. The state has them, and `connect` sets them up.

import { BellwetherError } from "./index.js";
import { Link, checkSource, isOptions, optionFault } from "./link.js";
import type { BellwetherSource, ErrorListener } from "./link.js";
import type { Bellwether, Change, ConflictStrategy, SharedState, StateOptions } from "./types.js";

export type { BellwetherSource, ErrorListener } from "./link.js";

/** A store of the app's, such as one of Zustand's. */
export interface SyncStore<T extends object> {
  getState(): T;
  /** Takes some keys, and leaves the others as they are. */
  setState(partial: Partial<T>): unknown;
  /** Calls `listener` after each change, in the same turn; returns what ends that. */
  subscribe(listener: () => void): () => unknown;
}

/** How a store is kept in sync. Every field is optional; a name it does not know is refused. */
export interface BroadcastSyncConfig<T extends object = Record<string, unknown>> {
  /** Default: `connect` without options. See {@link BellwetherSource}. */
  bellwether?: BellwetherSource | undefined;
  /** Only these keys of the store are shared. Default, and if empty: all that hold no function. */
  keys?: readonly (keyof T & string)[] | undefined;
  /** Another name for `keys`. */
  syncKeys?: readonly (keyof T & string)[] | undefined;
  /** These keys never leave the store. Stands above `keys`. Default: none. */
  excludeKeys?: readonly (keyof T & string)[] | undefined;

  /** See {@link StateOptions.throttleMs}; only where `bellwether` is left out or options, as for the six that follow. */
  throttleMs?: number | undefined;
  /** See {@link StateOptions.debounceMs}. */
  debounceMs?: number | undefined;
  /** See {@link StateOptions.conflictStrategy}. */
  conflictStrategy?: ConflictStrategy | undefined;
  /** See {@link StateOptions.keyStrategies}. */
  keyStrategies?: Readonly<Partial<Record<keyof T & string, ConflictStrategy>>> | undefined;
  /** See {@link StateOptions.customResolver}. */
  customResolver?: StateOptions["customResolver"];
  /** See {@link StateOptions.shouldSync}. */
  shouldSync?: StateOptions["shouldSync"];
  /** See {@link StateOptions.validate}. */
  validate?: StateOptions["validate"];

  /** Is told which keys of the store have a value from elsewhere, and which page wrote it (`""` where that is not known). */
  onRemoteUpdate?: ((keys: string[], source: string) => void) | undefined;
  /**
   * Is told whether this page hears the coordinator: `"disconnected"` is what it begins and ends with. Also when this
   * page becomes the leader, or is it no more; a page that is told so takes part in leading.
   */
  onConnectionChange?: ((state: ConnectionState) => void) | undefined;
  /** Is told of a start that failed and of a write that was refused. Default: logs it to the console. */
  onError?: ErrorListener | undefined;
  /** Logs which keys go out and come in to the console. Default `false`. */
  debug?: boolean | undefined;
}

/** What {@link BroadcastSyncConfig.onConnectionChange} is told. */
export type ConnectionState = "connected" | "disconnected" | "leader" | "follower";

/** One store's tie to the shared state. */
export interface BroadcastSync {
  /**
   * Begins: what is shared is put into the store, and from then on each change goes either way. Called again it gives the same
   * promise, until `stop`.
   *
   * Resolves when the store has what is shared, as far as this device knows. While that takes, shared keys are best left
   * alone: a value that is shared already takes their place. Ignoring a failure is fine, it is told to `onError`; the store then goes on by itself, and
   * `start` tries again.
   *
   * @throws {@link BellwetherError} of `connect`, or of whatever else gives the Bellwether
   */
  start(): Promise<void>;
  /** Ends that. The store keeps what it has, and the Bellwether stays open. May be called again, to no further effect. */
  stop(): void;
  /** Whether it was started, and neither failed nor was stopped. */
  isActive(): boolean;
  /** Whether this page leads, see {@link Leadership}; a page that asks takes part. `false` until there is a Bellwether. */
  isLeader(): boolean;
  /** This page's id; `""` until there is a Bellwether. */
  getTabId(): string;
  /**
   * Reads the state anew, see {@link SharedState.request}.
   *
   * @throws {@link BellwetherError} with `code` `"closed"`: it was not started; or of `request`
   */
  requestState(): Promise<void>;
  /**
   * Tells the other pages what this store has of these shared keys, or of all; also of those that nobody has written yet.
   *
   * @throws {@link BellwetherError} with `code` `"closed"`: it was not started; or of {@link SharedState.set}
   */
  broadcastState(keys?: readonly string[]): Promise<void>;
  /**
   * How many pages share the session on this device, this one included, as the coordinator has counted them last: `status.pages`
   * of the Bellwether. Pages whose stores are not started, and other stores, count. 0 until there is a Bellwether.
   */
  getConnectedTabs(): number;
  /**
   * Makes this page the leader, see {@link Leadership.forceLeader}.
   *
   * @throws {@link BellwetherError} with `code` `"closed"`: it was not started; or of `forceLeader`
   */
  forceLeader(): Promise<void>;
}

/**
 * Ties a store to the shared state, by the names of its keys. Nothing happens before `start`.
 *
 * A key that is deleted from the shared state gets the value that the store had of it at the first start.
 *
 * @throws {@link BellwetherError} with `code` `"option-invalid"`: the store or an option cannot be used
 *
 * @example
 * const sync = createBroadcastSync(store, { bellwether: { channel: "notes" }, keys: ["theme"] });
 * await sync.start();
 */
export function createBroadcastSync<T extends object>(
  store: SyncStore<T>,
  config: BroadcastSyncConfig<T> = {},
): BroadcastSync {
  for (const name of ["getState", "setState", "subscribe"] as const) {
    if (typeof store?.[name] !== "function") throw optionFault(`the store has no function \`${name}\``);
  }
  return new StoreSync(store as unknown as SyncStore<Values>, config as Config);
}

type Values = Record<string, unknown>;
type Config = BroadcastSyncConfig<Values>;

class StoreSync implements BroadcastSync {
  readonly #store: SyncStore<Values>;
  readonly #config: Config;
  readonly #link: Link;
  readonly #shares: (key: string) => boolean;
  #defaults: Values | undefined;
  #run: Run | undefined;

  constructor(store: SyncStore<Values>, config: Config) {
    this.#store = store;
    this.#config = config;
    this.#shares = scope(config);
    this.#link = new Link(sourceOf(config), config.onError);
  }

  start(): Promise<void> {
    if (this.#run) return this.#run.begun;
    const values = { ...this.#store.getState() };
    this.#defaults ??= values;
    return this.#begin(values);
  }

  // What can be done at once is, so that a page that has its Bellwether shows what is shared in its first frame.
  #begin(values: Values): Promise<void> {
    const run: Run = { begun: Promise.resolve() };
    this.#run = run;
    const tie = (bellwether: Bellwether) =>
      this.#link.told(async () => {
        if (this.#run === run) this.#tie(run, bellwether, values);
      });
    const there = this.#link.bellwether;
    run.begun = there ? tie(there) : this.#link.open().then(tie);
    run.begun.catch(() => {
      if (this.#run === run) this.stop();
    });
    return run.begun;
  }

  stop(): void {
    const tie = this.#run?.tie;
    this.#run = undefined;
    tie?.end();
  }

  isActive(): boolean {
    return this.#run !== undefined;
  }

  isLeader(): boolean {
    return this.#link.bellwether?.leader.isLeader ?? false;
  }

  getTabId(): string {
    return this.#link.bellwether?.id ?? "";
  }

  getConnectedTabs(): number {
    return this.#link.status?.pages ?? 0;
  }

  async requestState(): Promise<void> {
    const { state } = await this.#begun();
    await state.request();
  }

  async broadcastState(keys?: readonly string[]): Promise<void> {
    const tie = await this.#begun();
    await tie.broadcast(keys);
  }

  async forceLeader(): Promise<void> {
    await this.#begun();
    return this.#link.bellwether!.leader.forceLeader();
  }

  #tie(run: Run, bellwether: Bellwether, values: Values): void {
    const { onRemoteUpdate, onConnectionChange, debug } = this.#config;
    const log = (direction: string, keys: string[], source = "") => {
      if (debug && keys.length > 0) {
        console.debug(`[bellwether ${bellwether.id}] ${direction}: ${keys.join(", ")}${source}`);
      }
    };
    const tie = new Tie(this.#store, bellwether.state, this.#shares, this.#defaults!, {
      out: (keys) => log("out", keys),
      in: (keys, { origin, source }) => {
        log("in", keys, ` from ${origin} ${source}`);
        if (origin !== "local") onRemoteUpdate?.(keys, source);
      },
      write: (act) => void this.#link.told(act).catch(() => {}),
    });
    run.tie = tie;
    tie.begin(values);
    if (onConnectionChange) tie.ends.push(watch(bellwether, onConnectionChange));
  }

  async #begun(): Promise<Tie> {
    const run = this.#run;
    await run?.begun;
    if (run?.tie && run === this.#run) return run.tie;
    throw new BellwetherError("closed", "app", "this store is not in sync; call `start` first");
  }
}

/** From a start to its stop. */
interface Run {
  begun: Promise<void>;
  tie?: Tie;
}

/** What a tie tells, and what it asks for. */
interface Ears {
  out(keys: string[]): void;
  in(keys: string[], change: Change): void;
  write(act: () => Promise<unknown>): void;
}

/** The store and the state, tied together. */
class Tie {
  /** What ends it. */
  readonly ends: (() => unknown)[] = [];
  readonly state: SharedState;
  readonly #store: SyncStore<Values>;
  readonly #shares: (key: string) => boolean;
  readonly #defaults: Values;
  readonly #ears: Ears;
  /** What the store had of each key when it and the state were last alike. */
  #shown = new Map<string, unknown>();
  /** What the state had of each key then. It may be a copy of what the store has. */
  readonly #handed = new Map<string, unknown>();
  /** Keys of this tie's own writes of which the state has not told yet. */
  readonly #own = new Set<string>();
  /** Keys that are being put into the store. */
  #taking: Values = {};

  constructor(
    store: SyncStore<Values>,
    state: SharedState,
    shares: (key: string) => boolean,
    defaults: Values,
    ears: Ears,
  ) {
    this.#store = store;
    this.state = state;
    this.#shares = shares;
    this.#defaults = defaults;
    this.#ears = ears;
  }

  /** `values` is what the store had when it was asked to start; what has changed since is the app's, and written. */
  begin(values: Values): void {
    this.#shown = new Map(Object.entries(values));
    this.#take(Object.keys(this.state.get()));
    this.ends.push(
      this.state.subscribe((change) => {
        const taken = this.#take(change.keys);
        if (taken.length > 0) this.#ears.in(taken, change);
      }),
      this.#store.subscribe(() => this.#look()),
    );
    this.#look();
  }

  end(): void {
    for (const end of this.ends.splice(0)) end();
  }

  async broadcast(keys: readonly string[] = Object.keys(this.#store.getState())): Promise<void> {
    const values = this.#store.getState();
    const told = keys.filter((key) => this.#shares(key) && isShareable(values[key]));
    const unwritten = told.filter((key) => this.state.get(key) === undefined);
    const patch = Object.fromEntries(unwritten.map((key) => [key, values[key]]));
    if (unwritten.length > 0) await this.#write(patch);
    if (told.length > 0) await this.state.broadcast(told);
  }

  // From the state to the store; returns the keys that were news.
  #take(keys: readonly string[]): string[] {
    const values = this.#store.getState();
    const news: Values = {};
    const taken: string[] = [];
    for (const key of keys) {
      if (!this.#shares(key) || typeof values[key] === "function") continue;
      const value = this.state.get(key);
      const isOwn = this.#own.delete(key);
      const isKnown = isOwn || (this.#handed.has(key) && Object.is(this.#handed.get(key), value));
      this.#handed.set(key, value);
      if (isKnown) continue;
      const shown = value === undefined ? this.#defaults[key] : value;
      this.#shown.set(key, shown);
      taken.push(key);
      if (!Object.is(values[key], shown)) news[key] = shown;
    }
    if (Object.keys(news).length > 0) this.#put(news);
    return taken;
  }

  // A store may make another value of what it is given; that is its own affair, and not written back.
  #put(news: Values): void {
    const outer = this.#taking;
    this.#taking = { ...outer, ...news };
    try {
      this.#store.setState(news);
    } finally {
      this.#taking = outer;
      const values = this.#store.getState();
      for (const key of Object.keys(news)) this.#shown.set(key, values[key]);
    }
  }

  // From the store to the state: what the app has changed.
  #look(): void {
    const values = this.#store.getState();
    const patch: Values = {};
    for (const key of new Set([...Object.keys(values), ...this.#shown.keys()])) {
      const value = values[key];
      const shown = this.#shown.get(key);
      if (Object.is(value, shown) || key in this.#taking || !this.#shares(key)) continue;
      if (typeof value === "function" || typeof shown === "function") continue;
      this.#shown.set(key, value);
      if (!Object.is(value, this.#handed.get(key))) patch[key] = value;
    }
    if (Object.keys(patch).length > 0) this.#ears.write(() => this.#write(patch));
  }

  #write(patch: Values): Promise<unknown> {
    const keys = Object.keys(patch);
    for (const key of keys) this.#own.add(key);
    try {
      this.#ears.out(keys);
      return this.state.set(patch);
    } finally {
      for (const key of keys) {
        this.#own.delete(key);
        this.#handed.set(key, this.state.get(key));
      }
    }
  }
}

function watch(bellwether: Bellwether, tell: (state: ConnectionState) => void): () => void {
  const { leader } = bellwether;
  let connection: ConnectionState = "disconnected";
  let isLeader = false;
  const look = () => {
    const now = bellwether.status.connection;
    if (now !== connection) tell((connection = now));
  };
  const lookLeader = () => {
    if (leader.isLeader !== isLeader) {
      isLeader = leader.isLeader;
      tell(isLeader ? "leader" : "follower");
    }
  };
  bellwether.addEventListener("status", look);
  leader.addEventListener("change", lookLeader);
  look();
  lookLeader();
  return () => {
    bellwether.removeEventListener("status", look);
    leader.removeEventListener("change", lookLeader);
    if (connection === "connected") tell("disconnected");
  };
}

function isShareable(value: unknown): boolean {
  return value !== undefined && typeof value !== "function";
}

function scope(config: Config): (key: string) => boolean {
  for (const [name, value] of Object.entries(config)) {
    if (value !== undefined && !(name in OPTIONS)) {
      throw optionFault(`there is no option \`${name}\`, but ${Object.keys(OPTIONS).join(", ")}`);
    }
    const wanted = OPTIONS[name as keyof Config];
    const isFit = value === undefined || !wanted || isA(wanted, value);
    if (!isFit) throw optionFault(`\`${name}\` cannot be used; give it ${wanted}`);
  }
  if (config.keys && config.syncKeys) {
    throw optionFault("`keys` and `syncKeys` are two names of one option; give it once");
  }
  const shared = new Set(config.keys ?? config.syncKeys);
  const excluded = new Set(config.excludeKeys);
  return (key) => !excluded.has(key) && (shared.size === 0 || shared.has(key));
}

function isA(wanted: string, value: unknown): boolean {
  if (wanted === "a function") return typeof value === "function";
  if (wanted === "true or false") return typeof value === "boolean";
  return Array.isArray(value) && value.every((key) => typeof key === "string");
}

// What the state itself has to know is the channel's from when it is opened.
function sourceOf(config: Config): BellwetherSource {
  const { bellwether = {} } = config;
  checkSource(bellwether);
  const given = PASSED.filter((name) => config[name] !== undefined);
  const [first] = given;
  if (first === undefined) return bellwether;
  if (!isOptions(bellwether)) {
    throw optionFault(
      `\`${first}\` is for \`connect\`, which was called elsewhere: give it there as ` +
        `\`state.${first}\`, or give \`bellwether\` the options to connect with`,
    );
  }
  const passed = Object.fromEntries(given.map((name) => [name, config[name]]));
  return { ...bellwether, state: { ...bellwether.state, ...passed } };
}

/** What is handed on to `connect`. */
const PASSED = [
  "throttleMs",
  "debounceMs",
  "conflictStrategy",
  "keyStrategies",
  "customResolver",
  "shouldSync",
  "validate",
] as const satisfies readonly (keyof Config & keyof StateOptions)[];

const KEYS = "a list of keys";
const FUNCTION = "a function";

/** All options, and what they have to be where `connect` does not look at them. */
const OPTIONS: Readonly<Record<keyof Config, string>> = {
  bellwether: "",
  keys: KEYS,
  syncKeys: KEYS,
  excludeKeys: KEYS,
  throttleMs: "",
  debounceMs: "",
  conflictStrategy: "",
  keyStrategies: "",
  customResolver: "",
  shouldSync: "",
  validate: "",
  onRemoteUpdate: FUNCTION,
  onConnectionChange: FUNCTION,
  onError: FUNCTION,
  debug: "true or false",
};
