// What the tests call in a page: `join` opens the channel, and the rest is its public API.

import { connect } from "/bellwether/index.js";

const TYPES = ["dead-letter", "state-lost", "reload-needed", "error"];

/** Everything the client has fired, but for its status. */
window.heard = [];

// A server without tokens is asked by its own name only.
const server = location.origin.replace("insecure.test", "localhost");

/** Connects with the demo server of this origin; tells how long that took. */
window.join = async (options = {}) => {
  const startedAt = performance.now();
  const bw = await connect({ server, session: "e2e", ...options });
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

/** Connects with a function that gives `window.given` and counts how often it was asked. */
window.joinAsked = (options) => {
  window.asked = [];
  const token = (of) => {
    window.asked.push(of);
    return window.given;
  };
  return join({ ...options, token });
};

/** Where this origin's storage holds `text`: a name for each place. */
window.placesOf = async (text) => {
  const places = new Set();
  for (const { name } of await indexedDB.databases()) {
    const db = await settled(indexedDB.open(name));
    for (const store of db.objectStoreNames) {
      const rows = db.transaction(store).objectStore(store);
      const all = [rows.getAllKeys(), rows.getAll()].map(settled);
      if ((await Promise.all(all)).some((it) => holds(it, text))) places.add(`${name}/${store}`);
    }
    db.close();
  }
  for (const name of (await globalThis.caches?.keys()) ?? []) {
    const cache = await caches.open(name);
    for (const response of await cache.matchAll()) {
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (holds([response.url, [...response.headers], bytes], text)) places.add(`cache ${name}`);
    }
  }
  for (const storage of ["localStorage", "sessionStorage"]) {
    if (holds({ ...window[storage] }, text)) places.add(storage);
  }
  return [...places];
};

/** How many rows each store of this origin's databases holds, by database and store. */
window.rowCounts = async () => {
  const counts = {};
  for (const { name } of await indexedDB.databases()) {
    const db = await settled(indexedDB.open(name));
    for (const store of db.objectStoreNames) {
      counts[`${name}/${store}`] = await settled(db.transaction(store).objectStore(store).count());
    }
    db.close();
  }
  return counts;
};

function holds(value, text) {
  if (value instanceof ArrayBuffer) return holds(new Uint8Array(value), text);
  if (ArrayBuffer.isView(value)) return new TextDecoder("latin1").decode(value).includes(text);
  if (typeof value !== "object" || value === null) return `${value}`.includes(text);
  return Object.entries(value).flat().some((it) => holds(it, text));
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
