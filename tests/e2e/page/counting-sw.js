// An app's own worker that counts the sync events, for the test to ask.
importScripts("/bellwether-sw.js");
let syncs = 0;
self.addEventListener("install", (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("sync", () => (syncs += 1));
self.addEventListener("fetch", (event) => {
  if (new URL(event.request.url).pathname !== "/syncs") return;
  event.respondWith(new Response(String(syncs)));
});
