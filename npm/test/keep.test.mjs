// What outlives all pages where there is only localStorage: whole, whatever dies and whatever is refused.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Keep } from "../build/js/keep.js";
import { World, bytes, led, text } from "../testing/replicas.mjs";
import { FakeStorage } from "../testing/storage.mjs";

const PREFIX = "bellwether:kept:c:";

test("the next page goes on from what was kept, and is another device", async (t) => {
  const world = new World(t, new Map());
  const page = await world.open();
  await world.lead(page, 3);
  page.append("a", "b", "c");
  const stores = ["flight", "done", "retained", "dead", "document", "stream", "cursor", "lease", "idle", "kv"];
  await page.run(...stores.map((store) => [store, "put", bytes(store), `key of: ${store}`]), ["done", "put", bytes("7"), 7]);
  await page.run(...["device", "config", "lost"].map((key) => ["meta", "put", bytes(key), key]), ["meta", "put", null, "signing"]);
  await page.run(["journal", "delete", { lower: 2, upper: 3 }]);
  page.die();

  const next = await world.open();
  await world.lead(next, 1);
  assert.deepEqual(await next.read("journal"), [[1, "a"]]);
  assert.deepEqual(await next.read("done"), [[7, "7"], ["key of: done", "done"]]);
  for (const store of ["dead", "document", "cursor"]) assert.deepEqual(await next.texts(store), [store]);
  for (const store of ["flight", "retained", "stream", "lease", "idle", "kv"]) assert.deepEqual(await next.texts(store), [], store);
  assert.deepEqual(await next.texts("meta"), ["config", "lost"]);
  assert.equal(next.replica.version.epoch, 4, "terms go on, too");
  next.append("d");
  await world.quiet();
  assert.deepEqual(next.done, [["d", 4]], "a position is never used again");
});

test("channels keep their own, and leave what is not theirs", () => {
  const storage = new FakeStorage();
  storage.setItem("bellwether:kept:cc:head", "of another");
  storage.setItem("of the app", "x");
  for (const channel of ["c", "c:journal", "c%3Ajournal"]) {
    const { keep, write } = writer(storage, channel);
    assert.equal(keep.load(), undefined, channel);
    write([["journal", 1, bytes(channel)]]);
    assert.deepEqual(rowsOf(new Keep(storage, channel)), [["journal", 1, channel]]);
  }
  assert.equal(storage.getItem("of the app"), "x");
});

test("what is refused for want of room is undone, told as such, and leaves room for what is smaller", async (t) => {
  const [world, page, other] = await led(t, 2, new Map());
  page.append("a");
  await page.run(["document", "put", bytes("before"), "k"]);
  await world.quiet();
  const before = kept(world.items);
  for (const room of [850, 900, 950, 1_000, 1_050, 1_100, 1_150, 1_200]) {
    page.storage.room = room;
    const large = [["document", "put", bytes("x".repeat(400)), "k"], ["done", "put", bytes("y"), 1], ["journal", "delete", 1]];
    await assert.rejects(page.run(...large), { name: "QuotaExceededError" }, `${room}`);
    assert.deepEqual(kept(world.items), before, `${room}`);
  }
  const { version } = page.replica;
  other.append("x".repeat(1_000));
  page.append("x".repeat(1_000));
  await world.quiet();
  assert.deepEqual([page.done[1][1].name, other.done[0][1].name], ["QuotaExceededError", "QuotaExceededError"]);
  assert.deepEqual(page.replica.version, version);
  for (const one of [page, other]) assert.deepEqual(await one.texts("document"), ["before"]);
  other.append("b");
  await world.quiet();
  assert.deepEqual(other.done[1], ["b", 2]);
  assert.deepEqual(await page.texts(), ["a", "b"]);
});

test("where there is no room at all what goes goes all the same, and whatever dies meanwhile, events that stay do", async (t) => {
  for (let lives = 0, isAlive = false; !isAlive; lives += 1) {
    t.mock.timers.reset();
    const [world, page] = await led(t, 1, new Map());
    page.append("a", "b".repeat(100), "c");
    await page.run(["document", "put", bytes("before"), "k"]);
    page.storage.room = page.storage.used;
    page.append("told");
    await page.run(["flight", "put", bytes("x".repeat(500)), "s"], ["stream", "put", bytes("x".repeat(500)), "s"]);
    page.storage.lives = lives;
    const writes = [["journal", "delete", 2], ["done", "put", bytes("d"), 1], ["stream", "put", bytes("y".repeat(500)), "s"]];
    await page.run(...writes).catch(() => {});
    isAlive = !page.isDead;
    if (isAlive) assert.equal(page.done.at(-1)[1].name, "QuotaExceededError");
    page.die();
    page.storage.room = Infinity;
    const next = await world.open();
    await world.lead(next, 2);
    const texts = (await next.texts()).filter((row) => !row.startsWith("b"));
    assert.deepEqual(texts, ["a", "c"], `after ${lives} writes`);
    if (isAlive) assert.deepEqual([await next.texts(), await next.texts("document"), await next.texts("done")], [["a", "c"], ["before"], ["d"]]);
  }
});

test("a page may die between any two writes, and what it was at is there whole or not at all", () => {
  const first = [["document", "1", bytes("old")], ["document", "2", bytes("old")], ["journal", 1, bytes("j")]];
  const second = [["document", "1", bytes("new")], ["document", "2"], ["document", "3", bytes("new")], ["journal", 1], ["done", 1, bytes("d")]];
  const seen = new Set();
  for (let lives = 0; ; lives += 1) {
    const storage = new FakeStorage();
    const { write } = writer(storage);
    write(first);
    const before = JSON.stringify(rowsOf(new Keep(storage, "c")));
    storage.lives = lives;
    const died = throws(() => write(second));
    storage.lives = Infinity;
    const after = JSON.stringify(rowsOf(new Keep(storage, "c")));
    seen.add(after);
    if (lives === 0) assert.equal(after, before);
    assert.ok(seen.size <= 2, after);
    if (!died) break;
  }
  assert.equal(seen.size, 2);
});

test("a page may die between any two writes of an undoing, too", () => {
  const first = [["document", "1", bytes("old")], ["document", "2", bytes("old")], ["journal", 1, bytes("j")]];
  const second = [["document", "1", bytes("new")], ["document", "2", bytes("x".repeat(200))], ["journal", 1]];
  const seen = new Set();
  const attempt = (room, lives) => {
    const storage = new FakeStorage();
    const { write } = writer(storage);
    write(first);
    const before = JSON.stringify(rowsOf(new Keep(storage, "c")));
    Object.assign(storage, { room, lives });
    const failed = throws(() => write(second));
    const isAlive = storage.lives >= 0;
    storage.lives = Infinity;
    const after = JSON.stringify(rowsOf(new Keep(storage, "c")));
    seen.add(after);
    return { failed, isAlive, isUndone: after === before };
  };
  // Enough for the redo and some of the rows beside it, and not for all.
  let room = 500;
  while (attempt(room + 1, Infinity).failed) room += 1;
  for (let lives = 0; ; lives += 1) {
    const { failed, isAlive, isUndone } = attempt(room, lives);
    assert.ok(failed);
    assert.ok(seen.size <= 2, [...seen].join("\n"));
    if (isAlive) {
      assert.ok(isUndone);
      break;
    }
  }
  assert.equal(seen.size, 2);
});

test("what another line has left is put away before this one is kept; if the page dies meanwhile only events and letters are read", () => {
  const [old, rows] = [
    [["journal", 1, bytes("old")], ["document", "1", bytes("old")], ["done", 1, bytes("old")], ["dead", "x", bytes("old")]],
    [["journal", 1, bytes("new")], ["journal", 2, bytes("new")], ["document", "1", bytes("new")], ["cursor", "s", bytes("new")]],
  ];
  const found = new Set();
  for (let lives = 0; ; lives += 1) {
    const storage = new FakeStorage();
    writer(storage, "c", 1).write(old);
    storage.lives = lives;
    const died = throws(() => writer(storage, "c", 2).write(rows));
    storage.lives = Infinity;
    const left = rowsOf(new Keep(storage, "c"));
    found.add(left.map(([store, key, row]) => `${store} ${key} ${row}`).join());
    const documents = left.filter(([store]) => store === "document" || store === "done" || store === "cursor");
    const moments = [[["document", "1", "old"], ["done", 1, "old"]], [["document", "1", "new"], ["cursor", "s", "new"]], []];
    assert.ok(moments.some((moment) => sorted(moment) === sorted(documents)), sorted(documents));
    assert.ok(left.some(([store]) => store === "journal"), "a row of the journal is there at all times");
    if (!died) break;
  }
  assert.ok(found.size > 2);
});

test("what cannot be read is passed over", async (t) => {
  const [world, page] = await led(t, 1, new Map());
  page.append("a", "b");
  await page.run(["document", "put", bytes("d"), "d"]);
  page.die();
  world.items.set(`${PREFIX}journal:n1`, "%");
  for (const item of ["journal:n", "journal:x7", "journal", "other:n1", "stream:n1", "meta:tdevice", "document:", "journal:nx"]) {
    world.items.set(PREFIX + item, "eA==");
  }
  const next = await world.open();
  await world.lead(next);
  assert.deepEqual(await next.read("journal"), [[2, "b"]]);
  assert.deepEqual([await next.texts("document"), await next.texts("stream"), await next.texts("meta")], [["d"], [], []]);
});

for (const [shows, head, texts, document] of [
  ["gone", undefined, ["a", "b"], []],
  ["no JSON", "{", ["a", "b"], []],
  ["null", "null", ["a", "b"], []],
  ["of another shape", '{"version":1,"line":[],"next":3}', ["a", "b"], []],
]) {
  test(`where the head is ${shows} the events are there, and their positions are not used again`, async (t) => {
    const [world, page] = await led(t, 1, new Map());
    page.append("a", "b");
    await page.run(["document", "put", bytes("d"), "d"]);
    page.die();
    if (head === undefined) world.items.delete(`${PREFIX}head`);
    else world.items.set(`${PREFIX}head`, head);
    const next = await world.open();
    await world.lead(next);
    assert.deepEqual([await next.texts(), await next.texts("document")], [texts, document]);
    next.append("c");
    await world.quiet();
    assert.deepEqual(next.done, [["c", 3]]);
  });
}

for (const [shows, head] of [
  ["of another line", JSON.stringify({ version: { epoch: 1, by: "page-0", seq: 5 }, line: [], next: 9 })],
  ["without its head", undefined],
]) {
  test(`what was kept ${shows} is not lost to a page that goes on from its own copy`, async (t) => {
    for (let lives = 0, isAlive = false; !isAlive; lives += 1) {
      t.mock.timers.reset();
      const world = new World(t, new Map());
      const page = await world.open();
      await world.lead(page, 3);
      page.append("of its own");
      await world.quiet();
      page.replica.resign();
      if (head === undefined) world.items.delete(`${PREFIX}head`);
      else world.items.set(`${PREFIX}head`, head);
      world.items.set(`${PREFIX}journal:n8`, btoa("of another"));
      page.storage.lives = lives;
      await world.lead(page, 4).catch(() => {});
      isAlive = !page.isDead;
      if (isAlive) assert.deepEqual(await page.read("journal"), [[1, "of its own"], [9, "of another"]]);
      page.die();
      const next = await world.open();
      await world.lead(next, 5);
      // Who died in between may have left one twice.
      assert.deepEqual([...new Set(await next.texts())].sort(), ["of another", "of its own"], `after ${lives} writes`);
    }
  });
}

test("what is kept without its head is not lost to a page that has begun with such rows before", async (t) => {
  const items = new Map([[`${PREFIX}journal:n1`, btoa("first")]]);
  const [world, page] = await led(t, 1, items);
  assert.deepEqual(await page.texts(), ["first"]);
  items.delete(`${PREFIX}head`);
  items.set(`${PREFIX}journal:n8`, btoa("of another"));
  page.append("of its own");
  await world.quiet();
  assert.deepEqual(await page.texts(), ["first", "of another", "of its own"]);
});

for (const [shows, redo] of [
  ["no JSON", "{"],
  ["of another shape", '{"version":{"epoch":9,"by":"x","seq":1},"changes":7}'],
  ["with changes that are none", '{"version":{"epoch":9,"by":"x","seq":1},"line":[],"next":9,"told":[],"changes":[["kv"],7]}'],
]) {
  test(`a redo that is ${shows} is passed over`, () => {
    const storage = new FakeStorage();
    writer(storage).write([["document", "1", bytes("a")]]);
    storage.setItem(`${PREFIX}redo`, redo);
    assert.deepEqual(rowsOf(new Keep(storage, "c")), [["document", "1", "a"]]);
  });
}

test("a storage that cannot be used keeps nothing, and hinders nothing but writing", async (t) => {
  const world = new World(t, new Map());
  const page = await world.open();
  page.storage.key = page.storage.getItem = () => {
    throw new DOMException("", "SecurityError");
  };
  await assert.rejects(world.lead(page).then(() => page.run(["kv", "put", bytes("x"), 1])), { name: "SecurityError" });
  assert.equal(new Keep(page.storage, "c").load(), undefined);
});

test("who was primary learns from the storage that another is, and writes nothing", async (t) => {
  const [world, page, other] = await led(t, 2, new Map());
  page.append("a");
  await world.quiet();
  world.cut(page, other);
  await world.lead(other, 2);
  const before = new Map(world.items);
  assert.equal(page.fenced, 0);
  page.append("b");
  await assert.rejects(page.run(["kv", "put", bytes("x"), 1]), { name: "InvalidStateError" });
  assert.equal(page.fenced, 1);
  assert.deepEqual(world.items, before);
  assert.deepEqual(page.done, [["a", 1]], "it waits for the one that is");
  world.cuts.clear();
  await world.pass(3_000);
  assert.deepEqual(page.done, [["a", 1], ["b", 2]]);
});

test("what another page has kept while there was no room is taken in before it is written over", async (t) => {
  const world = new World(t, new Map());
  const [page, other] = [await world.open(), await world.open()];
  world.cut(page, other);
  world.items.room = 0;
  await world.lead(other, 5);
  world.items.room = Infinity;
  await world.lead(page, 5);
  page.append("a");
  await world.quiet();
  assert.deepEqual(page.done, [["a", 1]]);
  page.die();
  other.append("b");
  await world.quiet();
  assert.deepEqual(await other.texts(), ["a", "b"]);
});

test("what was kept of another line and finds no room keeps no event from being done with, and is not written over", async (t) => {
  const [world, page, other] = await led(t, 2, new Map());
  page.append("x".repeat(600), "y".repeat(600));
  await world.quiet();
  world.cut(page, other);
  world.items.room = 0;
  await world.lead(other, 5);
  world.items.room = Infinity;
  await world.lead(page, 5);
  await page.run(["journal", "delete", { lower: 1, upper: 2 }]);
  page.append("of the other line");
  await world.quiet();
  page.die();
  world.items.room = other.storage.used + 600;
  other.append("told");
  await other.run(["journal", "delete", 1], ["done", "put", bytes("d"), 1]);
  await world.quiet();
  assert.deepEqual(other.done.map(([text, { name }]) => [text, name]), [["told", "QuotaExceededError"]]);
  assert.deepEqual(rowsOf(new Keep(other.storage, "c")), [["journal", 3, "of the other line"]]);
  await other.run(["journal", "delete", 2]);
  other.append("fits");
  await world.quiet();
  assert.deepEqual(await other.texts(), ["of the other line", "fits"]);
  other.die();
  const next = await world.open();
  await world.lead(next, 6);
  assert.deepEqual([await next.texts(), await next.texts("done")], [["of the other line", "fits"], ["d"]]);
});

for (const [shows, turns] of [["the page that kept it", [0, 2, 0]], ["another page", [2, 0, 2]]]) {
  test(`what was done by a page without a storage is not undone by ${shows} with what was kept before`, async (t) => {
    const world = new World(t, new Map());
    const [page, without] = [await world.open(), await world.open({ keep: null }), await world.open()];
    await world.lead(page);
    page.append("a", "b");
    await page.run(["document", "put", bytes("old"), "1"], ["document", "put", bytes("old"), "2"]);
    await world.lead(without, 2);
    await without.run(["journal", "delete", 1], ["document", "delete", "1"], ["document", "put", bytes("new"), "2"]);
    await world.quiet();
    for (const turn of turns) {
      const next = world.pages[turn];
      await world.lead(next, 3);
      await next.run(["document", "put", bytes(next.id), "3"]);
      await world.quiet();
      assert.deepEqual([await next.texts(), await next.texts("document")], [["b"], ["new", next.id]]);
      const kept = rowsOf(new Keep(next.storage, "c")).map(([store, key]) => `${store} ${key}`);
      assert.deepEqual(kept, ["journal 2", "document 2", "document 3"]);
    }
  });
}

test("who finds only when it writes that another is primary does not become it", async (t) => {
  const world = new World(t);
  const later = { epoch: 9, by: "elsewhere", seq: 0 };
  const page = await world.open({ keep: { load() {}, stray() {}, write: () => later } });
  await assert.rejects(world.lead(page), { name: "InvalidStateError" });
  assert.equal(page.fenced, 1);
});

test("an event costs three writes", async (t) => {
  const [world, page] = await led(t, 1, new Map());
  page.append("a");
  page.append("b");
  await world.quiet();
  page.storage.lives = 3;
  page.append("c");
  await world.quiet();
  assert.deepEqual([page.isDead, page.storage.lives, page.done.length], [false, 0, 3]);
});

test("a redo gives back what is kept, and of the rest nothing", async (t) => {
  const [world, page] = await led(t, 1, new Map());
  page.append("a");
  await world.quiet();
  page.storage.lives = 1;
  await assert.rejects(page.run(["document", "put", bytes("d"), "d"], ["stream", "put", bytes("s"), "s"], ["journal", "delete", 1]));
  assert.ok(page.isDead);
  const next = await world.open();
  await world.lead(next);
  assert.deepEqual([await next.texts("document"), await next.texts("stream"), await next.texts()], [["d"], [], []]);
});

test("events that were done in another line wait for room, and are not lost for want of it", async (t) => {
  for (const hosts of [true, false]) {
    t.mock.timers.reset();
    const [world, page, other] = await led(t, 2, new Map());
    world.cut(page, other);
    world.items.clear();
    page.append("x".repeat(300));
    await world.quiet();
    world.items.clear();
    await world.lead(other, 2);
    world.items.room = 500;
    world.cuts.clear();
    if (hosts) {
      page.replica.resign();
      await world.lead(page, 3);
    } else {
      other.append("small");
      await world.pass(3_000);
      assert.deepEqual(other.done, [["small", 1]], "others go on meanwhile");
    }
    await world.pass(3_000);
    world.items.room = Infinity;
    await world.pass(3_000);
    const all = hosts ? ["x".repeat(300)] : ["small", "x".repeat(300)];
    for (const one of [page, other]) assert.deepEqual(await one.texts(), all, one.id);
  }
});

test("a page that has the change before the last does not take the last for whole if a device came with it", async (t) => {
  const [world, page, other] = await led(t, 2, new Map());
  await page.run(["stream", "put", bytes("1"), "s"], ["document", "put", bytes("x"), "x"]);
  await world.quiet();
  await page.run(["meta", "put", bytes("d"), "device"], ["meta", "put", null, "signing"]);
  world.tasks = [];
  page.die();
  await world.lead(other, 2);
  assert.deepEqual([await other.texts("document"), await other.texts("stream")], [["x"], []]);
});

test("a storage that was cleared is written anew", async (t) => {
  const [world, page] = await led(t, 1, new Map());
  page.append("a");
  await world.quiet();
  world.items.clear();
  page.append("b");
  await world.quiet();
  page.die();
  const next = await world.open();
  await world.lead(next);
  assert.deepEqual(await next.texts(), ["a", "b"]);
});

test("what a primary had kept and told nobody is there, and the device stays the same", async (t) => {
  const [world, page, other] = await led(t, 2, new Map());
  await page.run(["meta", "put", bytes("d"), "device"], ["meta", "put", null, "signing"], ["stream", "put", bytes("1"), "s"]);
  page.append("a");
  await world.quiet();
  await page.run(["stream", "put", bytes("2"), "s"], ["flight", "put", bytes("f"), "s"], ["document", "put", bytes("x"), "x"]);
  world.tasks = [];
  page.die();
  await world.lead(other, 2);
  assert.deepEqual([await other.texts("document"), await other.texts("stream"), await other.texts("flight")], [["x"], ["2"], ["f"]]);
  assert.deepEqual((await other.read("meta")).map(([key]) => key), ["device", "signing"]);
});

test("what was kept is newer by more than one change: it is taken as it is, without the device", async (t) => {
  const [world, page, other, late] = await led(t, 3, new Map());
  await page.run(["meta", "put", bytes("d"), "device"], ["meta", "put", null, "signing"], ["stream", "put", bytes("1"), "s"]);
  await world.quiet();
  world.cut(page, other);
  page.append("a");
  await page.run(["document", "put", bytes("x"), "x"]);
  await world.quiet();
  // The one that has seen it all does not answer in time, and has to take it as the others have it.
  world.cut(other, late);
  page.die();
  const leading = world.lead(other, 2);
  await leading;
  assert.deepEqual([await other.texts("document"), await other.texts(), await other.read("meta")], [["x"], ["a"], []]);
  world.cuts.clear();
  other.append("b");
  await world.pass(2_000);
  for (const store of ["meta", "stream", "document", "journal"]) assert.deepEqual(await late.read(store), await other.read(store), store);
  assert.deepEqual(await late.texts(), ["a", "b"]);
});

/** Changes a copy and keeps it, as a primary does. */
function writer(storage, channel = "c", epoch = 1) {
  const keep = new Keep(storage, channel);
  const all = new Map();
  let seq = 0;
  const write = (changes) => {
    for (const [store, key, value] of changes) all.set(`${store} ${key}`, value === undefined ? undefined : [store, key, value]);
    const version = { epoch, by: "page", seq };
    const copy = { version, line: [], *all() {
      for (const change of all.values()) if (change) yield change;
    } };
    seq += 1;
    return keep.write(copy, { version: { ...version, seq }, changes, next: 10, told: [] });
  };
  return { keep, write };
}

/** What a page would find. */
function rowsOf(keep) {
  return [...keep.load().copy.all()].map(([store, key, row]) => [store, key, text(row)]);
}

function kept(items) {
  return [...items].filter(([item]) => item !== `${PREFIX}redo`).sort();
}

function throws(act) {
  try {
    act();
    return false;
  } catch {
    return true;
  }
}

function sorted(rows) {
  return JSON.stringify(rows.map(String).sort());
}
