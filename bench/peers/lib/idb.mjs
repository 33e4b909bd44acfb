// Raw IndexedDB: the least code that makes an event durable. Used by the limit contestants.
export const openDb = (name) => new Promise((res, rej) => {
  const r = indexedDB.open(name, 1);
  r.onupgradeneeded = () => r.result.createObjectStore('q', { autoIncrement: true });
  r.onsuccess = () => res(r.result); r.onerror = () => rej(r.error);
});
export const put = (db, evs, opts, commit) => new Promise((res, rej) => {
  const tx = db.transaction('q', 'readwrite', opts);
  const st = tx.objectStore('q');
  for (const e of evs) st.add(e);
  if (commit) tx.commit();
  tx.oncomplete = () => res(); tx.onabort = tx.onerror = () => rej(tx.error);
});
// Group commit: events that arrive while a transaction is in flight share the next one.
export function group(db, opts) {
  let batch = null, busy = null;
  const flush = async () => { while (batch) { const b = batch; batch = null; await put(db, b.evs, opts, true).then(b.res, b.rej); } busy = null; };
  return (es) => {
    if (!batch) { batch = { evs: [] }; batch.p = new Promise((res, rej) => { batch.res = res; batch.rej = rej; }); }
    for (const e of es) batch.evs.push(e);
    const p = batch.p;
    busy ??= flush();
    return p;
  };
}
const req = (r) => new Promise((res, rej) => { r.onsuccess = () => res(r.result); r.onerror = () => rej(r.error); });
export const count = (db) => req(db.transaction('q').objectStore('q').count());
// Hand-written batch drain: read a batch, POST it, delete it by key range, repeat.
export async function drain(db, url, batch) {
  for (;;) {
    const st = db.transaction('q').objectStore('q');
    const [vals, keys] = await Promise.all([req(st.getAll(null, batch)), req(st.getAllKeys(null, batch))]);
    if (!vals.length) return;
    const r = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(vals) });
    if (!r.ok) throw new Error('http ' + r.status);
    await new Promise((res, rej) => {
      const tx = db.transaction('q', 'readwrite');
      tx.objectStore('q').delete(IDBKeyRange.bound(keys[0], keys[keys.length - 1]));
      tx.oncomplete = () => res(); tx.onerror = () => rej(tx.error);
    });
  }
}
