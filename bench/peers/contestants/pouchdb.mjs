// PouchDB, replicating to something like CouchDB.
import PouchDB from 'pouchdb-browser';
export const meta = {
  title: 'pouchdb-browser', kind: 'peer', pkgs: ['pouchdb-browser'], order: 15, drains: ['rep100', 'rep500'],
  note: 'put / bulkDocs; drain = replicate.to a CouchDB-like endpoint on the same loopback server',
};
const doc = ({ id, ...e }) => ({ _id: id, ...e });
export async function queue({ name }) {
  const db = new PouchDB(name, { auto_compaction: false });
  await db.info();
  const rep = (batch_size) => async (u) => { await db.replicate.to(u.couch, { batch_size }); };
  return {
    put: (e) => db.put(doc(e)),
    putMany: async (es) => { const r = await db.bulkDocs(es.map(doc)); if (r.some((x) => x.error)) throw new Error('bulkDocs'); },
    count: async () => (await db.info()).doc_count,
    drains: { rep100: rep(100), rep500: rep(500) },
  };
}
