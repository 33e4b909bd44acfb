// A bellwether-server of its own for one round, with an empty store, and what it holds.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { ROOT } from './contestants.mjs';
import { sleep } from './browser.mjs';

export const serverPath = () => path.resolve(process.env.BENCH_SERVER ?? path.join(ROOT, '../../target/release/bellwether-server'));

export async function startSync(args) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'peerbench-sync-'));
  const child = spawn(serverPath(), ['--listen', '127.0.0.1:0', '--log', 'warn', '--data', path.join(dir, 'store'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise((r) => child.once('exit', r));
  const origin = await new Promise((res, rej) => {
    child.once('error', rej);
    child.once('exit', (code) => rej(new Error(`bellwether-server ended with ${code}`)));
    readline.createInterface({ input: child.stdout }).once('line', (line) => res(line.replace('listening on ', '').trim()));
  });
  const page = async (session, after, limit) => {
    const r = await fetch(`${origin}/v1/events?session=${session}&after=${after}&limit=${limit}`);
    if (!r.ok) throw new Error(`events: http ${r.status}`);
    return r.json();
  };
  const head = async (session) => (await page(session, Number.MAX_SAFE_INTEGER, 1)).head;
  return {
    origin,
    head,
    // How many of its events it holds more than once; fails if it does not hold all `n`.
    async repeats(session, n) {
      const seen = new Set();
      let after = 0, more = true;
      while (more) {
        const p = await page(session, after, 1000);
        for (const e of p.events) { seen.add(e.data.id); after = e.offset; }
        more = p.more;
      }
      if (seen.size !== n) throw new Error(`the server holds ${seen.size} of ${n} events`);
      return after - n;
    },
    async close() {
      child.kill('SIGTERM');
      await Promise.race([gone, sleep(3000)]);
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
