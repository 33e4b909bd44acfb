// Workbox's queue of requests, as it is shipped.
import { connect, serve } from '../lib/sw-client.mjs';
import { Queue } from 'workbox-background-sync';
export const meta = {
  title: 'workbox-background-sync', kind: 'peer', pkgs: ['workbox-background-sync'], order: 10, drains: ['replay'],
  note: 'page postMessage → SW → Queue.pushRequest → answer; registers a sync per push as shipped (onSync is a no-op so the browser does not drain by itself); drain = replayRequests()',
};
export async function queue({ origin }) {
  const c = await connect();
  return {
    put: (e) => c.call('push', { url: `${origin}/ingest`, body: JSON.stringify(e) }),
    count: () => c.call('size'),
    drains: { replay: () => c.call('replay') },
  };
}
export function sw(self) {
  const q = new Queue('outbox', { onSync: async () => {} });
  serve(self, {
    push: ({ url, body }) => q.pushRequest({ request: new Request(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } }) }),
    size: () => q.size(),
    replay: () => q.replayRequests(),
  });
}
