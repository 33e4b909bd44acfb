// The part of the package that is loaded when it is first wanted: what few pages need, or none at once.
//
// What always holds: of the first module it has only types, and what it is handed by `Inside`; so there is
// one `BellwetherError`, and one outbox. Not here: how it is loaded; `load.ts` does that.

import type { Below } from "./below.js";
import { refuseClosed } from "./closed.js";
import { adopt as adoptLeft, forget, items, prepareFarewell } from "./farewell.js";
import { furnished } from "./furnished.js";
import type { LoggedEvent, SubscribeOptions } from "./event-log.js";
import { allows } from "./hosts.js";
import type { Inside, Kit } from "./inside.js";
import type { Leading, Part } from "./leading.js";
import { failed } from "./listing.js";
import { follow } from "./live.js";
import type { PageOutbox } from "./outbox.js";
import type { DeadLetter, DeadLetterNotice, SignOutOptions, WipeOptions, WipeReport } from "./types.js";

export { keepUp } from "./live.js";
export { resolver } from "./resolver.js";
export { failed, pending } from "./listing.js";
export { lockMetrics, withLock } from "./lock.js";
export { delivered } from "./outcomes.js";

/** There is no database, or none is allowed: the pages keep the rows themselves. Gives nothing if that is not allowed, either. */
export async function descend(inside: Inside): Promise<Below | undefined> {
  const { hosts } = inside.asked.raw;
  const module = await below(inside);
  return module.goBelow(inside, (rung) => allows(hosts, rung));
}

/** Takes in what pages have left that had no worker, or no database. */
export async function adopt(inside: Inside): Promise<void> {
  adoptLeft(inside);
  if (!inside.below()) await (await below(inside)).adoptKept(inside);
}

type Kept = typeof import("./below.js");

function below({ kit }: Inside): Promise<Kept> {
  return loaded(kit, "below.js", import("./below.js"));
}

function loaded<T>(kit: Kit, file: string, loading: Promise<T>): Promise<T> {
  return loading.catch((cause: unknown) => {
    const message = `${file} could not be loaded (${cause}); check that it lies beside index.js`;
    throw kit.appFault("module-unavailable", message, { cause });
  });
}

/** There is no worker: the pages host the coordinator themselves. */
export function goOnWithoutWorker(inside: Inside): void {
  prepareFarewell(inside);
  const { kit, over, report } = inside;
  // It loads what it needs, which may not be there, either.
  const host = async () => (await loaded(kit, "host.js", import("./host.js"))).host(inside);
  void kit.untilLoaded(host, over, report);
}

/** Lets this page take part in leading; see {@link Leadership}. */
export async function lead(inside: Inside, face: Leading): Promise<Part> {
  const module = await loaded(inside.kit, "leader.js", import("./leader.js"));
  const isCandidate = inside.asked.leader?.enabled !== false;
  return module.lead(inside, isCandidate ? await module.electionFor(inside) : undefined, face);
}

/** Makes the outbox of a page whose options ask for more than the usual one, and sets up the rest of them. */
export function furnish(inside: Inside): PageOutbox {
  const outbox = furnished(inside);
  const { guardUnload, migrate } = inside.asked;
  if (guardUnload) guard(inside);
  if (migrate) offer(inside, outbox);
  return outbox;
}

/** See {@link EventLog.subscribe}. */
export function subscribe(
  inside: Inside,
  { after, types }: SubscribeOptions,
  listener: (event: LoggedEvent) => void,
  signal: AbortSignal,
): void {
  const { asked, kit, report } = inside;
  if (asked.raw.server === "") {
    return report(kit.appFault("not-supported", "there is no log: connect with a `server`"));
  }
  const event = (event: LoggedEvent) => {
    if (!signal.aborted && (!types || types.includes(event.type))) listener(event);
  };
  const gap = () =>
    report(kit.appFault("log-gap", "a part of the log is gone; it goes on with what is there"));
  void follow(inside, after, { event, gap }, signal);
}

/** See {@link Bellwether.signOut}. */
export async function signOut(inside: Inside, options: SignOutOptions = {}): Promise<void> {
  const { asked, client, kit } = inside;
  kit.refuseUnknown(options, ["undelivered"]);
  const { undelivered = "keep" } = options;
  if (undelivered !== "keep" && undelivered !== "discard") {
    throw kit.unfit("undelivered", undelivered, '"keep" or "discard"');
  }
  const isDiscarded = undelivered === "discard";
  const kept = isDiscarded ? await keptBelow(inside) : undefined;
  refuseClosed(inside);
  const { user, session } = asked.raw;
  client.token(user, session, undefined);
  Object.assign(asked, { token: undefined, raw: { ...asked.raw, user: "", hasToken: false } });
  client.identify("", session, undefined);
  if (isDiscarded) await wiped(inside, kept, session, user, true);
}

/** See {@link Bellwether.wipe}. */
export async function wipe(inside: Inside, options: WipeOptions = {}): Promise<WipeReport> {
  const { kit } = inside;
  kit.refuseUnknown(options, ["session", "undelivered"]);
  const session = kit.text("session", options.session);
  const { undelivered = false } = options;
  if (typeof undelivered !== "boolean") throw kit.unfit("undelivered", undelivered, "true or false");
  const kept = await keptBelow(inside);
  refuseClosed(inside);
  return { removed: await wiped(inside, kept, session, undefined, undelivered) };
}

/** What removes rows of pages without a database, if this page has one and there are some. */
async function keptBelow(inside: Inside): Promise<Kept | undefined> {
  const isThere = !inside.below() && items(`bellwether:kept:${encodeURIComponent(inside.asked.raw.channel)}:`).length > 0;
  return isThere ? below(inside) : undefined;
}

async function wiped(
  inside: Inside,
  kept: Kept | undefined,
  session: string | undefined,
  user: string | undefined,
  undelivered: boolean,
): Promise<number> {
  const { client, kit } = inside;
  // First, or a page that comes meanwhile takes them in behind the wipe.
  if (undelivered) forget(inside.asked.raw.channel, session, user);
  const removed = kept?.wipeKept(inside, session, user, undelivered) ?? 0;
  const what = undelivered ? "wipe-undelivered" : "wipe";
  return removed + (await kit.settled<number>((settle) => client.ask(what, session, user, settle)));
}

// A page with such a listener is kept out of the back/forward cache by some browsers, whatever it does.
function guard({ over, page }: Inside): void {
  const ask = (event: Event) => event.preventDefault();
  const check = () => {
    if (page.status.pending > 0 && !over.aborted) addEventListener("beforeunload", ask);
    else removeEventListener("beforeunload", ask);
  };
  page.addEventListener("status", check, { signal: over });
  over.addEventListener("abort", check);
  check();
}

function offer(inside: Inside, outbox: PageOutbox): void {
  const { asked, kit, over, page, report } = inside;
  const offered = new Set<string>();
  const look = async () => {
    for (const letter of await failed(inside)) {
      if (letter.code !== "type-unknown" || offered.has(letter.id)) continue;
      offered.add(letter.id);
      await mend(letter).catch((cause: unknown) => {
        const fault = kit.named(cause);
        // Another page was faster.
        if (fault.code !== "letter-unknown") report(fault);
      });
    }
  };
  const mend = async (letter: DeadLetter) => {
    const event = await Promise.resolve(letter).then(asked.migrate).catch((cause: unknown) => {
      const message = `letter ${letter.id} could not be mended by \`migrate\` (${cause}); it stays one`;
      throw kit.appFault("migrate-failed", message, { cause });
    });
    if (!event) return;
    await outbox.edit(letter.id, event);
    await outbox.retry(letter.id);
  };
  const lookAgain = () => void look().catch(report);
  page.addEventListener(
    "dead-letter",
    ({ detail }: CustomEvent<DeadLetterNotice>) => detail.code === "type-unknown" && lookAgain(),
    { signal: over },
  );
  page.ready.then(lookAgain, () => {});
}
