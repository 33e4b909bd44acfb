// Runs in the page, bundled together with one contestant. The measuring code is
// the same for every contestant; only queue() differs.
const now = () => performance.timeOrigin + performance.now();
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

// An event of ~300 bytes as JSON.
export function event(i, run = 'r') {
  return {
    id: `${run}-${String(i).padStart(7, '0')}`, type: 'session.activity', seq: i, at: 1763600000000 + i, user: 'user-4821',
    device: 'b6f0c2d1-54aa-4c1e-9d0e-2f6b1c9a7e55', path: '/projects/17/board?view=list&sort=due', data: {
      kind: 'card.move', from: 'todo', to: 'doing', card: 90210 + i, title: 'Write the quarterly figures down', pos: 3.25 },
  };
}

export function install(C) {
  let q;
  const B = {};
  B.open = async (ctx) => {
    q = await C.queue(ctx);
    return true;
  };
  // ---------- W1
  B.w1seq = async ({ warm, n }) => {
    for (let i = 0; i < warm; i++) await q.put(event(i, 'w'));
    const lat = new Array(n);
    const T0 = performance.now();
    for (let i = 0; i < n; i++) {
      const e = event(i, 's');
      const t = performance.now();
      await q.put(e);
      lat[i] = performance.now() - t;
    }
    return { lat, ms: performance.now() - T0 };
  };
  B.w1conc = async ({ n, run, deadline, many }) => {
    const evs = Array.from({ length: n }, (_, i) => event(i, run));
    if (many && !q.putMany) return null;
    let done = 0, failed = 0, firstError = null;
    const t0 = performance.now();
    let work;
    if (many) work = q.putMany(evs).then(() => { done = n; });
    else work = Promise.all(evs.map((e) => q.put(e).then(() => { done++; }, (err) => { failed++; firstError ??= String(err); })));
    const to = Symbol();
    const r = await Promise.race([work.catch((e) => { firstError = String(e); failed = n; }), sleep(deadline).then(() => to)]);
    return { n, ms: performance.now() - t0, done, failed, firstError, timedOut: r === to };
  };
  B.count = () => q.count();
  // ---------- W2
  B.w2fill = async ({ n, run, variant, deadline }) => {
    const evs = Array.from({ length: n }, (_, i) => event(i, run));
    const t0 = performance.now();
    const to = Symbol();
    const work = q.fill ? q.fill(evs, variant) : q.putMany ? q.putMany(evs) : Promise.all(evs.map((e) => q.put(e)));
    const r = await Promise.race([work, sleep(deadline).then(() => to)]);
    return { ms: performance.now() - t0, timedOut: r === to };
  };
  B.w2start = (variant, urls) => { const t0 = now(); B.draining = q.drains[variant](urls).then(() => now()); return t0; };
  B.w2end = async () => B.draining;
  // ---------- W5
  B.coldPut = async (i) => { const t = performance.now(); await q.put(event(i, 'c')); return performance.now() - t; };
  // Until the worker itself has answered, for a contestant whose `put` does not need it.
  B.coldAnswer = async (i) => { const t = performance.now(); await (q.putAnswered ?? q.put)(event(i, 'a')); return performance.now() - t; };
  globalThis.bench = B;
}
