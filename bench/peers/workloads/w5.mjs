// W5 bundle size of each contestant's minimal use, and service-worker cold start.
// The cold start uses a bare DevTools connection instead of Playwright, because
// Playwright attaches to every service worker and pauses it at start.
import { list, versions, sizes } from '../lib/contestants.mjs';
import { bare } from '../lib/bare.mjs';
import { sleep, withTimeout } from '../lib/browser.mjs';
import { over, quantile, rotate, mdTable, cell, fmt } from '../lib/stats.mjs';

export const id = 'w5';
export const title = 'W5 bundle size (bytes) and service-worker cold start';

export async function run({ srv, only, rounds = 3, quick }, emit) {
  const rows = [];
  for (const c of list(only)) {
    for (const [part, bytes] of Object.entries(await sizes(c))) {
      rows.push({ workload: id, contestant: c.id, variant: 'size:' + part, part, title: c.meta.title, kind: c.meta.kind, versions: versions(c), bytes });
    }
  }
  const cs = list(only).filter((c) => c.hasWorker);
  const acc = new Map(cs.map((c) => [c.id, { cold: [], warm: [], answer: [], all: [], problems: [] }]));
  for (let r = 0; r < rounds; r++) {
    for (const c of rotate(cs, r)) {
      const a = acc.get(c.id);
      const b = await bare();
      try {
        const p = await b.page(`${srv.origin}/c/${c.id}/bench.html`);
        await withTimeout(p.evaluate(`bench.open(${JSON.stringify({ name: 'q5', origin: srv.origin })})`), 20_000, 'open');
        let status = 'running';
        b.on((d) => { if (d.method === 'ServiceWorker.workerVersionUpdated') for (const v of d.params.versions) status = v.runningStatus; });
        await p.S('ServiceWorker.enable');
        const cold = [], warm = [], answer = [];
        // A page may have something to say just then, and wakes it again.
        const stop = async () => {
          for (let tries = 0; tries < 5; tries++) {
            await p.S('ServiceWorker.stopAllWorkers');
            for (let k = 0; k < 100 && status !== 'stopped'; k++) await sleep(20);
            await sleep(150);
            if (status === 'stopped') return true;
          }
          return false;
        };
        for (let i = 0; i < (quick ? 3 : 15); i++) {
          await p.evaluate(`bench.coldPut(${i * 10})`);
          for (let k = 1; k < 4; k++) warm.push(await p.evaluate(`bench.coldPut(${i * 10 + k})`));
          // What follows from the last ones is over, so that the worker sleeps when it is stopped.
          await sleep(150);
          if (!(await stop())) { a.problems.push('the worker did not stop'); break; }
          cold.push(await withTimeout(p.evaluate(`bench.coldPut(${i * 10 + 5})`), 20_000, 'cold put'));
          await sleep(150);
          if (!(await stop())) { a.problems.push('the worker did not stop'); break; }
          answer.push(await withTimeout(p.evaluate(`bench.coldAnswer(${i})`), 20_000, 'cold answer'));
        }
        a.cold.push(quantile(cold, 0.5)); a.warm.push(quantile(warm, 0.5)); a.answer.push(quantile(answer, 0.5)); a.all.push(...answer);
        console.error(`w5 round ${r + 1}/${rounds} ${c.id}: cold ${fmt(a.cold.at(-1))} ms answered ${fmt(a.answer.at(-1))} ms warm ${fmt(a.warm.at(-1))} ms`);
      } catch (e) { a.problems.push(e.message.slice(0, 200)); console.error('w5', c.id, e.message.slice(0, 200)); } finally { await b.close(); }
    }
  }
  for (const x of rows) emit(x);
  for (const c of cs) {
    const a = acc.get(c.id);
    emit({ workload: id, contestant: c.id, variant: 'coldstart', title: c.meta.title, kind: c.meta.kind, versions: versions(c), cold_ms: over(a.cold), answer_ms: over(a.answer), answer_p99_ms: quantile(a.all, 0.99), warm_ms: over(a.warm), problems: [...new Set(a.problems)] });
  }
}
export function table(rows) {
  const s = rows.filter((r) => r.bytes), k = rows.filter((r) => r.cold_ms !== undefined);
  return mdTable(['contestant', 'kind', 'part', 'minified', 'gzip -9', 'brotli 11'], s.map((r) => [r.title, r.kind, r.part, fmt(r.bytes.min), fmt(r.bytes.gzip), fmt(r.bytes.brotli)]))
    + '\n\nService worker stopped → page hands over an event → durable; → and the worker has answered (ms):\n\n'
    + mdTable(['contestant', 'kind', 'durable', 'answered', 'answered p99', 'warm durable'], k.map((r) => [r.title, r.kind, cell(r.cold_ms), cell(r.answer_ms), fmt(r.answer_p99_ms), cell(r.warm_ms)]));
}
