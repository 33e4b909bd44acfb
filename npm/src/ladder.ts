// By which way pages choose one of them, to host the coordinator or to lead: the best one that works here (HOST-4).
//
// What always holds: a way is taken to work only once it was tried; why one does not is said in words. A file that cannot be
// loaded says nothing of a way: that is thrown, and whoever asked tries again.

import type { Candidate } from "./campaign.js";
import type { Election, Serve } from "./election.js";
import type { BellwetherError } from "./errors.js";
import { allows } from "./hosts.js";
import type { Inside } from "./inside.js";
import { openLine } from "./line.js";
import { LockElection } from "./lock-election.js";
import { machines } from "./machines.js";
import { usableStorage } from "./storage.js";
import type { HostKind, Status } from "./types.js";
import { within } from "./within.js";

/** How the pages find out which of them it is. */
export interface Way {
  readonly rung: HostKind;
  /** Why there is no better one, a sentence each. */
  readonly reasons: readonly string[];
  /** `undefined` where whoever asked does it by Web Locks himself. */
  readonly election: Election | undefined;
}

/** What the status shows of it. */
export interface Climbed extends Pick<Way, "reasons"> {
  readonly rung: Status["host"];
}

/** To host: `undefined` if none works; the status says why, of each. Rejects if a file cannot be loaded, as does what follows. */
export async function climb(inside: Inside): Promise<Way | undefined> {
  const { asked, climbed } = inside;
  const lower = inside.below();
  const refusal = (rung: Rung) => {
    if (!allows(asked.raw.hosts, rung)) return "not among the option `hosts`";
    return lower && (rung === lower.below.rung ? undefined : lower.why);
  };
  const found = await first(inside, "host", refusal);
  if (lower && inside.page.status.reasons.length === 0) found.reasons.unshift(`service-worker: ${lower.why}`);
  climbed({ rung: found.way?.rung ?? "starting", reasons: found.reasons });
  return found.way;
}

/** To lead; `undefined`, and told by "error", if none works. */
export async function electionFor(inside: Inside): Promise<Election | undefined> {
  const { kit, over, report } = inside;
  const lower = inside.below();
  const refusal = (rung: Rung) => (lower && NEED_DATABASE.includes(rung) ? lower.why : undefined);
  const { way, reasons } = await first(inside, "leader", refusal);
  if (!way && !over.aborted) {
    const message = `this page cannot lead, but follows (${reasons.join("; ")})`;
    report(kit.named({ code: "leader-unavailable", culprit: "browser", message }));
  }
  return way?.election;
}

type Role = "host" | "leader";

/** The first that is not refused, for a reason, and works. */
async function first(inside: Inside, role: Role, refusal: (rung: Rung) => string | undefined) {
  const reasons: string[] = [];
  for (const rung of RUNGS) {
    if (inside.over.aborted) break;
    const refused = refusal(rung);
    if (refused !== undefined) {
      reasons.push(`${rung}: ${refused}`);
      continue;
    }
    try {
      const way: Way = { rung, reasons, election: await TRIES[rung](inside, role) };
      return { way, reasons };
    } catch (cause) {
      const { code, message = cause } = cause as Partial<BellwetherError>;
      if (code === "module-unavailable") throw cause;
      reasons.push(`${rung}: ${message}`);
    }
  }
  return { way: undefined, reasons };
}

type Rung = (typeof RUNGS)[number];

const RUNGS = [
  "web-locks",
  "indexeddb-lease",
  "storage-mutex",
  "broadcast-vote",
  "solo",
] as const satisfies readonly HostKind[];
const NEED_DATABASE: readonly Rung[] = ["web-locks", "indexeddb-lease"];

/** Each throws where it does not work. */
const TRIES: Record<Rung, (inside: Inside, role: Role) => Promise<Election | undefined>> = {
  async "web-locks"(inside, role) {
    const { locks } = navigator;
    if (!locks) throw new Error("this browser, or this address, has none");
    await locks.request(`bellwether:try:${inside.page.id}`, async () => {});
    if (role === "host") return undefined;
    const candidate = of(inside, role);
    const raise = (await machines(inside)).raiser(candidate);
    return new LockElection(`bellwether:${candidate.channel}:${role}`, raise);
  },
  async "indexeddb-lease"(inside, role) {
    const lead = await machines(inside);
    return lead.byDatabase(of(inside, role));
  },
  async "storage-mutex"(inside, role) {
    usableStorage();
    const lead = await machines(inside);
    return lead.byStorage(of(inside, role));
  },
  async "broadcast-vote"(inside, role) {
    const candidate = of(inside, role);
    const open = (hear: (data: unknown) => void) => openLine(`bellwether:${candidate.channel}:${candidate.role}:vote`, hear);
    const line = open(() => {});
    if (!line) throw new Error("pages cannot hear one another here");
    line.close();
    const lead = await machines(inside);
    return lead.byVote(candidate, (hear) => open(hear)!);
  },
  async solo() {
    return new Solo();
  },
};

/** Nobody else is heard: this page always has the role. */
class Solo implements Election {
  #epoch = 0;

  async stand(signal: AbortSignal, serve: Serve): Promise<void> {
    while (!signal.aborted) {
      await serve(signal, (this.#epoch += 1));
      await within(PAUSE_MS, signal);
    }
  }

  async take(signal: AbortSignal, serve: Serve): Promise<void> {
    if (!signal.aborted) await serve(signal, (this.#epoch += 1));
  }
}

function of(inside: Inside, role: Role): Candidate {
  const { asked, over, page } = inside;
  const { build, channel } = asked.raw;
  const heard = () => (role === "host" ? page.status.epoch : page.leader.epoch);
  return { build, channel, role: roleAmong(inside, role), me: page.id, over, heard };
}

/** What the role is called: pages without a database share no rows with the others, and so neither host nor leader. */
export function roleAmong(inside: Inside, role: Role): string {
  return inside.below() ? `${role}-below` : role;
}

/** Between two times in which a page that is alone has the role. */
const PAUSE_MS = 1_000;
