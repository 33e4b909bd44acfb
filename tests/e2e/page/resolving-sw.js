// An app's own worker that makes one of two.
importScripts("/bellwether-sw.js");
self.addEventListener("install", (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.bellwether.use({ resolveConflict: ({ local, remote }) => [...remote, ...local] });
