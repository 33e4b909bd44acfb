// Finding and starting the page's wasm, once per page.
//
// What always holds: a failed start is forgotten, so the next `connect` tries again.

import { BellwetherError, appFault } from "./errors.js";
import type { ClientClass, Start } from "./wasm.js";

/** Makes what starts the page's wasm, compiled or from where it lies; the first call decides from where. */
export function loader(
  start: Start,
  clients: ClientClass,
): (wasm: string | WebAssembly.Module | undefined) => Promise<ClientClass> {
  let loading: Promise<unknown> | undefined;
  return async (wasm) => {
    loading ??= load(start, wasm).catch((cause: unknown) => {
      loading = undefined;
      throw cause;
    });
    await loading;
    return clients;
  };
}

/**
 * The rest of the package: what few pages need, or none at once. A module of its own, so that it is loaded
 * only then; what it needs of this one is handed to it, and it imports nothing.
 */
export async function later(): Promise<typeof import("./later.js")> {
  try {
    return await import("./later.js");
  } catch (cause) {
    const message = `later.js could not be loaded (${cause}); check that it lies beside index.js`;
    throw appFault("module-unavailable", message, { cause });
  }
}

async function load(start: Start, wasm: string | WebAssembly.Module | undefined): Promise<void> {
  const from = wasm ?? new URL("./bellwether_page_bg.wasm", import.meta.url).href;
  try {
    await start({ module_or_path: typeof from === "string" ? await download(from) : from });
  } catch (cause) {
    const where = typeof from === "string" ? `from ${from} ` : "";
    throw new BellwetherError(
      "wasm-unavailable",
      "app",
      `the page's wasm could not be started ${where}(${cause}). Check that bellwether_page_bg.wasm ` +
        "lies beside index.js, or that the option `wasm` says where, and that the " +
        "Content-Security-Policy has 'wasm-unsafe-eval' in script-src",
      { cause },
    );
  }
}

async function download(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the answer was ${response.status} ${response.statusText}`);
  return response;
}
