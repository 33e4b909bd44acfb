// W2 drain of a full queue to a loopback HTTP server. The browser is driven over a bare DevTools connection:
// Playwright is handed the body of each request, at a cost that grows with the bodies.
import { list, versions } from '../lib/contestants.mjs';
import { bare } from '../lib/bare.mjs';
import { withTimeout } from '../lib/browser.mjs';
import { startSync } from '../lib/sync.mjs';
import { over, rotate, cell, mdTable, fmt } from '../lib/stats.mjs';

export const id = 'w2';
export const title = 'W2 drain: ms from "go online" until the server has accepted every event once';
export const contestants = (only) => list(only).filter((c) => c.meta.drains);
export async function run({ srv, only, rounds = 4, quick, deadline = 90_000 }, emit) {
  const cs = contestants(only);
  const jobs = [];
  for (const c of cs) {
    for (const v of c.meta.drains) jobs.push({ c, v, acc: { 1000: { t: [], req: [], dup: [], local: [], fill: [] }, 10000: { t: [], req: [], dup: [], local: [], fill: [] } }, problems: [], dead: {} });
  }
  for (const n of quick ? [1000] : [1000, 10000]) {
    // Peers take minutes over 10,000, so they do it twice.
    const roundsOf = (j) => (n === 1000 || j.c.meta.kind !== 'peer' ? rounds : Math.min(rounds, 2));
    for (let r = 0; r < rounds; r++) {
      for (const j of rotate(jobs, r)) {
        if (j.dead[n] || r >= roundsOf(j)) continue;
        const a = j.acc[n];
        const b = await bare(); j.version = b.version;
        const sync = j.c.meta.sync && await startSync(j.c.meta.sync[j.v]);
        try {
          const page = await b.page(`${srv.origin}/c/${j.c.id}/bench.html`);
          await withTimeout(page.evaluate((x) => bench.open(x), { name: 'q2', origin: srv.origin, sync: sync?.origin }), 30_000, 'open');
          const db = `d${Date.now()}`;
          srv.ingest.reset(0);
          const f = await withTimeout(page.evaluate((o) => bench.w2fill(o), { n, run: db, variant: j.v, deadline }), deadline + 30_000, 'fill');
          if (f.timedOut) { j.dead[n] = true; j.problems.push(`${n}: the queue could not be filled in ${deadline / 1000} s`); continue; }
          a.fill.push(f.ms);
          const early = sync ? await sync.head('q2') : srv.ingest.requests;
          if (early) j.problems.push(`${n}: ${early} ${sync ? 'events' : 'requests'} before going online`);
          srv.ingest.reset(n);
          const t0 = await page.evaluate(([v, u]) => bench.w2start(v, u), [j.v, { ingest: `${srv.origin}/ingest`, couch: `${srv.origin}/couch/${db}` }]);
          let done;
          try { done = await withTimeout(sync ? page.evaluate(() => bench.w2end()) : srv.ingest.done, deadline, 'drain'); } catch {
            const taken = sync ? await sync.head('q2') : srv.ingest.seen.size;
            j.dead[n] = true; j.problems.push(`${n}: ${taken} accepted in ${deadline / 1000} s`); a.t.push(null); continue;
          }
          a.t.push(done - t0); if (!sync) a.req.push(srv.ingest.requests);
          const local = await withTimeout(page.evaluate(() => bench.w2end()), 60_000, 'local end').catch((e) => { j.problems.push(`${n}: ${e.message.slice(0, 150)}`); return null; });
          if (local) a.local.push(local - t0);
          const dups = sync ? await sync.repeats('q2', n) : srv.ingest.dups;
          a.dup.push(dups);
          const left = await withTimeout(page.evaluate(() => bench.count()), 30_000, 'count').catch(() => null);
          if (left && !['rxdb', 'pouchdb'].includes(j.c.id)) j.problems.push(`${n}: ${left} left in the queue`);
          console.error(`w2 ${n} round ${r + 1}/${roundsOf(j)} ${j.c.id}/${j.v}: ${fmt(a.t.at(-1))} ms, local ${fmt(a.local.at(-1))} ms, ${dups} dups, fill ${fmt(f.ms)} ms`);
        } catch (e) { j.problems.push(`${n}: ${String(e.message).slice(0, 200)}`); console.error('w2', j.c.id, j.v, e.message.slice(0, 200)); } finally { await b.close(); await sync?.close(); }
      }
    }
  }
  for (const j of jobs) {
    const pack = (n) => ({ ms: over(j.acc[n].t), localDone_ms: over(j.acc[n].local), requests: over(j.acc[n].req), duplicates: over(j.acc[n].dup), fill_ms: over(j.acc[n].fill), per_s: over(j.acc[n].t.map((x) => (x ? n / (x / 1000) : null))) });
    emit({ workload: id, contestant: j.c.id, variant: j.v, title: `${j.c.meta.title} / ${j.v}`, kind: j.c.meta.kind, versions: versions(j.c), chromium: j.version, 1000: pack(1000), 10000: pack(10000), problems: [...new Set(j.problems)] });
  }
}
// A drain that did not end is shown with what the server had by the deadline.
const timed = (r, n) => {
  if (r[n].ms) return cell(r[n].ms);
  const m = r.problems.map((x) => new RegExp(`^${n}: (\\d+) accepted in (\\d+) s`).exec(x)).find(Boolean);
  return m ? `> ${fmt(m[2] * 1000)} (${fmt(Number(m[1]))} accepted, n=1)` : '–';
};
const rate = (r, n) => {
  const m = r.problems.map((x) => new RegExp(`^${n}: (\\d+) accepted in (\\d+) s`).exec(x)).find(Boolean);
  return r[n].per_s ? fmt(r[n].per_s.med) : m ? fmt(m[1] / m[2]) : '–';
};
export function table(rows) {
  return mdTable(['contestant / variant', 'kind', '1,000: ms', '10,000: ms', 'until the page knows', 'requests', '10,000: events/s', 'duplicates'],
    rows.map((r) => [r.title, r.kind, timed(r, 1000), timed(r, 10000), cell(r[10000].localDone_ms), fmt(r[10000].requests?.med), rate(r, 10000), String((r[1000].duplicates?.max ?? 0) + (r[10000].duplicates?.max ?? 0))]));
}
