// W1 durable enqueue.
import { list, versions } from '../lib/contestants.mjs';
import { launch, open, withTimeout } from '../lib/browser.mjs';
import { quantile, over, rotate, cell, mdTable } from '../lib/stats.mjs';

export const id = 'w1';
export const title = 'W1 durable enqueue (300 B events; latency in ms, throughput in events/s)';
export const contestants = (only) => list(only);
export async function run({ srv, only, rounds = 3, quick }, emit) {
  const cs = contestants(only);
  const acc = new Map(cs.map((c) => [c.id, { p50: [], p99: [], mean: [], c1k: [], c10k: [], b1k: [], b10k: [], problems: [] }]));
  const N0 = quick ? 50 : 300;
  for (let r = 0; r < rounds; r++) {
    for (const c of rotate(cs, r)) {
      const a = acc.get(c.id);
      const N = Math.min(N0, c.meta.maxSeq ?? N0);
      let version;
      const phase = async (fn) => {
        const b = await launch(); version = b.version;
        try { const page = await open(b, srv, c); await withTimeout(page.evaluate((x) => bench.open(x), { name: 'q1', origin: srv.origin }), 30_000, 'open'); return await withTimeout(fn(page), 150_000, 'phase'); } catch (e) { a.problems.push(String(e.message).slice(0, 200)); return null; } finally { await b.close(); }
      };
      const check = async (page, before, want, what) => {
        const n = await withTimeout(page.evaluate(() => bench.count()), 60_000, 'count');
        if (n - before !== want) a.problems.push(`${what}: ${n - before} of ${want} found in the queue`);
      };
      const conc = async (page, n, many, key) => {
        const before = await page.evaluate(() => bench.count());
        const x = await page.evaluate((o) => bench.w1conc(o), { n, run: `${many ? 'b' : 'c'}${n}`, deadline: 20_000, many });
        if (!x) return true;
        if (x.firstError) a.problems.push(`${key}: ${x.firstError}`.slice(0, 200));
        a[key].push(x.done / (x.ms / 1000));
        if (x.timedOut) { a.problems.push(`${key}: ${x.done} of ${n} done in ${Math.round(x.ms / 1000)} s (rate is over those)`); return false; }
        await check(page, before, n, key);
        return true;
      };
      await phase(async (page) => {
        const s = await page.evaluate((o) => bench.w1seq(o), { warm: Math.min(30, N), n: N });
        a.p50.push(quantile(s.lat, 0.5)); a.p99.push(quantile(s.lat, 0.99)); a.mean.push(N / (s.ms / 1000));
        await check(page, 0, N + Math.min(30, N), 'seq');
        if (await conc(page, 1000, true, 'b1k')) await conc(page, 1000, false, 'c1k');
      });
      if (!quick) {
        // 10,000: a fresh profile each, so one measurement does not weigh on the next. Peers take
        // minutes over it, so they do it twice.
        await phase((page) => conc(page, 10000, true, 'b10k'));
        if (r < 2 || c.meta.kind !== 'peer') await phase((page) => conc(page, 10000, false, 'c10k'));
      }
      a.version = version;
      console.error(`w1 round ${r + 1}/${rounds} ${c.id}: p50 ${a.p50.at(-1)?.toFixed(3)} p99 ${a.p99.at(-1)?.toFixed(2)} 1k ${a.c1k.at(-1) | 0}/s 10k ${a.c10k.at(-1) | 0}/s bulk1k ${a.b1k.at(-1) | 0}/s bulk10k ${a.b10k.at(-1) | 0}/s`);
    }
  }
  for (const c of cs) {
    const a = acc.get(c.id);
    emit({
      workload: id, contestant: c.id, title: c.meta.title, kind: c.meta.kind, versions: versions(c), chromium: a.version, note: c.meta.note,
      rounds, samplesPerRound: Math.min(N0, c.meta.maxSeq ?? N0),
      latency_ms: { p50: over(a.p50), p99: over(a.p99) }, seq_per_s: over(a.mean),
      concurrent_per_s: { 1000: over(a.c1k), 10000: over(a.c10k) }, bulk_per_s: { 1000: over(a.b1k), 10000: over(a.b10k) },
      problems: [...new Set(a.problems)],
    });
  }
}
export function table(rows) {
  return mdTable(['contestant', 'kind', 'p50 ms', 'p99 ms', '1,000 concurrent /s', '10,000 concurrent /s', 'bulk 1,000 /s', 'bulk 10,000 /s'],
    rows.map((r) => [r.title, r.kind, cell(r.latency_ms.p50), cell(r.latency_ms.p99), cell(r.concurrent_per_s[1000]), cell(r.concurrent_per_s[10000]), cell(r.bulk_per_s[1000]), cell(r.bulk_per_s[10000])]));
}
