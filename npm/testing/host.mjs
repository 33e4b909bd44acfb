// What `host.js` loads, without its wasm: import this before whatever wants it.
//
// Not here: what a coordinator does; the ones here are only noted, in `hosted`.

import { writeFileSync } from "node:fs";

/** What each coordinator was started with. */
export const hosted = [];

globalThis.bellwetherHosted = hosted;

const GLUE = `
  export const initSync = () => {};
  export const Embedded = {
    async start(channel, build, heard, bus) {
      globalThis.bellwetherHosted.push({ channel, build, heard, bus });
      return { onMessage() {}, async resign() {} };
    },
  };
`;

// Where the build puts the glue of the real one.
writeFileSync(new URL("../build/js/bellwether_sw.js", import.meta.url), GLUE);
const { fetch } = globalThis;
globalThis.fetch = async (url, ...more) =>
  `${url}`.endsWith("/__BELLWETHER_WASM__") ? new Response(EMPTY_WASM) : fetch(url, ...more);

const EMPTY_WASM = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
