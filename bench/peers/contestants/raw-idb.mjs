// The platform alone: one IndexedDB transaction per event, written by the page.
import { openDb, put, count, drain } from '../lib/idb.mjs';
export const meta = {
  title: 'raw IndexedDB (page)', kind: 'limit', pkgs: [], order: 1, drains: ['batch100', 'batch500'],
  note: 'one transaction per put; bulk = one transaction for all; durable = transaction complete (Chromium default, relaxed)',
};
export async function queue({ name }) {
  const db = await openDb(name);
  return {
    put: (e) => put(db, [e]),
    putMany: (es) => put(db, es),
    count: () => count(db),
    drains: { batch100: (u) => drain(db, u.ingest, 100), batch500: (u) => drain(db, u.ingest, 500) },
  };
}
