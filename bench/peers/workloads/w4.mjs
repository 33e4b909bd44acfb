// W4 take-over: of five tabs the one that leads is closed or crashes; or, with `--stalls`, is frozen or hangs, and is there still.
import { list, versions } from '../lib/contestants.mjs';
import { withTimeout, sleep } from '../lib/browser.mjs';
import { bare, FOREGROUND } from '../lib/bare.mjs';
import { startSync } from '../lib/sync.mjs';
import { over, quantile, rotate, mdTable, fmt } from '../lib/stats.mjs';

export const id = 'w4';
export const title = 'W4 take-over (ms until another of five tabs leads)';
export const contestants = (only) => list(only, 'leader');
const TABS = 5;
const GONE = ['close', 'crash'];
const STALLED = ['freeze', 'hang'];
// Whose leaders are frozen or hang: all others wait for the browser's lock, as the first two do.
const STALLS = ['web-locks', 'broadcast-channel', 'broadcast-channel-messages', 'firestore', 'bellwether'];
// After this many trials in which nobody took over no more are made.
const NEVER = 2;
const DEADLINE = { close: 15_000, crash: 15_000, freeze: 20_000, hang: 30_000 };
const HANG_MS = 45_000;

export async function run({ srv, only, rounds = 5, quick, stalls }, emit) {
  const cs = contestants(only).filter((c) => !stalls || STALLS.includes(c.id));
  const trials = quick ? 1 : 4;
  const kinds = stalls ? STALLED : GONE;
  const fresh = () => ({ rounds: [], all: [], never: 0 });
  const acc = new Map(cs.map((c) => [c.id, { ...Object.fromEntries(kinds.map((how) => [how, fresh()])), seen: new Set(), problems: [] }]));
  for (let r = 0; r < rounds; r++) {
    for (const c of rotate(cs, r)) {
      const a = acc.get(c.id);
      if (stalls) for (const how of STALLED) await guarded(a, () => stalled(c, srv, a, how, trials));
      else await guarded(a, () => gone(c, srv, a, { trials, first: r % 2 }));
      console.error(`w4 round ${r + 1}/${rounds} ${c.id}: ${kinds.map((how) => `${how} ${fmt(a[how].rounds.at(-1))}`).join(' | ')} | ${a.problems.at(-1) ?? ''}`);
    }
  }
  for (const c of cs) {
    const a = acc.get(c.id);
    // Medians of the rounds, as everywhere; `p50` and `p95` are over all trials.
    const figures = (how) => {
      const { all, never } = a[how];
      return all.length || never ? { [`${how}_ms`]: { ...over(a[how].rounds), p50: quantile(all, 0.5), p95: quantile(all, 0.95), trials: all.length, never } } : {};
    };
    emit({
      workload: id, contestant: c.id, title: c.meta.title, kind: c.meta.kind, versions: versions(c), chromium: a.version, note: c.meta.note, rounds,
      ...Object.assign({}, ...kinds.map(figures)), visibility: [...a.seen], problems: [...new Set(a.problems)],
    });
  }
}

async function guarded(a, work) {
  try { await work(); } catch (e) { a.problems.push(e.message.slice(0, 200)); }
}

// The leader's tab is closed, or crashes, again and again, and another comes for it. The first of each kind is for warming up.
async function gone(c, srv, a, { trials, first }) {
  const room = await enter(c, srv, a);
  try {
    for (const how of rotate(GONE, first)) {
      if (a[how].never >= NEVER) continue;
      const found = [];
      for (let k = 0; k <= trials; k++) {
        const ms = await room.trial(how);
        // The next round begins with the other kind.
        if (ms === undefined) return void never(a, how);
        if (k > 0) found.push(ms);
        await room.add();
      }
      keep(a[how], found);
    }
  } finally { await room.close(); }
}

// Who has been robbed, or has robbed, rests for a minute: each trial has a browser of its own.
async function stalled(c, srv, a, how, trials) {
  const found = [];
  for (let k = 0; k < trials && a[how].never < NEVER; k++) {
    const room = await enter(c, srv, a, how);
    try {
      const ms = await room.trial(how);
      if (ms === undefined) never(a, how); else found.push(ms);
    } finally { await room.close(); }
  }
  keep(a[how], found);
}

function keep(figure, found) {
  if (!found.length) return;
  figure.all.push(...found);
  figure.rounds.push(quantile(found, 0.5));
}
function never(a, how) {
  a[how].never += 1;
  a.problems.push(`${how}: nobody took over within ${DEADLINE[how]} ms`);
}

// A browser with five tabs, of which one leads. They share a window, and each takes itself to be in sight and in front; but what is
// to be frozen has to be out of sight before.
async function enter(c, srv, a, how) {
  const b = await bare(FOREGROUND); a.version = b.version;
  const sync = c.meta.sync?.leader && (await startSync(c.meta.sync.leader));
  const close = async () => { await b.close(); await sync?.close(); };
  const ctx = { name: 'l4', origin: srv.origin, sync: sync?.origin, stalls: how === 'hang' };
  const now = () => performance.timeOrigin + performance.now();
  let tabs = [];
  const add = async () => {
    const page = await b.page(`${srv.origin}/c/${c.id}/bench.html`);
    if (how !== 'freeze') await page.S('Emulation.setFocusEmulationEnabled', { enabled: true });
    await withTimeout(page.evaluate((x) => bench.w4init(x), ctx), 30_000, 'init');
    let best = { rtt: Infinity };
    for (let k = 0; k < 10; k++) {
      const from = now();
      const at = await page.evaluate(() => bench.clock());
      const rtt = now() - from;
      if (rtt < best.rtt) best = { rtt, offset: at - from - rtt / 2 };
    }
    tabs.push({ page, offset: best.offset });
  };
  // A tab that is gone does not answer.
  const ask = ({ page }, what) => withTimeout(page.evaluate(what), 10_000, 'a tab that answers');
  // The one that leads, once there is one.
  const leading = async () => {
    for (let k = 0; k < 200; k++) {
      for (const tab of tabs) if (await ask(tab, () => bench.w4leads())) return tab;
      await sleep(25);
    }
    throw new Error('nobody leads');
  };
  const trial = async (how) => {
    const leader = await leading();
    await sleep(500);
    const rest = tabs.filter((tab) => tab !== leader);
    for (const tab of tabs) {
      const seen = await ask(tab, () => bench.w4arm());
      if (how !== 'freeze') a.seen.add(seen);
    }
    const said = Promise.any(rest.map(({ page }) => page.evaluate(() => bench.w4said())));
    said.catch(() => {});
    let from = now();
    if (how === 'close') leader.page.close().catch(() => {});
    if (how === 'crash') leader.page.S('Page.crash').catch(() => {});
    if (how === 'freeze') leader.page.S('Page.setWebLifecycleState', { state: 'frozen' }).catch(() => {});
    if (how === 'hang') from = (await leader.page.evaluate((ms) => bench.w4hang(ms), HANG_MS)) - leader.offset;
    // Somebody wants something; a page whose host is merely silent is not asked for anything until then.
    if (how === 'hang') await sleep(200);
    if (how === 'hang' || c.meta.stirs?.includes(how)) rest[0].page.evaluate(() => bench.w4stir()).catch(() => {});
    try {
      await withTimeout(said, DEADLINE[how], how);
    } catch { return undefined; }
    // Others may have known it sooner than the one that was heard first.
    await sleep(50);
    const told = await Promise.all(rest.map(async (tab) => (await ask(tab, () => bench.w4told())).map((at) => at - tab.offset)));
    if (how !== 'close') leader.page.S('Page.crash').catch(() => {});
    if (how === 'crash') leader.page.close().catch(() => {});
    tabs = rest;
    return Math.min(...told.flat()) - from;
  };
  try {
    for (let i = 0; i < TABS; i++) await add();
  } catch (e) { await close(); throw e; }
  return { add, trial, close };
}

export function table(rows) {
  const f = (o) => {
    if (!o) return '';
    const missed = o.never ? `never: ${o.never}` : '';
    return o.trials ? `${fmt(o.p50)}, ${fmt(o.p95)} (n = ${o.trials}${missed && `, ${missed}`})` : missed;
  };
  const heads = { close: 'tab closed', crash: 'tab crashed', freeze: 'tab frozen', hang: 'tab hangs' };
  const kinds = Object.keys(heads).filter((how) => rows.some((r) => r[`${how}_ms`]));
  return mdTable(['p50, p95', 'kind', ...kinds.map((how) => heads[how])], rows.map((r) => [r.title, r.kind, ...kinds.map((how) => f(r[`${how}_ms`]))]));
}
