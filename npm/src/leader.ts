// Which of the pages leads, and what it does then (LEAD-1, LEAD-3, LEAD-6), wherever the coordinator is.
//
// ```text
// comes ─▶ stands ──────────▶ is elected ─▶ leads: says so, runs ─▶ signals fire ─▶ says "gone" ─▶ lets go ─▶ rests
//            ▲                    │ a page in sight goes first           ▲                                     │
//            │                    └────────────────────────────────────────────────────────────────────────────▶
//            └───── another leads, or nobody has for a while ───────────────────────────────────────────────────┘
// ```
//
// What always holds:
// - this page leads only while the election says so; what is heard from others can only end that, or tell who leads;
// - the signals of what runs only here fire before the role is let go of;
// - a page that is out of sight gives way once, and keeps the role if that was in vain;
// - a page whose time was ended by one that was elected in another way waits before it stands again, longer each time;
// - a page that waits, or leads, has no timer: only one that lets go, rests, spares another, takes the role, could not stand, has
//   a task out, or leads out of sight while another is in sight;
// - a page that is left holds no role and no line, so that it may be brought back.
//
// A module of its own, loaded where `bw.leader` is first looked at. Not here: how one page is elected (`election.ts`), and that
// one which is found powerless cannot do harm: that is for whoever is given the epoch.

import { refuseClosed } from "./closed.js";
import type { Election } from "./election.js";
import { Exclusives, GRACE_MS } from "./exclusive.js";
import type { Inside } from "./inside.js";
import { roleAmong } from "./ladder.js";
import type { Leading, Part } from "./leading.js";
import { openLine } from "./line.js";
import type { Line } from "./line.js";
import { readParcel } from "./parcel.js";
import type { Say } from "./parcel.js";
import { Tasks } from "./tasks.js";
import { within } from "./within.js";

export { electionFor } from "./ladder.js";

/** A time in which this page leads. */
interface Reign {
  readonly epoch: number;
  /** Fires when what runs only here is to end. */
  readonly ending: AbortController;
  /** It was taken by the app's wish, and does not go to pages in sight. */
  isForced: boolean;
  /** Another page is to have it next. */
  isWanted: boolean;
  /** Another page has said that it leads. */
  isLost: boolean;
}

/** Lets this page take part until it is closed. `face` is kept up to date. Without an `election` it never leads. */
export function lead(
  inside: Inside,
  election: Election | undefined,
  face: Leading,
  open: typeof openLine = openLine,
): Part {
  const { asked, kit, over, page, report } = inside;
  const candidacy = asked.leader?.enabled === false ? undefined : election;
  const { document } = globalThis;
  const me = page.id;

  /** While the page is neither left nor closed. */
  let isHere = false;
  let line: Line | undefined;
  /** Ends what it stands by. */
  let standing: AbortController | undefined;
  let resting: ReturnType<typeof setTimeout> | undefined;
  /** How often it could not stand since it was elected last. */
  let failures = 0;
  /** How often in a row its time was ended by one that was elected in another way; and when that was last. */
  let losses = 0;
  let lostAt = -Infinity;
  /** Before this time it does not stand. */
  let sparesUntil = -Infinity;
  let reign: Reign | undefined;
  /** The last time in which it was elected, to its end. */
  let serving: Promise<void> | undefined;
  let forcing: Promise<void> | undefined;
  /** Somebody has let go, or this page leads. */
  let onTurn = () => {};
  /** Until it gives way, out of sight. */
  let yielding: ReturnType<typeof setTimeout> | undefined;
  /** Pages that would lead, and are in sight; `false`: it gave way to them in vain. */
  const sighted = new Map<string, boolean>();
  /** It gave way, and nobody has led since. */
  let gaveWay = false;
  /** It has resigned, and does not ask for the role by being in sight. */
  let isShy = false;

  const say: Say = (parcel) => line?.post({ to: "", ...parcel, from: me });
  const exclusives = new Exclusives(inside);
  const tasks = new Tasks(inside, say);

  const know = (leaderId: string | null, epoch: number) => {
    if (leaderId === face.leaderId && epoch === face.epoch) return;
    const isLeader = leaderId === me;
    const role = isLeader ? "leader" : leaderId === null ? "starting" : "follower";
    Object.assign(face, { isLeader, leaderId, epoch, role });
    const detail = Object.freeze({ isLeader, leaderId, epoch });
    face.dispatchEvent(new CustomEvent("change", { detail }));
  };

  const enter = () => {
    if (isHere || over.aborted) return;
    isHere = true;
    isShy = false;
    line = open(`bellwether:${asked.raw.channel}:${roleAmong(inside, "leader")}`, hear);
    say({ word: "who" });
    showUp();
    stand();
  };

  /** It may be that no timer fires any more. */
  const leave = () => {
    if (!isHere) return;
    isHere = false;
    const epoch = reign?.epoch;
    reign?.ending.abort();
    tasks.leave();
    if (epoch !== undefined) say({ word: "gone", epoch });
    say({ word: "bye" });
    line?.close();
    line = undefined;
    clearTimeout(resting);
    standing?.abort();
    standing = undefined;
    sighted.clear();
    // What it does not hear it does not know.
    know(null, face.epoch);
  };

  const stand = () => {
    clearTimeout(resting);
    if (!isHere || standing) return;
    const ms = sparesUntil - performance.now();
    if (ms > 0) resting = setTimeout(stand, ms);
    else run("stand").catch(standLater);
  };

  /** The disk may do better then. */
  const standLater = (cause: unknown) => {
    standing = undefined;
    if (isHere) resting = setTimeout(stand, Math.min(REST_MS * 2 ** failures, AGAIN_MS_MAX));
    if (failures === 0) report(kit.named(cause));
    failures += 1;
  };

  const run = async (how: "stand" | "take") => {
    clearTimeout(resting);
    standing?.abort();
    const own = (standing = new AbortController());
    const { signal } = own;
    try {
      await candidacy?.[how](signal, (held, epoch) => (serving = serve(held, signal, epoch, how === "take")));
    } catch (cause) {
      if (!signal.aborted) throw cause;
    } finally {
      if (standing === own && how === "take") {
        standing = undefined;
        stand();
      }
    }
  };

  /** Others go first. Ends what it stands by, and with it what is held. */
  const rest = () => {
    standing?.abort();
    standing = undefined;
    if (face.leaderId !== null) stand();
    else resting = setTimeout(stand, REST_MS);
  };

  /** Whoever has ended its time was elected in another way, and would have its own ended at once. */
  const spare = () => {
    const now = performance.now();
    losses = now - lostAt < QUIET_MS ? losses + 1 : 0;
    lostAt = now;
    sparesUntil = now + Math.min(REST_MS * 2 ** losses, AGAIN_MS_MAX);
  };

  /** It is this page's turn, until `held` or what it stands by ends. */
  const serve = async (held: AbortSignal, own: AbortSignal, epoch: number, isForced: boolean) => {
    if (held.aborted || own.aborted) return;
    failures = 0;
    if (!isForced && givesWay()) {
      know(null, epoch);
      return rest();
    }
    const [ending, losing] = [new AbortController(), new AbortController()];
    const time: Reign = (reign = { epoch, ending, isForced, isWanted: false, isLost: false });
    const end = () => {
      reign = undefined;
      look();
      know(null, epoch);
    };
    const lose = () => {
      ending.abort();
      losing.abort();
    };
    ending.signal.addEventListener("abort", end);
    for (const it of [held, own]) it.addEventListener("abort", lose);
    const ended = new Promise((resolve) => ending.signal.addEventListener("abort", resolve));
    know(me, epoch);
    say({ word: "leads", epoch });
    exclusives.begin(ending.signal);
    onTurn();
    await ended;
    await within(GRACE_MS, losing.signal, exclusives.ended());
    say({ word: "gone", epoch });
    // Held on to, so that nobody comes in between.
    if (time.isWanted) await within(HAND_OVER_MS, losing.signal);
    // Whoever was elected in the same way has the role by then.
    if (time.isLost) await within(LOSE_MS, losing.signal);
    if (losing.signal.aborted) return;
    if (time.isLost) spare();
    rest();
  };

  const isInSight = () => document?.visibilityState !== "hidden";
  const seesOther = () => [...sighted.values()].includes(true);

  /** Whether a page in sight goes first, now that this one is elected. */
  const givesWay = () => {
    if (isInSight() || !seesOther()) return false;
    if (!gaveWay) return (gaveWay = true);
    for (const other of sighted.keys()) sighted.set(other, false);
    return false;
  };

  /** Whether it is to go on leading: the user may only have looked at another page for a moment. */
  const look = () => {
    if (reign && !reign.isForced && !isInSight() && seesOther()) {
      yielding ??= setTimeout(giveWay, HIDDEN_MS);
    } else {
      clearTimeout(yielding);
      yielding = undefined;
    }
  };

  const giveWay = () => {
    yielding = undefined;
    gaveWay = true;
    reign?.ending.abort();
  };

  const showUp = (to = "") => {
    if (candidacy && !isShy && isInSight()) say({ to, word: "seen" });
  };

  const hear = (data: unknown) => {
    const parcel = readParcel(data, me);
    if (!parcel) return;
    const { epoch, from, word } = parcel;
    switch (word) {
      case "who":
        if (reign) say({ to: from, word: "leads", epoch: reign.epoch });
        return;
      case "leads":
        return onLeads(from, epoch);
      case "gone":
        if (epoch < face.epoch) return;
        if (from === face.leaderId) {
          know(null, epoch);
          sparesUntil = -Infinity;
          stand();
        }
        return onTurn();
      case "force":
        if (!reign) return;
        reign.isWanted = true;
        return reign.ending.abort();
      case "seen":
        if (sighted.size >= SIGHTED_MAX) sighted.clear();
        if (!sighted.has(from)) sighted.set(from, true);
        return look();
      case "unseen":
        sighted.delete(from);
        return look();
      case "bye":
        sighted.delete(from);
        look();
        return tasks.hear(parcel);
      default:
        return tasks.hear(parcel);
    }
  };

  const onLeads = (from: string, epoch: number) => {
    // One that was robbed in its sleep is to learn of it; and of two that were elected in different ways under one epoch, one.
    const goesOn = reign && (epoch < reign.epoch || (epoch === reign.epoch && from < me));
    if (goesOn) say({ to: from, word: "leads", epoch: reign!.epoch });
    if (goesOn || epoch < face.epoch) return;
    if (reign) {
      reign.isLost = true;
      reign.ending.abort();
      // Whose lease was taken sees that by looking.
      candidacy?.hint?.();
    }
    gaveWay = false;
    sighted.delete(from);
    know(from, epoch);
    stand();
    showUp(from);
  };

  const force = async () => {
    if (!reign && line) {
      const turn = new Promise<void>((resolve) => (onTurn = resolve));
      say({ word: "force" });
      await within(FORCE_MS, over, turn);
    }
    if (!reign) await taken();
    else {
      reign.isForced = true;
      look();
    }
  };

  const taken = () =>
    new Promise<void>((resolve, reject) => {
      onTurn = () => reign && resolve();
      const fail = () => {
        const message = "this page could not take the lead: it is left or frozen, or another has taken it at the same moment";
        reject(kit.named({ code: "leader-unavailable", culprit: "browser", message }));
      };
      if (isHere) run("take").then(fail, reject);
      else fail();
    });

  const left = new AbortController();
  const listen = (target: EventTarget | undefined, type: string, heard: () => void) =>
    target?.addEventListener(type, heard, { signal: left.signal });
  listen(globalThis.window, "pagehide", leave);
  listen(document, "freeze", leave);
  listen(globalThis.window, "pageshow", enter);
  listen(document, "resume", enter);
  listen(document, "visibilitychange", () => {
    look();
    if (!isInSight()) return say({ word: "unseen" });
    isShy = false;
    showUp();
  });
  over.addEventListener("abort", () => {
    reign?.ending.abort();
    void Promise.resolve(serving).then(() => {
      leave();
      left.abort();
    });
  });
  enter();
  if (over.aborted) left.abort();

  return {
    async forceLeader() {
      refuseClosed(inside);
      if (!candidacy) throw kit.appFault("not-supported", "this page does not lead: `leader.enabled` is false");
      forcing ??= force().finally(() => (forcing = undefined));
      await forcing.catch((cause: unknown) => {
        refuseClosed(inside);
        throw kit.named(cause);
      });
    },
    async resign() {
      refuseClosed(inside);
      if (!reign) return;
      isShy = true;
      say({ word: "unseen" });
      reign.ending.abort();
      await serving;
    },
    runExclusive: (...how) => exclusives.add(...how),
    handle: (...how) => tasks.handle(...how),
    delegate: (...how) => tasks.delegate(...how),
  };
}

/** How long others may go first. */
const REST_MS = 5_000;
/** How long it leads on out of sight, while another page is in sight. */
const HIDDEN_MS = 5_000;
/** Between tries to stand, or to lead beside one that was elected in another way. */
const AGAIN_MS_MAX = 60_000;
/** How long an election may take to say that the role is another's. */
const LOSE_MS = 1_000;
/** After so long a loss is the first again. */
const QUIET_MS = 600_000;
/** How long whoever leads may take to let go when another forces it. */
const FORCE_MS = 1_000;
/** How long the role is kept for a page that has asked for it. */
const HAND_OVER_MS = 3_000;
const SIGHTED_MAX = 1_000;
