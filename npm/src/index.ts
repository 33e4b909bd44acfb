// The package's entry: `connect`, the error class, and the types.

import start, { Client } from "./bellwether_page.js";
import { connector } from "./connect.js";
import { loader } from "./load.js";
import type { Bellwether, ConnectOptions } from "./types.js";

export { BellwetherError } from "./errors.js";
export type { Culprit, ErrorCode } from "./errors.js";
export type * from "./types.js";

const open = /* @__PURE__ */ connector("__BELLWETHER_BUILD__", loader(start, Client));

/**
 * Joins this page to the session that all pages of a channel share.
 *
 * Resolves when this device's queue is open, or known not to be openable (`status` then says what
 * is kept where): within 3 s of having the page's wasm, and never waiting for a worker or the
 * network. Events can be enqueued at once; to wait for a coordinator, wait for `ready`.
 *
 * Called again for a channel that is open in this page it gives the same object.
 *
 * @throws {@link BellwetherError} with `code`
 *   - `"option-invalid"`: an option cannot be used; the message says which, and what to give
 *   - `"channel-open"`: the channel is open in this page, with other options
 *   - `"wasm-unavailable"`: the page's wasm could not be started: a file is not where it should be,
 *     or the Content-Security-Policy lacks `'wasm-unsafe-eval'`; calling again tries again
 *   - `"reload-needed"`: what is stored, or the coordinator, is of a version that this page cannot
 *     work with; reload it
 *
 * @example
 * const bw = await connect({ server: "https://sync.example.org", user: "ann", token: getToken });
 * await bw.outbox.enqueue({ type: "todo.added", data: { title: "Buy milk" } });
 */
export function connect(options?: ConnectOptions): Promise<Bellwether> {
  return open(options);
}
