// The platform alone, as fast as it goes: group commit with an explicit `commit()`.
import { openDb, group, count } from '../lib/idb.mjs';
export const meta = {
  title: 'raw IndexedDB (page), explicit commit + group commit', kind: 'limit', pkgs: [], order: 1.5,
  note: 'tx.commit() right after the adds; events that arrive while a transaction is in flight share the next one',
};
export async function queue({ name }) {
  const db = await openDb(name);
  const add = group(db);
  return { put: (e) => add([e]), putMany: add, count: () => count(db) };
}
