// The wasm's glue, which the build puts beside the compiled modules, and then with them into one.

import type { ClientClass, Start } from "./wasm.js";

declare const start: Start;
export default start;
export declare const Client: ClientClass;
