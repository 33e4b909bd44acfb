// What a page with a database does about what pages without one have kept, while such pages live.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { adoptKept, wipeKept } from "../build/js/below.js";
import { connector } from "../build/js/connect.js";
import { settled } from "../build/js/errors.js";
import { Keep } from "../build/js/keep.js";
import { fakeClients } from "../testing/client.mjs";
import { World, bytes, led, text } from "../testing/replicas.mjs";
import { cursorRow, deadRow, doneRow, journalRow } from "../testing/rows.mjs";
import { FakeStorage } from "../testing/storage.mjs";

afterEach(() => delete globalThis.localStorage);

test("events that pages without a database have kept are taken in, and leave the storage once they are on disk", async (t) => {
  const [world, page] = await led(t, 1, new Map());
  page.append("a", "b");
  await page.run(["document", "put", bytes("d"), "d"], ["done", "put", bytes("o"), 1]);
  page.append("c");
  await world.quiet();
  page.die();
  const { inside, taken } = withDatabase(world.items);
  inside.client.refuses = true;
  await assert.rejects(adoptKept(inside));
  assert.deepEqual(keptEvents(world.items), ["a", "b", "c"]);
  inside.client.refuses = false;
  world.items.set("bellwether:kept:c:journal:x7", "%");
  await adoptKept(inside);
  assert.deepEqual(taken, ["a", "b", "c"]);
  assert.ok(![...world.items.keys()].some((item) => item.includes(":journal:")));
  assert.ok(!JSON.stringify([...world.items]).includes(btoa("c")), "nothing of it is left, neither in the last change");
  const next = await world.open();
  await world.lead(next, 2);
  assert.deepEqual([await next.texts("document"), await next.texts("done"), await next.texts()], [["d"], ["o"], []]);
  next.append("d");
  await world.quiet();
  assert.deepEqual(next.done, [["d", 4]], "a position is never used again");
});

test("whatever a living page appends while its events are taken in is kept or taken in at all times", async (t) => {
  for (const count of [1, 2]) {
    for (let at = 1, isOver = false; !isOver; at += 1) {
      t.mock.timers.reset();
      const [world, page] = await led(t, 1, new Map());
      page.append("a");
      page.append("b");
      await world.quiet();
      const appended = ["a", "b"];
      let calls = 0;
      const { inside, taken } = withDatabase(world.items, () => {
        calls += 1;
        const more = calls === at ? Array.from({ length: count }, (_, nth) => `late ${nth}`) : [];
        for (const row of more) page.append(row);
        appended.push(...more);
        const there = [...keptEvents(world.items), ...taken];
        for (const row of appended) assert.ok(there.includes(row), `${row}, written at call ${at}, is gone at call ${calls}`);
      });
      await adoptKept(inside);
      isOver = calls < at;
      page.append("at last");
      await world.quiet();
      page.die();
      const next = await world.open();
      await world.lead(next, 2);
      const all = new Set([...taken, ...(await next.texts())]);
      assert.deepEqual(all, new Set([...appended, "at last"]), `written at call ${at}`);
    }
  }
});

test("who puts an event in the place of one that is being taken in keeps it with the next write, at the latest", async (t) => {
  for (let at = 1, isOver = false; !isOver; at += 1) {
    t.mock.timers.reset();
    const world = new World(t, new Map());
    const storage = new FakeStorage(world.items);
    const keep = new Keep(storage, "c");
    const copy = { version: { epoch: 1, by: "page", seq: 0 }, line: [], rows: new Map() };
    copy.all = () => [...copy.rows].map(([key, row]) => ["journal", key, bytes(row)]);
    const put = (key, row) => {
      copy.rows.set(key, row);
      const version = { ...copy.version, seq: copy.version.seq + 1 };
      keep.write(copy, { version, changes: [["journal", key, bytes(row)]], next: 9, told: [] });
      copy.version = version;
    };
    put(1, "a");
    put(2, "b");
    let calls = 0;
    const { inside, taken } = withDatabase(world.items, () => {
      calls += 1;
      if (calls === at) put(1, "a, replaced");
    });
    await adoptKept(inside);
    isOver = calls < at;
    put(3, "c");
    const all = new Set([...taken, ...keptEvents(world.items)]);
    for (const row of copy.rows.values()) assert.ok(all.has(row), `${row}, replaced at call ${at}`);
  }
});

test("a change that was written by half is whole afterwards, but for its events, which are taken in", async (t) => {
  for (let lives = 0, isOver = false; !isOver; lives += 1) {
    t.mock.timers.reset();
    const [world, page] = await led(t, 1, new Map());
    page.append("a", "b");
    await page.run(["document", "put", bytes("old"), "1"], ["document", "put", bytes("old"), "2"]);
    page.storage.lives = lives;
    const change = ["1", "2"].map((key) => ["document", "put", bytes("new"), key]);
    await page.run(...change, ["journal", "delete", 1], ["journal", "put", bytes("b, replaced"), 2]).catch(() => {});
    isOver = !page.isDead;
    page.die();
    const before = text([...new Keep(new FakeStorage(world.items), "c").load().copy.pairs("document")][0][1]);
    const events = keptEvents(world.items);
    const { inside, taken } = withDatabase(world.items);
    await adoptKept(inside);
    assert.deepEqual(taken, events);
    const { copy } = new Keep(new FakeStorage(world.items), "c").load();
    assert.deepEqual(copy.pairs("document").map(([, row]) => text(row)), [before, before], `after ${lives} writes`);
    assert.ok(copy.pairs("journal").every(([, row]) => !taken.includes(text(row))));
  }
});

test("a storage that is full to the last letter is taken in, and wiped", async (t) => {
  for (const act of [
    ({ inside }) => adoptKept(inside),
    ({ inside }) => wipeKept(inside, undefined, undefined, true),
  ]) {
    t.mock.timers.reset();
    const [world, page] = await led(t, 1, new Map());
    page.append("a", "b");
    await world.quiet();
    page.die();
    const database = withDatabase(world.items);
    world.items.room = new FakeStorage(world.items).used;
    await act(database);
    assert.deepEqual(keptEvents(world.items), []);
  }
});

test("an event that cannot be taken in stays, the others are taken in once, and it is told", async (t) => {
  const [world, page] = await led(t, 1, new Map());
  page.append("a", "b", "c");
  await world.quiet();
  page.die();
  const { inside, taken } = withDatabase(world.items);
  const { adopt } = inside.client;
  inside.client.adopt = (row, settle) => (text(row) === "b" ? settle(0, { code: "store-quota", culprit: "browser", message: "full" }) : adopt(row, settle));
  for (let tries = 0; tries < 2; tries += 1) await assert.rejects(adoptKept(inside), { code: "store-quota" });
  assert.deepEqual([taken, keptEvents(world.items)], [["a", "c"], ["b"]]);
});

const OF = { ann: { session: "s", user: "ann" }, ben: { session: "s", user: "ben" }, other: { session: "o", user: "ann" } };
const ROWS = Object.entries(OF).flatMap(([name, of], at) => [
  ["journal", at + 1, journalRow({ id: name, type: "t" }, of)],
  ["dead", name, deadRow({ id: name, type: "t" }, of)],
  ["done", at + 1, doneRow([], of)],
]);
const SHARED = ["s", "o"].flatMap((session) => [
  ["cursor", session, cursorRow(session)],
  ["document", `1 ${session} /key/x`, bytes("x")],
]);
const NOBODYS = [
  ["done", 7, doneRow([])],
  ["dead", "journal:9", bytes("no row")],
  ["document", "3 s s /key/x", bytes("x")],
  ["meta", "config", bytes("c")],
];
const keyOf = (name, store) => (store === "dead" ? name : 1 + Object.keys(OF).indexOf(name));
const named = (names, stores) => names.flatMap((name) => stores.map((store) => `${store} ${keyOf(name, store)}`));
const all = [...ROWS, ...SHARED, ...NOBODYS].map(([store, key]) => `${store} ${key}`);
const ofS = ["cursor s", "document 1 s /key/x"];

for (const [shows, act, goes, removed] of [
  ["a wipe of a session", (page) => page.wipe({ session: "s" }), [...named(["ann", "ben"], ["done"]), ...ofS], 3],
  [
    "a wipe of a session and of what it has not delivered",
    (page) => page.wipe({ session: "s", undelivered: true }),
    [...named(["ann", "ben"], ["journal", "dead", "done"]), ...ofS],
    7,
  ],
  ["a wipe of what is delivered", (page) => page.wipe(), all.filter((row) => /^(done|document|cursor)/.test(row)), 3],
  ["a wipe of everything", (page) => page.wipe({ undelivered: true }), all.filter((row) => !row.startsWith("meta")), 10],
  ["signing out", (page) => page.signOut(), [], undefined],
  [
    "signing out, where what is undelivered is discarded",
    (page) => page.signOut({ undelivered: "discard" }),
    named(["ann"], ["journal", "dead", "done"]),
    undefined,
  ],
]) {
  test(`${shows} removes the same from what is kept below, and no more`, async (t) => {
    const items = new Map();
    withDatabase(items);
    const clients = fakeClients();
    const page = await connector("b1", async () => clients)({ channel: "c", session: "s", user: "ann", worker: false });
    t.after(() => page.close());
    const keep = new Keep(new FakeStorage(items), "c");
    const changes = [...ROWS, ...SHARED, ...NOBODYS];
    const step = (seq, changes) => ({ version: { epoch: 1, by: "page", seq }, changes, next: 10, told: [] });
    keep.write({ version: step(0).version, line: [], all: () => [] }, step(1, []));
    keep.write({ version: step(1).version, line: [], all: () => changes }, step(2, [...changes, ["retained", 1, bytes("r")]]));
    const report = await act(page);
    assert.equal(report?.removed, removed);
    const kept = [...new Keep(new FakeStorage(items), "c").load().copy.all()].map(([store, key]) => `${store} ${key}`);
    assert.deepEqual(new Set(kept), new Set(all.filter((row) => !goes.includes(row))));
    const redo = JSON.parse(items.get("bellwether:kept:c:redo")).changes.map(([store, key]) => `${store} ${key}`);
    for (const row of goes) assert.ok(!redo.includes(row), `${row} is in the last change`);
  });
}

test("a wipe of everything removes what cannot be read, too, and nothing of other channels", async (t) => {
  const items = new Map([
    ["bellwether:kept:c:dead:x7", "%"],
    ["bellwether:kept:c:redo", "{"],
    ["bellwether:kept:cc:dead:te1", "eA=="],
  ]);
  withDatabase(items);
  const clients = fakeClients();
  const page = await connector("b1", async () => clients)({ channel: "c", worker: false });
  t.after(() => page.close());
  await page.wipe();
  assert.equal(items.size, 3);
  await page.wipe({ undelivered: true });
  assert.deepEqual([...items.keys()], ["bellwether:kept:cc:dead:te1"]);
});

/** What such a page has; `before` is called before each use of its storage. */
function withDatabase(items, before = () => {}) {
  const taken = [];
  const client = {
    adopt(row, settle) {
      const fault = client.refuses ? new DOMException("full", "QuotaExceededError") : undefined;
      setImmediate(() => settle(fault ? 0 : taken.push(text(row)), fault));
    },
  };
  globalThis.localStorage = new Proxy(new FakeStorage(items), {
    get(storage, name) {
      before();
      const it = storage[name];
      return typeof it === "function" ? it.bind(storage) : it;
    },
    ownKeys: () => [...items.keys()],
    getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
  });
  return { inside: { asked: { raw: { channel: "c" } }, client, kit: { settled } }, taken };
}

function keptEvents(items) {
  const copy = new Keep(new FakeStorage(items), "c").load()?.copy;
  return (copy?.pairs("journal") ?? []).map(([, row]) => text(row));
}
