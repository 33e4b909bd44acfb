// Trying again what cannot be loaded now, as without a network.
//
// What always holds: the first failure is told, and no other; once the page is closed nothing is tried or told, and no timer is left.

import { named } from "./errors.js";
import type { Fault } from "./wasm.js";
import { within } from "./within.js";

/** Tries until it works or `over` fires: ever more seldom, but at once when the network is back. */
export async function untilLoaded(
  load: () => Promise<unknown>,
  over: AbortSignal,
  report: (fault: Fault) => void,
): Promise<void> {
  for (let ms = AGAIN_MS; !over.aborted; ms = Math.min(2 * ms, AGAIN_MS_MAX)) {
    try {
      await load();
      return;
    } catch (cause) {
      if (ms === AGAIN_MS && !over.aborted) report(named(cause));
    }
    const waiting = new AbortController();
    const { signal } = waiting;
    const online = new Promise((resolve) => globalThis.window?.addEventListener("online", resolve, { signal }));
    await within(ms, over, online);
    waiting.abort();
  }
}

const AGAIN_MS = 2_000;
const AGAIN_MS_MAX = 60_000;
