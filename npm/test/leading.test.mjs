// What a page has registered for leading while the module that knows of it cannot be loaded.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { appFault } from "../build/js/errors.js";
import { Leading } from "../build/js/leading.js";

const MINUTE = 60_000;

/** A page that looks at `bw.leader`, on a clock of the test's. */
async function page(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const window = new EventTarget();
  globalThis.window = window;
  t.after(() => delete globalThis.window);
  const over = new AbortController();
  const it = { faults: [], tries: [], done: [], now: 0, isThere: false, close: () => over.abort() };
  const begin = (what) => (name, _, stopped) => stopped.aborted || it.done.push(`${what} ${name}`);
  const part = {
    runExclusive: begin("runs"),
    handle: begin("handles"),
    delegate: async (task) => it.done.push(`delegates ${task}`),
  };
  const load = async () => {
    it.tries.push(it.now);
    if (!it.isThere) throw appFault("module-unavailable", "leader.js could not be loaded");
    return part;
  };
  it.pass = async (ms) => {
    for (const end = it.now + ms; it.now < end; ) {
      it.now += 1_000;
      t.mock.timers.tick(1_000);
      await turn();
    }
  };
  it.comeOnline = () => {
    window.dispatchEvent(new Event("online"));
    return turn();
  };
  it.leader = new Leading(load, over.signal, (fault) => it.faults.push(fault));
  await turn();
  return it;
}

test("what is registered meanwhile is there once it can be loaded, in its order, unless it was stopped", async (t) => {
  const it = await page(t);
  it.leader.runExclusive("poll", async () => {});
  it.leader.runExclusive("stopped", async () => {})();
  it.leader.handle("sum", async () => {});
  await it.pass(5_000);
  it.isThere = true;
  assert.deepEqual(it.done, []);
  await it.pass(1_000);
  assert.deepEqual(it.done, ["runs poll", "handles sum"]);
  assert.deepEqual([it.tries, it.faults.map(({ code }) => code)], [[0, 2_000, 6_000], ["module-unavailable"]]);
  it.leader.handle("late", async () => {});
  await it.leader.delegate("late");
  await it.pass(10 * MINUTE);
  assert.deepEqual([it.done.slice(2), it.tries.length], [["handles late", "delegates late"], 3]);
});

test("it is tried ever more seldom, once a minute in the end, and told once", async (t) => {
  const it = await page(t);
  await it.pass(5 * MINUTE);
  it.leader.handle("sum", async () => {});
  assert.deepEqual(it.tries, [0, 2, 6, 14, 30, 62, 122, 182, 242].map((seconds) => 1_000 * seconds));
  assert.equal(it.faults.length, 1);
});

test("when the network is back it is tried at once", async (t) => {
  const it = await page(t);
  it.leader.runExclusive("poll", async () => {});
  await it.pass(3 * MINUTE);
  const before = it.tries.length;
  await it.comeOnline();
  assert.equal(it.tries.length, before + 1);
  it.isThere = true;
  await it.comeOnline();
  assert.deepEqual([it.done, it.tries.length], [["runs poll"], before + 2]);
  await it.comeOnline();
  assert.equal(it.tries.length, before + 2);
});

test("a call that loads it brings with it what is registered before, and does not wait for the next try", async (t) => {
  const it = await page(t);
  await assert.rejects(it.leader.delegate("sum"), { code: "module-unavailable" });
  it.leader.handle("sum", async () => {});
  it.isThere = true;
  await it.leader.delegate("sum");
  assert.deepEqual(it.done, ["handles sum", "delegates sum"]);
  await it.pass(10 * MINUTE);
  assert.deepEqual([it.tries.length, it.done.length, it.faults.length], [3, 2, 1]);
});

test("a page that is closed does not try again", async (t) => {
  const it = await page(t);
  it.close();
  await it.comeOnline();
  await it.pass(10 * MINUTE);
  assert.deepEqual(it.tries, [0]);
});
