// results/*.json + notes.md -> RESULTS.md
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from './lib/contestants.mjs';
import { ratios } from './lib/ratios.mjs';

const dir = path.join(ROOT, 'results');
const parts = [];
const versions = {}; let chromium = '';
// A run that was kept apart (`--save w1-peers`) follows the others of its workload.
const files = fs.readdirSync(dir).filter((name) => name.endsWith('.json')).sort((a, b) => a.slice(0, 2).localeCompare(b.slice(0, 2)) || a.length - b.length);
for (const file of files) {
  const d = JSON.parse(fs.readFileSync(path.join(dir, file), 'utf8'));
  const w = d.workload;
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
