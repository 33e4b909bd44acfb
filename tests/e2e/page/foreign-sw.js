// An app's own worker that knows nothing of Bellwether: it answers one route and counts its messages.
let messages = 0;
self.addEventListener("install", (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("message", () => (messages += 1));
self.addEventListener("fetch", (event) => {
  if (new URL(event.request.url).pathname !== "/of-the-foreign-worker") return;
  event.respondWith(new Response(JSON.stringify({ messages })));
});
