// node profile.mjs w1|w2|w3|w4|w5 [--n N] [--cpu] [--list] [--memory] [--now] [--seq]
// Where Bellwether's time goes: the stages of page and worker, and with `--cpu` their functions.
import fs from 'node:fs';
import { startServer } from './lib/server.mjs';
import { list } from './lib/contestants.mjs';
import { startSync } from './lib/sync.mjs';
import { bare, FOREGROUND } from './lib/bare.mjs';
import { sleep } from './lib/browser.mjs';
import { fmt, quantile } from './lib/stats.mjs';

const args = process.argv.slice(2);
const opt = (k, otherwise) => { const i = args.indexOf('--' + k); return i < 0 ? otherwise : args[i + 1]; };
const [what] = args;
const n = Number(opt('n', { w1: 1000, w3: 300 }[what] ?? 10000));
const [c] = list(['bellwether']);

const srv = await startServer({ prelude: fs.readFileSync(new URL('lib/stages.js', import.meta.url), 'utf8') });
const sync = what === 'w2' || what === 'w4' ? await startSync(args.includes('--memory') ? ['--memory'] : []) : undefined;
const b = await bare(FOREGROUND);
const page = await b.page(`${srv.origin}/c/${c.id}/bench.html`);
if (what !== 'w3' && what !== 'w4') await page.evaluate(`bench.open(${JSON.stringify({ name: 'p', origin: srv.origin, sync: sync?.origin })})`);
let worker = what === 'w3' || what === 'w4' ? undefined : await b.attach('service_worker');
const read = async (S) => {
  const r = await S('Runtime.evaluate', { expression: 'JSON.stringify(benchStages.splice(0))', returnByValue: true });
  return JSON.parse(r.result.value);
};
let sides = () => ({ page: page.S, worker });

async function measured(work) {
  for (const S of Object.values(sides())) {
    await read(S);
    if (args.includes('--cpu')) { await S('Profiler.enable'); await S('Profiler.setSamplingInterval', { interval: 200 }); await S('Profiler.start'); }
  }
  const from = performance.timeOrigin + performance.now();
  const result = await work();
  const to = performance.timeOrigin + performance.now();
  const cpu = {};
  if (args.includes('--cpu')) for (const [side, S] of Object.entries(sides())) cpu[side] = (await S('Profiler.stop')).profile;
  await sleep(100);
  for (const [side, S] of Object.entries(sides())) {
    const stages = await read(S);
    console.log(`\n### ${side}: stages\n`);
    summary(stages);
    if (args.includes('--list')) stages.sort((x, y) => x[1] - y[1]).forEach(([k, s, e, d]) => console.log(`${fmt(s - from).padStart(9)} +${fmt(e - s).padStart(7)}  ${k} ${d ?? ''}`));
    if (cpu[side]) functions(cpu[side]);
  }
  console.log(`\ntook ${fmt(to - from)} ms`);
  return result;
}

function summary(stages) {
  const sums = new Map();
  for (const [kind, s, e, detail] of stages) {
    const key = `${kind} ${(detail ?? '').replace(/\d+$/, '').replace(/https?:\/\/[^/]*/, '').replace(/[0-9a-f]{16}/, '*')}`;
    (sums.get(key) ?? sums.set(key, []).get(key)).push(e - s);
  }
  for (const [key, all] of [...sums].sort()) {
    console.log(`${String(all.length).padStart(6)} × ${fmt(quantile(all, 0.5)).padStart(7)} ms (p99 ${fmt(quantile(all, 0.99))}), in all ${fmt(all.reduce((x, y) => x + y, 0)).padStart(7)} ms  ${key}`);
  }
}

function functions(profile) {
  const self = new Map();
  const by = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  profile.samples.forEach((id, i) => {
    const { functionName, url } = by.get(id);
    const key = `${functionName || '(anonymous)'} ${url.split('/').pop()}`;
    self.set(key, (self.get(key) ?? 0) + profile.timeDeltas[i] / 1000);
  });
  console.log('\nself time, ms:');
  for (const [key, ms] of [...self].sort((x, y) => y[1] - x[1]).slice(0, 40)) console.log(`${fmt(ms).padStart(8)}  ${key}`);
}

if (what === 'w1') {
  await page.evaluate('bench.w1seq({ warm: 30, n: 100 })');
  await measured(() => page.evaluate(args.includes('--seq') ? `bench.w1seq({ warm: 0, n: ${n} }).then(() => 1)` : `bench.w1conc({ n: ${n}, run: 'c', deadline: 20000 })`));
}
if (what === 'w2') {
  await page.evaluate(`bench.w2fill({ n: ${n}, run: 'f', variant: 'sqlite', deadline: 60000 })`);
  // As the workload does it, or once the coordinator has read all there is.
  if (!args.includes('--now')) await sleep(500);
  await measured(async () => {
    await page.evaluate(`bench.w2start('sqlite', {})`);
    await page.evaluate('bench.w2end()');
  });
}
if (what === 'w3') {
  // The reader is a second page, in a process of its own.
  const reader = await b.page(`${srv.origin}/c/${c.id}/bench.html`);
  for (const it of [page, reader]) await it.evaluate(`bench.w3init(${JSON.stringify({ name: 'p', origin: srv.origin })}, { ack: ${it === reader} }).then(() => 1)`);
  await page.evaluate(`bench.w3seq({ n: 50, run: 'w', jitter: 4, lostMs: 1000 }).then(() => 1)`);
  sides = () => ({ writer: page.S, reader: reader.S, worker });
  worker = await b.attach('service_worker');
  await measured(() => page.evaluate(`bench.w3seq({ n: ${n}, run: 'r', jitter: 4, lostMs: 1000 }).then(() => 1)`));
}
if (what === 'w4') {
  // Each is closed in its turn, and the next hosts.
  const seat = async (it) => { await it.evaluate(`bench.w4init(${JSON.stringify({ name: 'p', origin: srv.origin, sync: sync.origin })})`); return it; };
  let host = await seat(page);
  for (let i = 0; i < 6; i++) {
    const next = await seat(await b.page(`${srv.origin}/c/${c.id}/bench.html`));
    await sleep(1000);
    await read(next.S);
    await next.evaluate('bench.w4arm()');
    const from = performance.timeOrigin + performance.now();
    await host.close();
    const at = await next.evaluate('bench.w4said()');
    await sleep(200);
    console.log(`\nhosts after ${fmt(at - from)} ms`);
    (await read(next.S)).sort((x, y) => x[1] - y[1]).forEach(([k, s, e, d]) => console.log(`  ${fmt(s - from).padStart(9)} +${fmt(e - s).padStart(7)}  ${k} ${d ?? ''}`));
    host = next;
  }
}
if (what === 'w5') {
  await page.S('ServiceWorker.enable');
  for (let i = 0; i < 6; i++) {
    await sleep(500);
    await page.S('ServiceWorker.stopAllWorkers');
    await sleep(500);
    await read(page.S);
    const from = performance.timeOrigin + performance.now();
    const took = await page.evaluate(`bench.coldAnswer(${i})`);
    worker = await b.attach('service_worker');
    await sleep(200);
    console.log(`\nanswered after ${fmt(took)} ms`);
    for (const [side, S] of Object.entries(sides())) {
      const { result } = await S('Runtime.evaluate', { expression: 'performance.timeOrigin', returnByValue: true });
      console.log(`${side}: began ${fmt(result.value - from)}`);
      (await read(S)).sort((x, y) => x[1] - y[1]).forEach(([k, s, e, d]) => console.log(`  ${fmt(s - from).padStart(9)} +${fmt(e - s).padStart(7)}  ${k} ${d ?? ''}`));
    }
  }
}
await b.close();
await sync?.close();
srv.close();
process.exit(0);
