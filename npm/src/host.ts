// The coordinator inside a page, where no worker can be had (HOST-4): the worker's wasm, started in the page's own thread.
//
// What always holds:
// - the wasm is loaded only by a page whose turn it is to host, and once; a failed loading is forgotten;
// - a page that has lost its turn while it loaded does not take the role.
//
// A module of its own, loaded where there is no worker. Not here: which page hosts, by which way (`ladder.ts`), and how the others reach it (`seat.ts`).

import { Embedded, initSync } from "./bellwether_sw.js";
import type { Inside } from "./inside.js";
import { climb } from "./ladder.js";
import { takeSeat } from "./seat.js";
import type { Start } from "./seat.js";

let loading: Promise<void> | undefined;

/** Lets this page take part in hosting the channel's coordinator, until it is closed. */
export async function host(inside: Inside): Promise<void> {
  const { build, channel } = inside.asked.raw;
  const way = await climb(inside);
  if (!way || inside.over.aborted) return;
  const start: Start = async (heard, bus, held) => {
    loading ??= load().catch((cause: unknown) => {
      loading = undefined;
      throw cause;
    });
    await loading;
    held.throwIfAborted();
    const below = inside.below()?.below;
    if (below) {
      held.addEventListener("abort", () => below.resign());
      bus.store = await below.lead(heard, () => bus.over(false));
      held.throwIfAborted();
    }
    return Embedded.start(channel, build, heard, bus);
  };
  takeSeat(inside, start, way);
}

async function load(): Promise<void> {
  const url = new URL("./__BELLWETHER_WASM__", import.meta.url).href;
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_MS_MAX) });
  if (!response.ok) throw new Error(`${url}: the answer was ${response.status}; it lies beside host.js`);
  initSync({ module: await WebAssembly.compile(await response.arrayBuffer()) });
}

const DOWNLOAD_MS_MAX = 30_000;
