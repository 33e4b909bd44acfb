// The coordinator inside a page, where no worker can be had (HOST-4): which page hosts it, and how the others reach that one.
//
// ```text
// no worker ─▶ waits for the lock ───────────────────────────▶ holds it ─▶ hosts ─▶ says so on the bus ─▶ pages say hello
//                │ meanwhile another page may host: its word is heard on the bus      │
//                ◀──────────────── left, closed, or another has taken over ───────────┘
// ```
//
// What always holds:
// - who hosts is chosen here, and nothing is safe because of it: that is the epoch's, on disk;
// - a page hosts only while it holds the lock; it lets go of lock and bus when it is left, so that it may be brought back;
// - waiting for the lock is the usual state of a page, costs nothing, and is never given up for being long;
// - the coordinator's wasm is loaded once it is this page's turn.
//
// A module of its own, loaded where there is no worker. Not here: what is said, and when a worker is given up.

import { Embedded as Wasm, initSync } from "./bellwether_sw.js";
import type { Inside } from "./inside.js";
import type { Fault } from "./wasm.js";

/** How a page that hosts reaches the pages, itself among them. */
export interface Bus {
  /** To one page; to all if `to` is empty. */
  post(to: string, message: Uint8Array): void;
  list(): Promise<string[]>;
  /** The coordinator is over: another has taken over, or it is to be started `anew`. */
  over(anew: boolean): void;
}

/** The coordinator that this page hosts. */
export interface Embedded {
  onMessage(from: string, message: Uint8Array): void;
  /** Ends it; with `note` that is on disk once it resolves. */
  resign(note: boolean): Promise<void>;
}

/** What goes over the bus: a message, or a word about who hosts. */
interface Parcel {
  /** A page, by its id; all of them if it is empty; or whoever hosts. */
  readonly to: string;
  readonly from: string;
  readonly m?: Uint8Array;
  /** `who`: whoever hosts is to say so. `here`: this page does. `back`: it does no more, since a worker is there. */
  readonly word?: "who" | "here" | "back";
}

/** The wasm is started once per page, whatever comes of the first attempt. */
let loading: Promise<void> | undefined;

/** Lets this page take part in hosting the channel's coordinator, until it is closed. */
export function host(inside: Inside): void {
  const { asked, client, over, page, report } = inside;
  const { build, channel } = asked.raw;
  const me = page.id;
  const names = `bellwether:${channel}:`;
  const presence = `${names}page:`;

  /** Ends with the page's taking part: it is left, frozen or closed, or a worker is there; it may begin anew. */
  let part: AbortController | undefined;
  let bus: BroadcastChannel | undefined;
  let hosted: Embedded | undefined;
  /** Takes in what the host says. */
  let hear: ((message: Uint8Array) => void) | undefined;
  /** A worker that was found meanwhile, or before. */
  let worker: ServiceWorker | undefined;
  /** When this page took the role last. */
  let took = -Infinity;
  /** Another coordinator has taken it from this page. */
  let isFenced = false;

  const say = (parcel: Omit<Parcel, "from">) => bus?.postMessage({ ...parcel, from: me });

  /** To whoever hosts, which may be this page. */
  const post = (message: Uint8Array) => {
    if (hosted) queueMicrotask(() => hosted?.onMessage(me, message));
    else say({ to: HOST, m: message });
  };

  /** Another hosts than before: it is told of this page. */
  const follow = () => {
    hear = client.via(post, offered);
  };

  const enter = () => {
    if (part || over.aborted) return;
    const { signal } = (part = new AbortController());
    try {
      bus = new BroadcastChannel(`${names}host`);
      bus.onmessage = ({ data }: MessageEvent<unknown>) => isParcel(data) && receive(data);
    } catch {
      // Where there is no such thing each page is alone with what it hosts.
    }
    void hold(presence + me, signal, () => aborted(signal));
    void compete(signal);
    say({ to: HOST, word: "who" });
  };

  const leave = () => {
    const leaving = hosted;
    hosted = undefined;
    // The lock tells the next page. A transaction that is frozen with this page would keep it waiting.
    void leaving?.resign(false);
    part?.abort();
    part = undefined;
    bus?.close();
    bus = undefined;
  };

  /** Waits for its turn to host, as often as it takes. */
  const compete = async (signal: AbortSignal) => {
    while (!signal.aborted) await hold(`${names}host`, signal, () => serve(signal));
  };

  /** It is this page's turn. Whoever has lost the role otherwise than by its own wish rests before it takes it again. */
  const serve = async (signal: AbortSignal) => {
    let over!: (anew: boolean) => void;
    const ended = new Promise<boolean>((resolve) => (over = resolve));
    // A worker that is wedged again as soon as it has the role back must not make them take turns.
    const rest = took + TAKE_MS_MIN - performance.now();
    if (worker && rest > 0) await pause(rest, signal);
    if (signal.aborted) return;
    try {
      loading ??= load();
      await loading;
      if (signal.aborted) return;
      const started = await Wasm.start(channel, build, { post: deliver, list, over });
      if (signal.aborted) return void started.resign(false);
      hosted = started;
      isFenced = false;
      took = performance.now();
    } catch (cause) {
      loading = undefined;
      report(fault(cause));
      return pause(AGAIN_MS, signal);
    }
    say({ to: "", word: "here" });
    follow();
    const again = setInterval(() => (worker ? offered(worker) : client.back(undefined)), TAKE_MS_MIN);
    const left = aborted(signal).then(() => true);
    const anew = await Promise.race([ended, left]);
    clearInterval(again);
    if (signal.aborted) return;
    void hosted?.resign(false);
    hosted = undefined;
    if (anew) return;
    isFenced = true;
    // It may have been a worker, which is asked then.
    if (worker) offered(worker);
    else client.back(undefined);
    await pause(TAKE_MS_MIN, signal);
  };

  /** From the coordinator here. */
  const deliver = (to: string, message: Uint8Array) => {
    if (to === "" || to === me) queueMicrotask(() => hear?.(message));
    if (to !== me) say({ to, m: message });
  };

  const list = async () => {
    const { held = [] } = await navigator.locks.query();
    const here = held.map(({ name = "" }) => name).filter((name) => name.startsWith(presence));
    return here.map((name) => name.slice(presence.length));
  };

  const receive = ({ to, from, m, word }: Parcel) => {
    if (to === HOST) {
      if (!hosted) return;
      if (m) hosted.onMessage(from, m);
      else if (word === "who") say({ to: from, word: "here" });
      else if (word === "back") void giveBack();
    } else if (to === "" || to === me) {
      if (m) hear?.(m);
      else if (word === "here") follow();
      else if (word === "back") goBack();
    }
  };

  /** A worker is there. Whether it works is seen by asking it. */
  const offered = (found: ServiceWorker) => {
    worker = found;
    void speaks(found, channel).then((does) => {
      if (!does || over.aborted) return;
      if (hosted || isFenced) void giveBack();
      else if (part) say({ to: HOST, word: "back" });
      else goBack();
    });
  };

  /** The role goes back to the worker: it is let go of on disk before the pages say hello to the worker. */
  const giveBack = async () => {
    const leaving = hosted;
    hosted = undefined;
    await leaving?.resign(true);
    say({ to: "", word: "back" });
    goBack();
  };

  /** A page that has not found the worker looks for it; if there is none to be had it takes part again. */
  const goBack = () => {
    const ending = part;
    part = undefined;
    // Its own word for it is heard by the others before one of them has the lock.
    setTimeout(() => ending?.abort(), GRACE_MS);
    bus?.close();
    bus = undefined;
    client.back(worker);
    if (!worker) setTimeout(() => worker || enter(), AGAIN_MS);
  };

  const listen = (target: EventTarget, type: string, heard: (event: Event) => void) =>
    target.addEventListener(type, heard, { signal: over });
  // A page that holds a lock is not brought back, and one that is frozen cannot host.
  const isHostedByPages = () => page.status.host !== "service-worker";
  listen(window, "pagehide", leave);
  listen(document, "freeze", leave);
  listen(window, "pageshow", () => isHostedByPages() && enter());
  listen(document, "resume", () => isHostedByPages() && enter());
  over.addEventListener("abort", leave);
  // No worker, or not any more.
  const look = () => page.status.host === "starting" && enter();
  page.addEventListener("status", look, { signal: over });
  look();

  async function hold(name: string, signal: AbortSignal, act: () => Promise<unknown>): Promise<void> {
    try {
      await navigator.locks.request(name, { signal }, act);
    } catch (cause) {
      if (signal.aborted) return;
      report(fault(cause));
      await pause(AGAIN_MS, signal);
    }
  }
}

function fault(cause: unknown): Fault {
  const message =
    `no worker can be had, and the coordinator could not be started in this page (${cause}); events stay stored ` +
    "until it can: check that host.js and its wasm lie beside index.js";
  return { code: "host-unavailable", culprit: "browser", message };
}

/** What is on the bus is not believed to be ours. */
function isParcel(data: unknown): data is Parcel {
  const { to, from, m, word } = (data ?? {}) as Partial<Record<keyof Parcel, unknown>>;
  if (typeof to !== "string" || typeof from !== "string") return false;
  return m === undefined ? typeof word === "string" : m instanceof Uint8Array && m.length <= BUS_BYTES_MAX;
}

async function load(): Promise<void> {
  const url = new URL("./__BELLWETHER_WASM__", import.meta.url).href;
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: the answer was ${response.status}`);
  const bytes = await response.arrayBuffer();
  initSync({ module: await WebAssembly.compile(bytes) });
}

/** Whether a worker answers. */
function speaks(worker: ServiceWorker, channel: string): Promise<boolean> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const settle = (does: boolean) => {
      clearTimeout(timer);
      port1.close();
      resolve(does);
    };
    const timer = setTimeout(settle, PROBE_MS_MAX, false);
    port1.onmessage = () => settle(true);
    worker.postMessage({ bellwether: channel, probe: true, whole: true }, [port2]);
  });
}

function aborted(signal: AbortSignal): Promise<unknown> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", resolve));
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** The address of whoever hosts. */
const HOST = "host";
/** After what has gone wrong. */
const AGAIN_MS = 5_000;
/** A page that has lost the role to another takes it no more often. */
const TAKE_MS_MIN = 60_000;
const GRACE_MS = 1_000;
const PROBE_MS_MAX = 3_000;
const BUS_BYTES_MAX = 4 * 1024 * 1024;
