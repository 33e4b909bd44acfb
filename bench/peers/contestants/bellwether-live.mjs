// Bellwether with its worker: one page leads, which is to say that it holds the session's live connection to the server.
// Its status does not tell so; that it opens a WebSocket does.
import { connected } from './bellwether.mjs';
export const meta = {
  title: 'bellwether, with its worker: the live connection', kind: 'ours', pkgs: [], order: 3, package: '../../npm/dist', sync: { leader: [] }, stirs: ['crash'],
  note: 'the time ends when another page has opened the WebSocket; after a crash another page enqueues four events a second, since a worker that nobody speaks to looks at nothing',
};
export async function leader({ name, sync }, tell) {
  const open = new Set();
  const Plain = globalThis.WebSocket;
  globalThis.WebSocket = class extends Plain {
    constructor(...given) {
      super(...given);
      this.addEventListener('open', () => { open.add(this); tell(); });
      this.addEventListener('close', () => open.delete(this));
    }
  };
  const bw = await connected({ channel: name, worker: 'bellwether-sw.js', server: sync, state: {} });
  // Only for who looks at the state is the server listened to.
  bw.state.subscribe(['v'], () => {});
  const stir = async () => {
    for (let k = 0; k < 60; k++) {
      await bw.outbox.enqueue({ type: 'session.activity', data: {} });
      await new Promise((res) => setTimeout(res, 250));
    }
  };
  return { leads: () => open.size > 0, stir };
}
