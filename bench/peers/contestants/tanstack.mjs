// TanStack's offline transactions.
import { createCollection } from '@tanstack/db';
import { startOfflineExecutor, IndexedDBAdapter } from '@tanstack/offline-transactions';
export const meta = {
  title: '@tanstack/offline-transactions', kind: 'peer', pkgs: ['@tanstack/offline-transactions', '@tanstack/db'], order: 12, drains: ['single', 'tx100'],
  note: 'commit() resolves only after the server has the mutation, so durability is observed in the storage adapter (its set() resolves at request success, before the transaction completes: weaker than the others); one transaction per event; bulk = one transaction with all mutations',
};
// A collection whose server state the bench does not need: its sync only says ready.
const collection = () => createCollection({ id: 'events', getKey: (e) => e.id, startSync: true, sync: { sync: ({ markReady }) => { markReady(); } } });
export async function queue({ name, origin }) {
  let online = false;
  const subs = new Set(), waiting = new Map();
  const detector = { subscribe: (f) => { subs.add(f); return () => subs.delete(f); }, notifyOnline: () => subs.forEach((f) => f()), isOnline: () => online, dispose() {} };
  class Hooked extends IndexedDBAdapter {
    async set(k, v) { await super.set(k, v); const w = waiting.get(k); if (w) { waiting.delete(k); w(); } }
  }
  const storage = new Hooked(name);
  const events = collection();
  const exec = startOfflineExecutor({
    collections: { events }, storage, onlineDetector: detector, jitter: false,
    mutationFns: {
      push: async ({ transaction }) => {
        const ms = transaction.mutations.map((m) => m.modified);
        const r = await fetch(`${origin}/ingest`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(ms.length === 1 ? ms[0] : ms) });
        if (!r.ok) throw new Error('http ' + r.status);
      },
    },
  });
  await exec.waitForInit();
  const add = (evs) => new Promise((res, rej) => {
    const tx = exec.createOfflineTransaction({ mutationFnName: 'push', autoCommit: false });
    tx.mutate(() => { for (const e of evs) events.insert(e); });
    waiting.set('tx:' + tx.id, res);
    tx.commit().catch((e) => { if (waiting.delete('tx:' + tx.id)) rej(e); });
  });
  const goOnline = async () => {
    online = true; detector.notifyOnline();
    while ((await exec.peekOutbox()).length) await new Promise((r) => setTimeout(r, 250));
  };
  return {
    put: (e) => add([e]),
    putMany: (es) => add(es),
    count: async () => (await exec.peekOutbox()).reduce((n, t) => n + t.mutations.length, 0),
    fill: async (es, variant) => {
      if (variant === 'single') return Promise.all(es.map((e) => add([e])));
      for (let i = 0; i < es.length; i += 100) await add(es.slice(i, i + 100));
    },
    drains: { single: goOnline, tx100: goOnline },
  };
}
export async function leader({ name }, tell) {
  const events = collection();
  startOfflineExecutor({ collections: { events }, mutationFns: {}, storage: new IndexedDBAdapter(name), onLeadershipChange: (leads) => { if (leads) tell(); } });
}
