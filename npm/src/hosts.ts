// Where the coordinator may run, and which of it the app allows.

import type { HostKind } from "./types.js";

/** All rungs, the best first. */
export const HOSTS: readonly HostKind[] = [
  "service-worker",
  "web-locks",
  "indexeddb-lease",
  "storage-mutex",
  "broadcast-vote",
  "solo",
];

/** Those that have a database. */
export const DATABASE_HOSTS = HOSTS.slice(0, 3);

/** Whether a rung is allowed by what `hosts` of the raw options says. */
export function allows(hosts: string | undefined, rung: HostKind): boolean {
  return hosts?.split(",").includes(rung) !== false;
}
