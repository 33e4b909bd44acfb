// What is said of a page that was closed.

import type { BellwetherError } from "./errors.js";
import type { Inside, Kit } from "./inside.js";

export function closed({ appFault }: Pick<Kit, "appFault">): BellwetherError {
  return appFault("closed", "this page was closed; `connect` again");
}

export function refuseClosed({ kit, over }: Inside): void {
  if (over.aborted) throw closed(kit);
}
