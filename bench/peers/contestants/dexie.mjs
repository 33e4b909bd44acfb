// Dexie: a database over IndexedDB.
import Dexie from 'dexie';
export const meta = { title: 'dexie', kind: 'peer', pkgs: ['dexie'], order: 13, note: 'table.add / table.bulkAdd; no drain of its own without its cloud service' };
export async function queue({ name }) {
  const db = new Dexie(name);
  db.version(1).stores({ q: '++n' });
  await db.open();
  return { put: (e) => db.q.add(e), putMany: (es) => db.q.bulkAdd(es), count: () => db.q.count() };
}
