// RxDB over Dexie, with push replication.
import { addRxPlugin, createRxDatabase } from 'rxdb/plugins/core';
import { getRxStorageDexie } from 'rxdb/plugins/storage-dexie';
import { RxDBLeaderElectionPlugin } from 'rxdb/plugins/leader-election';
import { replicateRxCollection } from 'rxdb/plugins/replication';
export const meta = {
  title: 'rxdb (dexie storage)', kind: 'peer', pkgs: ['rxdb', 'rxjs'], order: 14, drains: ['push100', 'push500'],
  note: 'insert / bulkInsert; replication push with batchSize 100 / 500',
};
const evSchema = {
  version: 0, primaryKey: 'id', type: 'object',
  properties: {
    id: { type: 'string', maxLength: 40 }, type: { type: 'string' }, seq: { type: 'number' }, at: { type: 'number' }, user: { type: 'string' },
    device: { type: 'string' }, path: { type: 'string' }, data: { type: 'object' },
  },
};
const open = (name) => createRxDatabase({ name, storage: getRxStorageDexie(), multiInstance: true, eventReduce: true });
export async function queue({ name }) {
  const db = await open(name);
  const { q } = await db.addCollections({ q: { schema: evSchema } });
  const push = (batchSize) => async (u) => {
    const rep = replicateRxCollection({
      collection: q, replicationIdentifier: 'push-' + batchSize, live: false, waitForLeadership: false, retryTime: 1000,
      push: {
        batchSize,
        handler: async (rows) => {
          const r = await fetch(u.ingest, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(rows.map((x) => x.newDocumentState)) });
          if (!r.ok) throw new Error('http ' + r.status);
          return [];
        },
      },
    });
    await rep.awaitInitialReplication();
  };
  return {
    put: (e) => q.insert(e),
    putMany: async (es) => { const r = await q.bulkInsert(es); if (r.error.length) throw new Error('bulkInsert'); },
    count: () => q.count().exec(),
    drains: { push100: push(100), push500: push(500) },
  };
}
export async function leader({ name }, tell) {
  addRxPlugin(RxDBLeaderElectionPlugin);
  const db = await open(name);
  db.waitForLeadership().then(tell);
}
