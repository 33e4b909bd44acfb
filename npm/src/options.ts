// The app's options, checked for type and put into the form the wasm takes.
//
// What always holds: what leaves this file is of the type it claims, so nothing the app hands in is
// converted by chance. Not here: what a value of the right type may be; the wasm says that.

import { appFault } from "./errors.js";
import type { BellwetherError, ErrorCode } from "./errors.js";
import { HOSTS, allows } from "./hosts.js";
import { plain } from "./state.js";
import type {
  ConnectOptions,
  EncryptHooks,
  EnqueueOptions,
  Identity,
  LeaderOptions,
  OutboxOptions,
  StateOptions,
  TokenSource,
} from "./types.js";
import type { RawOptions } from "./wasm.js";

/** What the app asked for. */
export interface Asked {
  raw: RawOptions;
  token: TokenSource | undefined;
  wasm: string | WebAssembly.Module | undefined;
  /** Which lines to log: `false` for none, `""` for all, else those with this text. */
  debug: string | false;
  guardUnload: boolean;
  state: StateOptions | undefined;
  leader: LeaderOptions | undefined;
  encrypt: EncryptHooks | undefined;
  migrate: OutboxOptions["migrate"];
}

/** Reads the options of `connect`. */
export function readOptions(options: ConnectOptions, build: string): Asked {
  refuseUnknown(options, OPTIONS);
  const outbox: OutboxOptions = options.outbox ?? {};
  refuseUnknown(outbox, OUTBOX_OPTIONS);
  const channel = text("channel", options.channel) ?? "default";
  const worker = options.worker === false ? undefined : url("worker", options.worker);
  const hosts = readHosts(options.hosts);
  const token = tokenSource(options.token);
  const debug = readDebug(options.debug);
  const raw: RawOptions = {
    channel,
    session: text("session", options.session) ?? channel,
    user: text("user", options.user) ?? "",
    server: url("server", options.server ?? undefined, /^https?:/) ?? "",
    build,
    worker,
    workerOff: options.worker === false || !allows(hosts, "service-worker"),
    hosts,
    scope: url("scope", options.scope),
    relaxed: oneOf("durability", outbox.durability, ["strict", "relaxed"]) === "relaxed",
    dropOldest: oneOf("deadLetterOverflow", outbox.deadLetterOverflow, OVERFLOWS) === OVERFLOWS[1],
    requests: oneOf("deliver", outbox.deliver, DELIVERS) === DELIVERS[1],
    hasToken: token !== undefined,
    state: options.state !== undefined,
    resolves: options.state?.customResolver !== undefined,
    debug: debug !== false,
    ...counts(outbox),
  };
  const { leader, wasm } = options;
  if (leader !== undefined) {
    refuseUnknown(leader, ["enabled"]);
    oneOf("enabled", leader.enabled, [true, false]);
  }
  const { encrypt, migrate } = outbox;
  if (encrypt !== undefined) {
    checkFunction("encrypt.seal", encrypt?.seal);
    checkFunction("encrypt.open", encrypt.open);
    if (raw.requests) throw unfit("encrypt", encrypt, 'up: the worker reads what `deliver` sends');
  }
  if (migrate !== undefined) checkFunction("migrate", migrate);
  return {
    raw,
    token,
    wasm: isCompiled(wasm) ? wasm : url("wasm", wasm),
    debug,
    guardUnload: oneOf("guardUnload", options.guardUnload, [true, false]) ?? false,
    state: options.state && readState(options.state),
    leader,
    encrypt,
    migrate,
  };
}

function readHosts(hosts: unknown): string | undefined {
  if (hosts === undefined) return undefined;
  const isListed = (it: unknown) => Array.isArray(hosts) && hosts.includes(it);
  const known = HOSTS.filter(isListed);
  if (!Array.isArray(hosts) || known.length === 0 || known.length !== new Set(hosts).size) {
    throw unfit("hosts", hosts, `an array with some of ${HOSTS.join(", ")}`);
  }
  return known.join();
}

function readState(state: StateOptions): StateOptions {
  refuseUnknown(state, STATE_OPTIONS);
  const { keyStrategies = {}, initial = {} } = state;
  for (const name of ["throttleMs", "debounceMs"] as const) checkU32(name, state[name]);
  for (const name of ["syncKeys", "excludeKeys"] as const) {
    const keys: unknown = state[name] ?? [];
    if (!Array.isArray(keys) || !keys.every((key) => typeof key === "string")) {
      throw unfit(name, keys, "an array of keys");
    }
  }
  for (const name of ["customResolver", "shouldSync", "validate"] as const) {
    if (state[name] !== undefined) checkFunction(name, state[name]);
  }
  for (const [name, value] of Object.entries({ keyStrategies, initial })) {
    if (typeof value !== "object" || value === null) throw unfit(name, value, "an object");
  }
  oneOf("conflictStrategy", state.conflictStrategy, STRATEGIES);
  Object.values(keyStrategies).forEach((it) => oneOf("keyStrategies", it, STRATEGIES));
  return { ...state, initial: plain(initial) as typeof initial };
}

/** Checks what `setIdentity` is given. */
export function checkIdentity(to: Identity): void {
  refuseUnknown(to, ["user", "session", "token"]);
  text("user", to.user);
  text("session", to.session);
  tokenSource(to.token);
}

/** Checks those options of `enqueue` that the wasm never sees. */
export function checkLimits({ timeoutMs, signal }: EnqueueOptions): void {
  if (timeoutMs !== undefined) {
    const fits = typeof timeoutMs === "number" && timeoutMs > 0;
    if (!fits || (timeoutMs > TIMER_MS_MAX && timeoutMs !== Infinity)) {
      throw unfit("timeoutMs", timeoutMs, `a number up to ${TIMER_MS_MAX}, or Infinity`);
    }
  }
  if (signal !== undefined && typeof signal?.addEventListener !== "function") {
    throw unfit("signal", signal, "an AbortSignal");
  }
}

/** The value, if it is a text or left out. */
export function text(name: string, value: unknown, code?: ErrorCode): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw unfit(name, value, "a string", code);
}

/** Refuses what cannot be called. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== "function") throw unfit(name, value, "a function");
}

/** Refuses what is left neither out nor in 32 bits without a sign, as numbers cross to the wasm. */
export function checkU32(name: string, value: unknown, code?: ErrorCode): void {
  if (value === undefined || (typeof value === "number" && value >>> 0 === value)) return;
  throw unfit(name, value, "a whole number from 0 to 4294967295", code);
}

/** The first option in which `other` differs from `asked`. */
export function difference(asked: Asked, other: Asked): string | undefined {
  // A function made anew for each call is the usual way to write one, and says nothing.
  if (typeof other.token === "string" && asked.token !== other.token) return "token";
  const names = Object.keys(asked.raw) as (keyof RawOptions)[];
  const name = names.find((name) => asked.raw[name] !== other.raw[name]);
  return name && (NAMES[name] ?? name);
}

function tokenSource(value: unknown): TokenSource | undefined {
  return typeof value === "function" ? (value as TokenSource) : text("token", value);
}

// Relative to the page, as the browser itself would read it.
function url(name: string, value: unknown, scheme = /./): string | undefined {
  if (value === undefined) return undefined;
  const given = value instanceof URL ? value.href : text(name, value)!;
  try {
    const { href } = new URL(given, globalThis.document?.baseURI);
    if (given !== "" && scheme.test(href)) return href;
  } catch {
    // Told below.
  }
  throw unfit(name, value, "a URL, or a path on this site");
}

// Where there is no wasm at all there is no such name; the loading tells.
function isCompiled(value: unknown): value is WebAssembly.Module {
  return Object.prototype.toString.call(value) === "[object WebAssembly.Module]";
}

function counts(outbox: OutboxOptions): Record<Count, number | undefined> {
  const entries = COUNTS.map((name) => {
    const value = outbox[name];
    checkU32(name, value);
    return [name, value];
  });
  return Object.fromEntries(entries);
}

/** The value, if it is one of `names` or left out. */
export function oneOf<T extends string | boolean>(
  name: string,
  value: unknown,
  names: readonly T[],
  code?: ErrorCode,
): T | undefined {
  if (value === undefined || names.includes(value as T)) return value as T | undefined;
  throw unfit(name, value, names.map((it) => JSON.stringify(it)).join(" or "), code);
}

function readDebug(value: unknown): string | false {
  if (value !== undefined && typeof value !== "boolean") text("debug", value);
  let asked = value;
  try {
    asked ||= globalThis.localStorage?.getItem("bellwether:debug");
  } catch {
    // Storage is refused in this page, and so is the switch.
  }
  if (!asked || asked === "0" || asked === "false") return false;
  return asked === true || asked === "1" || asked === "true" ? "" : (asked as string);
}

/** Refuses what is no object, and names that are not known. */
export function refuseUnknown(given: object, known: readonly string[]): void {
  if (typeof given !== "object" || given === null) throw unfit("options", given, "an object");
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !known.includes(name)) {
      throw appFault("option-invalid", `there is no option \`${name}\`, but ${known.join(", ")}`);
    }
  }
}

/** What to tell of a value that cannot be used. */
export function unfit(
  name: string,
  value: unknown,
  wanted: string,
  code: ErrorCode = "option-invalid",
): BellwetherError {
  const isShown = typeof value === "string" || typeof value === "number";
  const shown = isShown ? JSON.stringify(`${value}`) : value === null ? value : typeof value;
  return appFault(code, `\`${name}\` is ${shown}; give it ${wanted}`);
}

/** How the options are called whose raw ones have another name. */
const NAMES: { [name in keyof RawOptions]?: string } = {
  workerOff: "worker",
  relaxed: "durability",
  dropOldest: "deadLetterOverflow",
  requests: "deliver",
  hasToken: "token",
};

type Count = (typeof COUNTS)[number];

const COUNTS = [
  "maxRetries",
  "baseDelayMs",
  "maxDelayMs",
  "batchSize",
  "batchAgeMs",
  "deadLetterCap",
  "maxPending",
  "safetyNetMs",
] as const satisfies readonly (keyof OutboxOptions)[];

const OUTBOX_OPTIONS: readonly (keyof OutboxOptions)[] = [
  ...COUNTS,
  "durability",
  "deadLetterOverflow",
  "deliver",
  "encrypt",
  "migrate",
];

const STATE_OPTIONS: readonly (keyof StateOptions)[] = [
  "syncKeys",
  "excludeKeys",
  "throttleMs",
  "debounceMs",
  "conflictStrategy",
  "keyStrategies",
  "customResolver",
  "shouldSync",
  "validate",
  "initial",
];
const STRATEGIES = ["last-write-wins", "merge", "first-write-wins", "custom"] as const;

const OVERFLOWS = ["block", "drop-oldest"] as const;
const DELIVERS = ["protocol", "requests"] as const;

const OPTIONS: readonly (keyof ConnectOptions)[] = [
  "channel",
  "worker",
  "scope",
  "hosts",
  "server",
  "session",
  "user",
  "token",
  "outbox",
  "state",
  "leader",
  "guardUnload",
  "wasm",
  "debug",
];

/** Browsers keep a delay in 32 signed bits, and wrap. */
const TIMER_MS_MAX = 2_147_483_647;
