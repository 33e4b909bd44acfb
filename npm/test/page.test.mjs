// The page as an event target: status, news, tokens, identity, closing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { connector } from "../build/js/connect.js";
import { BellwetherError, named } from "../build/js/errors.js";
import { facts, fakeClients, listening } from "../testing/client.mjs";
import { hosted } from "../testing/host.mjs";
import "../testing/lead.mjs";
import { FakeStorage } from "../testing/storage.mjs";

// Loaded once, so that no test waits for it longer than another.
await Promise.all(["later", "below", "host", "lead"].map((name) => import(`../build/js/${name}.js`)));

async function open(options, prepare) {
  const clients = fakeClients();
  clients.whileOpening = prepare;
  const page = await connector("b1", async () => clients)(options);
  return { page, client: clients.last, sink: clients.last.sink };
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
    hosting: false,
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
    breaker: "closed",
    storage: "best-effort",
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

  sink("status", facts({ pending: 3, nextAttemptAt: 99, blocked: "no-token", sync: "blocked" }));
  const after = page.status;
  assert.notEqual(after, before);
  assert.ok(Object.isFrozen(after) && Object.isFrozen(after.reasons));
  assert.equal(before.pending, 0);
  assert.deepEqual(after, {
    host: "service-worker",
    hosting: false,
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
    breaker: "closed",
    storage: "best-effort",
    build: "b2",
    protocol: 1,
  });
  assert.deepEqual(told, [after]);
});

test("a page takes part in leading once that is looked at, and leaves when it is closed", async (t) => {
  const lines = [];
  const before = globalThis.BroadcastChannel;
  t.after(() => (globalThis.BroadcastChannel = before));
  globalThis.BroadcastChannel = class {
    said = [];
    constructor(name) {
      this.name = name;
      lines.push(this);
    }
    postMessage({ word }) {
      this.said.push(word);
    }
    close() {
      this.isClosed = true;
    }
  };
  const { page } = await open({ channel: "notes", leader: { enabled: false } });
  await listening();
  assert.equal(lines.length, 0);
  const { leader } = page;
  const { isLeader, leaderId, epoch, role } = leader;
  assert.deepEqual([isLeader, leaderId, epoch, role], [false, null, 0, "starting"]);
  await leader.resign();
  assert.equal(page.leader, leader);
  assert.deepEqual(lines.map(({ name, said }) => [name, said]), [["bellwether:notes:leader", ["who"]]]);
  await assert.rejects(leader.forceLeader(), (fault) => fault instanceof BellwetherError && fault.code === "not-supported");
  assert.throws(() => leader.runExclusive("poll"), { code: "option-invalid" });
  await page.close();
  await turn();
  assert.ok(lines[0].isClosed);
  await assert.rejects(leader.delegate("sum", 1), { code: "closed" });
});

test("options of leading that are not known are refused", async () => {
  for (const leader of [{ leaseMs: 1 }, { enabled: "no" }, 7, null]) {
    await assert.rejects(open({ leader }), { code: "option-invalid" });
  }
});

test("a status that says the same again is no change", async () => {
  const { page, sink } = await open();
  await listening();
  const told = heard(page, "status");
  sink("status", facts({ reason: "no workers here" }));
  const { status } = page;
  sink("status", facts({ reason: "no workers here" }));
  assert.equal(page.status, status);
  assert.deepEqual(status.reasons, ["no workers here"]);
  assert.equal(told.length, 1);
});

test("what happens while the page opens is heard by listeners attached right after", async () => {
  const { page } = await open({}, ({ sink }) => {
    sink("state-lost", { what: "database", from: "d1", to: "d2" });
    sink("status", facts({}));
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
  const letter = { id: "e1", type: "todo.added", code: "forbidden", message: "not yours", tries: 1 };
  sink("dead-letter", letter);
  sink("reload-needed", { build: "b9", message: "too old" });
  sink("error", { code: "store-quota", culprit: "browser", message: "the disk is full" });
  assert.deepEqual(letters, [letter]);
  assert.deepEqual(reloads, [{ build: "b9", message: "too old" }]);
  assert.deepEqual(errors, [new BellwetherError("store-quota", "browser", "the disk is full")]);
});

test("faults of the wasm have code, culprit, and whether to try again", () => {
  const fault = named({ code: "store-quota", culprit: "browser", message: "the disk is full" });
  assert.ok(fault instanceof BellwetherError && fault instanceof Error);
  const { name, code, culprit, message, retryable } = fault;
  assert.deepEqual(
    [name, code, culprit, message, retryable],
    ["BellwetherError", "store-quota", "browser", "the disk is full", true],
  );
  const unknown = { code: "letter-unknown", culprit: "app", message: "gone" };
  assert.equal(named(unknown).retryable, false);
});

test("ready resolves with the first answer, and rejects quietly if the page closes before", async () => {
  const loud = [];
  const listener = (cause) => loud.push(cause);
  process.on("unhandledRejection", listener);
  const first = await open();
  first.sink("ready", {});
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

test("a recording is without bodies unless they are asked for, and a file", async () => {
  const { page, client } = await open();
  page.record(true);
  page.record(true, { bodies: true });
  page.record(false);
  assert.deepEqual(client.calls, [
    ["record"],
    ["record-bodies"],
    ["record-end"],
  ]);
  const file = await page.recording();
  assert.deepEqual([...new Uint8Array(await file.arrayBuffer())], [1, 2, 3]);
});

/** What the client is given for each user and session that it asks for. */
async function tokens(client, ...asked) {
  client.tokens = [];
  for (const [user, session] of asked) client.sink("token", { user, session });
  await turn();
  return client.tokens.map(([, , token]) => token);
}

test("a token that is a string is given for its own user alone", async () => {
  const { client } = await open({ user: "ann", token: "of-ann" });
  const given = await tokens(client, ["ann", "default"], ["ben", "default"], ["", "default"]);
  assert.deepEqual(given, ["of-ann", undefined, undefined]);
  assert.deepEqual(client.tokens[1], ["ben", "default", undefined]);
});

test("a token function is told for whom, and may have none", async () => {
  const asked = [];
  const { client } = await open({
    user: "ann",
    token: async (of) => {
      asked.push(of);
      return of.user === "ann" ? "of-ann" : undefined;
    },
  });
  assert.deepEqual(await tokens(client, ["ann", "s1"], ["", "s1"]), ["of-ann", undefined]);
  assert.deepEqual(asked, [{ user: "ann", session: "s1" }, { session: "s1" }]);
});

test("a token function that fails, or gives no text, has none", async () => {
  const functions = [
    () => ({ jwt: "x" }),
    () => Promise.reject(new Error("signed out")),
    () => {
      throw new Error("signed out");
    },
  ];
  for (const token of functions) {
    const { client } = await open({ token });
    assert.deepEqual(await tokens(client, ["", "s"]), [undefined]);
  }
});

test("a new identity is in force when the wasm asks for its token", async () => {
  const { page, client } = await open({ user: "ann", token: "of-ann" });
  await page.setIdentity({ user: "ben", token: "of-ben" });
  assert.deepEqual(client.calls, [["identify", "ben", "default", true]]);
  assert.deepEqual(client.tokens, [["ben", "default", "of-ben"]]);
});

test("a string token leaves with its user, and a function stays", async () => {
  const text = await open({ user: "ann", token: "of-ann" });
  await text.page.setIdentity({ session: "s2" });
  await text.page.setIdentity({ user: "ben" });
  assert.deepEqual(text.client.calls, [
    ["identify", "ann", "s2", true],
    ["identify", "ben", "s2", false],
  ]);
  assert.deepEqual(await tokens(text.client, ["ben", "s2"]), [undefined]);

  const called = await open({ user: "ann", token: ({ user }) => `of-${user}` });
  await called.page.setIdentity({ user: "ben" });
  assert.deepEqual(called.client.calls, [["identify", "ben", "default", true]]);
  assert.deepEqual(await tokens(called.client, ["ben", "default"]), ["of-ben"]);
});

test("an identity that is refused changes nothing", async () => {
  const { page, client } = await open({ user: "ann", token: "of-ann" });
  client.fault = { code: "option-invalid", culprit: "app", message: "too long" };
  const refused = page.setIdentity({ user: "x".repeat(300), token: "t" });
  await assert.rejects(refused, client.fault);
  assert.deepEqual(await tokens(client, ["ann", "default"]), ["of-ann"]);
  await assert.rejects(page.setIdentity({ user: 7 }), { code: "option-invalid" });
  await assert.rejects(page.setIdentity({ name: "ben" }), { code: "option-invalid" });
});

test("debug logs all lines, or those with the text, and only when asked", async (t) => {
  const debug = t.mock.method(console, "debug", () => {});
  const lines = () => debug.mock.calls.map((call) => call.arguments[0]);
  (await open()).sink("message", { out: false, name: "hello" });
  assert.deepEqual(lines(), []);
  (await open({ channel: "a", debug: true })).sink("message", { out: true, name: "nudge" });
  const { sink } = await open({ debug: "tat" });
  sink("message", { out: false, name: "status" });
  sink("message", { out: false, name: "reply" });
  assert.deepEqual(lines(), ["[bellwether a page-1] out: nudge", "[bellwether default page-1] in: status"]);
});

test("who signs out leaves no token, and goes on as nobody", async () => {
  const { page, client } = await open({ user: "ann", session: "s", token: () => "of-ann" });
  await page.signOut();
  assert.deepEqual(client.tokens, [["ann", "s", undefined]]);
  assert.deepEqual(client.calls, [["identify", "", "s", false]]);
  assert.deepEqual(await tokens(client, ["ann", "s"], ["", "s"]), [undefined, undefined]);
  await page.setIdentity({ user: "ben", token: "of-ben" });
  assert.deepEqual(await tokens(client, ["ben", "s"]), ["of-ben"]);
});

test("what was not delivered is discarded at signing out only if that is asked for", async () => {
  const { page, client } = await open({ user: "ann", session: "s", token: "t" });
  await assert.rejects(page.signOut({ undelivered: "send" }), { code: "option-invalid" });
  await assert.rejects(page.signOut({ discard: true }), { code: "option-invalid" });
  assert.deepEqual(client.calls, []);
  await page.signOut({ undelivered: "discard" });
  assert.deepEqual(client.calls.at(-1), ["wipe-undelivered", "s", "ann"]);
});

test("a wipe tells how much it removed, and says what it cannot do", async () => {
  const { page, client } = await open();
  assert.deepEqual(await page.wipe(), { removed: 3 });
  await page.wipe({ session: "s", undelivered: true });
  assert.deepEqual(client.calls, [["wipe"], ["wipe-undelivered", "s"]]);
  for (const options of [{ session: 7 }, { undelivered: "yes" }, { user: "ann" }]) {
    await assert.rejects(page.wipe(options), { code: "option-invalid" });
  }
  client.fault = { code: "not-supported", culprit: "us", message: "not yet" };
  await assert.rejects(page.wipe(), { code: "not-supported" });
  await page.close();
  await assert.rejects(page.wipe(), { code: "closed" });
  await assert.rejects(page.signOut(), { code: "closed" });
});

test("the browser is asked to keep things once, after the first event, and is not waited for", async (t) => {
  const asked = [];
  const storage = {
    persisted: async () => false,
    persist: async () => (asked.push("persist"), true),
  };
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { storage } });
  t.after(() => delete globalThis.navigator);
  const { page, client } = await open();
  await listening();
  assert.deepEqual([asked, page.status.storage], [[], "best-effort"]);
  for (const position of [1, 2]) {
    const stored = page.outbox.enqueue({ type: "t" });
    client.appended.at(-1).settle(position);
    await stored;
  }
  await listening();
  assert.deepEqual([asked, page.status.storage], [["persist"], "persistent"]);
});

test("where nothing can be stored the status says so, until something can", async () => {
  for (const code of ["store-timeout", "store-blocked"]) {
    const clients = fakeClients();
    clients.whyNot = { code, culprit: "browser", message: "the database does not open" };
    const page = await connector("b1", async () => clients)();
    await listening();
    assert.equal(page.status.storage, "none");
    assert.deepEqual([clients.last.journal, clients.last.calls], [undefined, []], "it may open yet");
    const stored = page.outbox.enqueue({ type: "t" });
    clients.last.appended[0].settle(1);
    await stored;
    await listening();
    assert.equal(page.status.storage, "best-effort");
    const refused = page.outbox.enqueue({ type: "t" });
    clients.last.appended[1].settle(0, { code: "store-quota", culprit: "browser", message: "full" });
    await assert.rejects(refused, { code: "store-quota" });
    assert.equal(page.status.storage, "best-effort", "a full disk keeps what it has");
  }
});

test("a full disk is one all the same", async (t) => {
  const { page, client } = await openBelow(t, { code: "store-quota" });
  assert.deepEqual([page.status.storage, client.journal, client.calls], ["best-effort", undefined, []]);
});

for (const [shows, how, storage, rung, why] of [
  ["there is no database", { code: "store-unavailable" }, "memory", "broadcast-vote", "there is none"],
  ["the database was closed", { code: "store-closed" }, "memory", "broadcast-vote", "there is none"],
  ["the database failed", { code: "store-failed" }, "memory", "broadcast-vote", "there is none"],
  ["there is a storage", { code: "store-failed", items: new Map() }, "local", "storage-mutex", "there is none"],
  ["none is allowed", { hosts: ["broadcast-vote"] }, "memory", "broadcast-vote", "not among the option `hosts`"],
  ["only pages alone are allowed", { hosts: ["solo"] }, "memory", "solo", "not among the option `hosts`"],
]) {
  test(`where ${shows} the pages keep the rows, and no worker is spoken to`, async (t) => {
    const until = ({ status }) => status.reasons.length > 0;
    const { page, client } = await openBelow(t, { ...how, until });
    assert.ok(client.journal);
    assert.deepEqual(client.calls.slice(0, 1), [["via"]]);
    client.sink("status", facts({ host: "service-worker" }));
    assert.equal(page.status.storage, storage);
    assert.equal(page.status.host, "starting", "a worker that has answered before is not the host");
    const above = ["service-worker", "web-locks", "indexeddb-lease", "storage-mutex", "broadcast-vote"];
    const reasons = above.slice(0, above.indexOf(rung) < 0 ? above.length : above.indexOf(rung));
    assert.deepEqual(page.status.reasons, reasons.map((it) => `${it}: ${why}`));
    client.sink("status", facts({ host: "web-locks" }));
    assert.equal(page.status.host, rung);
    await page.outbox.enqueue({ type: "t" });
    assert.equal(client.appended[0].type, "t", "the client appends as before");
    assert.equal(page.status.storage, storage);
  });
}

test("a page that is alone hosts", async (t) => {
  hosted.length = 0;
  const { page } = await openBelow(t, { hosts: ["solo"], channel: "notes", until: () => hosted.length > 0 });
  assert.deepEqual(hosted.map(({ channel, build, heard }) => [channel, build, heard]), [["notes", "b1", 0]]);
  assert.ok(hosted[0].bus.store, "over the rows that the pages keep");
  await page.close();
});

test("where no rung without a database is allowed a page is what it was", async (t) => {
  const { page, client } = await openBelow(t, { code: "store-unavailable", hosts: ["service-worker"] });
  assert.deepEqual([client.journal, client.calls], [undefined, []]);
  assert.equal(page.status.storage, "none");
});

test("a fault of storing says nothing of a page without a database", async (t) => {
  const { page, client } = await openBelow(t, { code: "store-unavailable", answers: false });
  const refused = page.outbox.enqueue({ type: "t" });
  client.appended[0].settle(0, { code: "store-failed", culprit: "browser", message: "no page keeps rows" });
  await assert.rejects(refused, { code: "store-failed" });
  assert.equal(page.status.storage, "memory");
});

/** Opens a page whose database opens with the fault `code`, in a browser that has a bus, and no locks; waits `until` that is so. */
async function openBelow(t, { code, items, answers = true, until = () => true, ...options }) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const events = new EventTarget();
  const storage = items && new FakeStorage(items);
  const instead = {
    window: events,
    addEventListener: events.addEventListener.bind(events),
    removeEventListener: events.removeEventListener.bind(events),
    document: Object.assign(new EventTarget(), { visibilityState: "visible" }),
    localStorage: storage,
    BroadcastChannel: class {
      postMessage() {}
      close() {}
    },
  };
  for (const [name, value] of Object.entries(instead)) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
    t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
  }
  const clients = fakeClients();
  if (code) clients.whyNot = { code, culprit: "browser", message: "there is none" };
  clients.whileOpening = (client) => (client.answersAtOnce = answers);
  const page = await connector("b1", async () => clients)(options);
  t.after(() => page.close());
  // What is loaded, and compiled, takes as many turns as it takes; meanwhile the others are asked what they have.
  for (let turns = 0; turns < 20 || (turns < 100_000 && !until(page)); turns += 1) {
    t.mock.timers.tick(50);
    await turn();
  }
  return { page, client: clients.last };
}
