// By which way pages choose one of them to host the coordinator: the best one that works here (HOST-4).
//
// What always holds: a way is taken to work only once it was tried; why one does not is said in words, and shown by the status.

import type { Election } from "./election.js";
import type { Inside } from "./inside.js";
import { machines } from "./machines.js";
import type { HostKind } from "./types.js";

/** How the pages find out which of them hosts. */
export interface Way {
  readonly rung: HostKind;
  /** Why there is no better one, a sentence each. */
  readonly reasons: readonly string[];
  /** `undefined` for Web Locks. */
  readonly election: Election | undefined;
}

/** `undefined` if none works; the status says why. */
export async function climb(inside: Inside): Promise<Way | undefined> {
  const { asked, climbed, over } = inside;
  const reasons: string[] = [];
  for (const rung of RUNGS) {
    if (over.aborted) return undefined;
    if (asked.raw.hosts?.split(",").includes(rung) === false) {
      reasons.push(`${rung}: not among the option \`hosts\``);
      continue;
    }
    try {
      const way = { rung, reasons, election: await TRIES[rung](inside) };
      climbed(way);
      return way;
    } catch (cause) {
      const { message = cause } = cause as Error;
      reasons.push(`${rung}: ${message}`);
    }
  }
  climbed({ rung: "solo", reasons });
  return undefined;
}

const RUNGS = ["web-locks", "indexeddb-lease"] as const satisfies readonly HostKind[];

/** Each throws where it does not work. */
const TRIES: Record<(typeof RUNGS)[number], (inside: Inside) => Promise<Election | undefined>> = {
  async "web-locks"({ page }) {
    const { locks } = navigator;
    if (!locks) throw new Error("this browser, or this address, has none");
    await locks.request(`bellwether:try:${page.id}`, async () => {});
    return undefined;
  },
  async "indexeddb-lease"(inside) {
    const lead = await machines(inside);
    return lead.byDatabase(candidate(inside));
  },
};

function candidate({ asked, page }: Inside) {
  const { build, channel } = asked.raw;
  return { build, channel, role: "host", me: page.id, heard: () => page.status.epoch };
}
