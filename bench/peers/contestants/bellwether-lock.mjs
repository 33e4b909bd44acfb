// Bellwether's named lock, as an app uses it that wants something done in one tab: held for good.
import { connected } from './bellwether.mjs';
export const meta = { title: 'bellwether, `withLock`', kind: 'ours', pkgs: [], order: 1, package: '../../npm/dist', note: '`bw.withLock(name, fn, { timeout: Infinity })` beside a worker; the time ends when `fn` is called' };
export async function leader({ name }, tell) {
  const bw = await connected({ channel: name, worker: 'bellwether-sw.js', server: null });
  void bw.withLock('leader', () => { tell(); return new Promise(() => {}); }, { timeout: Infinity });
}
