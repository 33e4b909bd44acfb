// What the tests call in a page: `join` opens the channel, and the rest is its public API.

import { connect } from "/bellwether/index.js";

const TYPES = ["dead-letter", "state-lost", "reload-needed", "error"];

/** Everything the client has fired, but for its status. */
window.heard = [];

/** Connects with the demo server of this origin; tells how long that took. */
window.join = async (options = {}) => {
  const startedAt = performance.now();
  const bw = await connect({ server: location.origin, session: "e2e", ...options });
  const tookMs = performance.now() - startedAt;
  for (const type of TYPES) {
    bw.addEventListener(type, ({ detail }) => {
      const told = detail instanceof Error ? { code: detail.code, message: detail.message } : detail;
      window.heard.push({ type, detail: told });
    });
  }
  window.bw = bw;
  return tookMs;
};
