// Finding and starting the page's wasm, once per page.
//
// What always holds: a failed start is forgotten, so the next `connect` tries again.

import { BellwetherError } from "./errors.js";
import type { ClientClass } from "./wasm.js";

let loading: Promise<ClientClass> | undefined;

/** Starts the page's wasm, compiled or from where it lies; the first call decides from where. */
export function loadClient(wasm: string | WebAssembly.Module | undefined): Promise<ClientClass> {
  loading ??= start(wasm).catch((cause: unknown) => {
    loading = undefined;
    throw cause;
  });
  return loading;
}

async function start(wasm: string | WebAssembly.Module | undefined): Promise<ClientClass> {
  const from = wasm ?? new URL("./bellwether_page_bg.wasm", import.meta.url).href;
  try {
    // Glue and wasm travel side by side.
    const [glue, input] = await Promise.all([
      import("./bellwether_page.js"),
      typeof from === "string" ? download(from) : from,
    ]);
    await glue.default({ module_or_path: input });
    return glue.Client;
  } catch (cause) {
    const where = typeof from === "string" ? `from ${from} ` : "";
    throw new BellwetherError(
      "wasm-unavailable",
      "app",
      `the page's wasm could not be started ${where}(${cause}). Check that bellwether_page.js ` +
        "and bellwether_page_bg.wasm lie beside index.js, or that the option `wasm` says where, " +
        "and that the Content-Security-Policy has 'wasm-unsafe-eval' in script-src",
      { cause },
    );
  }
}

async function download(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the answer was ${response.status} ${response.statusText}`);
  return response;
}
