// By which way pages choose one of them, to host the coordinator or to lead: the best one that works here (HOST-4).
//
// What always holds: a way is taken to work only once it was tried; why one does not is said in words.

import type { Candidate } from "./campaign.js";
import type { Election } from "./election.js";
import type { Inside } from "./inside.js";
import { LockElection } from "./lock-election.js";
import { machines } from "./machines.js";
import type { HostKind } from "./types.js";

/** How the pages find out which of them it is. */
export interface Way {
  readonly rung: HostKind;
  /** Why there is no better one, a sentence each. */
  readonly reasons: readonly string[];
  /** `undefined` where whoever asked does it by Web Locks himself. */
  readonly election: Election | undefined;
}

/** To host: `undefined` if none works; the status says why. */
export async function climb(inside: Inside): Promise<Way | undefined> {
  const { asked, climbed } = inside;
  const allowed = asked.raw.hosts?.split(",");
  const found = await first(inside, "host", (rung) => allowed?.includes(rung) !== false);
  climbed({ rung: found.way?.rung ?? "solo", reasons: found.reasons });
  return found.way;
}

/** To lead; `undefined`, and told by "error", if none works. */
export async function electionFor(inside: Inside): Promise<Election | undefined> {
  const { kit, over, report } = inside;
  const { way, reasons } = await first(inside, "leader", () => true);
  if (!way && !over.aborted) {
    const message = `this page cannot lead, but follows (${reasons.join("; ")})`;
    report(kit.named({ code: "leader-unavailable", culprit: "browser", message }));
  }
  return way?.election;
}

type Role = "host" | "leader";

async function first(inside: Inside, role: Role, isAllowed: (rung: Rung) => boolean) {
  const reasons: string[] = [];
  for (const rung of RUNGS) {
    if (inside.over.aborted) break;
    if (!isAllowed(rung)) {
      reasons.push(`${rung}: not among the option \`hosts\``);
      continue;
    }
    try {
      const way: Way = { rung, reasons, election: await TRIES[rung](inside, role) };
      return { way, reasons };
    } catch (cause) {
      const { message = cause } = cause as Error;
      reasons.push(`${rung}: ${message}`);
    }
  }
  return { way: undefined, reasons };
}

type Rung = (typeof RUNGS)[number];

const RUNGS = ["web-locks", "indexeddb-lease"] as const satisfies readonly HostKind[];

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
};

function of({ asked, page }: Inside, role: Role): Candidate {
  const { build, channel } = asked.raw;
  const heard = () => (role === "host" ? page.status.epoch : page.leader.epoch);
  return { build, channel, role, me: page.id, heard };
}
