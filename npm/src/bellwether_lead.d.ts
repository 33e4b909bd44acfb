// The glue of the elections' wasm, which the build puts beside the compiled modules, and then with `lead` into one.

import type { Machine } from "./campaign.js";
import type { Mutex as Turns } from "./mutex.js";
import type { Start } from "./wasm.js";

declare const start: Start;
export default start;
type Make = new (
  mono: number,
  wall: number,
  me: string,
  build: string,
  newest: number,
  seed: number,
) => Machine;
export declare const Lease: Make;
export declare const Vote: Make;
/** A row that is taken under a later epoch than `heard` and than the one found, and that epoch. */
export declare function raise(
  wall: number,
  me: string,
  build: string,
  heard: number,
  found: Uint8Array | undefined,
): [epoch: number, row: Uint8Array];
export declare const Mutex: new (seed: number) => Turns;
