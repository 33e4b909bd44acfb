// Firestore's cache for many tabs, offline: one tab has the primary lease.
import { initializeApp } from 'firebase/app';
import { initializeFirestore, persistentLocalCache, persistentMultipleTabManager, disableNetwork, doc, getDocFromCache } from 'firebase/firestore';
export const meta = {
  title: 'firestore (cache for many tabs, offline)', kind: 'peer', pkgs: ['firebase'], order: 32,
  note: 'no back end, network disabled; who leads is the owner of the primary lease, read from its database every 25 ms',
};
const clients = () => Object.keys(localStorage).filter((k) => k.startsWith('firestore_clients_')).map((k) => k.split('_').pop());
const asked = (r) => new Promise((res, rej) => { r.onsuccess = () => res(r.result); r.onerror = () => rej(r.error); });
export async function leader(_, tell) {
  const before = new Set(clients());
  const app = initializeApp({ projectId: 'bench', apiKey: 'x', appId: 'bench' });
  const store = initializeFirestore(app, { localCache: persistentLocalCache({ tabManager: persistentMultipleTabManager() }) });
  await disableNetwork(store);
  await getDocFromCache(doc(store, 'st', 's')).catch(() => {});
  let me;
  for (let i = 0; i < 100 && !me; i++) { me = clients().find((x) => !before.has(x)); if (!me) await new Promise((r) => setTimeout(r, 50)); }
  const { name } = (await indexedDB.databases()).find((x) => x.name.startsWith('firestore/'));
  const db = await asked(indexedDB.open(name));
  db.onversionchange = () => db.close();
  const poll = async () => {
    const owner = await asked(db.transaction('owner').objectStore('owner').get('owner')).catch(() => null);
    if (owner?.ownerId === me) return tell();
    setTimeout(poll, 25);
  };
  poll();
}
