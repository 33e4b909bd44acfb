// The outbox with encryption, plain requests, a cap, and letters that are mended by themselves.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { connector } from "../build/js/connect.js";
import { BellwetherError } from "../build/js/errors.js";
import { facts, fakeClients, listening } from "../testing/client.mjs";
import { deadRow, journalRow } from "../testing/rows.mjs";

globalThis.document = { baseURI: "https://app.example/board/" };

async function open(outbox, options) {
  const clients = fakeClients();
  const page = await connector("b1", async () => clients)({ outbox, ...options });
  await listening();
  const errors = [];
  page.addEventListener("error", (event) => errors.push(event.detail));
  return { page, outbox: page.outbox, client: clients.last, errors };
}

/** Lets what was begun come to its end. */
async function quiet() {
  for (let turns = 0; turns < 20; turns += 1) await turn();
}

/** Turns a text around: a cipher that can be watched. */
const around = (text) => [...text].reverse().join("");
const hooks = { seal: async (json) => around(json), open: (sealed) => around(sealed) };

function appended(client) {
  return client.appended.map(({ id, type, data, how }) => [id, type, data, how]);
}

test("what encrypt has sealed is stored, and says that it is", async () => {
  const seen = [];
  const seal = (json, of) => (seen.push([json, of]), around(json));
  const { outbox, client } = await open({ encrypt: { ...hooks, seal } });
  const data = { a: 1 };
  const receipt = outbox.enqueue({ type: "t", id: "e1", data }, { priority: "critical" });
  data.a = 2;
  await quiet();
  assert.deepEqual(seen, [['{"a":1}', { id: "e1", type: "t" }]]);
  assert.deepEqual(appended(client), [["e1", "t", '{"$sealed":"}1:\\"a\\"{"}', 0]]);
  client.appended[0].settle(4);
  assert.deepEqual(await receipt, { id: "e1", position: 4 });
});

test("an event without data has nothing to seal", async () => {
  const { outbox, client } = await open({
    encrypt: { ...hooks, seal: () => assert.fail("there is nothing to seal") },
  });
  outbox.post({ type: "t", id: "e1" });
  await quiet();
  assert.deepEqual(appended(client), [["e1", "t", undefined, 1]]);
});

test("events are appended in the order of the calls, however long each takes to seal", async () => {
  const sealing = {};
  const seal = (json, { type }) =>
    new Promise((resolve) => (sealing[type] = () => resolve(around(json))));
  const { outbox, client } = await open({ encrypt: { ...hooks, seal } });
  const ids = ["first", "second", "third"].map((type) => outbox.post({ type, data: 1 }));
  outbox.post({ type: "bare" });
  for (const type of ["second", "third", "first"]) {
    await quiet();
    assert.deepEqual(client.appended, [], `before ${type}`);
    sealing[type]();
  }
  await quiet();
  assert.deepEqual(
    client.appended.map(({ type }) => type),
    ["first", "second", "third", "bare"],
  );
  assert.deepEqual(
    client.appended.slice(0, 3).map(({ id }) => id),
    ids,
  );
  assert.ok(client.appended.every(({ settle }) => settle), "the disk is not waited for");
});

test("post gives a UUIDv7 at once, and tells of what cannot be sealed by an event", async () => {
  const why = new Error("no key");
  const seal = (json, { type }) => {
    if (type === "bad") throw why;
    return type === "odd" ? 7 : around(json);
  };
  const { outbox, client, errors } = await open({ encrypt: { ...hooks, seal } });
  const id = outbox.post({ type: "bad", data: 1 });
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const age = Date.now() - Number.parseInt(id.replace("-", "").slice(0, 12), 16);
  assert.ok(age >= 0 && age < 10_000, `${age}`);
  await quiet();
  assert.equal(errors.length, 1);
  assert.ok(errors[0] instanceof BellwetherError);
  assert.deepEqual([errors[0].code, errors[0].culprit, errors[0].cause], ["seal-failed", "app", why]);
  assert.ok(errors[0].message.includes(id));
  await assert.rejects(outbox.enqueue({ type: "bad", data: 1 }), { code: "seal-failed", cause: why });
  await assert.rejects(outbox.enqueue({ type: "odd", data: 1 }), { code: "seal-failed" });
  assert.deepEqual(appended(client), [], "nothing was stored");
  outbox.post({ type: "good", id: "e2", data: 1 });
  await quiet();
  assert.equal(client.appended.length, 1, "one that fails holds up no other");
  client.appended[0].settle(0, { code: "store-quota", culprit: "browser", message: "full" });
  await quiet();
  assert.equal(errors.at(-1).code, "store-quota");
  assert.throws(() => outbox.post({ type: "t", data: 1n }), { code: "data-invalid" });
  assert.throws(() => outbox.post({}), { code: "event-invalid" });
});

test("lists show what was sealed as it was, and one that cannot be opened as it is", async () => {
  const open_ = (sealed, { id }) => {
    if (id === "e2") throw new Error("no key");
    return around(sealed);
  };
  const { outbox, client, errors } = await open({ encrypt: { ...hooks, open: open_ } });
  const sealed = JSON.stringify({ $sealed: around('{"a":1}') });
  client.stored = {
    journal: [
      [1, journalRow({ id: "e1", type: "t", data: sealed })],
      [2, journalRow({ id: "e2", type: "t", data: sealed })],
      [3, journalRow({ id: "e3", type: "t", data: '{"b":2}' })],
      [4, journalRow({ id: "e4", type: "t", data: "null" })],
    ],
    dead: [["e5", deadRow({ id: "e5", type: "t", data: sealed }, {})]],
  };
  const listed = (await outbox.pending()).map(({ data }) => data);
  assert.deepEqual(listed, [{ a: 1 }, { $sealed: '}1:"a"{' }, { b: 2 }, null]);
  assert.deepEqual((await outbox.failed())[0].data, { a: 1 });
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["open-failed"],
  );
});

test("an event that takes another's place is sealed, too, under the same id", async () => {
  const { outbox, client } = await open({ encrypt: hooks });
  const replaced = outbox.replace("e1", { type: "t", data: 1 });
  const edited = outbox.edit("e2", { type: "t", id: "e2", data: 23 });
  await quiet();
  client.appended.forEach(({ settle }) => settle(1));
  await Promise.all([replaced, edited]);
  assert.deepEqual(appended(client), [
    ["e1", "t", '{"$sealed":"1"}', 65],
    ["e2", "t", '{"$sealed":"32"}', 129],
  ]);
});

test("without encryption an event takes another's place as it is", async () => {
  const { outbox, client } = await open();
  const replaced = outbox.replace("e1", { type: "t", data: 1, collapse: true });
  const edited = outbox.edit("e2", { type: "u" });
  client.appended.forEach(({ settle }) => settle(1));
  await Promise.all([replaced, edited]);
  assert.deepEqual(appended(client), [
    ["e1", "t", "1", 81],
    ["e2", "u", undefined, 129],
  ]);
  const other = outbox.replace("e1", { type: "t", id: "e2" });
  await assert.rejects(other, { code: "event-invalid", message: /the same id/ });
  await assert.rejects(outbox.edit(undefined, { type: "t" }), { code: "option-invalid" });
  await assert.rejects(outbox.replace("e1", {}), { code: "event-invalid" });
  await outbox.cancel("e3");
  assert.deepEqual(client.calls, [["cancel", "e3"]]);
  await assert.rejects(outbox.cancel(), { code: "option-invalid" });
  client.fault = { code: "already-sealed", culprit: "app", message: "too late" };
  await assert.rejects(outbox.cancel("e3"), { code: "already-sealed" });
});

test("at the cap enqueue, post and request refuse, and go on once something is delivered", async () => {
  const { page, outbox, client } = await open({ maxPending: 3 });
  client.sink("status", facts({ pending: 1 }));
  const first = outbox.enqueue({ type: "t" });
  outbox.post({ type: "t" });
  const full = { code: "outbox-full", retryable: true };
  await assert.rejects(outbox.enqueue({ type: "t" }), full);
  assert.throws(() => outbox.post({ type: "t" }), full);
  assert.equal(client.appended.length, 2, "nothing was stored");
  client.appended[0].settle(1);
  client.appended[1].settle(0, { code: "store-quota", culprit: "browser", message: "full" });
  client.sink("status", facts({ pending: 2 }));
  await first;
  outbox.post({ type: "t" });
  await assert.rejects(outbox.enqueue({ type: "t" }), full);
  const changed = outbox.replace("e1", { type: "t" });
  client.appended.at(-1).settle(1);
  await changed;
  client.appended[2].settle(2);
  client.sink("status", facts({ pending: 0 }));
  client.unfit = { code: "event-invalid", culprit: "app", message: "no" };
  for (const _ of [1, 2, 3]) await assert.rejects(outbox.enqueue({ type: "t" }), client.unfit);
  client.unfit = undefined;
  for (const _ of [1, 2, 3]) outbox.post({ type: "t" });
  assert.throws(() => outbox.post({ type: "t" }), full, "what was refused does not count");
  assert.equal(page.status.pending, 0);
});

test("a request is taken apart, and stored as an event of its kind", async () => {
  const { outbox, client } = await open({ deliver: "requests" });
  const binary = new Uint8Array([0xff, 0, 1]);
  const cases = [
    [
      new Request("https://api.example/todos?a=1#top", { method: "POST", body: '{"a":"ü"}', headers: { "X-A": "b" } }),
      {
        method: "POST",
        url: "https://api.example/todos?a=1",
        headers: { "content-type": "text/plain;charset=UTF-8", "x-a": "b" },
        body: '{"a":"ü"}',
      },
    ],
    [{ url: "/todos/7", method: "delete" }, { method: "DELETE", url: "https://app.example/todos/7", headers: {} }],
    [{ url: new URL("https://api.example/") }, { method: "GET", url: "https://api.example/", headers: {} }],
    [
      { url: "x", body: binary, headers: [["Content-Type", "image/png"]] },
      {
        method: "POST",
        url: "https://app.example/board/x",
        headers: { "content-type": "image/png" },
        body: "/wAB",
        base64: true,
      },
    ],
    [
      { url: "x", body: new URLSearchParams({ a: "b c" }) },
      {
        method: "POST",
        url: "https://app.example/board/x",
        headers: { "content-type": "application/x-www-form-urlencoded;charset=UTF-8" },
        body: "a=b+c",
      },
    ],
  ];
  for (const [request] of cases) outbox.request(request).catch(() => {});
  await quiet();
  assert.deepEqual(
    client.appended.map(({ data }) => JSON.parse(data)),
    cases.map(([, expected]) => expected),
  );
  const [first, second] = client.appended;
  assert.deepEqual([first.type, first.how], ["POST", 33]);
  assert.equal(second.type, "DELETE");
  const receipt = outbox.request(
    { url: "/x", headers: { authorization: "Bearer t" } },
    { type: "sync", id: "e1", key: "k", after: "e0", priority: "bulk", keepCredentials: true },
  );
  await quiet();
  const { data, settle, ...last } = client.appended.at(-1);
  assert.deepEqual(JSON.parse(data).headers, { authorization: "Bearer t" });
  assert.deepEqual([last.type, last.id, last.key, last.after, last.how], ["sync", "e1", "k", "e0", 34]);
  settle(8);
  assert.deepEqual(await receipt, { id: "e1", position: 8 });
});

test("a Request may be used by the app after it was queued", async () => {
  const { outbox, client } = await open({ deliver: "requests" });
  const request = new Request("https://api.example/", { method: "PUT", body: "kept" });
  outbox.request(request).catch(() => {});
  await quiet();
  assert.equal(JSON.parse(client.appended[0].data).body, "kept");
  assert.equal(await request.text(), "kept");
});

test("a request that cannot be sent is refused in words, and nothing is stored", async () => {
  const { outbox, client } = await open({ deliver: "requests" });
  const used = new Request("https://api.example/", { method: "PUT", body: "x" });
  await used.text();
  const cases = [
    [null, /give it a Request/],
    ["/todos", /give it a Request/],
    [{ url: "https://" }, /is no URL/],
    [{ url: "ftp://files.example/" }, /`ftp:` is no scheme/],
    [{ url: "https://ann:secret@api.example/" }, /password/],
    [{ url: "/", method: "TRACE" }, /no request that can be sent/],
    [{ url: "/", method: "a b" }, /no request that can be sent/],
    [{ url: "/", method: "GET", body: "x" }, /no request that can be sent/],
    [{ url: "/", body: new ReadableStream() }, /stream/],
    [{ url: "/", headers: { "a b": "c" } }, /headers cannot be sent/],
    [{ url: "/", headers: { Cookie: "a=b" } }, /`cookie` is the browser's own/],
    [{ url: "/", headers: { "Sec-Fetch-Mode": "cors" } }, /`sec-fetch-mode` is the browser's own/],
    [{ url: "/", headers: { Authorization: "Bearer t" } }, /would lie on the disk/],
    [{ url: "/", headers: { "Idempotency-Key": "k" } }, /give it as `id`/],
    [used, /was read before/],
  ];
  for (const [request, message] of cases) {
    const refused = outbox.request(request);
    await assert.rejects(refused, { name: "BellwetherError", code: "request-invalid", message });
  }
  assert.equal(client.appended.length, 0);
});

test("requests and events each need their own kind of channel", async () => {
  const plain = await open({ deliver: "requests" });
  const told = { code: "not-supported", message: /use `request`/ };
  await assert.rejects(plain.outbox.enqueue({ type: "t" }), told);
  assert.throws(() => plain.outbox.post({ type: "t" }), told);
  for (const options of [{}, { encrypt: hooks }]) {
    const { outbox } = await open(options);
    await assert.rejects(outbox.request({ url: "/" }), { code: "not-supported", message: /deliver/ });
  }
  await assert.rejects(open({ deliver: "requests", encrypt: hooks }), {
    code: "option-invalid",
    message: /`encrypt`/,
  });
  for (const outbox of [{ encrypt: { seal: hooks.seal } }, { encrypt: null }, { migrate: "x" }]) {
    await assert.rejects(open(outbox), { code: "option-invalid" });
  }
  await assert.rejects(open({}, { guardUnload: 1 }), { code: "option-invalid" });
});

test("a letter of a type that the server does not know is offered once, mended and sent", async () => {
  const offered = [];
  const migrate = async (letter) => {
    offered.push(letter.id);
    if (letter.id === "e2") return undefined;
    return { type: "t.v2", data: { was: letter.data } };
  };
  const { client, errors } = await open({ migrate });
  client.answersAtOnce = true;
  const letter = (id, code) => [id, deadRow({ id, type: "t", data: "1" }, { code })];
  client.stored.dead = [letter("e1", "type-unknown"), letter("e2", "type-unknown"), letter("e3", "forbidden")];
  client.sink("ready", {});
  await quiet();
  const notice = { id: "e1", type: "t", code: "type-unknown", message: "", tries: 0 };
  client.sink("dead-letter", notice);
  client.sink("dead-letter", { ...notice, id: "e3", code: "forbidden" });
  await quiet();
  assert.deepEqual(offered, ["e1", "e2"]);
  assert.deepEqual(appended(client), [["e1", "t.v2", '{"was":1}', 129]]);
  assert.deepEqual(client.calls, [["retry", "e1"]]);
  assert.deepEqual(errors, []);
});

test("a letter that cannot be mended stays one, and says why", async () => {
  const migrate = () => {
    throw new Error("no such shape");
  };
  const { client, errors } = await open({ migrate });
  client.stored.dead = [["e1", deadRow({ id: "e1", type: "t" }, { code: "type-unknown" })]];
  client.sink("ready", {});
  await quiet();
  assert.equal(errors.length, 1);
  assert.deepEqual([errors[0].code, errors[0].culprit], ["migrate-failed", "app"]);
  assert.match(errors[0].message, /no such shape/);
  assert.deepEqual([client.appended, client.calls], [[], []]);
});

test("the user is asked before closing only while something is undelivered", async (t) => {
  const target = new EventTarget();
  let listeners = 0;
  for (const [name, by] of [["addEventListener", 1], ["removeEventListener", -1]]) {
    globalThis[name] = (...how) => {
      if (how[0] === "beforeunload") listeners = Math.max(0, Math.min(1, listeners + by));
      target[name](...how);
    };
    t.after(() => delete globalThis[name]);
  }
  const leaving = () => {
    const event = new Event("beforeunload", { cancelable: true });
    target.dispatchEvent(event);
    return event.defaultPrevented;
  };
  const { page, client } = await open({}, { guardUnload: true });
  assert.deepEqual([leaving(), listeners], [false, 0]);
  client.sink("status", facts({ pending: 2 }));
  client.sink("status", facts({ pending: 1 }));
  assert.deepEqual([leaving(), listeners], [true, 1]);
  client.sink("status", facts({ pending: 0 }));
  assert.deepEqual([leaving(), listeners], [false, 0]);
  client.sink("status", facts({ pending: 1 }));
  await page.close();
  assert.deepEqual([leaving(), listeners], [false, 0]);
});
