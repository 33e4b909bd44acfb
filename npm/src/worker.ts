// The worker's first lines: listeners at first evaluation, wasm behind a promise (HOST-1).
//
// A classic script, in one with the wasm's glue. The whole life of a service worker starts here,
// many times a day. Listeners are attached during this first, synchronous run; the wasm arrives
// later, so each listener keeps its event alive until there is a coordinator to hand it to.
//
// What always holds:
// - a failed start is forgotten, so the next event tries again;
// - whatever an event causes is inside its `waitUntil`, and none of our waits is without end;
// - where the script is part of the app's own worker it answers no fetch, leaves the app's
//   messages, tags and caches alone, and never decides which worker is in charge.
//
// Not here: any decision about the queue; the coordinator makes those.

/** The wasm's glue, which the build weaves in: what starts it, and what it exports. */
declare const bellwether_wasm: {
  initSync(input: { module: WebAssembly.Module }): unknown;
  Worker: { start(build: string): Coordinator };
};

/** What the worker's wasm does with each event; the promises go to `waitUntil`. */
interface Coordinator {
  onMessage(event: ExtendableMessageEvent): Promise<void>;
  /** Rejects if the browser shall try again. */
  onSync(tag: string, lastChance: boolean): Promise<void>;
  onPeriodicSync(tag: string): Promise<void>;
  onPush(): Promise<void>;
  /** Kept short: pages wait to load until the worker is active. */
  onActivate(): Promise<void>;
}

// Background Sync is not in the compiler's library: only some browsers have it.
interface SyncEvent extends ExtendableEvent {
  readonly tag: string;
  readonly lastChance: boolean;
}

interface WorkerEvents {
  install: ExtendableEvent;
  activate: ExtendableEvent;
  message: ExtendableMessageEvent;
  sync: SyncEvent;
  periodicsync: SyncEvent;
  push: ExtendableEvent;
}

/** Messages to the script itself; all others are the coordinator's. */
interface ToScript {
  /** The channel. */
  bellwether?: unknown;
  probe?: unknown;
  /** Whether the wasm has to be there for an answer, too. */
  whole?: unknown;
  skipWaiting?: unknown;
}

(() => {
  // Whatever is put before it, a directive in a function's first line is one.
  "use strict";

  const BUILD = "__BELLWETHER_BUILD__";
  const HOOKS: readonly (keyof Hooks)[] = ["token", "resolve", "resolveConflict", "deliver", "onPush", "onEvent"];
  const CACHES = "bellwether-";
  const CACHE = CACHES + BUILD;
  /** How long one download may take; the browser would let it hang for minutes. */
  const DOWNLOAD_MS_MAX = 30_000;

  type Hooks = import("./hooks.js").WorkerHooks;

  const worker = self as unknown as ServiceWorkerGlobalScope & {
    /** What the app registers its hooks with. */
    bellwether?: import("./hooks.js").WorkerRegistry;
    /** Where the wasm lies, if not beside the worker's script: a URL that ends in `/`. */
    BELLWETHER_BASE?: string;
    /** Set by the first copy of this script. */
    BELLWETHER_LISTENS?: boolean;
  };
  if (worker.BELLWETHER_LISTENS) return;
  worker.BELLWETHER_LISTENS = true;

  const isWholeWorker = worker.location.pathname.endsWith("/bellwether-sw.js");
  let loading: Promise<Coordinator> | undefined;

  const hooks: Hooks = {};
  // The wasm's JavaScript looks into `hooks` each time, so what is registered later counts, too.
  worker.bellwether = { hooks, use };

  on("install", (event) => event.waitUntil(install()));

  on("activate", (event) => event.waitUntil(activate()));

  on("message", (event) => {
    const told = event.data as ToScript | null | undefined;
    const channel = told?.bellwether;
    if (typeof channel !== "string") return;
    if (told?.probe === true) {
      const answer = () => event.ports[0]?.postMessage({ bellwether: channel, build: BUILD });
      if (told.whole === true) event.waitUntil(coordinator().then(answer));
      else answer();
    } else if (told?.skipWaiting === true) {
      if (isWholeWorker) event.waitUntil(worker.skipWaiting());
    } else {
      event.waitUntil(
        coordinator().then(
          (it) => it.onMessage(event),
          (cause: unknown) => refuse(event, channel, cause),
        ),
      );
    }
  });

  // A rejection makes the browser try again.
  on("sync", (event) => {
    if (!isOurs(event.tag)) return;
    event.waitUntil(coordinator().then((it) => it.onSync(event.tag, event.lastChance)));
  });

  on("periodicsync", (event) => {
    if (!isOurs(event.tag)) return;
    event.waitUntil(coordinator().then((it) => it.onPeriodicSync(event.tag)));
  });

  on("push", (event) => {
    const waking = coordinator();
    event.waitUntil(waking.then((it) => it.onPush()));
    const { onPush } = hooks;
    // The app's notification waits for the waking, in vain or not, and not for what is delivered then.
    const wake = () => Promise.resolve();
    if (onPush) event.waitUntil(waking.then(wake, wake).then(() => onPush(event)));
  });

  /** Takes the app's hooks. */
  function use(given: Hooks): void {
    for (const [name, hook] of Object.entries(given) as [keyof Hooks, unknown][]) {
      if (!HOOKS.includes(name)) {
        throw new TypeError(`bellwether.use: there is no hook \`${name}\`, but ${HOOKS.join(", ")}`);
      }
      if (hook !== undefined && typeof hook !== "function") {
        throw new TypeError(`bellwether.use: \`${name}\` is ${typeof hook}; give it a function`);
      }
    }
    Object.assign(hooks, given);
  }

  /** One start per life of the worker; a failed one is forgotten: the next event tries again. */
  function coordinator(): Promise<Coordinator> {
    loading ??= start().catch((cause: unknown) => {
      loading = undefined;
      throw cause;
    });
    return loading;
  }

  async function start(): Promise<Coordinator> {
    bellwether_wasm.initSync({ module: await compiled() });
    return bellwether_wasm.Worker.start(BUILD);
  }

  /** The wasm: what this build has kept, else from the network, and kept from then on. */
  async function compiled(): Promise<WebAssembly.Module> {
    const cache = await caches.open(CACHE).catch(() => undefined);
    try {
      const kept = await cache?.match(wasmUrl());
      if (kept) return await compile(kept);
    } catch {
      // The browser's copy is damaged; the next one replaces it.
    }
    const bytes = await download("default").catch(() => download("reload"));
    const module = await WebAssembly.compile(bytes);
    // Where nothing can be kept it works as long as the network does.
    await cache?.put(wasmUrl(), wasmResponse(bytes)).catch(() => undefined);
    return module;
  }

  /** While it is being read, where the browser can. */
  async function compile(response: Response): Promise<WebAssembly.Module> {
    return "compileStreaming" in WebAssembly
      ? WebAssembly.compileStreaming(response)
      : WebAssembly.compile(await response.arrayBuffer());
  }

  /** Takes both of the pair, script and wasm, or none: without the wasm the install fails. */
  async function install(): Promise<void> {
    const bytes = await download("no-cache");
    const cache = await caches.open(CACHE);
    await cache.put(wasmUrl(), wasmResponse(bytes));
    if (isWholeWorker) await worker.skipWaiting();
  }

  async function activate(): Promise<void> {
    if (isWholeWorker) await worker.clients.claim();
    // What cannot be deleted is left for the next build to delete.
    await sweep().catch(() => undefined);
    await (await coordinator()).onActivate();
  }

  /** Deletes what earlier builds have kept, once this one has its own. */
  async function sweep(): Promise<void> {
    const cache = await caches.open(CACHE);
    if (!(await cache.match(wasmUrl()))) return;
    const names = await caches.keys();
    const old = names.filter((name) => name.startsWith(CACHES) && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
  }

  async function download(cache: RequestCache): Promise<ArrayBuffer> {
    const url = wasmUrl();
    const signal = AbortSignal.timeout(DOWNLOAD_MS_MAX);
    const response = await fetch(url, { cache, credentials: "same-origin", signal });
    if (!response.ok) throw new Error(`${url}: the answer was ${response.status}`);
    const bytes = await response.arrayBuffer();
    // Captive portals and catch-all routes answer everything with a page.
    const [zero, a, s, m] = new Uint8Array(bytes);
    if (zero !== 0 || String.fromCharCode(a ?? 0, s ?? 0, m ?? 0) !== "asm") {
      throw new Error(`${url}: the answer is no wasm, but ${response.headers.get("content-type")}`);
    }
    return bytes;
  }

  /** Tells whoever sent a message that nobody can take it; the event itself is over then. */
  function refuse(event: ExtendableMessageEvent, channel: string, cause: unknown): void {
    const told = `the worker's wasm could not be started (${cause})`;
    const message = `${told}; check that it lies beside bellwether-sw.js`;
    const to = event.ports[0] ?? event.source;
    to?.postMessage({ bellwether: channel, failed: "worker-wasm-missing", message });
  }

  // Found when wanted: a wrong base must not stop the app's own worker from starting.
  function wasmUrl(): string {
    const base = new URL(worker.BELLWETHER_BASE ?? "./", worker.location.href);
    return new URL("__BELLWETHER_WASM__", base).href;
  }

  function wasmResponse(bytes: ArrayBuffer): Response {
    return new Response(bytes, { headers: { "content-type": "application/wasm" } });
  }

  function isOurs(tag: string): boolean {
    return tag.startsWith("bellwether:");
  }

  function on<K extends keyof WorkerEvents>(
    type: K,
    listener: (event: WorkerEvents[K]) => void,
  ): void {
    worker.addEventListener(type, listener as (event: Event) => void);
  }
})();
