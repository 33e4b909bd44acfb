// Bellwether as an app uses it: the built package, loaded by the page, and its worker.
export const meta = {
  title: 'bellwether', kind: 'ours', pkgs: [], order: 0, drains: ['sqlite', 'memory'], sync: { sqlite: [], memory: ['--memory'] }, package: '../../npm/dist',
  note: 'outbox.enqueue, strict durability (its default); bulk = the same, all at once; drain = resume() after pause(), to a bellwether-server of its own',
};

export const queue = (ctx) => queueWith('bellwether-sw.js', ctx);

export async function state({ name }) {
  const { connect } = await import(new URL('index.js', location.href).href);
  const bw = await connect({ channel: name, worker: 'bellwether-sw.js', server: null, state: {} });
  await bw.ready;
  return { set: (v) => bw.state.set({ v }), subscribe: (f) => bw.state.subscribe(['v'], () => f(bw.state.get('v'))) };
}

// `worker` beside the page.
export async function queueWith(worker, { name, sync }) {
  // Not bundled: the package finds its wasm beside its modules.
  const { connect } = await import(new URL('index.js', location.href).href);
  const bw = await connect({ channel: name, worker, server: sync ?? null });
  await bw.ready;
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
