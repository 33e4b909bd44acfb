// node run.mjs [w1 w2 ...] [--only a,b] [--rounds N] [--quick] [--save name] [--built] [--stalls]
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { startServer } from './lib/server.mjs';
import { ROOT, list } from './lib/contestants.mjs';
import { ratios } from './lib/ratios.mjs';

const ALL = ['w1', 'w2', 'w3', 'w4', 'w5'];
const args = process.argv.slice(2);
const opt = (k) => { const i = args.indexOf('--' + k); return i < 0 ? undefined : args[i + 1]; };
const named = args.filter((x) => ALL.includes(x));
const which = named.length ? named : ALL;
const o = { only: opt('only')?.split(','), quick: args.includes('--quick'), stalls: args.includes('--stalls') };
if (opt('rounds')) o.rounds = Number(opt('rounds'));

// What is measured is built first, as it is shipped, unless `--built` says that it is there.
function cargo(...command) {
  const { status } = spawnSync('cargo', command, { cwd: path.resolve(ROOT, '../..'), stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) throw new Error(`\`cargo ${command.join(' ')}\` failed`);
}
const ours = ['queue', 'state', 'leader'].flatMap((role) => list(o.only, role)).filter((c) => c.meta.package);
if (ours.length && !args.includes('--built')) {
  if (!process.env.BENCH_DIST) cargo('xtask', 'build', '--release');
  if (!process.env.BENCH_SERVER && (which.includes('w2') || which.includes('w4'))) cargo('build', '--quiet', '--release', '-p', 'bellwether-server');
}

const srv = await startServer();
for (const w of which) {
  const m = await import(`./workloads/${w}.mjs`);
  const t0 = Date.now();
  const load = [os.loadavg()[0]];
  const rows = [];
  await m.run({ srv, ...o }, (row) => { rows.push(row); console.log(JSON.stringify(row)); });
  load.push(os.loadavg()[0]);
  const file = path.join(ROOT, 'results', `${opt('save') ?? w}.json`);
  // --only replaces just those contestants, so a rerun of one does not lose the rest
  let all = rows;
  if (o.only && fs.existsSync(file)) {
    const old = JSON.parse(fs.readFileSync(file, 'utf8')).rows;
    const key = (x) => `${x.contestant}/${x.variant ?? ''}`;
    const fresh = new Map(rows.map((x) => [key(x), x]));
    all = old.map((x) => fresh.get(key(x)) ?? x);
    for (const x of rows) if (!old.some((y) => key(y) === key(x))) all.push(x);
  }
  if (!o.quick) {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, JSON.stringify({ workload: w, title: m.title, when: new Date(t0).toISOString(), seconds: Math.round((Date.now() - t0) / 1000), load, rows: all }, null, 1) + '\n');
  }
  console.log(`\n## ${m.title}\n\n${ratios(w, all)}\n\n${m.table(all)}\n`);
}
srv.close();
process.exit(0);
