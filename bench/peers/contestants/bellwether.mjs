// Bellwether as an app uses it: the built package, loaded by the page, and its worker.
export const meta = {
  title: 'bellwether', kind: 'ours', pkgs: [], order: 0, drains: ['sqlite', 'memory'], sync: { sqlite: [], memory: ['--memory'], leader: [] }, package: '../../npm/dist',
  note: 'outbox.enqueue, strict durability (its default); bulk = the same, all at once; drain = resume() after pause(), to a bellwether-server of its own; leader = the page that hosts, where there is no worker',
};

export const queue = (ctx) => queueWith('bellwether-sw.js', ctx);

export async function state({ name }) {
  const bw = await connected({ channel: name, worker: 'bellwether-sw.js', server: null, state: {} });
  return { set: (v) => bw.state.set({ v }), subscribe: (f) => bw.state.subscribe(['v'], () => f(bw.state.get('v'))) };
}

export const leader = (ctx, tell) => hosted(ctx, { epoch: tell });

// Without a worker: each page tells that another hosts than before, which its status shows by a later `epoch`; and that an
// event was `delivered` which it was stirred to enqueue.
export async function hosted({ name, sync, hosts }, { epoch = () => {}, delivered = () => {} }) {
  const bw = await connected({ channel: name, worker: false, server: sync, ...(hosts && { hosts }) });
  let known = bw.status.epoch;
  bw.addEventListener('status', () => {
    if (bw.status.epoch <= known) return;
    known = bw.status.epoch;
    epoch();
  });
  const stir = async () => {
    const { id } = await bw.outbox.enqueue({ type: 'session.activity', data: {} });
    await bw.outbox.delivered(id);
    delivered();
  };
  // What is loaded when it is first wanted is there.
  await stir();
  return { id: bw.id, leads: () => holds(`bellwether:${name}:host`, `bellwether:${name}:page:${bw.id}`), stir };
}

// Whether this page holds a lock. The browser calls it by an id, which the lock shows that is called after the page.
async function holds(wanted, own) {
  const { held } = await navigator.locks.query();
  const holder = (name) => held.find((lock) => lock.name === name)?.clientId;
  return holder(own) !== undefined && holder(wanted) === holder(own);
}

// Not bundled: the package finds its wasm beside its modules.
export async function connected(options) {
  const { connect } = await import(new URL('index.js', location.href).href);
  const bw = await connect(options);
  await bw.ready;
  return bw;
}

// `worker` beside the page.
export async function queueWith(worker, { name, sync }) {
  const bw = await connected({ channel: name, worker, server: sync ?? null });
  // The server can be reached all the time; that nothing may be sent yet is what pausing is for.
  if (sync) await bw.outbox.pause();
  const put = (e) => bw.outbox.enqueue({ type: e.type, data: e });
  const until = (holds) => new Promise((res) => {
    const look = () => { if (holds(bw.status)) { bw.removeEventListener('status', look); res(); } };
    bw.addEventListener('status', look);
    look();
  });
  const resume = async () => {
    await bw.outbox.resume();
    while ((await bw.flush()).pending > 0);
  };
  return {
    put,
    putMany: (es) => Promise.all(es.map(put)),
    count: async () => (await bw.outbox.pending()).length,
    // Each coordinator that starts says hello under an epoch of its own.
    putAnswered: async (e) => {
      const { epoch } = bw.status;
      const answered = until((status) => status.epoch > epoch);
      await bw.outbox.enqueue({ type: e.type, data: e }, { immediate: true });
      await answered;
    },
    drains: { sqlite: resume, memory: resume },
  };
}
