// localforage: a key-value store over IndexedDB.
import localforage from 'localforage';
export const meta = { title: 'localforage', kind: 'peer', pkgs: ['localforage'], order: 16, note: 'setItem per event (IndexedDB driver); offers no bulk call' };
export async function queue({ name }) {
  const db = localforage.createInstance({ name, driver: localforage.INDEXEDDB });
  await db.ready();
  return { put: (e) => db.setItem(e.id, e), count: () => db.length() };
}
