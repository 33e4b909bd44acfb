// Pages with a copy each, the bus between them, and a storage that they share, without a browser.
//
// What always holds:
// - what a page says is copied at once and reaches each other page as a task of its own, in the order in which it was said;
// - nothing runs by itself: `quiet` runs what has been said, and `pass` moves the clock;
// - a page that is dead neither hears nor says anything, and what it had said before still arrives.
//
// Not here: who is to be primary; the test says so.

import { setImmediate as turn } from "node:timers/promises";

import { Keep } from "../build/js/keep.js";
import { Replica } from "../build/js/replica.js";
import { FakeStorage } from "./storage.mjs";

/** A world with some pages, of which the first is primary. With `items` there is a storage. */
export async function led(t, count, items) {
  const world = new World(t, items);
  const pages = [];
  while (pages.length < count) pages.push(await world.open());
  await world.lead(pages[0]);
  return [world, ...pages];
}

export class World {
  pages = [];
  /** Pairs of pages that do not hear one another, as `a b`. */
  cuts = new Set();
  /** What is on its way. */
  tasks = [];
  /** All that was said: from, to, and what. */
  said = [];
  #t;

  /** Takes the place of the clock until the test ends; `items` are those of the localStorage, if pages have one. */
  constructor(t, items) {
    this.#t = t;
    this.items = items;
    t.mock.timers.enable({ apis: ["setTimeout"] });
  }

  get living() {
    return this.pages.filter(({ isDead }) => !isDead);
  }

  /** A page comes, and is heard; it may have no storage, or another thing to `keep` by. */
  async open({ keep = this.items } = {}) {
    const page = new Page(this, `page-${this.pages.length + 1}`, keep);
    this.pages.push(page);
    page.replica.join();
    await this.quiet();
    return page;
  }

  say(from, to, data) {
    if (from.isDead) return;
    this.said.push([from.id, to, data]);
    for (const page of this.pages) {
      const hears = page !== from && (to === "" || to === page.id) && !this.isCut(from, page);
      if (hears) this.tasks.push({ page, from: from.id, data: structuredClone(data) });
    }
  }

  isCut(one, other) {
    return this.cuts.has(`${one.id} ${other.id}`) || this.cuts.has(`${other.id} ${one.id}`);
  }

  cut(one, other) {
    this.cuts.add(`${one.id} ${other.id}`);
  }

  /** Delivers one message, if there is one. */
  async step() {
    const task = this.tasks.shift();
    if (task && !task.page.isDead) task.page.replica.receive(task.from, task.data);
    await turn();
    return task !== undefined;
  }

  async quiet() {
    await turn();
    while (await this.step());
  }

  async pass(ms) {
    for (let left = ms; left > 0; left -= 50) {
      await this.quiet();
      this.#t.mock.timers.tick(Math.min(left, 50));
    }
    await this.quiet();
  }

  /** Makes a page the primary, and gives its store. */
  async lead(page, epoch = 1) {
    const leading = page.replica.lead(epoch);
    leading.catch(() => {});
    await this.pass(4_000);
    page.store = await leading;
    return page.store;
  }
}

class Page {
  isDead = false;
  /** It has a copy, or goes by what it has. */
  isReady = false;
  /** How often it was told that another is the primary. */
  fenced = 0;
  /** Of what it has appended: the text, and the position or the fault, in the order in which it became known. */
  done = [];

  constructor(world, id, keep) {
    this.world = world;
    this.id = id;
    this.storage = keep instanceof Map ? new FakeStorage(keep, () => this.die()) : undefined;
    this.replica = new Replica({
      page: id,
      keep: this.storage ? new Keep(this.storage, "c") : keep || undefined,
      say: (to, data) => world.say(this, to, data),
      fenced: () => (this.fenced += 1),
    });
    this.replica.journal.open(() => (this.isReady = true));
  }

  /** Appends a row for each text, at once; what came of it is in `done`. */
  append(...texts) {
    const rows = texts.map((text) => bytes(text));
    const all = new Uint8Array(rows.reduce((sum, row) => sum + row.length, 0));
    rows.reduce((at, row) => (all.set(row, at), at + row.length), 0);
    const lengths = Uint32Array.from(rows, (row) => row.length);
    this.replica.journal.append(all, lengths, "strict", (position, fault) => {
      if (!this.isDead) this.done.push(...texts.map((text) => [text, fault ?? position]));
    });
    all.fill(0);
  }

  /** One run that writes. */
  run(...requests) {
    return this.store.run(requests, "strict", undefined);
  }

  /** What the page's copy has of a store: pairs of key and text. */
  async read(store, after = -1, limit = 0) {
    return (await asked((done) => this.replica.journal.read(store, after, limit, done))).map(([key, row]) => [key, text(row)]);
  }

  async texts(store = "journal") {
    return (await this.read(store)).map(([, text]) => text);
  }

  /** It is gone from one moment to the next. */
  die() {
    this.isDead = true;
    this.replica.close();
  }
}

/** What a function with a callback gives. */
export function asked(ask) {
  return new Promise((resolve, reject) => ask((value, fault) => (fault ? reject(fault) : resolve(value))));
}

export function bytes(text) {
  return new TextEncoder().encode(text);
}

export function text(row) {
  return row instanceof Uint8Array ? new TextDecoder().decode(row) : row;
}

/** Numbers from 0 to below `count`, always the same for the same seed. */
export function dice(seed) {
  let state = seed;
  return (count) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % count;
  };
}
