// The page as an event target: status, news, tokens, identity, closing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { connector } from "../build/js/connect.js";
import { BellwetherError } from "../build/js/errors.js";
import { facts, fakeClients } from "../testing/client.mjs";

async function open(options, prepare) {
  const clients = fakeClients();
  clients.whileOpening = prepare;
  const page = await connector("b1", async () => clients)(options);
  return { page, client: clients.last, sink: clients.last.sink };
}

/** Past the moment from which events are fired at once. */
function listening() {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

function heard(page, type) {
  const details = [];
  page.addEventListener(type, (event) => details.push(event.detail));
  return details;
}

test("the status before any news says that it is starting", async () => {
  const { page } = await open();
  assert.deepEqual(page.status, {
    host: "starting",
    reasons: [],
    epoch: 0,
    connection: "disconnected",
    online: true,
    sync: "synchronizing",
    pages: 1,
    pending: 0,
    dead: 0,
    nextAttemptAt: null,
    paused: false,
    build: "",
    protocol: 0,
  });
});

test("the status is frozen, replaced on change, and told", async () => {
  const { page, sink } = await open();
  await listening();
  const told = heard(page, "status");
  const before = page.status;
  assert.ok(Object.isFrozen(before) && Object.isFrozen(before.reasons));

  sink.status(...facts({ pending: 3, nextAttemptAt: 99, blocked: "no-token", sync: "blocked" }));
  const after = page.status;
  assert.notEqual(after, before);
  assert.ok(Object.isFrozen(after) && Object.isFrozen(after.reasons));
  assert.equal(before.pending, 0);
  assert.deepEqual(after, {
    host: "service-worker",
    reasons: [],
    epoch: 4,
    connection: "connected",
    online: true,
    sync: "blocked",
    blocked: "no-token",
    pages: 2,
    pending: 3,
    dead: 0,
    nextAttemptAt: 99,
    paused: false,
    build: "b2",
    protocol: 1,
  });
  assert.deepEqual(told, [after]);
});

test("a status that says the same again is no change", async () => {
  const { page, sink } = await open();
  await listening();
  const told = heard(page, "status");
  sink.status(...facts({ reason: "no workers here" }));
  const { status } = page;
  sink.status(...facts({ reason: "no workers here" }));
  assert.equal(page.status, status);
  assert.deepEqual(status.reasons, ["no workers here"]);
  assert.equal(told.length, 1);
});

test("what happens while the page opens is heard by listeners attached right after", async () => {
  const { page } = await open({}, ({ sink }) => {
    sink.stateLost("database", "d1", "d2");
    sink.status(...facts({}));
  });
  const lost = heard(page, "state-lost");
  const statuses = heard(page, "status");
  assert.equal(page.status.host, "service-worker");
  assert.deepEqual(lost, []);
  await listening();
  assert.deepEqual(lost, [{ what: "database", from: "d1", to: "d2" }]);
  assert.equal(statuses.length, 1);
});

test("each kind of news is an event of its own", async () => {
  const { page, sink } = await open();
  await listening();
  const letters = heard(page, "dead-letter");
  const reloads = heard(page, "reload-needed");
  const errors = heard(page, "error");
  sink.deadLetter("e1", "todo.added", "forbidden", "not yours", 1);
  sink.reloadNeeded("b9", "too old");
  const fault = sink.fault("store-quota", "browser", "the disk is full", "why");
  sink.error(fault);
  assert.deepEqual(letters, [
    { id: "e1", type: "todo.added", code: "forbidden", message: "not yours", tries: 1 },
  ]);
  assert.deepEqual(reloads, [{ build: "b9", message: "too old" }]);
  assert.deepEqual(errors, [fault]);
});

test("faults of the wasm have code, culprit, cause, and whether to try again", async () => {
  const { sink } = await open();
  const cause = new DOMException("no space", "QuotaExceededError");
  const fault = sink.fault("store-quota", "browser", "the disk is full", cause);
  assert.ok(fault instanceof BellwetherError && fault instanceof Error);
  const { name, code, culprit, message, retryable } = fault;
  assert.deepEqual(
    [name, code, culprit, message, retryable, fault.cause],
    ["BellwetherError", "store-quota", "browser", "the disk is full", true, cause],
  );
  assert.equal(sink.fault("letter-unknown", "app", "gone", undefined).retryable, false);
});

test("ready resolves with the first answer, and rejects quietly if the page closes before", async () => {
  const loud = [];
  const listener = (cause) => loud.push(cause);
  process.on("unhandledRejection", listener);
  const first = await open();
  first.sink.ready();
  await first.page.ready;
  await first.page.close();
  await first.page.ready;

  const second = await open();
  await second.page.close();
  await turn();
  assert.deepEqual(loud, []);
  await assert.rejects(second.page.ready, { code: "closed" });
  process.off("unhandledRejection", listener);
});

test("closing again closes nothing again", async () => {
  const { page, client } = await open();
  const closing = page.close();
  assert.equal(page.close(), closing);
  await closing;
  await page.close();
  assert.deepEqual(client.calls, [["close"]]);
});

test("flush tells what it came to", async () => {
  const { page } = await open();
  assert.deepEqual(await page.flush(), { delivered: 1, pending: 2, dead: 3 });
});

test("a token that is a string is given for its own user alone", async () => {
  const { sink } = await open({ user: "ann", token: "of-ann" });
  assert.equal(await sink.token("ann", "default"), "of-ann");
  assert.equal(await sink.token("ben", "default"), undefined);
  assert.equal(await sink.token("", "default"), undefined);
});

test("a token function is told for whom, and may have none", async () => {
  const asked = [];
  const { sink } = await open({
    user: "ann",
    token: async (of) => {
      asked.push(of);
      return of.user === "ann" ? "of-ann" : undefined;
    },
  });
  assert.equal(await sink.token("ann", "s1"), "of-ann");
  assert.equal(await sink.token("", "s1"), undefined);
  assert.deepEqual(asked, [{ user: "ann", session: "s1" }, { session: "s1" }]);
});

test("a token function that gives no text is a fault of the app's", async () => {
  const { sink } = await open({ token: () => ({ jwt: "x" }) });
  await assert.rejects(sink.token("", "s"), { code: "option-invalid", culprit: "app" });
});

test("a new identity is in force when the wasm asks for its token", async () => {
  const { page, client } = await open({ user: "ann", token: "of-ann" });
  await page.setIdentity({ user: "ben", token: "of-ben" });
  assert.deepEqual(client.calls, [["identify", "ben", "default", true]]);
  assert.equal(client.askedWhileIdentifying, "of-ben");
});

test("a string token leaves with its user, and a function stays", async () => {
  const text = await open({ user: "ann", token: "of-ann" });
  await text.page.setIdentity({ session: "s2" });
  await text.page.setIdentity({ user: "ben" });
  assert.deepEqual(text.client.calls, [
    ["identify", "ann", "s2", true],
    ["identify", "ben", "s2", false],
  ]);
  assert.equal(await text.sink.token("ben", "s2"), undefined);

  const called = await open({ user: "ann", token: ({ user }) => `of-${user}` });
  await called.page.setIdentity({ user: "ben" });
  assert.deepEqual(called.client.calls, [["identify", "ben", "default", true]]);
  assert.equal(await called.sink.token("ben", "default"), "of-ben");
});

test("an identity that is refused changes nothing", async () => {
  const { page, client, sink } = await open({ user: "ann", token: "of-ann" });
  client.fault = sink.fault("option-invalid", "app", "too long", undefined);
  await assert.rejects(page.setIdentity({ user: "x".repeat(300), token: "t" }), client.fault);
  assert.equal(await sink.token("ann", "default"), "of-ann");
  await assert.rejects(page.setIdentity({ user: 7 }), { code: "option-invalid" });
  await assert.rejects(page.setIdentity({ name: "ben" }), { code: "option-invalid" });
});

test("debug logs all lines, or those with the text, and only when asked", async (t) => {
  const debug = t.mock.method(console, "debug", () => {});
  const lines = () => debug.mock.calls.map((call) => call.arguments[0]);
  (await open()).sink.log("in", "hello");
  assert.deepEqual(lines(), []);
  (await open({ channel: "a", debug: true })).sink.log("out", "nudge");
  const { sink } = await open({ debug: "push" });
  sink.log("note", "a push went out");
  sink.log("note", "something else");
  assert.deepEqual(lines(), [
    "[bellwether a] out: nudge",
    "[bellwether default] note: a push went out",
  ]);
});
