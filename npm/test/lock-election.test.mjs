// Elections by locks, among pages of one browser whose locks are the test's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { LockElection } from "../build/js/lock-election.js";
import { Browser } from "../testing/pages.mjs";

/** Pages that stand for the lock `lead`, and one count of epochs; `log` has what happened. */
function elections(t) {
  const browser = new Browser(t);
  const world = { browser, epoch: 0, log: [], raise: async () => (world.epoch += 1) };
  world.open = async () => {
    const page = await browser.open({}, () => {});
    const raise = () => {
      world.log.push(`${page.id} raises`);
      return world.raise();
    };
    const election = new LockElection("lead", raise);
    page.serves = [];
    const serve = (held, epoch) => {
      world.log.push(`${page.id} serves ${epoch}`);
      held.addEventListener("abort", () => world.log.push(`${page.id} has lost ${epoch}`));
      return new Promise((end, fail) => page.serves.push({ held, end, fail }));
    };
    const go = (how) => async () => {
      const control = new AbortController();
      const it = { abort: () => page.run(() => control.abort()) };
      page.run(() => {
        const settle = (ends) => (cause) => Object.assign(it, { ends, cause });
        election[how](control.signal, serve).then(settle("resolved"), settle("rejected"));
      });
      await browser.quiet();
      return it;
    };
    return Object.assign(page, { stand: go("stand"), take: go("take") });
  };
  /** What happened since it was asked last. */
  world.happened = async () => {
    await browser.quiet();
    return world.log.splice(0);
  };
  return world;
}

test("one page serves at a time, each under a higher epoch that was raised before", async (t) => {
  const world = elections(t);
  const [first, second] = [await world.open(), await world.open()];
  const standing = await first.stand();
  await second.stand();
  assert.deepEqual(await world.happened(), ["page-1 raises", "page-1 serves 1"]);
  assert.equal(world.browser.timers.size, 0, "who waits has no timer");
  standing.abort();
  assert.deepEqual(await world.happened(), ["page-1 has lost 1"], "the lock is kept while something is served");
  first.serves[0].end();
  assert.deepEqual(await world.happened(), ["page-2 raises", "page-2 serves 2"]);
  assert.equal(standing.ends, "resolved");
});

test("what ends lets the next page have its turn, and its page stands on", async (t) => {
  const world = elections(t);
  const [first, second] = [await world.open(), await world.open()];
  await first.stand();
  await second.stand();
  first.serves[0].end();
  await world.happened();
  assert.equal(first.serves[0].held.aborted, true);
  second.serves[0].end();
  assert.deepEqual((await world.happened()).slice(1), ["page-1 raises", "page-1 serves 3"]);
});

test("nobody serves before the epoch is on disk, and not if it has left meanwhile", async (t) => {
  const world = elections(t);
  const page = await world.open();
  let raised;
  world.raise = () => new Promise((resolve) => (raised = resolve));
  const standing = await page.stand();
  assert.deepEqual(await world.happened(), ["page-1 raises"]);
  standing.abort();
  raised(4);
  assert.deepEqual(await world.happened(), []);
  assert.equal(standing.ends, "resolved");
  assert.equal(world.browser.locks.queues.get("lead").length, 0);
});

test("who leaves while it waits gives up its place", async (t) => {
  const world = elections(t);
  const [first, second] = [await world.open(), await world.open()];
  await first.stand();
  const waiting = await second.stand();
  await world.happened();
  waiting.abort();
  await world.browser.quiet();
  assert.equal(waiting.ends, "resolved");
  first.serves[0].end();
  assert.deepEqual(await world.happened(), ["page-1 has lost 1", "page-1 raises", "page-1 serves 2"]);
});

test("who takes the role raises the epoch first, and whoever had it is told and stands again", async (t) => {
  const world = elections(t);
  const [first, second] = [await world.open(), await world.open()];
  await first.stand();
  await world.happened();
  let raised;
  world.raise = () => new Promise((resolve) => (raised = resolve));
  const taking = await second.take();
  assert.deepEqual(await world.happened(), ["page-2 raises"]);
  assert.equal(world.browser.locks.stolen, 0);
  raised(5);
  assert.deepEqual((await world.happened()).sort(), ["page-1 has lost 1", "page-2 raises"]);
  raised(6);
  assert.deepEqual(await world.happened(), ["page-2 serves 6"]);
  assert.deepEqual(world.browser.locks.queues.get("lead").map(({ page }) => page.id), ["page-2", "page-1"]);
  second.serves[0].end();
  await world.browser.quiet();
  assert.equal(taking.ends, "resolved", "it has taken the role once");
  raised(7);
  assert.deepEqual((await world.happened()).slice(-1), ["page-1 serves 7"]);
});

test("of two that take the role at once each serves under a higher epoch than whoever served before", async (t) => {
  const world = elections(t);
  const pages = [await world.open(), await world.open(), await world.open()];
  await pages[0].stand();
  const raising = [];
  world.raise = () => {
    const epoch = (world.epoch += 1);
    return new Promise((resolve) => raising.push(() => resolve(epoch)));
  };
  await pages[1].take();
  await pages[2].take();
  const served = async () => (await world.happened()).filter((it) => it.includes("serves")).map((it) => it.split(" ").at(-1));
  assert.deepEqual(await served(), ["1"]);
  // The later epoch is had, and served under, before the earlier one is told of.
  const epochs = [];
  for (const at of [1, 1, 0, 0]) {
    raising.splice(at, 1)[0]?.();
    epochs.push(...(await served()));
  }
  assert.deepEqual(epochs, ["4", "5"]);
  assert.deepEqual(world.browser.locks.queues.get("lead").map(({ page }) => page.id).slice(0, 1), ["page-2"]);
});

test("who is robbed before its epoch is raised serves nothing", async (t) => {
  const world = elections(t);
  const [first, second] = [await world.open(), await world.open()];
  const raising = [];
  world.raise = () => new Promise((resolve) => raising.push(resolve));
  const taking = await first.take();
  raising.shift()(1);
  await world.browser.quiet();
  await second.take();
  raising.pop()(2);
  await world.browser.quiet();
  raising.shift()(3);
  raising.shift()(4);
  assert.deepEqual((await world.happened()).filter((it) => it.includes("serves")), ["page-2 serves 4"]);
  assert.equal(taking.ends, "resolved");
});

/** One page leads, and another takes that from it: the epoch is not raised before the test says so, by `raised`. */
async function takingUnraised(t) {
  const world = elections(t);
  const [first, second] = [await world.open(), await world.open()];
  await first.stand();
  let raised;
  world.raise = () => new Promise((resolve) => (raised = resolve));
  const taking = await second.take();
  return { world, first, second, taking, raised };
}

test("who leaves before the epoch is raised takes nothing", async (t) => {
  const { world, first, second, taking, raised } = await takingUnraised(t);
  taking.abort();
  raised(5);
  await world.browser.quiet();
  assert.deepEqual([taking.ends, world.browser.locks.stolen, first.serves[0].held.aborted], ["resolved", 0, false]);
});

test("an epoch that is not raised within 15 s is given up, and nothing is taken", async (t) => {
  const { world, first, second, taking, raised } = await takingUnraised(t);
  await world.browser.pass(14_999);
  assert.equal(taking.ends, undefined);
  await world.browser.pass(1);
  assert.deepEqual([taking.ends, taking.cause.code, taking.cause.culprit], ["rejected", "leader-unavailable", "browser"]);
  raised(9);
  await world.browser.quiet();
  assert.deepEqual([world.browser.locks.stolen, first.serves[0].held.aborted, second.serves], [0, false, []]);
});

for (const [how, end] of [
  ["taken", (world) => world.browser.pass(15_000)],
  ["stood for, and its page is left", (world, asked) => asked.abort()],
]) {
  test(`a lock that is ${how} is let go of, also if the epoch is never raised`, async (t) => {
    const world = elections(t);
    const [first, second] = [await world.open(), await world.open()];
    await first.stand();
    let raises = 0;
    world.raise = () => (++raises < 2 ? Promise.resolve(5) : new Promise(() => {}));
    if (how !== "taken") world.raise = () => new Promise(() => {});
    const asked = await (how === "taken" ? second.take() : second.stand());
    if (how !== "taken") first.serves[0].end();
    await world.browser.quiet();
    const holder = () => world.browser.locks.queues.get("lead").find(({ isHeld }) => isHeld)?.page.id;
    assert.equal(holder(), second.id);
    await end(world, asked);
    await world.browser.quiet();
    assert.equal(holder(), first.id);
  });
}

test("who takes the role has it for as long as it takes", async (t) => {
  const world = elections(t);
  const page = await world.open();
  const taking = await page.take();
  assert.equal(world.browser.timers.size, 0);
  await world.browser.pass(60_000);
  assert.deepEqual([taking.ends, page.serves[0].held.aborted], [undefined, false]);
  page.serves[0].end();
  await world.browser.quiet();
  assert.equal(taking.ends, "resolved");
});

for (const cause of [new Error("no disk"), new DOMException("it was aborted", "AbortError")]) {
  for (const how of ["stand", "take"]) {
    test(`an epoch that cannot be raised (${cause.name}) ends it, once, and whoever would ${how} is told`, async (t) => {
      const world = elections(t);
      const page = await world.open();
      let tries = 0;
      world.raise = async () => {
        // What goes on in a loop would never let the test end.
        if ((tries += 1) > 3) await new Promise(() => {});
        throw cause;
      };
      const it = await page[how]();
      await turn();
      assert.deepEqual([tries, it.ends, it.cause], [1, "rejected", cause]);
      assert.deepEqual(page.serves, []);
      assert.deepEqual((await world.browser.locks.query()).held, [], "another page has its turn");
    });
  }
}

test("what fails while it serves is told, and lets go of the lock", async (t) => {
  const world = elections(t);
  const page = await world.open();
  const standing = await page.stand();
  const cause = new DOMException("what it fetched was aborted", "AbortError");
  page.serves[0].fail(cause);
  await world.browser.quiet();
  assert.deepEqual([standing.ends, standing.cause, page.serves[0].held.aborted], ["rejected", cause, true]);
  assert.deepEqual((await world.browser.locks.query()).held, []);
});

test("a lock that the browser refuses is told of, unless the page has left", async (t) => {
  const world = elections(t);
  const page = await world.open();
  const cause = new DOMException("not here", "SecurityError");
  world.browser.locks.faults.set("lead", cause);
  for (const how of ["stand", "take"]) {
    const it = await page[how]();
    assert.deepEqual([it.ends, it.cause], ["rejected", cause]);
  }
  world.browser.locks.faults.clear();
  const standing = await page.stand();
  standing.abort();
  page.serves[0].fail(cause);
  await world.browser.quiet();
  assert.equal(standing.ends, "resolved");
});
