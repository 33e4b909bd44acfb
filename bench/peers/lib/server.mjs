// Loopback HTTP server: serves contestant pages and service workers, accepts
// drained events (dedupes, counts duplicates), and speaks the few CouchDB calls
// that PouchDB's push replication needs.
import http from 'node:http';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as reg from './contestants.mjs';

const now = () => performance.timeOrigin + performance.now();

export class Ingest {
  constructor() { this.reset(0); }
  reset(expected) {
    this.seen = new Set(); this.dups = 0; this.requests = 0; this.expected = expected; this.bytes = 0;
    this.doneAt = null; this.done = new Promise((r) => { this._done = r; });
  }
  accept(ids) {
    for (const id of ids) {
      if (this.seen.has(id)) this.dups++;
      else this.seen.add(id);
    }
    if (this.expected && this.seen.size >= this.expected && this.doneAt === null) { this.doneAt = now(); this._done(this.doneAt); }
  }
}

// `prelude` goes before the scripts of page and worker.
export async function startServer({ prelude = '' } = {}) {
  const all = new Map(['queue', 'state', 'leader'].flatMap((role) => reg.list(undefined, role)).map((c) => [c.id, c]));
  const ingest = new Ingest();
  const kept = path.join(os.tmpdir(), `peerbench-log-${process.pid}`);
  const log = fs.openSync(kept, 'a');
  const couchLocal = new Map();
  const body = (req) => new Promise((res, rej) => {
    const parts = []; req.on('data', (d) => parts.push(d)); req.on('end', () => res(Buffer.concat(parts))); req.on('error', rej);
  });
  const send = (res, code, type, data) => {
    res.writeHead(code, {
      'content-type': type, 'content-length': Buffer.byteLength(data), 'cache-control': 'no-store',
      'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp',
    });
    res.end(data);
  };
  const json = (res, code, o) => send(res, code, 'application/json', JSON.stringify(o));

  const server = http.createServer(async (req, res) => {
    try {
      const url = new URL(req.url, 'http://x');
      const p = url.pathname;
      let m;
      if (p === '/ingest' && req.method === 'POST') {
        const raw = await body(req); ingest.requests++; ingest.bytes += raw.length;
        const b = JSON.parse(raw);
        const evs = Array.isArray(b) ? b : [b];
        // What a server costs that keeps its word through a power cut, at the least.
        if (url.searchParams.has('flushed')) { fs.writeSync(log, raw); fs.fdatasyncSync(log); }
        ingest.accept(evs.map((e) => e.id));
        return json(res, 200, { ok: evs.length });
      }
      if ((m = /^\/c\/([\w-]+)\/(.*)$/.exec(p))) {
        const c = all.get(m[1]);
        if (!c) return send(res, 404, 'text/plain', 'no such contestant');
        if (m[2] === 'bench.html') return send(res, 200, 'text/html', `<!doctype html><meta charset=utf-8><title>${c.id}</title><link rel=icon href=data:,><script src="bench.js"></script>`);
        if (m[2] === 'bench.js') return send(res, 200, 'text/javascript', prelude + await reg.pageBundle(c));
        const built = reg.packageOf(c) && path.join(reg.packageOf(c), path.basename(m[2]));
        if (built && fs.existsSync(built)) {
          if (built.endsWith('.wasm')) return send(res, 200, 'application/wasm', fs.readFileSync(built));
          return send(res, 200, 'text/javascript', (built.endsWith('-sw.js') ? prelude : '') + fs.readFileSync(built, 'utf8'));
        }
        if (m[2] === 'sw.js') return send(res, 200, 'text/javascript', await reg.swBundle(c));
      }
      if ((m = /^\/couch\/([\w-]+)\/?(.*)$/.exec(p))) return await couch(req, res, m[1], m[2]);
      send(res, 404, 'text/plain', 'not found');
    } catch (e) { send(res, 500, 'text/plain', String(e && e.stack)); }
  });
  async function couch(req, res, db, rest) {
    ingest.requests++;
    if (!rest) return json(res, 200, { db_name: db, instance_start_time: '0', update_seq: 0, doc_count: 0 });
    if (rest.startsWith('_local/')) {
      const k = db + '/' + rest;
      if (req.method === 'PUT') { couchLocal.set(k, JSON.parse(await body(req))); return json(res, 201, { ok: true, id: rest, rev: '0-1' }); }
      return couchLocal.has(k) ? json(res, 200, couchLocal.get(k)) : json(res, 404, { error: 'not_found', reason: 'missing' });
    }
    if (rest === '_revs_diff') {
      const b = JSON.parse(await body(req)); const out = {};
      for (const [id, revs] of Object.entries(b)) if (!ingest.seen.has(id)) out[id] = { missing: revs };
      return json(res, 200, out);
    }
    if (rest === '_bulk_docs') {
      const raw = await body(req); ingest.bytes += raw.length;
      ingest.accept(JSON.parse(raw).docs.map((d) => d._id));
      return json(res, 201, []);
    }
    return json(res, 404, { error: 'not_found', reason: 'missing' });
  }
  server.keepAliveTimeout = 120_000;
  await new Promise((r) => server.listen(0, '127.0.0.1', r));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, ingest, couchLocal, now, close: () => { server.closeAllConnections(); server.close(); fs.closeSync(log); fs.rmSync(kept, { force: true }); } };
}
