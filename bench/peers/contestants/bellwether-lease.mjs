// Bellwether without a worker and without Web Locks: the page that hosts is elected by a lease in the database.
import { hosted } from './bellwether.mjs';
export const meta = { title: 'bellwether, by a lease: the next page hosts', kind: 'ours', pkgs: [], order: 2, package: '../../npm/dist', sync: { leader: [] }, note: '`hosts: ["indexeddb-lease"]`; the time ends when the status of the first page has another epoch' };
export async function leader({ name, sync }, tell) {
  const page = await hosted({ name, sync, hosts: ['indexeddb-lease'] }, { epoch: tell });
  return { ...page, leads: () => hosts(name, page.id) };
}

// Whoever hosts says so when it is asked.
async function hosts(name, id) {
  const line = new BroadcastChannel(`bellwether:${name}:host`);
  const here = new Promise((tell) => {
    line.onmessage = ({ data }) => data.word === 'here' && tell(data.from === id);
  });
  line.postMessage({ to: 'host', from: 'asks', word: 'who' });
  const leads = await Promise.race([here, new Promise((end) => setTimeout(end, 300, false))]);
  line.close();
  return leads;
}
