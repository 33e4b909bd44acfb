// Runs in the page, bundled together with one contestant. The measuring code is
// the same for every contestant; only queue()/state()/leader() differs.
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
  let q, s;
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
  // ---------- W3
  const recv = new Map();
  let ackCh;
  B.w3init = async (ctx, { ack }) => {
    ackCh = new BroadcastChannel('bench-ack');
    s = await C.state(ctx);
    s.subscribe((v) => {
      if (!v || v.run !== B.run && B.run !== undefined && v.run === undefined) return;
      const k = v.run + ':' + v.i;
      if (!recv.has(k)) { recv.set(k, now()); if (ack) ackCh.postMessage({ ack: k }); }
    });
    return true;
  };
  B.w3seq = async ({ n, run, jitter, lostMs }) => {
    const [sent, durable] = [[], []];
    let waiting = null;
    ackCh.onmessage = (e) => { if (waiting && e.data.ack === waiting.k) waiting.res(true); };
    let lost = 0;
    for (let i = 0; i < n; i++) {
      await sleep(Math.random() * jitter);
      const k = run + ':' + i;
      const p = new Promise((res) => { waiting = { k, res }; });
      const t = now();
      const set = s.set({ run, i, user: 'user-4821', view: 'list', filter: 'mine', cursor: { x: i, y: i * 2 }, title: 'Write the quarterly figures down' });
      sent.push(t);
      // Who says when it is durable is asked.
      const stored = set instanceof Promise && set.then(() => durable.push(now() - t));
      const ok = await Promise.race([p, sleep(lostMs).then(() => false)]);
      if (!ok) lost++;
      // The last one's figure is to be among them.
      if (i === n - 1) await stored;
      if (lost > 20) break;
    }
    return { sent, lost, durable };
  };
  B.w3paced = async ({ n, run, gap }) => {
    const sent = [];
    for (let i = 0; i < n; i++) {
      sent.push(now());
      s.set({ run, i, user: 'user-4821', view: 'list', filter: 'mine', cursor: { x: i, y: i * 2 }, title: 'Write the quarterly figures down' });
      await sleep(gap * (0.75 + 0.5 * Math.random()));
    }
    return sent;
  };
  B.w3recv = (run) => [...recv].filter(([k]) => k.startsWith(run + ':')).map(([k, t]) => [Number(k.split(':')[1]), t]);
  B.pong = () => { const c = new BroadcastChannel('bench-ping'); c.onmessage = (e) => c.postMessage({ i: e.data.i, t: now() }); return true; };
  B.ping = async (n) => {
    const c = new BroadcastChannel('bench-ping');
    let best = { rtt: Infinity };
    for (let i = 0; i < n; i++) {
      const t0 = now();
      const t1 = await new Promise((r) => { c.onmessage = (e) => r(e.data.t); c.postMessage({ i }); });
      const t3 = now();
      if (t3 - t0 < best.rtt) best = { rtt: t3 - t0, offset: t1 - (t0 + t3) / 2 };
    }
    c.close();
    return best;
  };
  // ---------- W4
  let role, led = false, told = [], said = Promise.resolve(), say = () => {};
  B.w4init = async (ctx) => {
    if (ctx.stalls) watchTransactions();
    role = await C.leader(ctx, () => { led = true; told.push(now()); say(); });
    return true;
  };
  // From here on what is told counts.
  B.w4arm = () => { told = []; said = new Promise((res) => { say = res; }); return document.visibilityState; };
  B.w4said = async () => { await said; return told[0]; };
  B.w4told = () => told;
  B.w4leads = () => (role?.leads ? role.leads() : led);
  B.w4stir = async () => { await role?.stir?.(); };
  B.clock = now;
  // In the middle of a transaction it would keep others from the disk as well.
  let transactions = 0;
  const watchTransactions = () => {
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (...given) {
      const begun = transaction.apply(this, given);
      transactions += 1;
      for (const end of ['complete', 'abort']) begun.addEventListener(end, () => { transactions -= 1; });
      return begun;
    };
  };
  // When this page will begin to do nothing else for so long.
  B.w4hang = async (ms) => {
    const hang = () => {
      if (transactions > 0) return void setTimeout(hang, 1);
      const end = performance.now() + ms;
      while (performance.now() < end);
    };
    setTimeout(hang, 50);
    return now() + 50;
  };
  // ---------- W5
  B.coldPut = async (i) => { const t = performance.now(); await q.put(event(i, 'c')); return performance.now() - t; };
  // Until the worker itself has answered, for a contestant whose `put` does not need it.
  B.coldAnswer = async (i) => { const t = performance.now(); await (q.putAnswered ?? q.put)(event(i, 'a')); return performance.now() - t; };
  globalThis.bench = B;
}
