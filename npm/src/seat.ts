// The coordinator inside a page, where no worker can be had (HOST-4): which page hosts it, and how the others reach that one.
//
// ```text
// no worker ─▶ stands for the role ───────────────────────────▶ has it ─▶ hosts ─▶ says so on the bus ─▶ pages say hello
//                │ meanwhile another page may host: its word is heard on the bus      │
//                ◀──────────────── left, closed, or another has taken over ───────────┘
// ```
//
// What always holds:
// - who hosts is chosen here, and nothing is safe because of it: that is the epoch's, on disk;
// - a coordinator here ends with the lock or the election that it was started under, whatever else happens;
// - a page hosts only if it knows no worker that works, and yields only to one that has answered it itself;
// - a page that has lost the role, or has given it away, does not take it again for a minute;
// - it lets go of lock and bus when it is left, so that it may be brought back;
// - waiting is the usual state of a page, costs nothing where there are locks, and is never given up for being long.
//
// Not here: the coordinator and how it is loaded (`host.ts`), by which way pages are elected (`ladder.ts`), what is said, and
// when somebody is given up for silent.

import type { Election, Serve } from "./election.js";
import type { Inside } from "./inside.js";
import { roleAmong } from "./ladder.js";
import type { Way } from "./ladder.js";
import { openLine } from "./line.js";
import type { Store } from "./replica.js";
import type { Line } from "./line.js";
import type { Fault } from "./wasm.js";
import { fired, following, within } from "./within.js";

/** How a page that hosts reaches the pages, itself among them. */
export interface Bus {
  /** To one page; to all if `to` is empty. */
  post(to: string, message: Uint8Array): void;
  list(): Promise<string[]>;
  /** The coordinator is over: another has taken over, or it is to be started `anew`. */
  over(anew: boolean): void;
  /** What keeps the rows where there is no database. */
  store?: Store;
}

/** The coordinator that this page hosts. */
export interface Embedded {
  onMessage(from: string, message: Uint8Array): void;
  /** Ends it, once; with `note` that is on disk once it resolves. */
  resign(note: boolean): Promise<void>;
}

/** What goes over the bus: a message, or a word about who hosts. */
interface Parcel {
  /** A page, by its id; all of them if it is empty; or whoever hosts. */
  readonly to: string;
  readonly from: string;
  readonly m?: Uint8Array;
  readonly word?: Word;
  /** With "bye": the epoch under which it was elected, if it was. */
  readonly epoch?: number | undefined;
}

type Word =
  /** Whoever hosts is to say so. */
  | "who"
  /** Whoever is there is to say so. */
  | "roll"
  | "present"
  /** This page is left, frozen or closed. */
  | "bye"
  /** This page hosts. */
  | "here"
  /** It does no more: who knows a worker that works goes there. */
  | "gone"
  /** Whoever hosts may yield: this page knows a worker that works. */
  | "yield"
  /** To oneself: the bus works. */
  | "echo";

/**
 * Takes the role, under a later epoch than `heard`; rejects with a fault where it cannot be had. Once the lock is `held` no
 * more nobody waits for it, and what has not begun to take the role is not to begin.
 */
export type Start = (heard: number, bus: Bus, held: AbortSignal) => Promise<Embedded>;

/** Lets this page take part in hosting the channel's coordinator, which it is to `start`, until it is closed. */
export function takeSeat(inside: Inside, start: Start, { election }: Way): void {
  const { asked, client, fire, over, page, report } = inside;
  const { channel } = asked.raw;
  const me = page.id;
  const names = `bellwether:${channel}:`;
  const [lock, presence] = [names + roleAmong(inside, "host"), `${names}page:`];

  /** It is left or frozen, and takes no part until it is brought back. */
  let isAway = false;
  /** Ends with the page's taking part: it is left, frozen or closed, or a worker is there; it may begin anew. */
  let part: AbortController | undefined;
  /** The part before, which may keep the lock a little longer. */
  let lingering: AbortController | undefined;
  let bus: Line | undefined;
  /** The epoch under which it is elected. */
  let elected: number | undefined;
  /** Where there are no locks to tell: the pages that were heard, and when. */
  const heard = new Map<string, number>();
  /** The coordinator here. */
  let hosted: Embedded | undefined;
  /** The page that has said that it hosts. */
  let hosting: string | undefined;
  /** Takes in what the host says. */
  let hear: ((message: Uint8Array) => void) | undefined;
  /** A worker that was found meanwhile, or before. */
  let worker: ServiceWorker | undefined;
  /** Before this time it does not take the role. */
  let rests = -Infinity;
  /** Before this time it does not take the lock from anybody. */
  let spares = -Infinity;
  let failures = 0;
  let onEcho: (() => void) | undefined;

  const say = (parcel: Omit<Parcel, "from">) => bus?.post({ ...parcel, from: me });

  /** Where the app sees it; a page that is left is not to be stirred by what listens to that. */
  const show = () => void (part && inside.hosts(hosted !== undefined));

  /** To whoever hosts, which may be this page. */
  const post = (message: Uint8Array) => {
    if (hosted) queueMicrotask(() => hosted?.onMessage(me, message));
    else say({ to: HOST, m: message });
  };

  /** Another hosts than before: it is told of this page. */
  const follow = (page: string) => {
    hosting = page;
    hear = client.via(post, offered);
  };

  const enter = () => {
    if (part || isAway || over.aborted) return;
    const { signal } = (part = new AbortController());
    show();
    // Where there is no such thing each page is alone with what it hosts.
    bus = openLine(lock, (data) => isParcel(data) && receive(data));
    if (!election) void hold(presence + me, signal, fired);
    void compete(signal);
    say({ to: HOST, word: "who" });
  };

  /** Ends this page's part; with `graceMs` it keeps the lock that long, so that its last word is heard by who waits for it. */
  const leave = (graceMs = 0) => {
    const [ending, leaving] = [part, hosted];
    [part, hosted, hosting, hear] = [undefined, undefined, undefined, undefined];
    if (election) say({ to: "", word: "bye", epoch: elected });
    bus?.close();
    bus = undefined;
    if (ending && graceMs > 0) {
      lingering = ending;
      void within(graceMs, ending.signal).then(() => ending.abort());
    } else ending?.abort();
    // The lock tells the next page. A transaction that is frozen with this page would keep it waiting.
    void leaving?.resign(false);
  };

  /** The page is left, frozen or closed: it may be that no timer fires any more. */
  const leaveAtOnce = () => {
    isAway = true;
    lingering?.abort();
    leave();
  };

  const goToWorker = (graceMs = 0) => {
    leave(graceMs);
    client.back(worker);
  };

  /** Waits for its turn to host, as often as it takes. */
  const compete = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      const rest = rests - performance.now();
      await (rest > 0 ? within(rest, signal) : undefined);
      if (signal.aborted) break;
      if (election) await stand(election, signal);
      else await hold(lock, signal, serveRested);
    }
  };

  /** Stands until it is elected and has something to rest from. */
  const stand = async (election: Election, signal: AbortSignal) => {
    const turn = following(signal);
    const serveOnce: Serve = async (held, epoch) => {
      elected = epoch;
      await serve(held);
      if (elected === epoch) elected = undefined;
      if (rests > performance.now()) turn.end();
    };
    await election.stand(turn.signal, serveOnce);
    turn.end();
  };

  /** While this page waited for its turn it may have taken the role from one that hung, and lost it. */
  const serveRested = async (held: AbortSignal) => {
    if (rests <= performance.now()) await serve(held);
  };

  /** Waits for a lock, and does something while it is `held`. */
  const hold = async (
    name: string,
    signal: AbortSignal,
    act: (held: AbortSignal) => Promise<unknown>,
    steal = false,
  ) => {
    const holding = following(signal);
    try {
      await navigator.locks.request(name, steal ? { steal } : { signal }, () => act(holding.signal));
    } catch (cause) {
      if (signal.aborted) return;
      // What was held may have been stolen; whoever did has found this page silent.
      if (!(cause instanceof DOMException && cause.name === "AbortError")) report(fault(cause));
      rest(TAKE_MS_MIN);
    } finally {
      holding.end();
    }
  };

  const tell = (cause: unknown) => {
    const { code, message } = (cause ?? {}) as Partial<Fault>;
    if (code === "reload-needed") fire("reload-needed", { build: "", message: `${message}` });
    else report(fault(cause));
  };

  const rest = (ms: number) => {
    rests = Math.max(rests, performance.now() + ms);
  };

  /** It is this page's turn, until the role is had no more. */
  const serve = async (held: AbortSignal) => {
    // A page that has slept, and hears that another hosts, is to learn first whether it was robbed.
    while (!held.aborted && (await serveOne(held))) await within(ANEW_MS, held);
  };

  /** With one coordinator; whether there is to be another. */
  const serveOne = async (held: AbortSignal): Promise<boolean> => {
    // One that works by now goes first.
    if (worker && (await speaks(worker, channel))) {
      if (!held.aborted) goToWorker();
      return false;
    }
    let started: Embedded | undefined;
    let again: ReturnType<typeof setInterval> | undefined;
    try {
      let over!: (anew: boolean) => void;
      const ended = new Promise<boolean>((resolve) => (over = resolve));
      started = await take(held, { post: deliver, list, over });
      if (!started) return false;
      failures = 0;
      hosted = started;
      show();
      say({ to: "", word: "here" });
      follow(me);
      again = setInterval(lookForWorker, TAKE_MS_MIN);
      const anew = await Promise.race([ended, fired(held)]);
      if (anew === false) {
        rest(TAKE_MS_MIN);
        say({ to: "", word: "gone" });
        lookForWorker();
      }
      return anew === true;
    } catch (cause) {
      // The next page may have more luck.
      failures += 1;
      rest(Math.min(AGAIN_MS * 2 ** failures, TAKE_MS_MIN));
      if (failures === 1) tell(cause);
      return false;
    } finally {
      clearInterval(again);
      if (started && hosted === started) hosted = undefined;
      if (hosting === me) hosting = undefined;
      show();
      void started?.resign(false);
    }
  };

  /** Takes the role, unless the lock is lost before. */
  const take = async (held: AbortSignal, bus: Bus): Promise<Embedded | undefined> => {
    const starting = start(page.status.epoch, bus, held);
    await Promise.race([starting, fired(held)]);
    if (!held.aborted) return starting;
    starting.then((it) => it.resign(false)).catch(() => {});
    return undefined;
  };

  /** From the coordinator here. */
  const deliver = (to: string, message: Uint8Array) => {
    if (to === "" || to === me) queueMicrotask(() => hear?.(message));
    if (to !== me) say({ to, m: message });
  };

  const list = async () => {
    if (election) return roll();
    const { held = [] } = await navigator.locks.query();
    const here = held.map(({ name = "" }) => name).filter((name) => name.startsWith(presence));
    return here.map((name) => name.slice(presence.length));
  };

  // Whoever does not answer may only be busy; who was heard lately is there all the same.
  const roll = async () => {
    const since = performance.now() - HEARD_MS_MAX;
    say({ to: "", word: "roll" });
    if (bus) await within(ROLL_MS, over);
    const gone = [...heard].filter(([, at]) => at < since);
    gone.forEach(([page]) => heard.delete(page));
    return [me, ...heard.keys()];
  };

  const receive = ({ to, from, m, word, epoch }: Parcel) => {
    if (word === "bye") {
      heard.delete(from);
      election?.hint?.(epoch);
      return;
    }
    if (election) heard.set(from, performance.now());
    if (to === HOST) {
      if (!hosted) return;
      if (m) hosted.onMessage(from, m);
      else if (word === "who") say({ to: from, word: "here" });
      else if (word === "yield") lookForWorker();
    } else if (to === "" || to === me) {
      if (m) hear?.(m);
      else if (word === "here") follow(from);
      else if (word === "echo") onEcho?.();
      else if (word === "roll") say({ to: from, word: "present" });
      else if (word === "gone") {
        hosting = undefined;
        election?.hint?.();
        lookForWorker();
      }
    }
  };

  // A worker keeps its rows in a database.
  const isBelow = inside.below() !== undefined;

  const lookForWorker = () => {
    if (isBelow) return;
    if (worker?.state === "redundant") worker = undefined;
    if (worker) offered(worker);
    else client.back(undefined);
  };

  /** A worker is there, and whether it works is seen by asking it; or whoever hosts has been silent for long. */
  const offered = (found: ServiceWorker | undefined) => {
    if (!found) return void accuse();
    if (isBelow) return;
    worker = found;
    void speaks(found, channel).then((does) => {
      if (!does || over.aborted || worker !== found) return;
      if (hosted) void giveBack();
      else if (hosting) say({ to: HOST, word: "yield" });
      else goToWorker();
    });
  };

  /** The role goes back to the worker: it is let go of on disk before the pages say hello to the worker. */
  const giveBack = async () => {
    const leaving = hosted;
    hosted = undefined;
    show();
    rest(TAKE_MS_MIN);
    await Promise.race([leaving?.resign(true), within(RESIGN_MS_MAX, over)]);
    say({ to: "", word: "gone" });
    if (!over.aborted) goToWorker(GRACE_MS);
  };

  /** Takes the lock from a page that does not answer, if it is not this page whom nothing reaches. */
  const accuse = async () => {
    const signal = part?.signal;
    // An election is lost by who hangs.
    if (election || !signal || !bus || hosted || performance.now() < Math.max(rests, spares)) return;
    if (!(await echoes())) return;
    spares = performance.now() + TAKE_MS_MIN;
    if (!signal.aborted) await hold(lock, signal, serve, true);
  };

  const echoes = () =>
    new Promise<boolean>((resolve) => {
      const settle = (does: boolean) => {
        clearTimeout(timer);
        onEcho = undefined;
        resolve(does);
      };
      const timer = setTimeout(settle, ECHO_MS_MAX, false);
      onEcho = () => settle(true);
      const other = openLine(lock, () => {});
      other?.post({ to: me, from: me, word: "echo" });
      other?.close();
    });

  const listen = (target: EventTarget, type: string, heard: (event: Event) => void) =>
    target.addEventListener(type, heard, { signal: over });
  // No worker, or not any more; or one that was only slow.
  const look = () => {
    const { host, reasons } = page.status;
    if (isBelow || (host === "starting" && reasons.length > 0)) enter();
    else if (host === "service-worker" && part && !hosted) leave();
  };
  const comeBack = () => {
    isAway = false;
    if (page.status.host !== "service-worker") enter();
  };
  // A page that holds a lock is not brought back, and one that is frozen cannot host.
  listen(window, "pagehide", leaveAtOnce);
  listen(document, "freeze", leaveAtOnce);
  listen(window, "pageshow", comeBack);
  listen(document, "resume", comeBack);
  over.addEventListener("abort", leaveAtOnce);
  page.addEventListener("status", look, { signal: over });
  look();
}

function fault(cause: unknown): Fault {
  const { code, message } = (cause ?? {}) as Partial<Fault>;
  const known = typeof code === "string" && code !== "" ? `${code}: ${message}` : `${cause}`;
  const words = `no worker can be had, and this page could not do its work either (${known}); what is stored stays stored`;
  return { code: "host-unavailable", culprit: "browser", message: words };
}

/** What is on the bus is not believed to be ours. */
function isParcel(data: unknown): data is Parcel {
  const { to, from, m, word, epoch } = (data ?? {}) as Partial<Record<keyof Parcel, unknown>>;
  if (typeof to !== "string" || typeof from !== "string") return false;
  if (epoch !== undefined && typeof epoch !== "number") return false;
  return m === undefined ? typeof word === "string" : m instanceof Uint8Array && m.length <= BUS_BYTES_MAX;
}

/** Whether a worker answers, its wasm included. */
function speaks(worker: ServiceWorker, channel: string): Promise<boolean> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const settle = (does: boolean) => {
      clearTimeout(timer);
      port1.close();
      resolve(does);
    };
    const timer = setTimeout(settle, PROBE_MS_MAX, false);
    port1.onmessage = ({ data }) => typeof data?.build === "string" && settle(true);
    try {
      worker.postMessage({ bellwether: channel, probe: true, whole: true }, [port2]);
    } catch {
      settle(false);
    }
  });
}

/** The address of whoever hosts. */
const HOST = "host";
/** After what has gone wrong. */
const AGAIN_MS = 5_000;
/** `TAKE_MS_MIN` of the core's limits. */
const TAKE_MS_MIN = 60_000;
const GRACE_MS = 1_000;
const RESIGN_MS_MAX = 3_000;
const PROBE_MS_MAX = 3_000;
const ECHO_MS_MAX = 1_000;
const ANEW_MS = 100;
const ROLL_MS = 250;
const HEARD_MS_MAX = 5_000;
/** `BUS_BYTES_MAX` of the core's limits. */
const BUS_BYTES_MAX = 4 * 1024 * 1024;
