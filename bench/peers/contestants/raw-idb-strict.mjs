// The platform alone, each transaction flushed to the disk: what Bellwether's promise costs at least.
import { openDb, put, count } from '../lib/idb.mjs';
export const meta = {
  title: 'raw IndexedDB (page), strict durability', kind: 'limit', pkgs: [], order: 2,
  note: "as raw-idb with {durability:'strict'}: the write is flushed to the disk before complete fires",
};
const opts = { durability: 'strict' };
export async function queue({ name }) {
  const db = await openDb(name);
  return { put: (e) => put(db, [e], opts), putMany: (es) => put(db, es, opts), count: () => count(db) };
}
