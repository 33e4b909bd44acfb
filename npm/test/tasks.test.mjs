// Tasks that pages give to one another, in a browser whose clock and bus are the test's.

import assert from "node:assert/strict";
import { test } from "node:test";

import { copied } from "../build/js/parcel.js";
import { Leaders } from "../testing/leaders.mjs";

test("a task is done by another page that can, and its result comes back; a copy each", async (t) => {
  const { browser, pages, handles, delegates } = await opened(t, 3);
  const [first, , third] = pages;
  const got = [];
  await handles(first, async () => assert.fail("other pages go first"));
  await handles(third, async (input) => {
    got.push(input);
    return { by: third.id, bytes: new Uint8Array([1, 2]), at: [input.at, null, undefined] };
  });
  const input = { at: 7, bytes: new Uint8Array([3]) };
  const { value } = await delegates(first, input);
  assert.deepEqual(value, { by: third.id, bytes: new Uint8Array([1, 2]), at: [7, null, undefined] });
  assert.deepEqual(got, [input]);
  assert.notEqual(got[0].bytes, input.bytes);
  assert.equal(browser.timers.size, 0, "and no timer is left");
});

test("a page does a task itself if no other says that it can", async (t) => {
  const { browser, pages, handles, delegates } = await opened(t, 2);
  const [first] = pages;
  const given = { at: new Uint8Array([1]) };
  await handles(first, async (input) => {
    assert.ok(input !== given && input.at !== given.at, "it is a copy here, too");
    return input;
  });
  const call = await delegates(first, given);
  assert.equal(call.isSettled, undefined);
  await browser.pass(200);
  assert.deepEqual(call.value, given);
  assert.equal(browser.timers.size, 0);
});

test("a task goes to the page that it names, or nowhere", async (t) => {
  const { browser, pages, handles, delegates } = await opened(t, 3);
  const [first, second, third] = pages;
  for (const page of pages) await handles(page, async () => page.id);
  for (const { id } of [third, second, first]) {
    assert.equal((await delegates(second, undefined, { to: id })).value, id);
  }
  const call = await delegates(first, undefined, { to: "page-9" });
  await first.receive({ to: first.id, from: second.id, word: "can", n: 1 });
  await browser.pass(1_000);
  assert.equal(call.error.code, "task-unknown");
});

test("what the handler throws, or cannot be sent, rejects", async (t) => {
  const { browser, pages, handles, delegates } = await opened(t, 2);
  const [first, second] = pages;
  for (const [fn, words] of [
    [async () => Promise.reject(new Error("no such file")), "no such file"],
    [async () => Promise.reject("plain words"), "plain words"],
    [() => JSON.parse("{"), "JSON"],
    [async () => () => {}, "cannot be sent"],
    [async () => Promise.reject(new Error("x".repeat(5_000))), "x".repeat(1_000)],
  ]) {
    const stop = await handles(second, fn);
    for (const to of [second.id, first.id]) {
      if (to === first.id) await handles(first, fn);
      const { error } = await delegates(first, 1, { to });
      assert.equal(error.code, "task-failed");
      assert.ok(error.message.includes(words), error.message);
      assert.ok(error.message.length < 1_100);
    }
    stop();
  }
  assert.equal(browser.timers.size, 0);
});

test("a task that nobody can do is unknown after a second; so is one whose handler was stopped", async (t) => {
  const { browser, pages, handles, delegates } = await opened(t, 2);
  const [first, second] = pages;
  const [stop, stopOlder] = [await handles(second, async () => 2), await handles(second, async () => 3)];
  stop();
  assert.equal((await delegates(first)).value, 3, "the later call took the place of the earlier");
  stopOlder();
  const call = await delegates(first);
  await browser.pass(999);
  assert.equal(call.isSettled, undefined);
  await browser.pass(1);
  assert.equal(call.error.code, "task-unknown");
  assert.equal(call.error.retryable, true);
});

for (const [how, lose, ms] of [
  ["is left", (page) => page.hide(), 0],
  ["is frozen", (page) => page.freeze(), 0],
  ["is closed", (page) => page.close(), 0],
  ["is silent for 3 s", (page) => page.hang(), 3_000],
]) {
  test(`a task goes to another page if the one that has it ${how}`, async (t) => {
    const { browser, pages, handles, delegates, begun } = await opened(t, 3);
    const [first, second, third] = pages;
    for (const page of [second, third]) await handles(page, forever(page, begun));
    const call = await delegates(first);
    assert.deepEqual(begun, [second.id]);
    await browser.pass(10_000);
    assert.deepEqual(begun, [second.id], "it is there, and takes its time");
    await lose(second);
    if (ms > 0) {
      await browser.pass(ms - 1_000);
      assert.deepEqual(begun, [second.id]);
      await browser.pass(1_000);
    }
    assert.deepEqual(begun, [second.id, third.id]);
    begun.end();
    await browser.quiet();
    assert.equal(call.value, third.id);
  });
}

test("a page that was given up is told so, and is not listened to any more", async (t) => {
  const { browser, pages, handles, delegates, begun, told } = await opened(t, 3);
  const [first, second, third] = pages;
  for (const page of [second, third]) await handles(page, forever(page, begun, told));
  const call = await delegates(first);
  second.hang();
  await browser.pass(3_000);
  assert.deepEqual(begun, [second.id, third.id]);
  await first.receive({ to: first.id, from: second.id, word: "done", n: 1, body: "late" });
  await first.receive({ to: first.id, from: third.id, word: "done", n: 2, body: "another" });
  assert.equal(call.isSettled, undefined);
  await second.goOn();
  assert.deepEqual(told, [second.id]);
  begun.end();
  await browser.quiet();
  assert.equal(call.value, third.id);
});

test("at the timeout the call rejects and the handler's signal fires, also if the caller has died", async (t) => {
  const { browser, pages, handles, delegates, begun, told } = await opened(t, 2);
  const [first, second] = pages;
  await handles(second, forever(second, begun, told));
  const call = await delegates(first, 1, { timeoutMs: 5_000 });
  await browser.pass(4_999);
  assert.deepEqual([call.isSettled, told], [undefined, []]);
  await browser.pass(1);
  assert.deepEqual([call.error.code, told], ["task-timeout", [second.id]]);
  assert.equal(browser.timers.size, 0);

  await delegates(first);
  first.hang();
  await browser.pass(29_999);
  assert.equal(told.length, 1);
  await browser.pass(1);
  assert.equal(told.length, 2, "30 s are the default");
});

test("a page's own handler is told at the timeout, too", async (t) => {
  const { browser, pages, handles, delegates, begun, told } = await opened(t, 1);
  const [only] = pages;
  await handles(only, forever(only, begun, told));
  const call = await delegates(only, 1, { timeoutMs: 1_000 });
  await browser.pass(1_000);
  assert.deepEqual([call.error.code, told, browser.timers.size], ["task-timeout", [only.id], 0]);
});

for (const [how, go, code] of [
  ["left", (page) => page.hide(), undefined],
  ["frozen", (page) => page.freeze(), undefined],
  ["closed", (page) => page.close(), "closed"],
]) {
  test(`a handler is told when the page that delegated is ${how}`, async (t) => {
    const { pages, handles, delegates, begun, told } = await opened(t, 2);
    const [first, second] = pages;
    await handles(second, forever(second, begun, told));
    const call = await delegates(first);
    await go(first);
    assert.deepEqual([told, call.error?.code], [[second.id], code]);
  });
}

test("a handler goes on when another page is left", async (t) => {
  const { pages, handles, delegates, begun, told } = await opened(t, 3);
  const [first, second, third] = pages;
  await handles(second, forever(second, begun, told));
  await delegates(first);
  await third.hide();
  assert.deepEqual(told, []);
});

test("a page that gets the same task again answers for the last time only", async (t) => {
  const { browser, pages, handles, delegates } = await opened(t, 2);
  const [first, second] = pages;
  const ends = [];
  await handles(second, () => new Promise((resolve) => ends.push((value) => second.run(() => resolve(value)))));
  const call = await delegates(first);
  second.hang();
  await browser.pass(3_500);
  await second.goOn();
  assert.equal(ends.length, 2);
  ends[0]("early");
  await browser.pass(10_000);
  assert.deepEqual([call.isSettled, ends.length], [undefined, 2]);
  ends[1]("late");
  await browser.quiet();
  assert.equal(call.value, "late");
});

test("a handler is told when its own page is left", async (t) => {
  const { pages, handles, delegates, begun, told } = await opened(t, 2);
  await handles(pages[1], forever(pages[1], begun, told));
  await delegates(pages[0]);
  await pages[1].hide();
  assert.deepEqual(told, [pages[1].id]);
});

test("100 tasks are out at a time, and 100 are taken in", async (t) => {
  const { browser, pages, handles, delegates, begun } = await opened(t, 3);
  const [first, second, third] = pages;
  await handles(third, forever(third, begun));
  for (let count = 0; count < 100; count += 1) await delegates(first);
  assert.equal(begun.length, 100);
  assert.equal((await delegates(first)).error.code, "tasks-full");
  // It does not say that it can, and takes none that is given to it all the same.
  const call = await delegates(second);
  await browser.pass(1_000);
  assert.equal(call.error.code, "task-unknown");
  await third.receive({ to: third.id, from: "x", word: "do", n: 1, task: "sum", ms: 1_000 });
  assert.equal(begun.length, 100);
  begun.end();
});

test("what cannot be used is refused, and nothing is said", async (t) => {
  const { pages } = await opened(t, 2);
  const [first] = pages;
  const circle = {};
  circle.circle = circle;
  for (const how of [
    [7, 1],
    ["x".repeat(201), 1],
    ["sum", 1, null],
    ["sum", 1, { retries: 3 }],
    ["sum", 1, { to: 7 }],
    ["sum", 1, { timeoutMs: 0 }],
    ["sum", 1, { timeoutMs: Infinity }],
    ["sum", 1, { timeoutMs: "1" }],
    ["sum", () => {}],
    ["sum", { a: [new Date()] }],
    ["sum", NaN],
    ["sum", circle],
    ["sum", "x".repeat(2 * 1024 * 1024)],
    ["sum", new Uint8Array(4 * 1024 * 1024)],
    ["sum", Array.from({ length: 600_000 }, () => 1)],
  ]) {
    await assert.rejects(first.leader.delegate(...how), { code: "option-invalid" }, String(how[0]).slice(0, 9));
  }
});

test("what another page sends is copied, or refused there", async (t) => {
  const { pages, handles, begun } = await opened(t, 2);
  const [first] = pages;
  let asked = 0;
  await handles(first, async () => (asked += 1));
  const task = { to: first.id, from: "x", word: "do", n: 1, task: "sum", ms: 1_000 };
  await first.receive({ ...task, body: new Date() });
  await first.receive({ ...task, n: 2, body: "x".repeat(2 * 1024 * 1024) });
  assert.equal(asked, 0);
  await first.receive({ ...task, n: 3, body: "x" });
  assert.equal(asked, 1);
  begun.end();
});

test("what another page answers is copied, or the task has failed", async (t) => {
  const { pages, handles, delegates, begun } = await opened(t, 2);
  const [first, second] = pages;
  await handles(second, forever(second, begun));
  for (const [n, word, body] of [
    [1, "done", new Date()],
    [2, "failed", { toString: 7 }],
    [3, "failed", undefined],
  ]) {
    const call = await delegates(first);
    await first.receive({ to: first.id, from: second.id, word, n, body });
    assert.equal(call.error.code, "task-failed");
  }
});

test("a copy is of the same shape, and has no other names", () => {
  const odd = JSON.parse('{"__proto__": {"a": 1}, "b": [1, "x", true, null]}');
  const copy = copied(odd);
  assert.deepEqual(Object.keys(copy), ["__proto__", "b"]);
  assert.equal(Object.getPrototypeOf(copy), Object.prototype);
  assert.deepEqual(copied(Object.assign(Object.create(null), { a: 1 })), { a: 1 });
  assert.equal(copied("x".repeat(2 * 1024 * 1024 - 4)).length, 2 * 1024 * 1024 - 4);
});

async function opened(t, count) {
  const leaders = new Leaders(t);
  const pages = [];
  while (pages.length < count) pages.push(await leaders.open());
  const { browser } = leaders;
  const handles = async (page, fn) => {
    const stop = page.run(() => page.leader.handle("sum", fn));
    await browser.quiet();
    return stop;
  };
  const delegates = (page, input, options) =>
    leaders.call(page, (leader) => leader.delegate("sum", input, options));
  // `end` is none of its elements.
  const begun = Object.defineProperty([], "end", { value() {}, writable: true });
  return { browser, pages, handles, delegates, begun, told: [] };
}

/** Begins, and gives the page's id when the test ends the last one. */
function forever(page, begun, told = []) {
  return (_, signal) => {
    begun.push(page.id);
    signal.addEventListener("abort", () => told.push(page.id));
    return new Promise((resolve) => {
      begun.end = () => page.run(() => resolve(page.id));
    });
  };
}
