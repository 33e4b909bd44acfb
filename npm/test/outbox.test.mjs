// The outbox's face: what reaches the wasm, what comes back, and how long is waited.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connector } from "../build/js/connect.js";
import { named } from "../build/js/errors.js";
import { fakeClients, listening } from "../testing/client.mjs";

async function open() {
  const clients = fakeClients();
  const page = await connector("b1", async () => clients)();
  await listening();
  return { page, outbox: page.outbox, client: clients.last };
}

/** How a promise stands, once its callbacks have run. */
async function standing(promise) {
  const none = Symbol("open");
  return (await Promise.race([promise.catch(() => none), Promise.resolve(none)])) === none;
}

/** Lets time pass in steps: a timer that is set within a step runs in a later one. */
function pass(t, ms) {
  for (let passed = 0; passed < ms; passed += 100) t.mock.timers.tick(100);
}

test("an event reaches the wasm as JSON text, with its defaults", async () => {
  const { outbox, client } = await open();
  const receipt = outbox.enqueue({ type: "todo.added", data: { title: "Buy milk" } });
  const { settle, ...fields } = client.appended[0];
  assert.deepEqual(fields, {
    type: "todo.added",
    data: '{"title":"Buy milk"}',
    key: undefined,
    id: "id-1",
    correlation: undefined,
    after: undefined,
    binds: undefined,
    schema: 0,
    how: 1,
  });
  assert.ok(await standing(receipt), "it is not yet durable");
  settle(9, undefined);
  assert.deepEqual(await receipt, { id: "id-1", position: 9 });
});

test("every field and option reaches the wasm", async () => {
  const { outbox, client } = await open();
  const about = { type: "t", data: null, key: "k", id: "own", correlationId: "c", schema: 4 };
  const event = { ...about, after: "before", binds: { "/of": "/id", "": "" } };
  outbox.post(event, { priority: "critical", immediate: true });
  outbox.post({ type: "t" }, { priority: "bulk" });
  outbox.post({ type: "t", onPrerequisiteFailed: "release" });
  outbox.post({ type: "t", onPrerequisiteFailed: "bury", collapse: true });
  const [first, second, ...flagged] = client.appended.map(({ settle: _, ...fields }) => fields);
  assert.deepEqual(first, {
    type: "t",
    data: "null",
    key: "k",
    id: "own",
    correlation: "c",
    after: "before",
    binds: '{"/of":"/id","":""}',
    schema: 4,
    how: 4,
  });
  assert.deepEqual([second.how, second.data], [2, undefined]);
  assert.deepEqual(
    flagged.map(({ how }) => how),
    [9, 17],
  );
});

test("a receipt is whole even if the wasm settles before it has returned", async () => {
  const { outbox, client } = await open();
  client.answersAtOnce = true;
  assert.deepEqual(await outbox.enqueue({ type: "t" }), { id: "id-1", position: 1 });
});

test("what cannot be an event is refused with a code, and never reaches the wasm", async () => {
  const { outbox, client } = await open();
  const circle = {};
  circle.self = circle;
  const cases = [
    [undefined, {}, "event-invalid"],
    [null, {}, "event-invalid"],
    ["todo.added", {}, "event-invalid"],
    [{}, {}, "event-invalid"],
    [{ type: 7 }, {}, "event-invalid"],
    [{ type: "t", key: 7 }, {}, "event-invalid"],
    [{ type: "t", id: null }, {}, "event-invalid"],
    [{ type: "t", correlationId: {} }, {}, "event-invalid"],
    [{ type: "t", schema: -1 }, {}, "event-invalid"],
    [{ type: "t", schema: 1.5 }, {}, "event-invalid"],
    [{ type: "t", schema: 2 ** 32 }, {}, "event-invalid"],
    [{ type: "t", after: 7 }, {}, "event-invalid"],
    [{ type: "t", onPrerequisiteFailed: "wait" }, {}, "event-invalid"],
    [{ type: "t", binds: { "/a": "/b" } }, {}, "event-invalid"],
    [{ type: "t", after: "e0", binds: null }, {}, "event-invalid"],
    [{ type: "t", after: "e0", binds: "/a" }, {}, "event-invalid"],
    [{ type: "t", after: "e0", binds: { "/a": "b" } }, {}, "event-invalid"],
    [{ type: "t", after: "e0", binds: { a: "/b" } }, {}, "event-invalid"],
    [{ type: "t", data: circle }, {}, "data-invalid"],
    [{ type: "t", data: 1n }, {}, "data-invalid"],
    [{ type: "t", data: () => 1 }, {}, "data-invalid"],
    [{ type: "t", data: Symbol("s") }, {}, "data-invalid"],
    [{ type: "t" }, { priority: "urgent" }, "option-invalid"],
    [{ type: "t" }, { timeoutMs: 0 }, "option-invalid"],
    [{ type: "t" }, { timeoutMs: NaN }, "option-invalid"],
    [{ type: "t" }, { timeoutMs: "5" }, "option-invalid"],
    [{ type: "t" }, { timeoutMs: 2 ** 31 }, "option-invalid"],
    [{ type: "t" }, { signal: {} }, "option-invalid"],
    [{ type: "t" }, { signal: null }, "option-invalid"],
  ];
  for (const [event, options, code] of cases) {
    await assert.rejects(outbox.enqueue(event, options), {
      name: "BellwetherError",
      code,
      culprit: "app",
      retryable: false,
    });
  }
  assert.equal(client.appended.length, 0);
});

test("a fault of the disk rejects, as does one that is found at once", async () => {
  const { outbox, client } = await open();
  const quota = { code: "store-quota", culprit: "browser", message: "the disk is full" };
  const receipt = outbox.enqueue({ type: "t" });
  client.appended[0].settle(0, quota);
  await assert.rejects(receipt, quota);

  client.unfit = { code: "outbox-too-large", culprit: "app", message: "too large" };
  await assert.rejects(outbox.enqueue({ type: "t" }), client.unfit);
  assert.throws(() => outbox.post({ type: "t" }), client.unfit);

  client.unfit = new WebAssembly.RuntimeError("unreachable");
  await assert.rejects(outbox.enqueue({ type: "t" }), { code: "internal", culprit: "us" });
});

test("post gives the id at once, and later faults are events", async () => {
  const { page, outbox, client } = await open();
  const errors = [];
  page.addEventListener("error", (event) => errors.push(event.detail));
  assert.equal(outbox.post({ type: "t" }), "id-1");
  assert.equal(outbox.post({ type: "t", id: "own" }, { priority: "bulk" }), "own");
  const quota = { code: "store-quota", culprit: "browser", message: "the disk is full" };
  client.appended[0].settle(1, undefined);
  client.appended[1].settle(0, quota);
  assert.deepEqual(errors, [named(quota)]);
  assert.throws(() => outbox.post({}), { code: "event-invalid" });
  assert.throws(() => outbox.post({ type: "t", data: 1n }), { code: "data-invalid" });
});

test("ten thousand events wait on one timer, which stops when none waits", async (t) => {
  const { outbox, client } = await open();
  let timers = 0;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const mocked = globalThis.setTimeout;
  t.mock.method(globalThis, "setTimeout", (...how) => {
    timers += 1;
    return mocked(...how);
  });
  const receipts = Array.from({ length: 10_000 }, () => outbox.enqueue({ type: "t" }));
  assert.equal(timers, 1);
  client.appended.forEach(({ settle }, at) => settle(at + 1, undefined));
  const positions = (await Promise.all(receipts)).map(({ position }) => position);
  assert.equal(positions.at(-1), 10_000);
  pass(t, 60_000);
  assert.equal(timers, 1, "nothing waits, so nothing ticks");
});

test("an event that the disk keeps silent about is given up between 5 s and 5.5 s", async (t) => {
  const { outbox, client } = await open();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const early = outbox.enqueue({ type: "t" });
  pass(t, 300);
  const late = outbox.enqueue({ type: "t" });
  const answered = outbox.enqueue({ type: "t" });
  client.appended[2].settle(3, undefined);
  pass(t, 4_700);
  assert.ok(await standing(early), "5 s may be used up");
  pass(t, 500);
  await assert.rejects(early, (fault) => {
    const { code, culprit, retryable, message } = fault;
    assert.deepEqual([code, culprit, retryable], ["store-timeout", "browser", true]);
    assert.match(message, /event id-1 may be stored/);
    return true;
  });
  pass(t, 300);
  await assert.rejects(late, { code: "store-timeout" });
  assert.deepEqual(await answered, { id: "id-3", position: 3 });
  client.appended[0].settle(1, undefined);
});

test("a page that was frozen gives the disk its time after it wakes", async (t) => {
  const { outbox, client } = await open();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const receipt = outbox.enqueue({ type: "t" });
  t.mock.timers.tick(3_600_000);
  assert.ok(await standing(receipt), "one late tick is one tick");
  client.appended[0].settle(1, undefined);
  assert.equal((await receipt).position, 1);
});

test("a time limit of its own is kept to the millisecond, and may be endless", async (t) => {
  const { outbox, client } = await open();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const short = outbox.enqueue({ type: "t" }, { timeoutMs: 40 });
  const endless = outbox.enqueue({ type: "t" }, { timeoutMs: Infinity });
  const answered = outbox.enqueue({ type: "t" }, { timeoutMs: 40 });
  client.appended[2].settle(3, undefined);
  t.mock.timers.tick(39);
  assert.ok(await standing(short));
  t.mock.timers.tick(1);
  await assert.rejects(short, { code: "store-timeout", message: /within 40 ms/ });
  t.mock.timers.tick(1_000_000);
  assert.ok(await standing(endless));
  client.appended[1].settle(2, undefined);
  assert.equal((await endless).position, 2);
  assert.equal((await answered).position, 3);
});

test("a signal ends the waiting and says what may have become of the event", async () => {
  const { outbox, client } = await open();
  const control = new AbortController();
  const receipt = outbox.enqueue({ type: "t" }, { signal: control.signal });
  const why = new Error("the user left");
  control.abort(why);
  await assert.rejects(receipt, (fault) => {
    assert.deepEqual([fault.code, fault.culprit, fault.cause], ["aborted", "app", why]);
    assert.match(fault.message, /event id-1 may be stored/);
    return true;
  });
  assert.equal(client.appended.length, 1);
});

test("a signal that had fired before stores nothing", async () => {
  const { outbox, client } = await open();
  const fault = await outbox
    .enqueue({ type: "t" }, { signal: AbortSignal.abort() })
    .catch((it) => it);
  assert.equal(fault.code, "aborted");
  assert.match(fault.message, /nothing was stored/);
  assert.equal(client.appended.length, 0);
});

test("a signal is let go of once the event is durable or refused", async () => {
  const { outbox, client } = await open();
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...how) => (listeners++, addEventListener.apply(signal, how));
  signal.removeEventListener = (...how) => (listeners--, removeEventListener.apply(signal, how));
  const receipt = outbox.enqueue({ type: "t" }, { signal });
  assert.equal(listeners, 1);
  client.appended[0].settle(1, undefined);
  await receipt;
  assert.equal(listeners, 0);
  client.unfit = { code: "event-invalid", culprit: "app", message: "no" };
  await assert.rejects(outbox.enqueue({ type: "t" }, { signal }));
  assert.equal(listeners, 0);
});

test("letters are retried and discarded, and delivery paused and resumed", async () => {
  const { outbox, client } = await open();
  assert.equal(await outbox.retry(), 3);
  assert.equal(await outbox.retry("e1"), 3);
  await outbox.discard("e2");
  await outbox.pause();
  await outbox.resume();
  assert.deepEqual(client.calls, [
    ["retry"],
    ["retry", "e1"],
    ["discard", "e2"],
    ["pause"],
    ["resume"],
  ]);
  client.fault = { code: "letter-unknown", culprit: "app", message: "gone" };
  await assert.rejects(outbox.discard("e2"), client.fault);
  await assert.rejects(outbox.discard(), { code: "option-invalid" });
  await assert.rejects(outbox.retry(7), { code: "option-invalid" });
});
