// Workbox's queue of requests, without a sync registration for each.
import { connect, serve } from '../lib/sw-client.mjs';
import { Queue } from 'workbox-background-sync';
export const meta = {
  title: 'workbox-background-sync, sync registration off', kind: 'peer', pkgs: ['workbox-background-sync'], order: 11,
  note: 'page postMessage → SW → Queue.pushRequest → answer; forceSyncFallback: true, so no SyncManager.register per push',
};
export async function queue({ origin }) {
  const c = await connect();
  return {
    put: (e) => c.call('push', { url: `${origin}/ingest`, body: JSON.stringify(e) }),
    count: () => c.call('size'),
  };
}
export function sw(self) {
  const q = new Queue('outbox', { forceSyncFallback: true, onSync: async () => {} });
  serve(self, {
    push: ({ url, body }) => q.pushRequest({ request: new Request(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } }) }),
    size: () => q.size(),
  });
}
