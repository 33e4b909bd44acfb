// The platform alone: group commit with an explicit `commit()`, each transaction flushed to the disk.
import { openDb, group, count } from '../lib/idb.mjs';
export const meta = {
  title: 'raw IndexedDB (page), group commit, strict durability', kind: 'limit', pkgs: [], order: 1.6,
  note: "as raw-idb-commit with {durability:'strict'}",
};
export async function queue({ name }) {
  const db = await openDb(name);
  const add = group(db, { durability: 'strict' });
  return { put: (e) => add([e]), putMany: add, count: () => count(db) };
}
