// The rungs below IndexedDB as a whole, played at random: who hosts, and what becomes of the events meanwhile.
//
// Each story is drawn from a seed. Pages come, crash (also between two writes), hang, are frozen, left, brought back and closed;
// words between them are late and get lost; the storage refuses, and the server is away. `SEED` plays one, `SEEDS` so many.

import assert from "node:assert/strict";
import { test } from "node:test";

import { compare, compareTerms } from "../build/js/copy.js";
import { World, browsers } from "../testing/ladder-below.mjs";

const RUNGS = {
  "storage-mutex": { seeds: 60, hosts: "storage-mutex", hasStorage: true, hasBus: true },
  "storage-mutex without a bus": { seeds: 30, hosts: "storage-mutex", hasStorage: true, hasBus: false },
  "broadcast-vote": { seeds: 50, hosts: "broadcast-vote", hasStorage: false, hasBus: true },
  solo: { seeds: 20, hosts: "solo", hasStorage: false, hasBus: false },
};

for (const [rung, how] of Object.entries(RUNGS)) {
  test(`${rung}: what was stored takes effect once and in order, whatever befalls the pages`, async (t) => {
    await browsers(t);
    const [from, count] = [Number(process.env.SEED ?? 1), Number(process.env.SEEDS ?? (process.env.SEED ? 1 : how.seeds))];
    for (let seed = from; seed < from + count; seed += 1) await play(seed, how);
  });
}

for (const [planted, rung, shows] of [
  ["repeats", "storage-mutex", /takes effect twice/],
  ["forgets", "storage-mutex", /is lost/],
  ["unkept", "storage-mutex", /is lost/],
  ["overtakes", "broadcast-vote", /overtook/],
  ["unfenced", "storage-mutex", /the storage, \d+ goes back/],
  ["garbled", "broadcast-vote", /has another copy/],
  ["gives up", "broadcast-vote", /does not come to rest/],
]) {
  test(`a fault that is planted is seen: ${planted}`, async (t) => {
    await browsers(t);
    for (let seed = 1; seed <= 60; seed += 1) {
      const fault = await play(seed, { ...RUNGS[rung], planted }).catch((fault) => fault);
      if (fault && shows.test(fault.message)) return;
    }
    assert.fail("nothing is seen of it");
  });
}

async function play(seed, how) {
  const story = new Story(seed, how);
  await story.tell().catch((fault) => {
    throw new Error(`seed ${seed}: ${fault.message}\n${story.world.steps.join("\n")}`, { cause: fault });
  });
}

class Story {
  constructor(seed, how) {
    this.world = new World(seed, how);
    this.dice = this.world.dice;
    this.checker = new Checker(this.world);
  }

  async tell() {
    const { checker, world } = this;
    await this.#open();
    await world.pass(this.dice(8_000));
    for (let count = 0; count < 40; count += 1) {
      await this.#step();
      await world.pass([20, 300, 1_500, 5_000][this.dice(4)]);
      await checker.look();
    }
    await this.#mend();
    for (let seconds = 0; ; seconds += 1) {
      await world.pass(1_000);
      await checker.look();
      const trouble = await checker.unrest();
      if (trouble === undefined) break;
      assert.ok(seconds < 200, `it does not come to rest: ${trouble}`);
    }
    checker.judge();
    for (const page of world.living) page.die();
  }

  async #step() {
    const { world } = this;
    const page = this.#pick(world.living);
    const rolled = this.dice(100);
    if (!page || (rolled < 13 && world.living.length < 5)) return this.#open();
    if (rolled < 45) {
      for (let count = this.dice(3); count >= 0; count -= 1) await this.#enqueue(page);
    } else if (rolled < 49) this.#note(`${page.name} crashes`, () => page.die());
    else if (rolled < 52 && page.storage) {
      const lives = this.dice(12);
      this.#note(`${page.name} crashes after ${lives} writes`, () => (page.storage.lives = lives));
    } else if (rolled < 54) await this.#close(page);
    else if (rolled < 61) {
      // Whoever hosts has most to lose by it.
      const it = world.living.find(({ isHosting }) => isHosting) ?? page;
      this.#note(`${it.name} hangs`, () => it.hang());
    }
    else if (rolled < 64) await this.#freeze(page);
    else if (rolled < 67) await this.#leave(page);
    else if (rolled < 76) await this.#wake(this.#pick(world.living.filter(({ hung }) => hung)));
    else if (rolled < 79) this.#note(`${page.name} has late timers`, () => (page.lateMs = this.dice(1_500)));
    else if (rolled < 81) await this.#see(page);
    else if (rolled < 83) this.#note("the device sleeps", () => world.sleep(this.dice(30_000)));
    else if (rolled < 87) this.#talk();
    else if (rolled < 91) this.#cut(page);
    else if (rolled < 95) this.#note(`the server is ${world.server.isUp ? "away" : "back"}`, () => (world.server.isUp = !world.server.isUp));
    else if (page.storage) {
      const room = this.dice(2) ? Infinity : page.storage.used + this.dice(900);
      this.#note(`there is room for ${room}`, () => (page.storage.room = room));
    }
  }

  async #open() {
    const page = await this.world.open();
    this.#note(`${page.name} opens${page.isDead ? ", and cannot" : ""}`);
  }

  async #enqueue(page) {
    if (page.hung) return;
    let event;
    await this.#do(page, "", () => (event = page.enqueue()));
    this.#note(`${page.name} enqueues ${event}`);
  }

  async #close(page) {
    if (!page.hung) await this.#do(page, `${page.name} is closed`, () => page.close());
  }

  async #freeze(page) {
    if (page.hung) return;
    await this.#do(page, `${page.name} is frozen`, () => page.fire("document", "freeze"));
    page.isFrozen = true;
    page.hang();
  }

  async #leave(page) {
    if (page.hung) return;
    await this.#do(page, `${page.name} is left`, () => page.fire("window", "pagehide"));
    page.isLeft = true;
    page.hang();
  }

  async #wake(page) {
    if (!page) return;
    page.goOn();
    await this.#do(page, `${page.name} goes on`, () => {
      if (page.isFrozen) page.fire("document", "resume");
      if (page.isLeft) page.fire("window", "pageshow");
      page.isFrozen = page.isLeft = false;
    });
  }

  async #see(page) {
    if (page.hung) return;
    const { document } = page;
    document.visibilityState = document.visibilityState === "hidden" ? "visible" : "hidden";
    await this.#do(page, `${page.name} is ${document.visibilityState}`, () => page.fire("document", "visibilitychange"));
  }

  #talk() {
    const { world } = this;
    world.slownessMs = [5, 5, 300, 2_000][this.dice(4)];
    world.losses = [0, 0, 0, 20][this.dice(4)];
    this.#note(`words take up to ${world.slownessMs} ms, and ${world.losses} % are lost`);
  }

  #cut(page) {
    const { living } = this.world;
    const [other, isAll] = [this.#pick(living), this.dice(3) === 0];
    if (isAll) this.#note(`${page.name} and the others do not hear one another`, () => living.forEach((it) => this.world.cut(page, it)));
    else if (other === page) this.#note("all hear one another", () => this.world.cuts.clear());
    else this.#note(`${page.name} and ${other.name} do not hear one another`, () => this.world.cut(page, other));
  }

  /** Nothing befalls them any more, and each page that lives has one more event. */
  async #mend() {
    const { world } = this;
    this.#note("all is well");
    Object.assign(world, { slownessMs: 5, losses: 0 });
    world.cuts.clear();
    world.server.isUp = true;
    world.items.room = Infinity;
    for (const page of world.living) {
      page.lateMs = 0;
      if (page.storage) page.storage.lives = Infinity;
      await this.#wake(page.hung && page);
    }
    // Whoever was closed last is gone by then.
    await world.pass(300);
    if (world.living.length === 0) await this.#open();
    for (const page of world.living) await this.#enqueue(page);
  }

  #note(step, act = () => {}) {
    const at = `${(this.world.now / 1_000).toFixed(1)} s`;
    this.world.steps.push(`${at}: ${step}`);
    act();
  }

  async #do(page, step, act) {
    if (step !== "") this.#note(step);
    await this.world.act(page, act);
  }

  #pick(list) {
    return list[this.dice(list.length || 1)];
  }
}

/** Knows what was enqueued, what lies in copies and storage, and what the server has; and asks nobody what is right. */
class Checker {
  /** For each event the pages whose copy had it. */
  #seen = new Map();
  /** What a version is a copy of. */
  #copies = new Map();
  /** By page, and for the storage: the newest version and the latest term whose mark was seen. */
  #versions = new Map();
  #terms = new Map();

  constructor(world) {
    this.world = world;
    this.isAlone = world.how.hosts === "solo";
  }

  /** What no moment may show. */
  async look() {
    const { kept, living, torn } = this.world;
    // Who dies while it writes all anew leaves no head behind; then only the events count, and anybody may write.
    if (kept.head) this.#goesOn(`the storage, ${torn}`, kept.head, kept.mark);
    for (const page of living.filter(({ isReady }) => isReady)) {
      const { version } = page.replica;
      const [rows, marks] = [await page.read("journal"), await page.read("document")];
      this.#goesOn(page.name, version, new Map(marks).get("life"));
      for (const [, event] of rows) this.#sees(page, event);
      // What was kept and is known in part is of nobody.
      if (version.by === "") continue;
      const copy = JSON.stringify([rows, marks]);
      const known = this.#copies.get(show(version)) ?? copy;
      assert.equal(copy, known, `${page.name} has another copy of ${show(version)}`);
      this.#copies.set(show(version), copy);
    }
  }

  /** Nothing of an earlier primary is seen after something of a later one. */
  #goesOn(where, version, mark) {
    const last = this.#versions.get(where);
    if (version) {
      if (last && compare(last, version) > 0) assert.fail(`${where} goes back from ${show(last)} to ${show(version)}`);
      this.#versions.set(where, version);
    }
    if (!mark) return;
    const { term } = this.world.lives[mark - 1];
    const before = this.#terms.get(where) ?? term;
    assert.ok(compareTerms(before, term) <= 0, `${where} has what ${show(term)} wrote after ${show(before)}`);
    this.#terms.set(where, term);
  }

  #sees(page, event) {
    if (!this.#seen.has(event)) this.#seen.set(event, new Set());
    this.#seen.get(event).add(page);
  }

  /** Why it has not come to rest: one page hosts, or each if they hear nobody, nothing waits, and all have the same. */
  async unrest() {
    const { living } = this.world;
    if (living.some(({ isReady }) => !isReady)) return "a page waits for its copy";
    const hosts = living.filter(({ isHosting }) => isHosting).map(({ name }) => name);
    if (hosts.length !== (this.isAlone ? living.length : 1)) return `${hosts.join(", ") || "nobody"} hosts`;
    const copies = new Set();
    for (const page of living) {
      const [waits] = [...page.enqueued].find(([, it]) => it === undefined) ?? [];
      if (waits) return `${waits} is not stored`;
      const [rows, ...others] = await Promise.all(["journal", "document", "done", "lease"].map((store) => page.read(store)));
      if (rows.length > 0) return `${page.name} has ${rows.length} rows`;
      copies.add(JSON.stringify(others));
    }
    return this.isAlone || copies.size === 1 ? undefined : "pages have different copies";
  }

  /** At last. */
  judge() {
    const { how, pages, server } = this.world;
    const places = new Map();
    for (const event of server.log) {
      assert.ok(!places.has(event), `${event} takes effect twice`);
      places.set(event, places.size);
    }
    for (const page of pages) {
      const stored = [...page.enqueued].filter(([, it]) => it === true).map(([event]) => event);
      for (const event of stored) {
        const alive = [...new Set([page, ...(this.#seen.get(event) ?? [])])].filter(({ isDead }) => !isDead);
        const isPromised = how.hasStorage || alive.length > 0;
        assert.ok(!isPromised || places.has(event), `${event} is lost; ${alive.map(({ name }) => name).join(", ") || "no page"} lives that had it`);
      }
      const taken = stored.filter((event) => places.has(event));
      for (const [at, event] of taken.entries()) {
        const before = taken[at - 1];
        assert.ok(at === 0 || places.get(before) < places.get(event), `${event} overtook ${before}`);
      }
      const faults = page.faults.map(({ code, message }) => `${code}: ${message}`);
      assert.deepEqual(faults.filter((it) => it.startsWith("internal")), []);
    }
  }
}

function show({ by, epoch, seq }) {
  return `${epoch} of ${by.slice(0, 8)}${seq === undefined ? "" : `, ${seq}`}`;
}
