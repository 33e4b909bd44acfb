// What Bellwether is to the limit and to its peers, each ratio taken within one run, round by round.
import { against, cell, mdTable } from './stats.mjs';

const find = (rows, contestant, variant) => rows.find((r) => r.contestant === contestant && (variant === undefined || r.variant === variant));

// Each line: what is compared, the aim, and what with; `by` is which of ours, if not `bellwether` itself; `pick` finds the
// figure in a row, `combine` is how two of them are compared where that is not their ratio.
const LINES = {
  w1: [
    { what: 'p50, one after another: time', aim: '≤ 1.25', limit: 'raw-idb-strict', pick: (r) => r.latency_ms.p50 },
    { what: 'p99, one after another: time', aim: '', limit: 'raw-idb-strict', pick: (r) => r.latency_ms.p99 },
    { what: '1,000 at once: rate', aim: '≥ 0.8', limit: 'raw-idb-commit', pick: (r) => r.concurrent_per_s[1000] },
    { what: '10,000 at once: rate', aim: '≥ 0.8', limit: 'raw-idb-commit', pick: (r) => r.concurrent_per_s[10000] },
    { what: '1,000 at once: rate, to the strict limit', aim: '', limit: 'raw-idb-commit-strict', pick: (r) => r.concurrent_per_s[1000] },
    { what: '10,000 at once: rate, to the strict limit', aim: '', limit: 'raw-idb-commit-strict', pick: (r) => r.concurrent_per_s[10000] },
  ],
  w2: [
    { what: 'drain of 1,000: rate', aim: '', ours: 'sqlite', limit: 'raw-sw-group', variant: 'batch500', pick: (r) => r[1000].per_s },
    { what: 'drain of 10,000: rate', aim: '≥ 0.8', ours: 'sqlite', limit: 'raw-sw-group', variant: 'batch500', pick: (r) => r[10000].per_s },
    { what: 'drain of 10,000: rate, both flushed', aim: '', ours: 'sqlite', limit: 'raw-sw-group', variant: 'flushed500', pick: (r) => r[10000].per_s },
    { what: 'drain of 10,000: rate, both in memory', aim: '', ours: 'memory', limit: 'raw-sw-group', variant: 'batch500', pick: (r) => r[10000].per_s },
  ],
  w3: [
    { what: 'shown in the other tab, p50: time', aim: '≤ 1.3', limit: 'raw-bc', pick: (r) => r.two_tabs_ms?.p50 },
    { what: 'shown in all of 10 tabs, p50: time', aim: '', limit: 'raw-bc', pick: (r) => r.all_of_10_ms?.p50 },
    { what: 'shown in all of 30 tabs, p50: time', aim: '≤ 1.2', limit: 'raw-bc', pick: (r) => r.all_of_30_ms?.p50 },
    { what: 'durable, p50: time', aim: '≤ 2', limit: 'raw-idb-strict', pick: (r) => r.durable_ms },
    { what: 'worker cold, shown in the other tab, p50: time', aim: '', limit: 'raw-bc', pick: (r) => r.cold_ms },
  ],
  w4: [
    { what: 'tab closed, the next page hosts: time', aim: '≤ 1.2', limit: 'broadcast-channel', pick: (r) => r.close_ms },
    { what: 'tab crashed, the next page hosts: time', aim: '≤ 1.2', limit: 'web-locks', pick: (r) => r.crash_ms },
    { what: 'tab closed, `withLock`: time', aim: '≤ 1.2', by: 'bellwether-lock', limit: 'broadcast-channel', pick: (r) => r.close_ms },
    { what: 'tab crashed, `withLock`: time', aim: '≤ 1.2', by: 'bellwether-lock', limit: 'web-locks', pick: (r) => r.crash_ms },
    { what: 'tab closed, `withLock`: time, to the bare lock', aim: '', by: 'bellwether-lock', limit: 'web-locks', pick: (r) => r.close_ms },
  ],
  w5: [
    { what: 'cold worker: durable, ms more', aim: '≤ 12', ours: 'coldstart', limit: 'raw-sw-group', variant: 'coldstart', pick: (r) => r.cold_ms, combine: (x, y) => x - y },
    { what: 'cold worker: answered, ms more', aim: '≤ 12', ours: 'coldstart', limit: 'raw-sw-group', variant: 'coldstart', pick: (r) => r.answer_ms, combine: (x, y) => x - y },
  ],
};

export function ratios(workload, rows) {
  const lines = LINES[workload].map(({ what, aim, by = 'bellwether', ours, limit, variant, pick, combine }) => {
    const [a, b] = [find(rows, by, ours), find(rows, limit, variant)];
    return a && b ? [what, aim, variant ? `${limit} / ${variant}` : limit, cell(against(pick(a), pick(b), combine))] : null;
  });
  const table = lines.some(Boolean) ? mdTable(['bellwether', 'aim', 'to', 'median (min–max over rounds)'], lines.filter(Boolean)) : '';
  return [table, peers(workload, rows)].filter(Boolean).join('\n\n');
}

// Times by which Bellwether is faster than each peer.
function peers(workload, rows) {
  const figures = LINES[workload].filter(({ by, limit, combine }, i, all) => !by && !combine && all.findIndex((line) => line.limit === limit && line.pick === all[i].pick) === i && !/strict limit|memory|flushed|p99/.test(all[i].what));
  if (!figures.length) return '';
  const others = rows.filter((r) => r.kind === 'peer');
  if (!others.length) return '';
  const times = (figure, r) => {
    const ours = find(rows, 'bellwether', figure.ours);
    const faster = /time/.test(figure.what) ? (x, y) => y / x : (x, y) => x / y;
    return ours ? cell(against(figure.pick(ours), figure.pick(r), faster)) : '–';
  };
  if (!others.some((r) => figures.some((figure) => times(figure, r) !== '–'))) return '';
  return mdTable(['times as fast as', ...figures.map((figure) => figure.what)], others.map((r) => [r.title, ...figures.map((figure) => times(figure, r))]));
}
