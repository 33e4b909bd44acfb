// Rows that pages share, in a database and in a storage that are the test's.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { databaseRow, storageRow } from "../build/js/row.js";
import { FakeDatabases } from "../testing/database.mjs";

const [ONE, TWO] = [Uint8Array.of(1, 200, 0), Uint8Array.of(1, 200, 1)];

function database(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const databases = new FakeDatabases();
  databases.rows.set("d", new Map());
  replace(t, "indexedDB", databases);
  return { databases, rows: databases.rows.get("d"), row: databaseRow("d", "k") };
}

/** An item of a storage; a lock for it is had at once, unless `lock` says otherwise. */
function storage(t, { lock } = {}) {
  const world = { items: new Map(), locks: [], released: 0, window: new EventTarget(), document: new EventTarget(), over: new AbortController() };
  world.storage = {
    getItem: (key) => world.items.get(key) ?? null,
    setItem: (key, text) => void world.items.set(key, text),
  };
  replace(t, "localStorage", world.storage);
  replace(t, "window", world.window);
  replace(t, "document", world.document);
  replace(t, "addEventListener", world.window.addEventListener.bind(world.window));
  const release = () => (world.released += 1);
  world.row = storageRow("i", async (asking) => {
    world.locks.push(asking.key);
    return lock ? lock() : release;
  }, world.over.signal);
  return world;
}

for (const [where, open] of [["a database", database], ["a storage", storage]]) {
  test(`a row of ${where} is swapped by whoever knows what stands there`, async (t) => {
    const { row } = open(t);
    assert.equal(await row.read(), undefined);
    assert.deepEqual(await row.swap(ONE, TWO), { isMade: false, found: undefined });
    assert.equal(await row.read(), undefined, "nothing was written");
    assert.deepEqual(await row.swap(undefined, ONE), { isMade: true });
    assert.deepEqual(await row.read(), ONE);
    for (const expected of [undefined, TWO, new Uint8Array(), ONE.slice(0, 2), Uint8Array.of(...ONE, 0)]) {
      assert.deepEqual(await row.swap(expected, TWO), { isMade: false, found: ONE }, `${expected}`);
    }
    assert.deepEqual(await row.swap(ONE.slice(), TWO), { isMade: true });
    assert.deepEqual(await row.read(), TWO);
  });
}

test("of two that have seen the same one swap is made", async (t) => {
  const { rows, row } = database(t);
  const swaps = await Promise.all([row.swap(undefined, ONE), row.swap(undefined, TWO)]);
  assert.deepEqual(swaps, [{ isMade: true }, { isMade: false, found: ONE }]);
  assert.deepEqual([...rows], [["k", ONE]]);
});

test("what stands in a database and is no row is one that nobody can read, and can be swapped", async (t) => {
  const { rows, row } = database(t);
  for (const found of [null, 0, "text", [1], { holder: "page-1" }, new ArrayBuffer(2)]) {
    rows.set("k", found);
    assert.deepEqual(await row.read(), new Uint8Array(), `${found}`);
    assert.equal((await row.swap(undefined, ONE)).isMade, false);
    assert.deepEqual(await row.swap(new Uint8Array(), ONE), { isMade: true });
  }
});

test("a database is open only while it is used, however that ends", async (t) => {
  const { databases, row } = database(t);
  await row.swap(undefined, ONE);
  await row.swap(undefined, ONE);
  await row.read();
  assert.equal(databases.handles.size, 0);
  databases.fault = new DOMException("full", "QuotaExceededError");
  await assert.rejects(row.swap(ONE, TWO), databases.fault);
  assert.equal(databases.handles.size, 0);
  databases.fault = undefined;
  assert.deepEqual(await row.read(), ONE);
});

test("a database that is not there is not made", async (t) => {
  const { databases } = database(t);
  const row = databaseRow("another", "k");
  await assert.rejects(row.read(), { name: "AbortError" });
  await assert.rejects(row.swap(undefined, ONE), { name: "AbortError" });
  assert.deepEqual([...databases.rows.keys()], ["d"]);
});

test("a database that does not open is told of, by its fault or after 3 s", async (t) => {
  const { databases, row } = database(t);
  const fault = new DOMException("another version", "VersionError");
  databases.onOpen = ({ fail }) => fail(fault);
  await assert.rejects(row.read(), fault);
  let opening;
  databases.onOpen = (it) => (opening = it);
  const ends = row.read().then(() => "read", ({ message }) => message);
  await turn();
  t.mock.timers.tick(2_999);
  assert.equal(await Promise.race([ends, turn("waits")]), "waits");
  t.mock.timers.tick(1);
  assert.equal(await ends, "the database does not open");
  opening.succeed();
  assert.equal(databases.handles.size, 0, "one that opens too late stands in nobody's way");
});

test("an item of a storage is swapped under a lock of its own, which is let go of", async (t) => {
  const world = storage(t);
  await world.row.read();
  assert.deepEqual(world.locks, [], "who only reads takes none");
  await world.row.swap(undefined, ONE);
  await world.row.swap(undefined, TWO);
  assert.deepEqual([world.locks, world.released], [["i", "i"], 2]);
  const fault = new DOMException("full", "QuotaExceededError");
  world.storage.setItem = () => {
    throw fault;
  };
  await assert.rejects(world.row.swap(ONE, TWO), fault);
  world.storage.getItem = world.storage.setItem;
  await assert.rejects(world.row.swap(ONE, TWO), fault);
  await assert.rejects(world.row.read(), fault);
  assert.equal(world.released, 4);
});

test("what stands there is read once the lock is had", async (t) => {
  let grant;
  const world = storage(t, { lock: () => new Promise((resolve) => (grant = resolve)) });
  const swapping = world.row.swap(undefined, ONE);
  await turn();
  world.items.set("i", "x");
  grant(() => {});
  assert.deepEqual(await swapping, { isMade: false, found: Uint8Array.of(120) });
});

test("a lock that is not to be had fails the swap, and so does one that throws", async (t) => {
  const fault = new Error("no locks here");
  for (const [lock, told] of [
    [() => undefined, { message: "i is locked" }],
    [() => Promise.reject(fault), fault],
  ]) {
    const world = storage(t, { lock });
    await assert.rejects(world.row.swap(undefined, ONE), told);
    assert.equal(world.items.size, 0);
  }
});

for (const [how, target, type, back] of [
  ["left", "window", "pagehide", "pageshow"],
  ["frozen", "document", "freeze", "resume"],
]) {
  test(`a page that is ${how} asks for no lock until it is back`, async (t) => {
    const world = storage(t);
    world[target].dispatchEvent(new Event(type));
    let swapped;
    world.row.swap(undefined, ONE).then((swap) => (swapped = swap));
    assert.deepEqual([world.locks, world.items.size], [[], 1], "in the same turn, which may be the last");
    await turn();
    assert.deepEqual(swapped, { isMade: true });
    assert.deepEqual(await world.row.swap(undefined, ONE), { isMade: false, found: ONE });
    assert.deepEqual([world.locks, await world.row.read()], [[], ONE]);
    world[target].dispatchEvent(new Event(back));
    assert.deepEqual(await world.row.swap(ONE, ONE), { isMade: true });
    assert.equal(world.locks.length, 1);
  });
}

test("a page that is closed asks for no lock any more, and listens to nothing", async (t) => {
  const world = storage(t);
  const listeners = () =>
    [world.window, world.document].flatMap((it) => ["pagehide", "pageshow", "freeze", "resume"].map((type) => getEventListeners(it, type).length));
  assert.deepEqual(listeners(), [1, 1, 0, 0, 0, 0, 1, 1]);
  world.over.abort();
  const swapping = world.row.swap(undefined, ONE);
  assert.deepEqual([world.locks, world.items.size], [[], 1], "in the same turn: the page may be left in the next one");
  assert.deepEqual(await swapping, { isMade: true });
  assert.deepEqual(listeners(), [0, 0, 0, 0, 0, 0, 0, 0]);
});

test("that another page has changed an item is told, while that is wanted", (t) => {
  const world = storage(t);
  const control = new AbortController();
  let changes = 0;
  world.row.watch(() => (changes += 1), control.signal);
  const change = (key) => world.window.dispatchEvent(Object.assign(new Event("storage"), { key }));
  change("i");
  change("another");
  assert.equal(changes, 1);
  change(null);
  assert.equal(changes, 2, "all items were removed");
  control.abort();
  change("i");
  assert.equal(changes, 2);
});

function replace(t, name, value) {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
  t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
}
