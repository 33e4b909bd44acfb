// The app's options, checked for type and put into the form the wasm takes.
//
// What always holds: what leaves this file is of the type it claims, so nothing the app hands in is
// converted by chance. Not here: what a value of the right type may be; the wasm says that.

import { appFault } from "./errors.js";
import type { BellwetherError } from "./errors.js";
import type { ConnectOptions, EnqueueOptions, Identity, OutboxOptions, TokenSource } from "./types.js";
import type { RawOptions } from "./wasm.js";

/** What the app asked for. */
export interface Asked {
  raw: RawOptions;
  token: TokenSource | undefined;
  wasm: string | WebAssembly.Module | undefined;
  /** Which lines to log: `false` for none, `""` for all, else those with this text. */
  debug: string | false;
}

/** Reads the options of `connect`. */
export function readOptions(options: ConnectOptions, build: string): Asked {
  refuseUnknown("option", options, OPTIONS);
  const outbox: OutboxOptions = options.outbox ?? {};
  refuseUnknown("outbox option", outbox, OUTBOX_OPTIONS);
  const channel = text("channel", options.channel) ?? "default";
  const { worker, wasm } = options;
  const debug = readDebug(options.debug);
  const raw: RawOptions = {
    channel,
    session: text("session", options.session) ?? channel,
    user: text("user", options.user) ?? "",
    server: url("server", options.server ?? undefined, /^https?:/) ?? "",
    build,
    worker: worker === false ? undefined : url("worker", worker, /^https?:/),
    workerOff: worker === false,
    scope: url("scope", options.scope, /^https?:/),
    relaxed: oneOf("outbox.durability", outbox.durability, ["strict", "relaxed"]) === "relaxed",
    dropOldest:
      oneOf("outbox.deadLetterOverflow", outbox.deadLetterOverflow, ["block", "drop-oldest"]) ===
      "drop-oldest",
    hasToken: options.token !== undefined,
    debug: debug !== false,
    maxRetries: count("outbox.maxRetries", outbox.maxRetries),
    baseDelayMs: count("outbox.baseDelayMs", outbox.baseDelayMs),
    maxDelayMs: count("outbox.maxDelayMs", outbox.maxDelayMs),
    batchSize: count("outbox.batchSize", outbox.batchSize),
    batchAgeMs: count("outbox.batchAgeMs", outbox.batchAgeMs),
    deadLetterCap: count("outbox.deadLetterCap", outbox.deadLetterCap),
  };
  return {
    raw,
    token: tokenSource(options.token),
    wasm: wasm instanceof WebAssembly.Module ? wasm : url("wasm", wasm, /./),
    debug,
  };
}

/** Checks what `setIdentity` is given. */
export function checkIdentity(to: Identity): void {
  refuseUnknown("field of the identity", to, ["user", "session", "token"]);
  text("user", to.user);
  text("session", to.session);
  tokenSource(to.token);
}

/** Checks those options of `enqueue` that the wasm never sees. */
export function checkLimits({ timeoutMs, signal }: EnqueueOptions): void {
  if (timeoutMs !== undefined) {
    const fits = typeof timeoutMs === "number" && timeoutMs > 0;
    if (!fits || (timeoutMs > TIMER_MS_MAX && timeoutMs !== Infinity)) {
      throw unfit("timeoutMs", timeoutMs, `milliseconds above 0, at most ${TIMER_MS_MAX}, or Infinity`);
    }
  }
  if (signal !== undefined && typeof signal?.addEventListener !== "function") {
    throw unfit("signal", signal, "an AbortSignal");
  }
}

/** The value, if it is a text or left out. */
export function text(name: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw unfit(name, value, "a string");
}

/** The first option in which `other` differs from `asked`. */
export function difference(asked: Asked, other: Asked): string | undefined {
  const names = Object.keys(asked.raw) as (keyof RawOptions)[];
  const differs = names.find((name) => asked.raw[name] !== other.raw[name]);
  // A function made anew for each call is the usual way to write one, and says nothing.
  const tokensDiffer = typeof other.token === "string" && asked.token !== other.token;
  return differs ?? (tokensDiffer ? "token" : undefined);
}

function tokenSource(value: unknown): TokenSource | undefined {
  return typeof value === "function" ? (value as TokenSource) : text("token", value);
}

// Relative to the page, as the browser itself would read it.
function url(name: string, value: unknown, scheme: RegExp): string | undefined {
  if (value === undefined) return undefined;
  const given = value instanceof URL ? value.href : text(name, value)!;
  try {
    const { href } = new URL(given, globalThis.document?.baseURI);
    if (scheme.test(href)) return href;
  } catch {
    // Told below.
  }
  throw unfit(name, value, "a URL, or a path on this site");
}

function count(name: string, value: unknown): number | undefined {
  // Numbers cross to the wasm as 32 bits without a sign.
  if (value === undefined || (value as number) >>> 0 === value) return value as number | undefined;
  throw unfit(name, value, "a whole number from 0 to 4294967295");
}

/** The value, if it is one of `names` or left out. */
export function oneOf<T extends string>(name: string, value: unknown, names: readonly T[]): T | undefined {
  if (value === undefined || names.includes(value as T)) return value as T | undefined;
  throw unfit(name, value, names.map((it) => JSON.stringify(it)).join(" or "));
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

function refuseUnknown(what: string, given: object, known: readonly string[]): void {
  if (typeof given !== "object" || given === null) throw unfit(`the ${what}s`, given, "an object");
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !known.includes(name)) {
      throw appFault("option-invalid", `there is no ${what} \`${name}\`; there are ${known.join(", ")}`);
    }
  }
}

function unfit(name: string, value: unknown, wanted: string): BellwetherError {
  const kind = value === null ? "null" : `of type ${typeof value}`;
  const isShown = typeof value === "string" || typeof value === "number";
  const shown = isShown ? JSON.stringify(`${value}`) : kind;
  return appFault("option-invalid", `\`${name}\` is ${shown}; give it ${wanted}`);
}

const OUTBOX_OPTIONS = [
  "durability",
  "maxRetries",
  "baseDelayMs",
  "maxDelayMs",
  "batchSize",
  "batchAgeMs",
  "deadLetterCap",
  "deadLetterOverflow",
] as const satisfies readonly (keyof OutboxOptions)[];

const OPTIONS = [
  "channel",
  "worker",
  "scope",
  "server",
  "session",
  "user",
  "token",
  "outbox",
  "wasm",
  "debug",
] as const satisfies readonly (keyof ConnectOptions)[];

/** Browsers keep a delay in 32 signed bits, and wrap. */
const TIMER_MS_MAX = 2_147_483_647;
