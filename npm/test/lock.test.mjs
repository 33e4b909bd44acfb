// Locks between pages: the browser's own, and the turns that pages take over `localStorage`.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { connector } from "../build/js/connect.js";
import { fakeClients, listening } from "../testing/client.mjs";
import "../testing/lead.mjs";

// Loaded once, so that no test waits for it longer than another.
await Promise.all(["later", "lead"].map((name) => import(`../build/js/${name}.js`)));

/** What all pages of a browser have in common. */
let world;

class Storage {
  getItem(key) {
    if (world.isRefused) throw new DOMException("no storage here", "SecurityError");
    return world.items.get(key) ?? null;
  }
  setItem(key, text) {
    if (world.isFull) throw new DOMException("full", "QuotaExceededError");
    world.items.set(key, text);
  }
  removeItem(key) {
    if (world.isRefused) throw new DOMException("no storage here", "SecurityError");
    world.items.delete(key);
  }
}

/** Like `navigator.locks`: one holder per name, the others in a queue. */
class Locks {
  asked = [];
  queues = new Map();

  async request(name, { ifAvailable, signal, steal }, use) {
    assert.ok(!(ifAvailable && signal), "the browser refuses the two together");
    assert.ok(!steal);
    if (this.fault) throw this.fault;
    this.asked.push(name);
    signal?.throwIfAborted();
    const queue = this.queues.get(name) ?? [];
    if (ifAvailable && queue.length > 0) return use(null);
    this.queues.set(name, queue);
    const own = {};
    queue.push(own);
    if (queue[0] !== own) {
      await new Promise((resolve, reject) => {
        own.grant = resolve;
        signal?.addEventListener("abort", () => {
          queue.splice(queue.indexOf(own), 1);
          reject(signal.reason);
        });
      });
    }
    const stolen = new Promise((_, reject) => (own.steal = reject));
    try {
      return await Promise.race([use({ name }), stolen]);
    } finally {
      queue.shift();
      queue[0]?.grant?.();
    }
  }
}

const pages = [];

beforeEach(() => {
  world = { items: new Map(), events: new EventTarget(), now: 1_000 };
  globalThis.localStorage = new Storage();
  globalThis.addEventListener = (...how) => world.events.addEventListener(...how);
  globalThis.removeEventListener = (...how) => world.events.removeEventListener(...how);
  browser({});
});

afterEach(() => Promise.all(pages.splice(0).map((page) => page.close())));

function browser(value) {
  Object.defineProperty(globalThis, "navigator", { configurable: true, value });
}

async function open(channel = "c") {
  const clients = fakeClients();
  // A page per call, as if each were in a tab of its own: no two share a `connect`.
  const page = await connector("b1", async () => clients)({ channel });
  pages.push(page);
  await listening();
  const errors = [];
  page.addEventListener("error", (event) => errors.push(event.detail));
  return { page, errors };
}

/** Takes the clock away from the machine's own; `pass` moves it. */
function timers(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => world.now);
}

/** Lets what was begun come to its end. */
async function quiet() {
  for (let turns = 0; turns < 10; turns += 1) await turn();
}

async function pass(t, ms, step = 25) {
  for (let passed = 0; passed < ms; passed += step) {
    world.now += step;
    t.mock.timers.tick(step);
    await quiet();
  }
}

/** Something that runs until it is told to end. */
function work() {
  const it = { runs: 0 };
  it.fn = () => {
    it.runs += 1;
    return new Promise((resolve, reject) => Object.assign(it, { end: resolve, fail: reject }));
  };
  return it;
}

/** A page that works under the browser's own lock. */
async function working() {
  const locks = new Locks();
  browser({ locks });
  const { page, errors } = await open();
  const it = work();
  const call = page.withLock("n", it.fn);
  await quiet();
  return { locks, page, errors, it, call };
}

const Y = "bellwether:c:lock:n:y";

test("the browser's lock is taken under a name of its own, and what `fn` gives comes back", async () => {
  const locks = new Locks();
  browser({ locks });
  const { page } = await open("a b");
  assert.equal(await page.withLock("n", () => 7), 7);
  assert.equal(await page.withLock("n", async () => "later"), "later");
  assert.deepEqual(locks.asked, ["bellwether:a%20b:lock:n", "bellwether:a%20b:lock:n"]);
  const { waitedMs, ...counts } = await page.lockMetrics();
  assert.deepEqual(counts, { acquired: 2, contended: 0, timedOut: 0, lost: 0, ranWithout: 0 });
  assert.ok(waitedMs >= 0);
  assert.equal(world.items.size, 0);
});

for (const [way, make] of [
  ["with Web Locks", () => browser({ locks: new Locks() })],
  ["without Web Locks", () => browser({})],
]) {
  test(`${way} two pages take turns`, async (t) => {
    make();
    const [ann, ben] = [await open(), await open()];
    timers(t);
    const [first, second] = [work(), work()];
    const ofAnn = ann.page.withLock("n", first.fn);
    await quiet();
    const ofBen = ben.page.withLock("n", second.fn);
    await pass(t, 1_000);
    assert.deepEqual([first.runs, second.runs], [1, 0]);
    first.end("ann");
    assert.equal(await ofAnn, "ann");
    await pass(t, 500);
    assert.equal(second.runs, 1);
    second.end("ben");
    assert.equal(await ofBen, "ben");
    const counts = await ben.page.lockMetrics();
    assert.deepEqual([counts.acquired, counts.contended], [1, 1]);
    assert.ok(counts.waitedMs >= 1_000 && counts.waitedMs <= 1_200, `${counts.waitedMs}`);
    assert.equal((await ann.page.lockMetrics()).contended, 0);
    assert.deepEqual([...ann.errors, ...ben.errors], []);
    assert.ok(!world.items.has(Y));
  });

  test(`${way} other names and other channels do not wait`, async (t) => {
    make();
    const [ann, ben] = [await open("c"), await open("d")];
    timers(t);
    const works = [work(), work(), work()];
    const calls = [
      ann.page.withLock("n", works[0].fn),
      ann.page.withLock("m", works[1].fn),
      ben.page.withLock("n", works[2].fn),
    ];
    await quiet();
    await pass(t, 100);
    assert.deepEqual(works.map(({ runs }) => runs), [1, 1, 1]);
    works.forEach(({ end }) => end());
    await Promise.all(calls);
  });

  test(`${way} waiting ends by time, and a call within another of its name says so`, async (t) => {
    make();
    const ann = await open();
    timers(t);
    const held = work();
    const holding = ann.page.withLock("n", held.fn);
    await quiet();
    await pass(t, 100);
    const nested = ann.page.withLock("n", () => assert.fail(), { timeout: 300 });
    const rejected = assert.rejects(nested, (fault) => {
      assert.deepEqual([fault.code, fault.culprit, fault.retryable], ["lock-timeout", "app", true]);
      assert.match(fault.message, /"n".* 300 ms.* this page itself holds it/);
      return true;
    });
    await pass(t, 400);
    await rejected;
    held.end();
    await holding;
    const { timedOut, acquired, contended } = await ann.page.lockMetrics();
    assert.deepEqual([acquired, contended, timedOut], [1, 1, 1]);
  });

  test(`${way} a signal ends the waiting, and leaves nothing behind`, async (t) => {
    make();
    const [ann, ben] = [await open(), await open()];
    timers(t);
    const held = work();
    const holding = ann.page.withLock("n", held.fn);
    await quiet();
    await pass(t, 100);
    const control = new AbortController();
    const call = ben.page.withLock("n", () => assert.fail(), { signal: control.signal });
    const why = new Error("the user left");
    const rejected = assert.rejects(call, (fault) => {
      assert.deepEqual([fault.code, fault.culprit, fault.cause], ["aborted", "app", why]);
      return true;
    });
    await pass(t, 100);
    control.abort(why);
    await rejected;
    held.end();
    await holding;
    await pass(t, 500);
    assert.ok(!world.items.has(Y));
    const early = ben.page.withLock("n", () => assert.fail(), { signal: AbortSignal.abort() });
    await assert.rejects(early, { code: "aborted" });
    // Once it runs, the signal is nothing to it.
    const other = new AbortController();
    const running = work();
    const late = ben.page.withLock("n", running.fn, { signal: other.signal });
    await quiet();
    await pass(t, 100);
    other.abort();
    await quiet();
    running.end("done");
    assert.equal(await late, "done");
  });

  test(`${way} what \`fn\` throws goes through, and the lock is free`, async (t) => {
    make();
    const { page, errors } = await open();
    timers(t);
    const fault = new RangeError("no");
    for (const fn of [() => { throw fault; }, async () => { throw fault; }]) {
      const call = page.withLock("n", fn);
      const rejected = assert.rejects(call, (cause) => cause === fault);
      await quiet();
      await pass(t, 100);
      await rejected;
    }
    const call = page.withLock("n", () => "free", { timeout: 0 });
    await quiet();
    await pass(t, 100);
    assert.equal(await call, "free");
    assert.deepEqual(errors, []);
  });

  test(`${way} a page that closes waits no more`, async (t) => {
    make();
    const [ann, ben] = [await open(), await open()];
    timers(t);
    const held = work();
    const holding = ann.page.withLock("n", held.fn);
    await quiet();
    const rejected = assert.rejects(ben.page.withLock("n", () => assert.fail()), { code: "closed" });
    await pass(t, 100);
    await ben.page.close();
    await rejected;
    await assert.rejects(ben.page.withLock("n", () => assert.fail()), { code: "closed" });
    held.end();
    await holding;
    await pass(t, 100);
  });
}

test("a stolen lock is told, and `fn` goes on", async () => {
  const { locks, page, errors, it, call } = await working();
  const stolen = new DOMException("stolen", "AbortError");
  locks.queues.get("bellwether:c:lock:n")[0].steal(stolen);
  await quiet();
  assert.deepEqual(errors.map(({ code, culprit }) => [code, culprit]), [["lock-lost", "browser"]]);
  it.end("done");
  assert.equal(await call, "done");
  assert.equal((await page.lockMetrics()).lost, 1);
});

test("a holder that died is followed once its mark has stood for 10 s, over several calls", async (t) => {
  world.items.set(Y, "123456");
  const { page } = await open();
  timers(t);
  const first = assert.rejects(page.withLock("n", () => assert.fail()), { code: "lock-timeout" });
  await pass(t, 5_100);
  await first;
  await pass(t, 3_000, 500);
  const it = work();
  const call = page.withLock("n", it.fn);
  await pass(t, 1_000);
  assert.equal(it.runs, 0);
  await pass(t, 1_500);
  assert.equal(it.runs, 1);
  it.end();
  await call;
});

test("what is no mark expires like one", async (t) => {
  world.items.set(Y, "what is this");
  const { page } = await open();
  timers(t);
  const call = page.withLock("n", () => "taken", { timeout: 20_000 });
  await pass(t, 10_500);
  assert.equal(await call, "taken");
});

test("a holder renews its mark, for as long as it takes", async (t) => {
  const [ann, ben] = [await open(), await open()];
  timers(t);
  const held = work();
  const holding = ann.page.withLock("n", held.fn);
  await quiet();
  await pass(t, 100);
  const marks = new Set();
  const rejected = assert.rejects(ben.page.withLock("n", () => assert.fail(), { timeout: 25_000, maxRetries: 9_999 }), {
    code: "lock-timeout",
  });
  for (let rounds = 0; rounds < 10; rounds += 1) {
    await pass(t, 2_600, 50);
    marks.add(world.items.get(Y));
  }
  await rejected;
  assert.equal(marks.size, 10);
  held.end();
  await holding;
  assert.ok(!world.items.has(Y));
});

test("a lock that was lost is told, and letting go of it throws nothing", async (t) => {
  const { page, errors } = await open();
  timers(t);
  const it = work();
  const call = page.withLock("n", it.fn);
  await quiet();
  await pass(t, 100);
  world.items.clear();
  await pass(t, 2_600);
  assert.deepEqual(errors.map(({ code, culprit }) => [code, culprit]), [["lock-lost", "browser"]]);
  assert.match(errors[0].message, /"n" was lost/);
  it.end("done");
  assert.equal(await call, "done");
  assert.equal((await page.lockMetrics()).lost, 1);
});

test("a lock that was lost without anybody noticing is told when it is let go", async (t) => {
  const { page, errors } = await open();
  timers(t);
  const it = work();
  const call = page.withLock("n", it.fn);
  await quiet();
  await pass(t, 100);
  world.items.set(Y, "77");
  it.end("done");
  assert.equal(await call, "done");
  assert.deepEqual(errors.map(({ code }) => code), ["lock-lost"]);
  assert.equal(world.items.get(Y), "77");
});

test("storage that fails while the lock is held is told, and letting go throws nothing", async (t) => {
  for (const [trouble, told] of [["isFull", 1], ["isRefused", 1]]) {
    const { page, errors } = await open();
    t.mock.timers.reset();
    t.mock.restoreAll();
    timers(t);
    const it = work();
    const call = page.withLock(`n-${trouble}`, it.fn);
    await quiet();
    await pass(t, 100);
    world[trouble] = true;
    await pass(t, 2_600);
    assert.deepEqual(errors.map(({ code }) => code), Array(told).fill("lock-lost"));
    it.end("done");
    assert.equal(await call, "done");
    world[trouble] = false;
    t.mock.timers.reset();
    t.mock.restoreAll();
  }
});

test("letting go of a lock that storage refuses to give back throws nothing", async (t) => {
  const { page } = await open();
  timers(t);
  const it = work();
  const call = page.withLock("n", it.fn);
  await quiet();
  await pass(t, 100);
  world.isRefused = true;
  it.end("done");
  assert.equal(await call, "done");
});

test("a page that goes out of the window lets go, and is told if it comes back", async (t) => {
  const { page, errors } = await open();
  timers(t);
  const it = work();
  const call = page.withLock("n", it.fn);
  await quiet();
  await pass(t, 100);
  world.events.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
  assert.ok(!world.items.has(Y));
  assert.deepEqual(errors.map(({ code }) => code), ["lock-lost"]);
  it.end("done");
  assert.equal(await call, "done");
});

test("a page that goes out of the window lets go of the browser's lock, too", async () => {
  const { locks, errors, it, call } = await working();
  const isHeld = () => [...locks.queues.values()].some((queue) => queue.length > 0);
  assert.ok(isHeld());
  world.events.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
  await quiet();
  assert.ok(!isHeld());
  assert.deepEqual(errors.map(({ code }) => code), ["lock-lost"]);
  it.end("done");
  assert.equal(await call, "done");
  world.events.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
  assert.equal(errors.length, 1, "it holds nothing any more");
});

test("without locks and storage there is an error, or a warning where that was asked for", async (t) => {
  const warned = t.mock.method(console, "warn", () => {});
  for (const prepare of [
    () => (globalThis.localStorage = undefined),
    () => ((globalThis.localStorage = new Storage()), (world.isRefused = true)),
    () => ((world.isRefused = false), (world.isFull = true)),
    () => {
      const locks = new Locks();
      locks.fault = new DOMException("not here", "SecurityError");
      browser({ locks });
    },
  ]) {
    prepare();
    const { page } = await open();
    await assert.rejects(page.withLock("n", () => assert.fail()), (fault) => {
      assert.deepEqual([fault.code, fault.culprit], ["lock-unavailable", "browser"]);
      assert.match(fault.message, /neither Web Locks nor `localStorage`/);
      return true;
    });
    warned.mock.resetCalls();
    assert.equal(await page.withLock("n", () => 7, { runWithout: true }), 7);
    assert.match(warned.mock.calls[0].arguments[0], /"n".*; it runs without$/);
    const { acquired, ranWithout } = await page.lockMetrics();
    assert.deepEqual([acquired, ranWithout], [0, 1]);
  }
});

test("a lock that another page has for too long can be waited for longer", async (t) => {
  world.items.set(Y, "123456");
  const { page } = await open();
  timers(t);
  const call = page.withLock("n", () => assert.fail(), { maxRetries: 3, lockCheckInterval: 100 });
  const rejected = assert.rejects(call, (fault) => {
    assert.equal(fault.code, "lock-timeout");
    assert.match(fault.message, /within 5000 ms or 3 looks; call again, or wait longer$/);
    return true;
  });
  await pass(t, 500);
  await rejected;
  assert.equal(world.items.size, 1, "who only looks writes nothing");

  const patient = page.withLock("n", () => assert.fail(), { timeout: 6_000, lockCheckInterval: 10 });
  const given = assert.rejects(patient, (fault) => {
    assert.match(fault.message, /within 6000 ms; call again/);
    return true;
  });
  await pass(t, 5_900);
  assert.equal((await page.lockMetrics()).timedOut, 1, "600 looks are no bound");
  await pass(t, 200);
  await given;
});

test("what was asked for has to be usable, and unknown options are refused", async () => {
  const { page } = await open();
  const fn = () => assert.fail();
  for (const [name, use, options, words] of [
    [7, fn, {}, /`name` is "7"/],
    ["n", "fn", {}, /`fn` is "fn"/],
    ["n", fn, { timeout: -1 }, /`timeout` is "-1"/],
    ["n", fn, { timeout: NaN }, /`timeout` is "NaN"/],
    ["n", fn, { timeout: "5" }, /`timeout` is "5"/],
    ["n", fn, { lockCheckInterval: Infinity }, /`lockCheckInterval` is "Infinity"/],
    ["n", fn, { maxRetries: 2 ** 31 }, /`maxRetries` is "2147483648"/],
    ["n", fn, { signal: {} }, /`signal` is object/],
    ["n", fn, { runWithout: 1 }, /`runWithout` is "1"/],
    ["n", fn, { steal: true }, /no option `steal`/],
    ["n", fn, null, /`options` is null/],
  ]) {
    await assert.rejects(page.withLock(name, use, options), (fault) => {
      assert.equal(fault.code, "option-invalid");
      assert.match(fault.message, words);
      return true;
    });
  }
});
