// What `lead.js` loads, without its wasm: import this before whatever wants it.
//
// Not here: leases and votes, which here elect nobody; who tests what an election leads to has elections of its own.

import { writeFileSync } from "node:fs";

const beside = (path) => new URL(path, import.meta.url);

const GLUE = `
  export { FakeMutex as Mutex } from ${JSON.stringify(beside("./mutex.mjs").href)};
  class Idle {
    constructor(mono, wall, ...told) {
      this.told = told;
    }
    handle() {}
    poll() {}
    timeout() {
      return Infinity;
    }
  }
  export class Lease extends Idle {}
  export class Vote extends Idle {}
  export default async () => {};
  export const raise = () => [1, new Uint8Array()];
`;

// Where the build puts the glue of the real one.
writeFileSync(beside("../build/js/bellwether_lead.js"), GLUE);
const { fetch } = globalThis;
globalThis.fetch = async (url, ...more) =>
  `${url}`.endsWith("/bellwether_lead_bg.wasm") ? new Response() : fetch(url, ...more);
