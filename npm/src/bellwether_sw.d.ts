// The glue of the coordinator's wasm, which the build puts beside the compiled modules, and then with `host` into one.

import type { Bus, Embedded as Hosted } from "./seat.js";

export declare function initSync(input: { module: WebAssembly.Module }): unknown;
export declare const Embedded: {
  /** Takes the role of the coordinator, under a later epoch than `heard`; rejects with a fault where it cannot be had. */
  start(channel: string, build: string, heard: number, bus: Bus): Promise<Hosted>;
};
