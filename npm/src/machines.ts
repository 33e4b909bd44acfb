// Finding the machines by which pages elect one of them, or take turns, where the browser has no locks: `lead.js`.
//
// What always holds: it is loaded once, by whoever is first; what fails is said as a fault, and tried again by the next call.

import type { Inside } from "./inside.js";

export type Lead = typeof import("./lead.js");

export async function machines({ kit }: Pick<Inside, "kit">): Promise<Lead> {
  try {
    const lead = await import("./lead.js");
    await lead.start();
    return lead;
  } catch (cause) {
    const message = `lead.js or its wasm could not be loaded (${cause}); check that both lie beside index.js`;
    throw kit.appFault("module-unavailable", message, { cause });
  }
}
