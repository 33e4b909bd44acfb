// The platform alone, with the queue in the service worker and group commit.
import { connect, serve } from '../lib/sw-client.mjs';
import { openDb, put, count, drain } from '../lib/idb.mjs';
export const meta = {
  title: 'raw SW + IndexedDB, group commit', kind: 'limit', pkgs: [], order: 4, drains: ['batch500', 'flushed500'],
  note: 'as raw-sw-idb, but events that arrive while a transaction is in flight share the next one; one answer per event',
};
export async function queue({ name }) {
  const c = await connect();
  await c.call('open', name);
  return {
    put: (e) => c.call('put', e),
    putMany: (es) => c.call('many', es),
    count: () => c.call('count'),
    drains: {
      batch500: (u) => c.call('drain', { url: u.ingest, n: 500 }),
      flushed500: (u) => c.call('drain', { url: `${u.ingest}?flushed`, n: 500 }),
    },
  };
}
export function sw(self) {
  let dbp, batch = null, busy = null;
  const db = () => (dbp ??= openDb('outbox'));
  const flush = async () => {
    const d = await db();
    while (batch) { const b = batch; batch = null; await put(d, b.evs).then(b.res, b.rej); }
    busy = null;
  };
  const group = (es) => {
    if (!batch) { batch = { evs: [] }; batch.p = new Promise((res, rej) => { batch.res = res; batch.rej = rej; }); }
    for (const e of es) batch.evs.push(e);
    const p = batch.p;
    busy ??= flush();
    return p;
  };
  serve(self, {
    open: () => db().then(() => true),
    put: (e) => group([e]),
    many: (es) => group(es),
    count: async () => count(await db()),
    drain: async ({ url, n }) => drain(await db(), url, n),
  });
}
