// The wasm's glue, which the build puts beside the compiled modules.

import type { ClientClass, PageModule } from "./wasm.js";

declare const start: PageModule["default"];
export default start;
export declare const Client: ClientClass;
