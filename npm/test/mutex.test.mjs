// Taking turns over the items of a storage, when the page that asks is left.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { byMutex } from "../build/js/mutex.js";
import { FakeMutex } from "../testing/mutex.mjs";

let world;

beforeEach(() => {
  world = { items: new Map(), events: new EventTarget(), now: 1_000, listeners: 0 };
  const refuse = () => {
    if (world.fault) throw world.fault;
  };
  globalThis.localStorage = {
    getItem: (key) => (refuse(), world.items.get(key) ?? null),
    setItem: (key, text) => (refuse(), world.items.set(key, text)),
    removeItem: (key) => (refuse(), world.items.delete(key)),
  };
  globalThis.addEventListener = (...how) => {
    world.listeners += 1;
    world.events.addEventListener(...how);
  };
  globalThis.removeEventListener = (...how) => {
    world.listeners -= 1;
    world.events.removeEventListener(...how);
  };
});

/** Takes the clock away until the test ends. */
function clock(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(performance, "now", () => world.now);
}

async function pass(t, ms) {
  for (let passed = 0; passed < ms; passed += 25) {
    world.now += 25;
    t.mock.timers.tick(25);
    await turn();
  }
}

/** Asks for the lock; `ended` tells how that has ended. */
function ask({ timeout = 5_000 } = {}) {
  const control = new AbortController();
  const asking = { abort: () => control.abort(new Error("not any more")) };
  const limits = { timeout, lockCheckInterval: 50, maxRetries: 1_000 };
  const about = { key: KEY, limits, signal: control.signal, onLost: () => (asking.isLost = true) };
  byMutex(() => new FakeMutex(), about).then(
    (release) => Object.assign(asking, { release, ended: release ? "held" : "gave up" }),
    (cause) => Object.assign(asking, { cause, ended: "rejected" }),
  );
  return asking;
}

/** The page is left. */
function hide(persisted) {
  world.events.dispatchEvent(Object.assign(new Event("pagehide"), { persisted }));
}

const KEY = "lock:n";
const Y = `${KEY}:y`;

for (const [shows, persisted] of [["may come back", true], ["does not come back", false]]) {
  test(`the mark of a page that is left while it asks, and ${shows}, is erased`, async (t) => {
    clock(t);
    const asking = ask();
    await turn();
    assert.ok(world.items.has(Y));
    hide(persisted);
    assert.ok(!world.items.has(Y));
    assert.equal(asking.ended, undefined);
  });
}

test("a page that comes back goes on asking, and has the lock in its turn", async (t) => {
  clock(t);
  const asking = ask();
  await turn();
  hide(true);
  const other = ask();
  await pass(t, 500);
  assert.deepEqual([asking.ended, other.ended].filter(Boolean), ["held"]);
  (asking.release ?? other.release)();
  await pass(t, 500);
  assert.deepEqual([asking.ended, other.ended], ["held", "held"]);
});

test("another's mark stays, whatever this page has written before", async (t) => {
  clock(t);
  world.items.set(Y, "123456");
  const waiting = ask();
  await pass(t, 100);
  hide(true);
  assert.equal(world.items.get(Y), "123456", "it has written none");
  waiting.abort();
  await pass(t, 100);

  world.items.delete(Y);
  ask();
  await turn();
  assert.ok(world.items.has(Y));
  world.items.set(Y, "654321");
  hide(true);
  assert.equal(world.items.get(Y), "654321", "its own was written over");
});

test("a storage that refuses keeps nobody from leaving", async (t) => {
  clock(t);
  ask();
  await turn();
  const faults = [];
  const note = (cause) => faults.push(cause);
  process.on("uncaughtException", note);
  t.after(() => process.off("uncaughtException", note));
  world.fault = new DOMException("not here", "SecurityError");
  hide(false);
  await turn();
  assert.deepEqual(faults, []);
});

for (const [shows, end, ended] of [
  ["held and let go of", (asking) => asking.release(), "held"],
  ["held when the page is left", () => hide(true), "held"],
  ["given up", async () => {}, "gave up"],
  ["aborted", (asking) => asking.abort(), "rejected"],
]) {
  test(`what was ${shows} is over: nothing listens, and nothing is erased`, async (t) => {
    clock(t);
    if (ended !== "held") world.items.set(Y, "123456");
    const asking = ask({ timeout: 300 });
    await pass(t, ended === "rejected" ? 100 : 500);
    const mark = world.items.get(Y);
    await end(asking);
    await pass(t, 100);
    assert.equal(asking.ended, ended);
    assert.equal(world.listeners, 0);
    world.items.set(Y, mark);
    hide(true);
    assert.equal(world.items.get(Y), mark);
  });
}

for (const [who, timeouts] of [["of two that ask at once", [1_000, 1_000]], ["of two of which the latter gives up first", [1_200, 1_000]]]) {
  test(`what was seen of a dead holder's mark is not lost, ${who}`, async (t) => {
    clock(t);
    world.items.set(`${KEY}:y`, "123456");
    for (let rounds = 0; rounds < 10; rounds += 1) {
      const asking = timeouts.map((timeout) => ask({ timeout }));
      await pass(t, 1_300);
      if (asking.some(({ ended }) => ended === "held")) return;
    }
    assert.fail("nobody has the lock, and the mark has stood for 13 s");
  });
}
