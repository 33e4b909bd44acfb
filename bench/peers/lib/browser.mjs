// One fresh Chromium with a fresh on-disk profile per call. A persistent context
// is used because ordinary Playwright contexts are off-the-record: their
// IndexedDB lives in memory and would not be durable.
import { chromium } from 'playwright-core';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export function chromiumPath() {
  if (process.env.BENCH_CHROMIUM) return process.env.BENCH_CHROMIUM;
  for (const d of process.env.PATH.split(path.delimiter)) {
    for (const n of ['chromium', 'chromium-browser', 'google-chrome']) {
      const f = path.join(d, n);
      if (fs.existsSync(f)) return f;
    }
  }
  throw new Error('no Chromium on PATH; set BENCH_CHROMIUM');
}
export const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export async function launch() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'peerbench-'));
  const ctx = await chromium.launchPersistentContext(dir, { executablePath: chromiumPath(), headless: true, args: FLAGS, timeout: 60_000 });
  ctx.setDefaultTimeout(180_000);
  return {
    ctx,
    version: ctx.browser()?.version?.() ?? '',
    async close() {
      await Promise.race([ctx.close().catch(() => {}), new Promise((r) => setTimeout(r, 8000))]);
      try { fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }); } catch { /* left to the OS */ }
    },
  };
}
export async function open(b, srv, c, file = 'bench.html') {
  const page = await b.ctx.newPage();
  page.on('pageerror', (e) => { if (process.env.BENCH_DEBUG) console.error(`[${c.id}]`, e.message); });
  if (process.env.BENCH_DEBUG) page.on('console', (m) => console.error(`[${c.id}]`, m.text().slice(0, 300)));
  await page.goto(`${srv.origin}/c/${c.id}/${file}`);
  return page;
}
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export function withTimeout(p, ms, what) {
  let t;
  return Promise.race([p, new Promise((_, rej) => { t = setTimeout(() => rej(new Error(`timeout after ${ms} ms: ${what}`)), ms); })]).finally(() => clearTimeout(t));
}
