// Bellwether's leading page, which `bw.leader` tells, beside a worker.
import { connected } from './bellwether.mjs';
export const meta = { title: 'bellwether, `bw.leader`', kind: 'ours', pkgs: [], order: 1, package: '../../npm/dist', note: 'a page that leads has raised the epoch on disk; the time ends when what it runs exclusively begins' };
export async function leader({ name }, tell) {
  const bw = await connected({ channel: name, worker: 'bellwether-sw.js', server: null });
  bw.leader.runExclusive('work', async (signal) => {
    tell();
    await new Promise((end) => signal.addEventListener('abort', end));
  });
  return { leads: () => bw.leader.isLeader };
}
