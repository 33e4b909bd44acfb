// A Chromium with a bare DevTools connection, for what Playwright would disturb: it attaches to each
// service worker, pauses it at start, and is told of each of its requests with the whole body.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import WebSocket from 'ws';
import { chromiumPath, FLAGS, sleep } from './browser.mjs';

// Of two pages one is in the background; with these it is as fast as under Playwright.
export const FOREGROUND = ['--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows'];

export async function bare(flags = []) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'peerbench-'));
  const child = spawn(chromiumPath(), ['--headless', ...FLAGS, ...flags, '--remote-debugging-port=0', `--user-data-dir=${dir}`, 'about:blank'], { stdio: 'ignore', detached: true });
  const f = path.join(dir, 'DevToolsActivePort');
  for (let i = 0; i < 300 && !(fs.existsSync(f) && fs.readFileSync(f, 'utf8').includes('\n')); i++) await sleep(50);
  const [port, p] = fs.readFileSync(f, 'utf8').split('\n');
  const ws = new WebSocket(`ws://127.0.0.1:${port}${p}`, { perMessageDeflate: false });
  await new Promise((r, j) => { ws.on('open', r); ws.on('error', j); });
  let n = 0; const calls = new Map(); const on = [];
  ws.on('message', (m) => {
    const d = JSON.parse(m);
    if (d.id) { const c = calls.get(d.id); calls.delete(d.id); d.error ? c.j(new Error(d.error.message)) : c.r(d.result); } else for (const g of on) g(d);
  });
  const send = (method, params = {}, sessionId) => new Promise((r, j) => { const i = ++n; calls.set(i, { r, j }); ws.send(JSON.stringify({ id: i, method, params, sessionId })); });
  const { product } = await send('Browser.getVersion');
  return {
    send, on: (g) => on.push(g),
    version: product.split('/').at(-1),
    // The session of the first target of that type.
    async attach(type) {
      const { targetInfos } = await send('Target.getTargets');
      const { targetId } = targetInfos.find((t) => t.type === type);
      const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
      return (m, p2) => send(m, p2, sessionId);
    },
    async page(url) {
      const { targetId } = await send('Target.createTarget', { url });
      const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
      const S = (m, p2) => send(m, p2, sessionId);
      // An expression, or as in Playwright a function and what it is given.
      const evaluate = async (what, given) => {
        const expression = typeof what === 'function' ? `(${what})(${JSON.stringify(given) ?? ''})` : what;
        const r = await S('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
        if (r.exceptionDetails) throw new Error(r.exceptionDetails.exception?.description ?? r.exceptionDetails.text);
        return r.result.value;
      };
      for (let i = 0; i < 100; i++) { if (await evaluate('typeof bench').catch(() => '') === 'object') break; await sleep(50); }
      return { S, sessionId, evaluate, close: () => send('Target.closeTarget', { targetId }) };
    },
    async close() {
      const gone = new Promise((r) => child.once('exit', r));
      await Promise.race([send('Browser.close').catch(() => {}), sleep(3000)]);
      await Promise.race([gone, sleep(3000)]);
      if (child.exitCode === null && child.signalCode === null) { try { process.kill(-child.pid, 'SIGKILL'); } catch { /* gone */ } }
      ws.terminate();
      fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
