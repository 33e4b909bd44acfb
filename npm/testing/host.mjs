// What `host.js` loads, without its wasm: import this before whatever wants it.
//
// Not here: what a coordinator does; the ones here are only noted, in `hosted`.

import { register } from "node:module";

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

// Other tests do without, so it is not put where the build puts the real one.
const HOOKS = `
  export async function resolve(name, context, next) {
    if (name !== "./bellwether_sw.js") return next(name, context);
    return { url: new URL(name, context.parentURL).href, format: "module", shortCircuit: true };
  }
  export async function load(url, context, next) {
    if (!url.endsWith("/bellwether_sw.js")) return next(url, context);
    return { format: "module", shortCircuit: true, source: ${JSON.stringify(GLUE)} };
  }
`;

register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);
const { fetch } = globalThis;
globalThis.fetch = async (url, ...more) =>
  `${url}`.endsWith("/__BELLWETHER_WASM__") ? new Response(EMPTY_WASM) : fetch(url, ...more);

const EMPTY_WASM = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
