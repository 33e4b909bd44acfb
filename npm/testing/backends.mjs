// The back ends of a page's journal and of a coordinator's store, with one face: IndexedDB, and copies below it, with a storage and without.
//
// What always holds:
// - a back end is new and empty, and its clock, bus and disk are the test's;
// - it is asked as the core asks (`journal.rs`, `connection.rs`), and the bytes are wiped as soon as the call has returned;
// - who awaits an answer lets time go on until it is there, and fails if there is none.
//
// Not here: what a back end promises; `contract.test.mjs` says that.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";

import "fake-indexeddb/auto";

import { STORES } from "../build/js/copy.js";
import { World, asked, bytes } from "./replicas.mjs";

// No package is said to hold them, so Node would have to guess that they are modules; older ones do not.
const [{ Journal }, { Store }] = await Promise.all(
  ["journal", "store"].map(async (name) => {
    const text = await readFile(new URL(`../../web/src/${name}.js`, import.meta.url), "base64");
    return import(`data:text/javascript;base64,${text}`);
  }),
);

/** Each by its name; given a test, it opens an empty one. */
export const BACKENDS = {
  database: (t) => new Databases(t),
  local: (t) => new Copies(t, new Map()),
  memory: (t) => new Copies(t, undefined),
};

/** Pages and coordinators that share a database. */
class Databases {
  #t;
  #open = [];
  #mocks = [];

  constructor(t) {
    this.#t = t;
    // A test may have another one.
    t.mock.timers.reset();
    t.mock.timers.enable({ apis: ["setTimeout"] });
    globalThis.indexedDB = new IDBFactory();
  }

  async page() {
    return new Page(this, this.#opened(new Journal(NAME, PATIENCE_MS)));
  }

  /** A coordinator begins, wherever it runs. */
  async lead() {
    const store = this.#opened(new Store(NAME, [...STORES], PATIENCE_MS));
    await this.answered(store.open());
    return new Coordinator(this, store);
  }

  /** All pages and coordinators are gone. */
  async end() {
    for (const one of this.#open.splice(0)) one.close();
  }

  /** There is no room for any more rows. It shows when a request has succeeded: the transaction is aborted, and says why. */
  fill() {
    for (const method of ["add", "put"]) {
      const plain = IDBObjectStore.prototype[method];
      const refused = function (...all) {
        const { transaction } = this;
        // It commits by itself once nothing is left to be done, so that it can be aborted until then.
        transaction.commit = undefined;
        const request = plain.apply(this, all);
        request.addEventListener("success", () => {
          transaction.error = new DOMException("there is no room", "QuotaExceededError");
          transaction.abort();
        });
        return request;
      };
      this.#mocks.push(this.#t.mock.method(IDBObjectStore.prototype, method, refused));
    }
  }

  /** There is room again. */
  makeRoom() {
    for (const { mock } of this.#mocks.splice(0)) mock.restore();
  }

  /** What was said has been heard: here nothing is. */
  async quiet() {}

  /** A database needs no time, but turns. */
  async pass(ms) {
    for (let left = ms; left > 0; left -= 1) await turn();
  }

  answered(answer) {
    return answered(this, answer);
  }

  #opened(one) {
    this.#open.push(one);
    return one;
  }
}

/** Pages with a copy each, of which one is the primary; with `items` there is a localStorage. */
class Copies {
  #world;
  #pages = new Map();

  constructor(t, items) {
    this.#world = new World(t, items);
  }

  async page() {
    const one = await this.#world.open();
    const page = new Page(this, one.replica.journal);
    this.#pages.set(page, one);
    return page;
  }

  /** A coordinator begins in this page. */
  async lead(page) {
    return new Coordinator(this, await this.#world.lead(this.#pages.get(page)));
  }

  async end() {
    for (const page of this.#world.living) page.die();
    await this.quiet();
  }

  fill() {
    const { items, living } = this.#world;
    if (items) items.room = living[0].storage.used;
  }

  makeRoom() {
    const { items } = this.#world;
    if (items) items.room = Infinity;
  }

  quiet() {
    return this.#world.quiet();
  }

  pass(ms) {
    return this.#world.pass(ms);
  }

  answered(answer) {
    return answered(this, answer);
  }
}

/** What a page asks of its journal. */
class Page {
  #back;

  constructor(back, journal) {
    this.#back = back;
    /** To be asked without waiting. */
    this.journal = journal;
  }

  open() {
    return this.#asked((done) => this.journal.open(done));
  }

  /** Appends these rows, which may be texts; gives the position of the last. */
  append(...rows) {
    return this.#asked((done) => this.tell(rows, done));
  }

  /** The same, without waiting for what `done` is told. */
  tell(rows, done) {
    const all = rows.map(row);
    // The wasm's memory: it is another's once the call has returned.
    const memory = new Uint8Array(all.reduce((sum, one) => sum + one.length, 0));
    all.reduce((at, one) => (memory.set(one, at), at + one.length), 0);
    const lengths = Uint32Array.from(all, (one) => one.length);
    this.journal.append(memory, lengths, "strict", done);
    memory.fill(0);
    lengths.fill(0);
  }

  read(store, after = -1, limit = 0) {
    return this.#asked((done) => this.journal.read(store, after, limit, done));
  }

  readDocument(prefix, whole) {
    return this.#asked((done) => this.journal.readDocument(prefix, whole, done));
  }

  count(store) {
    return this.#asked((done) => this.journal.count(store, done));
  }

  close() {
    this.journal.close();
  }

  #asked(ask) {
    return this.#back.answered(asked(ask));
  }
}

/** What a coordinator asks of its store. */
class Coordinator {
  #back;

  constructor(back, store) {
    this.#back = back;
    /** To be asked without waiting. */
    this.store = store;
  }

  open() {
    return this.#back.answered(this.store.open());
  }

  /** One transaction that may write; its last requests are those that `next` gives, who is shown the first answer. */
  run(requests, next) {
    return this.#back.answered(this.store.run(requests, "strict", next));
  }

  /** One that may not. */
  read(requests) {
    return this.#back.answered(this.store.run(requests, "default", undefined));
  }

  close() {
    this.store.close();
  }
}

/** The requests that `connection.rs` makes. */
export const get = (store, key) => [store, "get", key, undefined];
export const rowsOf = (store, range, limit) => [store, "getAll", range, limit];
export const keysOf = (store, range, limit) => [store, "getAllKeys", range, limit];
export const countOf = (store) => [store, "count", undefined, undefined];
export const lastKey = (store) => [store, "openKeyCursor", undefined, "prev"];
export const put = (store, key, value) => [store, "put", row(value), key];
export const add = (value) => ["journal", "add", row(value), undefined];
/** Of a key, or of a range. */
export const remove = (store, key) => [store, "delete", key, undefined];
/** Beyond `from`, through `through`. */
export const span = (from, through) => IDBKeyRange.bound(from, through, true, false);

function row(value) {
  return typeof value === "string" ? bytes(value) : value;
}

async function answered(back, answer) {
  let isOpen = true;
  const end = () => (isOpen = false);
  answer.then(end, end);
  for (let left = ANSWER_MS_MAX; isOpen && left > 0; left -= STEP_MS) await back.pass(STEP_MS);
  assert.ok(!isOpen, "nobody answers");
  return answer;
}

const NAME = "bellwether:c";
const PATIENCE_MS = 10_000;
const ANSWER_MS_MAX = 30_000;
const STEP_MS = 50;
