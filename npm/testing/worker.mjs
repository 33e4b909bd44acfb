// A service worker's world, small enough to watch: runs the worker's script in a realm of its own.

import { readFileSync } from "node:fs";
import vm from "node:vm";

const SCRIPT = readFileSync(new URL("../build/worker.js", import.meta.url), "utf8");
export const WASM = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
export const WASM_NAME = "bellwether-sw.0123456789abcdef.wasm";

/** A worker whose script was evaluated once; `at` is its own URL. */
export function startWorker({ at = "https://app.example/bellwether-sw.js", ...given } = {}) {
  const world = new World(at, given);
  world.evaluate();
  return world;
}

class World {
  listeners = [];
  /** What happened, in order. */
  log = [];
  /** Caches by name; each maps URLs to bytes. */
  stored = new Map();
  /** What the network answers to each fetch; the last stays. */
  answers = [() => new Response(WASM)];
  fetched = [];
  startFails = 0;
  cachesFail = false;

  constructor(at, { global = {}, stored = [] } = {}) {
    for (const [name, entries] of stored) this.stored.set(name, new Map(entries));
    const { log } = this;
    const coordinator = {
      onMessage: async (event) => void log.push(["message", event.data]),
      onSync: async (tag, lastChance) => {
        log.push(["sync", tag, lastChance]);
        if (this.syncFails) throw new Error("not delivered");
      },
      onPeriodicSync: async (tag) => void log.push(["periodicsync", tag]),
      onPush: async () => void log.push(["push"]),
      onActivate: async () => void log.push(["activate"]),
    };
    const glue = {
      initSync: ({ module }) => {
        if (this.startFails-- > 0) throw new Error("no memory");
        log.push(["start", Object.prototype.toString.call(module)]);
      },
      Worker: { start: (build) => (log.push(["boot", build]), coordinator) },
    };
    this.self = {
      location: new URL(at),
      addEventListener: (type, listener) => this.listeners.push([type, listener]),
      skipWaiting: async () => void log.push(["skipWaiting"]),
      clients: { claim: async () => void log.push(["claim"]) },
      bellwether_wasm: glue,
      caches: this.#caches(),
      fetch: (url, how) => this.#fetch(url, how),
      ...{ AbortSignal, Response, URL, WebAssembly, Uint8Array },
      ...global,
    };
    this.self.self = this.self;
    vm.createContext(this.self);
  }

  /** Runs the script; placeholders are filled as the build would. */
  evaluate() {
    const script = SCRIPT.replaceAll("__BELLWETHER_WASM__", WASM_NAME);
    vm.runInContext(script.replaceAll("__BELLWETHER_BUILD__", "b1"), this.self);
  }

  /** Fires an event; resolves to what its `waitUntil` was given, settled. */
  async fire(type, fields = {}) {
    const waits = [];
    const event = { type, waitUntil: (promise) => waits.push(promise), ports: [], ...fields };
    for (const [name, listener] of this.listeners) if (name === type) listener(event);
    return Promise.allSettled(waits);
  }

  names(what) {
    return this.log.filter(([name]) => what === undefined || name === what);
  }

  async #fetch(url, how) {
    this.fetched.push([url, how.cache]);
    const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
    return answer();
  }

  #caches() {
    return {
      open: async (name) => {
        if (this.cachesFail) throw new Error("refused");
        if (!this.stored.has(name)) this.stored.set(name, new Map());
        const entries = this.stored.get(name);
        return {
          match: async (url) => (entries.has(url) ? wasmOf(entries.get(url)) : undefined),
          put: async (url, response) =>
            void entries.set(url, new Uint8Array(await response.arrayBuffer())),
        };
      },
      keys: async () => [...this.stored.keys()],
      delete: async (name) => this.stored.delete(name),
    };
  }
}

function wasmOf(bytes) {
  return new Response(bytes, { headers: { "content-type": "application/wasm" } });
}
