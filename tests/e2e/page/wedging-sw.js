// The stock worker, until it is told to say nothing more, not even to whoever asks whether it is there.
self.BELLWETHER_BASE = "/";
let isWedged = false;
self.addEventListener("message", (event) => {
  if (event.data === "wedge") isWedged = true;
  if (isWedged) event.stopImmediatePropagation();
});
self.addEventListener("install", (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
importScripts("/bellwether-sw.js");
