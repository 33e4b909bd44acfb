// The platform alone, with the queue in the service worker, a transaction per event.
import { connect, serve } from '../lib/sw-client.mjs';
import { openDb, put, count, drain } from '../lib/idb.mjs';
export const meta = {
  title: 'raw SW + IndexedDB, one txn per event', kind: 'limit', pkgs: [], order: 3, drains: ['batch100', 'batch500'],
  note: 'page postMessage → service worker → one transaction per event → answer',
};
export async function queue({ name }) {
  const c = await connect();
  await c.call('open', name);
  return {
    put: (e) => c.call('put', e),
    putMany: (es) => c.call('many', es),
    count: () => c.call('count'),
    drains: { batch100: (u) => c.call('drain', { url: u.ingest, n: 100 }), batch500: (u) => c.call('drain', { url: u.ingest, n: 500 }) },
  };
}
export function sw(self) {
  let dbp;
  const db = () => (dbp ??= openDb('outbox'));
  serve(self, {
    open: () => db().then(() => true),
    put: async (e) => put(await db(), [e]),
    many: async (es) => put(await db(), es),
    count: async () => count(await db()),
    drain: async ({ url, n }) => drain(await db(), url, n),
  });
}
