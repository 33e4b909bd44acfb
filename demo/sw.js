// The app's own service worker: Bellwether first, then a cache of the shell.
//
// Bellwether's script attaches its listeners in this first synchronous run and shares the worker
// with whatever the app does below. What the app does: keep its files, so that it starts with the
// server gone. A cache belongs to one build, so files of two builds never mix.

// Only the takeover lab asks for this: a worker that hears nothing for a while, as one that hangs. Before Bellwether's own
// listeners, since none of them is to hear it either.
let deafUntil = 0;
self.addEventListener("message", (event) => {
  if (event.data?.takeoverLab === "deaf") deafUntil = performance.now() + Math.min(Number(event.data.forMs) || 0, 60_000);
  if (performance.now() < deafUntil) event.stopImmediatePropagation();
});

importScripts("/bellwether-sw.js");

const BUILD = "__DEMO_BUILD__";
const PREFIX = "field-notes-shell-";
const CACHE = PREFIX + BUILD;

const SHELL = [
  "/",
  "/delivery.html",
  "/delivery.css",
  "/state.html",
  "/state.css",
  "/styles.css",
  "/takeover.html",
  "/takeover.css",
  "/manifest.webmanifest",
  "/icons/icon.svg",
  "/icons/icon-192.png",
  "/src/banner.js",
  "/src/board.js",
  "/src/bursts.js",
  "/src/compose.js",
  "/src/conflicts.js",
  "/src/delivery.js",
  "/src/element.js",
  "/src/explain.js",
  "/src/ledger.js",
  "/src/log.js",
  "/src/main.js",
  "/src/mood.js",
  "/src/notes.js",
  "/src/recorder.js",
  "/src/shared-theme.js",
  "/src/shared.js",
  "/src/state-board.js",
  "/src/state-page.js",
  "/src/status.js",
  "/src/tab.js",
  "/src/takeover-circle.js",
  "/src/takeover-moves.js",
  "/src/takeover-rungs.js",
  "/src/takeover.js",
  "/src/theme.js",
  "/src/weather.js",
  "/src/words.js",
  "/bellwether/index.js",
  "/bellwether/later.js",
  "/bellwether/bellwether_page_bg.wasm",
];

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(CACHE);
      // Past the HTTP cache: the files of this build, not of the one before.
      await cache.addAll(SHELL.map((path) => new Request(path, { cache: "reload" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      // Only this app's old shells: Bellwether and others on this origin keep caches too.
      const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
      await Promise.all(names.map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (/^\/(v1|dev)\//.test(url.pathname) || /^\/(healthz|readyz|metrics)$/.test(url.pathname)) return;
  const path = request.mode === "navigate" && !SHELL.includes(url.pathname) ? "/" : url.pathname;
  if (path !== "/" && !isOfShell(path)) return;
  event.respondWith(fromShell(path, request));
});

/** @param {string} path */
function isOfShell(path) {
  return SHELL.includes(path) || path.startsWith("/bellwether/") || path.startsWith("/icons/");
}

/**
 * From the cache; what is not there yet comes from the network and stays.
 *
 * @param {string} path
 * @param {Request} request
 */
async function fromShell(path, request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(path);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok && !answer.redirected) await cache.put(path, answer.clone());
  return answer;
}
