// Finds contestants: every file in contestants/ is one. Nothing is imported in
// node (they are browser code); what a contestant can do is read from its exports.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import zlib from 'node:zlib';

export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const DIR = path.join(ROOT, 'contestants');

const shared = {
  bundle: true, write: false, minify: true, platform: 'browser', target: 'chrome120', format: 'iife',
  define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}', global: 'globalThis' },
  logLevel: 'silent', absWorkingDir: ROOT, legalComments: 'none',
};

// Those that can do a `role`: `queue` (W1, W2, W5), `state` (W3) or `leader` (W4).
export function list(only, role = 'queue') {
  return fs.readdirSync(DIR).filter((f) => f.endsWith('.mjs')).map((f) => {
    const src = fs.readFileSync(path.join(DIR, f), 'utf8');
    const metaText = /export const meta = (\{[\s\S]*?\});\n/.exec(src);
    const meta = Function(`return (${metaText[1]})`)();
    const hasWorker = Boolean(meta.package) || /export function sw\b/.test(src);
    const plays = new RegExp(`export (async function|const) ${role}\\b`).test(src);
    return { plays, id: f.replace(/\.mjs$/, ''), file: path.join(DIR, f), meta, hasWorker };
  }).filter((c) => c.plays && (!only || only.includes(c.id)))
    .sort((a, b) => (a.meta.order ?? 50) - (b.meta.order ?? 50) || a.id.localeCompare(b.id));
}

export function versions(c) {
  const v = {};
  for (const p of c.meta.pkgs ?? []) {
    v[p] = JSON.parse(fs.readFileSync(path.join(ROOT, 'node_modules', p, 'package.json'), 'utf8')).version;
  }
  return v;
}

const cache = new Map();
async function build(key, contents) {
  if (!cache.has(key)) {
    const r = await esbuild.build({ ...shared, stdin: { contents, resolveDir: path.join(ROOT, 'lib'), loader: 'js', sourcefile: key + '.js' } });
    cache.set(key, Buffer.from(r.outputFiles[0].contents));
  }
  return cache.get(key);
}
const rel = (c) => `../contestants/${c.id}.mjs`;
export const pageBundle = (c) => build(`page:${c.id}`, `import * as C from '${rel(c)}'; import {install} from './page.mjs'; install(C);`);
export const swBundle = (c) => build(`sw:${c.id}`, `import {sw} from '${rel(c)}'; sw(self);`);

// Where a contestant that is built, and not bundled here, lies; `BENCH_DIST` names another build of it.
export const packageOf = (c) => c.meta.package && path.resolve(ROOT, process.env.BENCH_DIST ?? c.meta.package);

const weigh = (parts) => {
  const sum = (f) => parts.reduce((n, b) => n + f(b).length, 0);
  return {
    min: sum((b) => b), gzip: sum((b) => zlib.gzipSync(b, { level: 9 })),
    brotli: sum((b) => zlib.brotliCompressSync(b, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11 } })),
  };
};

// What a user ships, in page and worker: the contestant's adapter and everything it pulls in, or the
// package's own files with their wasm and its glue.
export async function sizes(c) {
  const dir = packageOf(c);
  if (!dir) {
    const page = [await build(`size:${c.id}`, `import {queue} from '${rel(c)}'; globalThis.x = queue;`)];
    return { page: weigh(page), ...(c.hasWorker && { worker: weigh([await swBundle(c)]) }) };
  }
  const minified = async (entry, format) => {
    const r = await esbuild.build({ ...shared, entryPoints: [path.join(dir, entry)], format, bundle: format === 'esm' });
    return Buffer.from(r.outputFiles[0].contents);
  };
  const file = (wanted) => fs.readFileSync(path.join(dir, fs.readdirSync(dir).find((name) => wanted.test(name))));
  return {
    page: weigh([await minified('index.js', 'esm'), file(/^bellwether_page_bg\.wasm$/)]),
    worker: weigh([await minified('bellwether-sw.js'), file(/^bellwether-sw\..*\.wasm$/)]),
  };
}
