// results/*.json + notes.md -> RESULTS.md
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from './lib/contestants.mjs';
import { ratios } from './lib/ratios.mjs';

const dir = path.join(ROOT, 'results');
const parts = [];
const versions = {}; let chromium = '';
for (const w of ['w1', 'w2', 'w5']) {
  const f = path.join(dir, w + '.json');
  if (!fs.existsSync(f)) continue;
  const d = JSON.parse(fs.readFileSync(f, 'utf8'));
  const m = await import(`./workloads/${w}.mjs`);
  for (const r of d.rows) { Object.assign(versions, r.versions); chromium ||= r.chromium ?? ''; }
  const load = d.load.map((x) => x.toFixed(1)).join(' at its begin, ');
  parts.push(`## ${d.title}\n\nRun ${d.when.slice(0, 16).replace('T', ' ')} UTC, ${d.seconds} s; load average ${load} at its end.\n\n${ratios(w, d.rows)}\n\n${m.table(d.rows)}`);
  const probs = d.rows.filter((r) => r.problems?.length);
  if (probs.length) parts.push('Problems seen:\n\n' + probs.map((r) => `- ${r.title}: ${r.problems.join('; ').replace(/https?:\/\/\S+/g, '…')}`).join('\n'));
}
const notes = fs.readFileSync(path.join(ROOT, 'notes.md'), 'utf8');
const v = Object.entries(versions).sort().map(([k, x]) => `${k} ${x}`).join(', ');
fs.writeFileSync(path.join(ROOT, 'RESULTS.md'), `# Results

Each cell: median over rounds (min–max over rounds). Kind: *limit* = hand-written on the raw platform, *peer* = what a user would pick.
Measured with Chromium ${chromium} headless, node ${process.versions.node}, Linux, 2 shared cores (noisy: the min–max matters).
Versions: ${v}.

${notes}
${parts.join('\n\n')}
`);
console.log('RESULTS.md written');
