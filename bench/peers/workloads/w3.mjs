// W3 cross-tab propagation; and how long until a write is durable, where a contestant says so, beside a strict put of the raw database.
import { list, versions } from '../lib/contestants.mjs';
import { launch, open, withTimeout, sleep } from '../lib/browser.mjs';
import { bare, FOREGROUND } from '../lib/bare.mjs';
import { quantile, over, rotate, cell, mdTable } from '../lib/stats.mjs';

export const id = 'w3';
export const title = 'W3 cross-tab propagation (ms)';
export const contestants = (only) => list(only, 'state');
// Beside which the writes of those who say when they are durable are measured.
const STRICT = 'raw-idb-strict';
export async function run({ srv, only, rounds = 3, quick }, emit) {
  const cs = contestants(only);
  const acc = new Map(cs.map((c) => [c.id, { p50: [], p99: [], max: [], durable: [], lost: 0, sent: 0, offset: [], rtt: [], cold: [], coldDurable: [], f: { 10: { p50: [], p99: [], lost: 0 }, 30: { p50: [], p99: [], lost: 0 } }, problems: [] }]));
  const N = quick ? 50 : 500;
  const raw = [];
  const ctx = { name: 's3', origin: srv.origin };
  for (let r = 0; r < rounds; r++) {
    const [strict] = list([STRICT]);
    const sb = await launch();
    try {
      const page = await open(sb, srv, strict);
      await page.evaluate((x) => bench.open(x), { name: 's3-strict', origin: srv.origin });
      const { lat } = await withTimeout(page.evaluate((o) => bench.w1seq(o), { warm: 30, n: quick ? 50 : 300 }), 60_000, 'strict');
      raw.push(quantile(lat, 0.5));
    } finally { await sb.close(); }
    for (const c of rotate(cs, r)) {
      const a = acc.get(c.id);
      const slow = (c.meta.jitter ?? 4) > 50;
      let b = await launch(); a.version = b.version;
      try {
        const A = await open(b, srv, c), B = await open(b, srv, c);
        for (const p of [A, B]) await withTimeout(p.evaluate((o) => bench.w3init(o.ctx, o), { ctx, ack: p === B }), 30_000, 'init');
        await sleep(600);
        await B.evaluate(() => bench.pong());
        const off = await A.evaluate(() => bench.ping(40));
        a.offset.push(off.offset); a.rtt.push(off.rtt);
        await withTimeout(A.evaluate((o) => bench.w3seq(o), { n: slow ? 3 : 20, run: 'w', jitter: c.meta.jitter ?? 4, lostMs: 3000 }), 90_000, 'warm-up');
        const n = slow ? Math.min(N, 100) : N;
        const { sent, lost, durable } = await withTimeout(A.evaluate((o) => bench.w3seq(o), { n, run: 'r', jitter: c.meta.jitter ?? 4, lostMs: c.meta.lostMs ?? 1000 }), 150_000, 'sequence');
        const got = new Map(await B.evaluate(() => bench.w3recv('r')));
        const lat = sent.map((t, i) => (got.has(i) ? got.get(i) - t : null)).filter((x) => x !== null);
        a.p50.push(quantile(lat, 0.5)); a.p99.push(quantile(lat, 0.99)); a.max.push(Math.max(...lat)); a.lost += lost; a.sent += sent.length;
        if (durable.length) a.durable.push(quantile(durable, 0.5));
      } catch (e) { a.problems.push(`2 tabs: ${e.message.slice(0, 200)}`); } finally { await b.close(); }
      try { await cold(c, srv, ctx, quick ? 5 : 30, a); } catch (e) { a.problems.push(`cold: ${e.message.slice(0, 200)}`); }
      if (r < 2) {
        b = await launch();
        try {
          const pages = [];
          for (const tabs of quick ? [10] : [10, 30]) {
            while (pages.length < tabs) { const p = await open(b, srv, c); await withTimeout(p.evaluate((x) => bench.w3init(x, { ack: false }), ctx), 30_000, 'init'); pages.push(p); }
            await sleep(1200);
            const n = slow ? 12 : 30, run = 'f' + tabs;
            const sent = await withTimeout(pages[0].evaluate((o) => bench.w3paced(o), { n, run, gap: slow ? 900 : tabs === 30 ? 150 : 80 }), 120_000, 'fan-out');
            await sleep(slow ? 3000 : 800);
            const got = await Promise.all(pages.slice(1).map((p) => p.evaluate((x) => bench.w3recv(x), run)));
            const maps = got.map((g) => new Map(g));
            const all = [];
            sent.forEach((t, i) => { if (maps.every((m) => m.has(i))) all.push(Math.max(...maps.map((m) => m.get(i))) - t); else a.f[tabs].lost++; });
            if (all.length) { a.f[tabs].p50.push(quantile(all, 0.5)); a.f[tabs].p99.push(quantile(all, 0.99)); }
          }
        } catch (e) { a.problems.push(`fan-out: ${e.message.slice(0, 200)}`); } finally { await b.close(); }
      }
      console.error(`w3 round ${r + 1}/${rounds} ${c.id}: p50 ${a.p50.at(-1)?.toFixed(3)} p99 ${a.p99.at(-1)?.toFixed(2)} lost ${a.lost}; cold ${a.cold.at(-1)?.toFixed(3)}; 10 tabs ${a.f[10].p50.at(-1)?.toFixed(2)} 30 tabs ${a.f[30].p50.at(-1)?.toFixed(2)} offset ${a.offset.at(-1)?.toFixed(3)} ${a.problems.at(-1) ?? ''}`);
    }
  }
  emit({ workload: id, contestant: STRICT, title: 'raw IndexedDB, strict: a put', kind: 'limit', rounds, durable_ms: over(raw) });
  for (const c of cs) {
    const a = acc.get(c.id);
    const f = (k) => ({ p50: over(a.f[k].p50), p99: over(a.f[k].p99), notSeenByAll: a.f[k].lost });
    emit({
      workload: id, contestant: c.id, title: c.meta.title, kind: c.meta.kind, versions: versions(c), chromium: a.version, note: c.meta.note, rounds,
      ...(a.durable.length && { durable_ms: over(a.durable) }),
      cold_ms: over(a.cold), ...(a.coldDurable.length && { cold_durable_ms: over(a.coldDurable) }),
      two_tabs_ms: { p50: over(a.p50), p99: over(a.p99), max: over(a.max) }, lost: a.lost, sent: a.sent,
      clock_offset_ms: over(a.offset), bc_rtt_min_ms: over(a.rtt), all_of_10_ms: f(10), all_of_30_ms: f(30), problems: [...new Set(a.problems)],
    });
  }
}

// Two tabs, and no worker that runs: it is stopped before each write. Those that have none pause as long.
async function cold(c, srv, ctx, n, a) {
  const b = await bare(FOREGROUND);
  try {
    const url = `${srv.origin}/c/${c.id}/bench.html`;
    const A = await b.page(url), B = await b.page(url);
    for (const p of [A, B]) await withTimeout(p.evaluate(`bench.w3init(${JSON.stringify(ctx)}, { ack: ${p === B} })`), 30_000, 'init');
    let runs = false;
    b.on((d) => { if (d.method === 'ServiceWorker.workerVersionUpdated') for (const v of d.params.versions) runs = v.runningStatus !== 'stopped'; });
    await A.S('ServiceWorker.enable');
    await B.evaluate('bench.pong()');
    const off = await A.evaluate('bench.ping(40)');
    const [sent, durable] = [[], []];
    const one = async (run) => {
      // What came of the last one is over, so that the worker sleeps when it is stopped.
      await sleep(c.meta.jitter > 50 ? 1000 : 250);
      for (let tries = 0; tries < 5; tries++) {
        await A.S('ServiceWorker.stopAllWorkers');
        for (let k = 0; k < 50 && runs; k++) await sleep(20);
        await sleep(150);
        if (!runs) break;
      }
      if (runs) throw new Error('the worker did not stop');
      return withTimeout(A.evaluate(`bench.w3seq(${JSON.stringify({ n: 1, run, jitter: 1, lostMs: 3000 })})`), 30_000, 'write');
    };
    for (let i = 0; i < n; i++) {
      const it = await one(`c${i}`);
      sent.push(it.sent[0]); a.lost += it.lost; a.sent += 1;
      durable.push(...it.durable);
    }
    const lat = [];
    for (const [i, t] of sent.entries()) for (const [, at] of await B.evaluate(`bench.w3recv('c${i}')`)) lat.push(at - off.offset - t);
    if (lat.length) a.cold.push(quantile(lat, 0.5));
    if (durable.length) a.coldDurable.push(quantile(durable, 0.5));
  } finally { await b.close(); }
}
export function table(rows) {
  const of = (r, pick) => (r.two_tabs_ms ? pick(r) : '');
  return mdTable(['contestant', 'kind', '2 tabs p50', '2 tabs p99', 'lost / sent', 'all of 10 p50', 'all of 30 p50', 'not seen by all (10/30)', 'durable p50', 'cold p50', 'cold durable p50'],
    rows.map((r) => [r.title, r.kind, of(r, () => cell(r.two_tabs_ms.p50)), of(r, () => cell(r.two_tabs_ms.p99)), of(r, () => `${r.lost}/${r.sent}`), of(r, () => cell(r.all_of_10_ms.p50)), of(r, () => cell(r.all_of_30_ms.p50)), of(r, () => `${r.all_of_10_ms.notSeenByAll}/${r.all_of_30_ms.notSeenByAll}`), r.durable_ms ? cell(r.durable_ms) : '', of(r, () => cell(r.cold_ms)), r.cold_durable_ms ? cell(r.cold_durable_ms) : '']));
}
