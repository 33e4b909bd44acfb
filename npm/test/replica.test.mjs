// The journal and the store of pages without IndexedDB, over a bus and a clock that are the test's.

import assert from "node:assert/strict";
import { test } from "node:test";

import { World, asked, bytes, dice, led, text } from "../testing/replicas.mjs";
import { deadRow, doneRow, journalRow } from "../testing/rows.mjs";

test("a page's database is that of the coordinator: it reads what that one writes", async (t) => {
  const world = new World(t);
  const [page, other] = [await world.open(), await world.open()];
  const store = await world.lead(page);
  assert.equal(await store.open(), undefined);
  assert.equal(store.losses, 0);
  const documents = ["1 a /fold", "1 a /key/x", "1 b /fold"];
  await page.run(...documents.map((key) => ["document", "put", bytes(key), key]), ["done", "put", bytes("d"), 5]);
  page.append("j");
  await world.quiet();
  for (const { replica } of [page, other]) {
    const { journal } = replica;
    assert.equal(await asked((done) => journal.open(done)), undefined);
    assert.equal(await asked((done) => journal.count("document", done)), 3);
    assert.deepEqual(await asked((done) => journal.read("done", 4, 0, done)), [[5, bytes("d")]]);
    assert.deepEqual(await asked((done) => journal.read("done", 5, 0, done)), []);
    assert.deepEqual(await asked((done) => journal.read("document", -1, 1, done)), [["1 a /fold", bytes("1 a /fold")]]);
    const found = await asked((done) => journal.readDocument("1 a ", true, done));
    assert.deepEqual(found.map((pairs) => pairs.map(([key]) => key)), [documents.slice(0, 2), [1]]);
    const [rows, ...none] = await asked((done) => journal.readDocument("1 b ", false, done));
    assert.deepEqual([rows.length, none], [1, []]);
    await assert.rejects(asked((done) => journal.count("other", done)), { name: "NotFoundError" });
    journal.close();
  }
  store.close();
  assert.deepEqual((await store.run([["journal", "getAll"]], "default")).map((rows) => rows.map(text)), [["j"]]);
});

test("what is asked of a store is done once the asking has returned", async (t) => {
  const world = new World(t);
  const page = await world.open();
  const store = await world.lead(page);
  let shown = false;
  const running = store.run([["lease", "get", "host"]], "relaxed", () => ((shown = true), []));
  assert.equal(shown, false);
  await running;
  assert.equal(shown, true);
  page.append("a");
  assert.deepEqual(page.done, []);
});

test("a run that is refused is refused to all", async (t) => {
  const world = new World(t);
  const [page, other] = [await world.open(), await world.open()];
  const store = await world.lead(page);
  const { version } = page.replica;
  const writes = [["lease", "get", "host"], ["kv", "put", bytes("x"), 1]];
  await assert.rejects(store.run(writes, "strict", () => undefined), { name: "refused", message: "" });
  await assert.rejects(store.run(writes, "default"), { name: "ReadOnlyError" });
  await world.quiet();
  assert.deepEqual([await page.read("kv"), await other.read("kv")], [[], []]);
  assert.deepEqual(page.replica.version, version);
});

test("what any page appends is done once its own copy has it, at the position of the last row", async (t) => {
  const [world, page, other] = await led(t, 2);
  other.append("a", "b");
  other.append("c");
  page.append("d", "e");
  assert.deepEqual([page.done, other.done], [[], []]);
  await world.quiet();
  assert.deepEqual(page.done, [["d", 2], ["e", 2]]);
  assert.deepEqual(other.done, [["a", 4], ["b", 4], ["c", 5]]);
  const rows = [[1, "d"], [2, "e"], [3, "a"], [4, "b"], [5, "c"]];
  assert.deepEqual([await page.read("journal"), await other.read("journal")], [rows, rows]);
});

test("an append of no rows is done", async (t) => {
  const page = await new World(t).open();
  const done = asked((done) => page.replica.journal.append(new Uint8Array(), new Uint32Array(), "strict", done));
  assert.equal(await done, undefined);
});

test("a page that comes later is given all there is, in parts", async (t) => {
  const [world, page] = await led(t, 1);
  const large = "x".repeat(700_000);
  for (let key = 1; key <= 4; key += 1) await page.run(["kv", "put", bytes(`${key}${large}`), key]);
  page.append("a");
  const other = await world.open();
  assert.deepEqual((await other.read("kv")).map(([key, row]) => [key, row.length]), [1, 2, 3, 4].map((key) => [key, 700_001]));
  assert.deepEqual(await other.texts(), ["a"]);
  assert.equal(world.said.filter(([, to, { word }]) => to === other.id && word === "copy").length, 4);
  await page.run(["kv", "delete", 2]);
  await world.quiet();
  assert.deepEqual((await other.read("kv")).map(([key]) => key), [1, 3, 4]);
  assert.deepEqual(other.replica.version, page.replica.version);
});

test("a page that a part of a copy did not reach asks again", async (t) => {
  const [world, page] = await led(t, 1);
  for (let key = 1; key <= 3; key += 1) await page.run(["kv", "put", bytes("x".repeat(700_000)), key]);
  for (let lost = 0; lost < 3; lost += 1) {
    const other = await world.open();
    world.cut(page, other);
    await page.run(["kv", "put", bytes("y"), 9 + lost]);
    world.cuts.clear();
    await page.run(["kv", "put", bytes("z"), 19 + lost]);
    while (!world.tasks.some(({ data }) => data.word === "copy")) await world.step();
    world.tasks.splice(lost, 1);
    await world.quiet();
    await world.pass(1_100);
    assert.deepEqual(other.replica.version, page.replica.version);
    assert.deepEqual(await other.read("kv"), await page.read("kv"));
  }
});

test("reading waits for the copy, but not for ever", async (t) => {
  const [world, page] = await led(t, 1);
  page.append("a");
  await world.quiet();
  const other = await world.open();
  other.replica.journal.count("journal", (count) => other.done.push(["count", count]));
  await world.quiet();
  assert.deepEqual(other.done, [["count", 1]]);

  const alone = await new World({ mock: { timers: { enable() {}, tick: (ms) => t.mock.timers.tick(ms) } } }).open();
  alone.replica.journal.count("journal", (count) => alone.done.push(["count", count]));
  await alone.world.pass(1_900);
  assert.deepEqual(alone.done, []);
  await alone.world.pass(200);
  assert.deepEqual(alone.done, [["count", 0]]);
});

test("a page that has missed a change asks for a copy", async (t) => {
  const [world, page, other] = await led(t, 2);
  world.cut(page, other);
  page.append("missed");
  await page.run(["kv", "put", bytes("x"), 1]);
  await world.quiet();
  world.cuts.clear();
  assert.deepEqual(await other.texts(), []);
  page.append("heard");
  await world.quiet();
  assert.deepEqual(await other.texts(), ["missed", "heard"]);
  assert.deepEqual(other.replica.version, page.replica.version);
  const asked = world.said.filter(([from, , { word }]) => from === other.id && word === "want");
  assert.equal(asked.length, 2, "when it came, and once for what it missed");
});

test("a page that was not to be reached asks when it joins again, and is given what it lacks and no more", async (t) => {
  const [world, page, other] = await led(t, 2);
  const copies = () => world.said.filter(([, , { word }]) => word === "copy").length;
  other.replica.join();
  await world.quiet();
  assert.equal(copies(), 0);
  world.cut(page, other);
  page.append("missed");
  await world.quiet();
  world.cuts.clear();
  other.replica.join();
  await world.quiet();
  assert.deepEqual(await other.texts(), ["missed"]);
  assert.equal(copies(), 1);
});

test("what was not answered is said again", async (t) => {
  const [world, page, other] = await led(t, 2);
  world.cut(page, other);
  other.append("a");
  other.append("b");
  await world.pass(3_000);
  assert.deepEqual(other.done, []);
  world.cuts.clear();
  await world.pass(1_000);
  assert.deepEqual(other.done, [["a", 1], ["b", 2]]);
  assert.deepEqual(await page.texts(), ["a", "b"]);
  // Nothing is left to be said, and no timer runs for it.
  const { length } = world.said;
  await world.pass(10_000);
  assert.equal(world.said.length, length);
});

test("rows whose answer was lost are not appended twice", async (t) => {
  const [world, page, other] = await led(t, 2);
  other.append("a");
  await world.step();
  assert.deepEqual(await page.texts(), ["a"]);
  world.tasks = [];
  assert.deepEqual(other.done, []);
  await world.pass(1_100);
  assert.deepEqual(other.done, [["a", 1]]);
  assert.deepEqual(await page.texts(), ["a"]);
});

test("what waits goes to the next primary, in its order", async (t) => {
  const world = new World(t);
  const [page, other, third] = [await world.open(), await world.open(), await world.open()];
  third.append("before there is one");
  await world.lead(page);
  page.die();
  third.append("a");
  third.append("b", "c");
  await world.pass(2_000);
  assert.deepEqual(third.done, [["before there is one", 1]]);
  await world.lead(other, 2);
  assert.deepEqual(third.done.slice(1), [["a", 2], ["b", 4], ["c", 4]]);
  assert.deepEqual(await other.texts(), ["before there is one", "a", "b", "c"]);
});

test("what waits at a page that becomes the primary is appended by it", async (t) => {
  const world = new World(t);
  const page = await world.open();
  page.append("a");
  page.append("b");
  await world.pass(5_000);
  assert.deepEqual(page.done, []);
  await world.lead(page);
  assert.deepEqual(page.done, [["a", 1], ["b", 2]]);
  page.replica.resign();
  page.append("c");
  await world.pass(5_000);
  assert.equal(page.done.length, 2);
  await assert.rejects(page.run(["kv", "put", bytes("x"), 1]), { name: "InvalidStateError" });
  await world.lead(page, 2);
  assert.deepEqual(page.done.at(-1), ["c", 3]);
});

test("what a primary has not told before it died is appended by the next", async (t) => {
  const [world, page, other, third] = await led(t, 3);
  page.append("told");
  await world.quiet();
  third.append("untold");
  await world.step();
  page.append("of the dead");
  assert.deepEqual(await page.texts(), ["told", "untold", "of the dead"]);
  world.tasks = [];
  page.die();
  await world.lead(other, 2);
  await world.pass(2_000);
  assert.deepEqual(await other.texts(), ["told", "untold"]);
  assert.deepEqual(third.done, [["untold", 2]]);
});

test("who becomes primary goes on from the newest copy that a page has", async (t) => {
  const [world, page, behind, ahead] = await led(t, 3);
  page.append("a");
  await world.quiet();
  world.cut(page, behind);
  page.append("b");
  await page.run(["journal", "delete", 1], ["stream", "put", bytes("s"), "s"]);
  await world.quiet();
  page.die();
  const fresh = await world.open();
  await world.lead(fresh, 2);
  for (const one of [fresh, behind, ahead]) {
    assert.deepEqual(await one.read("journal"), [[2, "b"]], one.id);
    assert.deepEqual(await one.read("stream"), [["s", "s"]]);
  }
  assert.deepEqual(world.said.filter(([, , { word }]) => word === "give").map(([, to]) => to), [ahead.id], "one is asked, once");
  assert.equal(new Set(world.living.map(({ replica }) => JSON.stringify(replica.version))).size, 1);
});

test("if the page with the newest copy dies before it gives it, the next newest is taken", async (t) => {
  const [world, page, behind, ahead] = await led(t, 3);
  page.append("a");
  await world.quiet();
  world.cut(page, behind);
  page.append("b");
  await world.quiet();
  page.die();
  const fresh = await world.open();
  const leading = fresh.replica.lead(2);
  await world.pass(200);
  ahead.die();
  await world.pass(2_000);
  await leading;
  assert.deepEqual(await fresh.texts(), ["a"]);
});

test("a change of primaries where all have the same copy moves no copy", async (t) => {
  const world = new World(t);
  const pages = [await world.open(), await world.open(), await world.open()];
  await world.lead(pages[0]);
  pages[1].append("a");
  await world.quiet();
  pages[0].die();
  await world.lead(pages[1], 2);
  pages[2].append("b");
  await world.quiet();
  assert.deepEqual(await pages[2].texts(), ["a", "b"]);
  assert.equal(world.said.filter(([, , { word }]) => word === "copy").length, 0);
});

test("terms rise, whatever the election says", async (t) => {
  const world = new World(t);
  const [page, other] = [await world.open(), await world.open()];
  await world.lead(page, 7);
  assert.deepEqual(page.replica.version, { epoch: 7, by: page.id, seq: 0 });
  await world.lead(other, 3);
  assert.deepEqual(other.replica.version, { epoch: 8, by: other.id, seq: 0 });
  await world.lead(other, 20);
  assert.deepEqual(page.replica.version, { epoch: 20, by: other.id, seq: 0 });
  assert.equal(page.fenced, 1);
});

test("a primary that hears of a later one is none, and its store is of no use", async (t) => {
  const world = new World(t);
  const [page, other] = [await world.open(), await world.open()];
  const store = await world.lead(page);
  const later = await world.lead(other, 2);
  assert.deepEqual([page.fenced, other.fenced], [1, 0]);
  await assert.rejects(store.run([["kv", "count"]], "default"), { name: "InvalidStateError" });
  await assert.rejects(store.open(), { name: "InvalidStateError" });
  assert.deepEqual(await later.run([["kv", "count"]], "default"), [0]);
  page.append("a");
  await world.quiet();
  assert.deepEqual(page.done, [["a", 1]]);
  // The store of a term is not that of the page's next one.
  await world.lead(page, 3);
  await assert.rejects(store.open(), { name: "InvalidStateError" });
});

test("who did not hear that another is primary learns of it by what it says, and gives its rows to that one", async (t) => {
  const [world, page, other, third] = await led(t, 3);
  page.append("before");
  await world.quiet();
  world.cut(page, other);
  await world.lead(other, 2);
  assert.equal(page.fenced, 0);
  page.append("in the line that ends");
  other.append("in the other");
  await world.quiet();
  assert.deepEqual(page.done.map(([text]) => text), ["before", "in the line that ends"]);
  assert.deepEqual(await third.texts(), ["before", "in the other"]);
  world.cuts.clear();
  page.append("heard");
  await world.pass(2_000);
  assert.equal(page.fenced, 1);
  const all = ["before", "in the other", "in the line that ends", "heard"];
  for (const one of world.pages) assert.deepEqual(await one.texts(), all, one.id);
});

test("who missed a change of primaries appends nothing again that the line has done with", async (t) => {
  const [world, page, other, third] = await led(t, 3);
  third.append("a");
  await world.quiet();
  for (const one of [page, other]) world.cut(one, third);
  await page.run(["journal", "delete", 1]);
  await world.quiet();
  await world.lead(other, 2);
  await world.lead(page, 3);
  world.cuts.clear();
  page.append("b");
  await world.pass(2_000);
  for (const one of world.pages) assert.deepEqual(await one.read("journal"), [[2, "b"]], one.id);
});

test("what one line has done with since two have parted does not come again from the other, and what it never had does", async (t) => {
  const [world, page, other] = await led(t, 2);
  page.append("discarded", "stays", "replaced");
  await world.quiet();
  world.cut(page, other);
  await world.lead(other, 2);
  await other.run(["journal", "delete", 1], ["journal", "put", bytes("by another"), 3]);
  other.append("of the one");
  page.append("of the other");
  await world.quiet();
  world.cuts.clear();
  page.append("heard");
  await world.pass(2_000);
  const rows = [[2, "stays"], [3, "by another"], [4, "of the one"], [5, "of the other"], [6, "heard"]];
  for (const one of world.pages) assert.deepEqual(await one.read("journal"), rows, one.id);
});

test("two lines that have parted further back are told apart by where they did", async (t) => {
  const [world, page, other, third] = await led(t, 3);
  page.append("before");
  await world.quiet();
  for (const one of [page, third]) world.cut(one, other);
  // On either side another term begins, and on one side two.
  await world.lead(third, 2);
  third.append("of the line that ends");
  await world.quiet();
  await world.lead(page, 3);
  await world.lead(other, 5);
  await other.run(["journal", "delete", 1]);
  other.append("of the other");
  await world.quiet();
  world.cuts.clear();
  page.append("heard");
  await world.pass(3_000);
  const texts = ["of the line that ends", "of the other", "heard"];
  // Whoever has it brings it.
  for (const one of world.pages) assert.deepEqual([...new Set(await one.texts())].sort(), texts.sort(), one.id);
});

test("what one page has brought from a line that ended, and is answered or a letter since, no other brings again", async (t) => {
  const [world, page, other, third] = await led(t, 3);
  for (const one of [page, third]) world.cut(one, other);
  const rows = ["cancelled", "refused", "waits"].map((id) => journalRow({ id, type: "t" }));
  await page.run(...rows.map((row) => ["journal", "add", row, undefined]));
  await world.quiet();
  await world.lead(other, 2);
  world.cuts.clear();
  world.cut(third, other);
  await page.run(["kv", "put", bytes("heard"), 1]);
  await world.pass(2_000);
  assert.equal((await other.read("journal")).length, 3);
  await other.run(
    ["journal", "delete", { lower: 1, upper: 2 }],
    ["done", "put", doneRow([["cancelled", 2, undefined, undefined, "cancelled", ""]]), 1],
    ["done", "put", doneRow([7, []]), 2],
    ["dead", "put", deadRow({ id: "refused", type: "t" }, {}), "refused"],
  );
  await world.quiet();
  world.cuts.clear();
  other.append("heard");
  await world.pass(3_000);
  for (const one of world.pages) {
    const found = await asked((done) => one.replica.journal.read("journal", -1, 0, done));
    assert.deepEqual(found.map(([, row]) => row), [rows[2], bytes("heard")], one.id);
  }
});

test("a term whose primary died when few had heard of it keeps no later one from being followed", async (t) => {
  for (const isHeard of [true, false]) {
    t.mock.timers.reset();
    const [world, page, other, last] = await led(t, 3);
    page.append("a");
    await world.quiet();
    // The other hears of its term, and not what it has.
    for (const one of [page, other]) world.cut(one, last);
    await world.lead(last, 5);
    world.cuts.delete(`${other.id} ${last.id}`);
    await last.run(["kv", "put", bytes("x"), 1]);
    await world.step();
    last.die();
    assert.deepEqual([page.fenced, other.replica.version.epoch], [0, 1]);
    if (!isHeard) world.cut(page, other);
    const leading = page.replica.lead(5);
    await world.pass(250);
    world.cuts.clear();
    page.store = await leading;
    await world.quiet();
    if (!isHeard) {
      // It did not hear of the other term in time, and other pages ignore it.
      await page.run(["kv", "put", bytes("x"), 1]).catch(() => {});
      await world.quiet();
      assert.equal(page.fenced, 1, "so it is told");
      await world.lead(page, 5);
    }
    assert.equal(page.fenced, isHeard ? 0 : 1);
    other.append("b");
    await world.quiet();
    assert.equal(page.replica.version.epoch, 6);
    for (const one of [page, other]) assert.deepEqual(await one.texts(), ["a", "b"], one.id);
  }
});

test("what was on its way to another line is sent again, behind what is appended again", async (t) => {
  const [world, page, other, third] = await led(t, 3);
  world.cut(page, other);
  third.append("of the line that ends");
  await world.quiet();
  third.append("not arrived");
  world.tasks = [];
  page.die();
  world.cut(third, other);
  await world.lead(other, 2);
  world.cuts.clear();
  other.append("a");
  await world.pass(2_000);
  for (const one of [other, third]) assert.deepEqual(await one.texts(), ["a", "of the line that ends", "not arrived"], one.id);
  assert.deepEqual(third.done, [["of the line that ends", 1], ["not arrived", 3]]);
});

test("who waits for a copy of a dead primary asks the next at once", async (t) => {
  const [world, page, other, third] = await led(t, 3);
  world.cut(page, third);
  page.append("a");
  await world.quiet();
  world.cuts.clear();
  page.append("b");
  await world.step();
  await world.step();
  page.die();
  await world.quiet();
  assert.deepEqual(await third.texts(), []);
  const leading = other.replica.lead(2);
  await world.pass(250);
  await leading;
  await world.quiet();
  assert.deepEqual(await third.texts(), ["a", "b"]);
});

test("what cannot be appended keeps nothing behind it waiting", async (t) => {
  const [world, page, other] = await led(t, 2);
  for (const one of [page, other]) {
    // It fits in a message, and not in one with what a row comes with.
    one.append("x".repeat(4 * 1024 * 1024));
    one.append("b");
  }
  await world.quiet();
  const done = [page, other].map(({ done }) => done.map(([row, it]) => [row.length, it.name ?? it]));
  assert.deepEqual(done, [1, 2].map((position) => [[4 * 1024 * 1024, "DataError"], [1, position]]));
});

test("two that become primary at once agree on one", async (t) => {
  const world = new World(t);
  const [page, other, third] = [await world.open(), await world.open(), await world.open()];
  const [one, two] = [page.replica.lead(1), other.replica.lead(1)];
  await world.pass(300);
  await Promise.all([one, two]);
  assert.deepEqual([page.fenced, other.fenced], [1, 0]);
  third.append("a");
  page.append("b");
  await world.pass(100);
  assert.deepEqual(await other.texts(), ["a", "b"]);
});

test("who gives it up while it becomes primary does not become it", async (t) => {
  const world = new World(t);
  const page = await world.open();
  const leading = assert.rejects(page.replica.lead(1), { name: "InvalidStateError" });
  page.replica.resign();
  await world.pass(300);
  await leading;
  assert.equal(page.replica.version.epoch, 0);
});

test("what waits for a primary has a bound, and is told so", async (t) => {
  const world = new World(t);
  const page = await world.open();
  const large = "x".repeat(4_000_000);
  for (let count = 0; count < 5; count += 1) page.append(`${count}${large}`);
  await world.quiet();
  assert.deepEqual(page.done.map(([row, { name }]) => [row[0], name]), [["4", "full"]]);
  page.append("x".repeat(4 * 1024 * 1024 + 1));
  await world.quiet();
  assert.equal(page.done[1][1].name, "DataError");
  await world.lead(page);
  assert.equal((await page.texts()).length, 4);
  page.replica.resign();
  for (let count = 0; count < 4; count += 1) page.append(`again ${count}${large}`);
  await world.lead(page, 2);
  assert.deepEqual(page.done.slice(-4).map(([, position]) => position), [5, 6, 7, 8], "there is room again");
});

test("a page that ends its part tells who waits", async (t) => {
  const world = new World(t);
  const page = await world.open();
  page.append("a");
  page.replica.close();
  page.append("b");
  await world.quiet();
  assert.deepEqual(page.done.map(([text, { name }]) => [text, name]), [["a", "InvalidStateError"], ["b", "InvalidStateError"]]);
});

test("a change too large for one message is fetched as a copy", async (t) => {
  const [world, page, other] = await led(t, 2);
  const large = bytes("x".repeat(1_000_000));
  await page.run(...[1, 2, 3, 4, 5].map((key) => ["document", "put", large, `${key}`]));
  await world.quiet();
  assert.equal((await other.read("document")).length, 5);
  assert.ok(world.said.every(([, , { changes = [] }]) => changes.length < 5));
});

test("a key pair goes along; where it cannot, the next primary forgets the device and what it has sealed", async (t) => {
  const world = new World(t);
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
  const [page, other, third] = [await world.open(), await world.open(), await world.open()];
  await world.lead(page);
  // One page hears as from a line that carries plain data only.
  const receive = third.replica.receive.bind(third.replica);
  third.replica.receive = (from, data) => {
    for (const change of data.changes ?? []) if (change[1] === "signing") change[2] = {};
    receive(from, data);
  };
  await page.run(
    ["meta", "put", bytes("d"), "device"],
    ["meta", "put", pair, "signing"],
    ["meta", "put", bytes("c"), "config"],
    ["stream", "put", bytes("s"), "s"],
    ["flight", "put", bytes("f"), "s"],
    ["retained", "put", bytes("r"), 1],
    ["document", "put", bytes("x"), "x"],
  );
  await world.quiet();
  page.die();
  await world.lead(other, 2);
  const [signing] = await other.run(["meta", "get", "signing"]);
  assert.ok(signing.privateKey instanceof CryptoKey);
  assert.equal((await other.read("stream")).length, 1);
  other.die();
  await world.lead(third, 3);
  assert.deepEqual(await third.read("meta"), [["config", "c"]]);
  for (const store of ["stream", "flight", "retained"]) assert.deepEqual(await third.read(store), [], store);
  assert.deepEqual(await third.texts("document"), ["x"]);
});

test("a browser that cannot sign says so in the place of the key pair, and that goes along", async (t) => {
  const [world, page, other] = await led(t, 2);
  await page.run(["meta", "put", bytes("d"), "device"], ["meta", "put", null, "signing"]);
  await world.quiet();
  page.die();
  await world.lead(other, 2);
  assert.deepEqual(await other.run(["meta", "get", "device"], ["meta", "get", "signing"]), [bytes("d"), null]);
});

const VERSION = { epoch: 9, by: "liar", seq: 1 };
const STEP = { v: 1, word: "did", version: VERSION, changes: [["kv", 1, bytes("x")]], next: 2, told: [] };
const ROWS = { v: 1, word: "rows", ticket: 1, rows: [bytes("x")] };
const large = new Uint8Array(4 * 1024 * 1024 + 1);
for (const [shows, data] of [
  ["nothing", undefined],
  ["null", null],
  ["a text", "did"],
  ["no word", { v: 1 }],
  ["a word of another kind", { v: 1, word: "constructor" }],
  ["another format", { ...STEP, v: 2 }],
  ["an epoch that is no number", { ...STEP, version: { ...VERSION, epoch: "9" } }],
  ["an epoch that cannot be counted on", { ...STEP, version: { ...VERSION, epoch: 2 ** 60 } }],
  ["a negative count", { ...STEP, version: { ...VERSION, seq: -1 } }],
  ["no version", { ...STEP, version: undefined }],
  ["a change for another page's term", { ...STEP, version: { ...VERSION, by: "page-1" } }],
  ["no changes", { ...STEP, changes: undefined }],
  ["a change that is none", { ...STEP, changes: [7] }],
  ["a store that there is not", { ...STEP, changes: [["other", 1, bytes("x")]] }],
  ["a key that is none", { ...STEP, changes: [["kv", [1], bytes("x")]] }],
  ["a row that is none", { ...STEP, changes: [["kv", 1, "x"]] }],
  ["an object for a row", { ...STEP, changes: [["kv", 1, {}]] }],
  ["a row that is too large", { ...STEP, changes: [["kv", 1, large]] }],
  ["rows that are too large together", { ...STEP, changes: [1, 2].map((key) => ["kv", key, large.slice(large.length / 2)]) }],
  ["a position that is none", { ...STEP, next: 0.5 }],
  ["told that are none", { ...STEP, told: [["page", 1]] }],
  ["a line that is none", { ...STEP, word: "lead", line: [1] }],
  ["a line with a position that is none", { ...STEP, word: "lead", line: [{ ...VERSION, next: -1 }] }],
  ["a line that is too long", { ...STEP, word: "lead", line: Array(65).fill(VERSION) }],
  ["a part that is none", { ...STEP, word: "copy", line: [], part: "0", of: 1 }],
  ["a term that is none", { v: 1, word: "have", version: VERSION, heard: { epoch: 9 } }],
  ["rows that are none", { ...ROWS, rows: ["x"] }],
  ["no rows", { ...ROWS, rows: [] }],
  ["rows that are too large", { ...ROWS, rows: [large] }],
  ["too many rows", { ...ROWS, rows: Array(4_097).fill(bytes("")) }],
  ["a ticket that is none", { ...ROWS, ticket: "1" }],
  ["a fault of somebody else", { v: 1, word: "failed", ticket: 1, name: "x", message: "y" }],
  ["a fault that is none", { v: 1, word: "failed", ticket: 1, name: {}, message: "y" }],
]) {
  test(`${shows} on the bus changes nothing`, async (t) => {
    const [world, page, other] = await led(t, 2);
    page.append("a");
    await world.quiet();
    const before = [page.replica.version, await page.read("kv"), await page.read("journal")];
    world.cut(page, other);
    other.append("waits");
    for (const { replica } of [page, other]) {
      replica.receive("liar", structuredClone(data));
      await world.quiet();
    }
    assert.deepEqual([page.fenced, page.done, other.done], [0, [["a", 1]], []]);
    for (const one of [page, other]) {
      assert.deepEqual([one.replica.version, await one.read("kv"), await one.read("journal")], before, one.id);
    }
    world.cuts.clear();
    page.append("b");
    await world.pass(2_000);
    assert.deepEqual((await other.texts()).sort(), ["a", "b", "waits"]);
  });
}

for (const [shows, seeds, hasStorage] of [
  ["whose memory is all there is", 60, false],
  ["that have a storage", 60, true],
]) {
  test(`pages ${shows} lose nothing that was done and that one of them has seen`, async (t) => {
    const [from, count] = [Number(process.env.SEED ?? 1), Number(process.env.SEEDS ?? (process.env.SEED ? 1 : seeds))];
    const world = { mock: t.mock };
    t.mock.timers.enable({ apis: ["setTimeout"] });
    for (let seed = from; seed < from + count; seed += 1) {
      const random = new Random(world, seed, hasStorage);
      await random.play(150).catch((fault) => {
        throw new Error(`seed ${seed}: ${fault.message}\n${random.steps.join("\n")}`, { cause: fault });
      });
    }
  });
}

/** What befalls pages, from one seed. */
class Random {
  steps = [];
  /** For each row who has seen it. */
  #seen = new Map();
  /** Rows that were deleted in some line. */
  #deleted = new Set();
  /** What a version is a copy of. */
  #versions = new Map();
  #rows = 0;
  #epoch = 0;

  constructor({ mock }, seed, hasStorage) {
    this.dice = dice(seed);
    const timers = { enable() {}, tick: (ms) => mock.timers.tick(ms) };
    this.world = new World({ mock: { timers } }, hasStorage ? new Map() : undefined);
    this.hasStorage = hasStorage;
  }

  async play(steps) {
    const { world } = this;
    await world.open();
    for (let count = 0; count < steps; count += 1) {
      await this.#step();
      await this.#look();
    }
    world.cuts.clear();
    for (const { storage } of world.living) if (storage) storage.room = storage.lives = Infinity;
    if (world.living.length === 0) await world.open();
    for (const page of world.living) this.#append(page);
    // Whoever gives up what it had in mind gives way to the last.
    await world.pass(5_000);
    for (const page of world.living) page.replica.resign();
    const last = this.#pick(world.living);
    this.steps.push(`at last ${last.id} leads`);
    await world.lead(last, (this.#epoch += 1));
    await world.pass(5_000);
    for (const page of world.living) this.#append(page);
    await world.pass(5_000);
    await this.#look();
    await this.#judge(last);
    for (const page of world.living) page.die();
  }

  async #step() {
    const { world } = this;
    const page = this.#pick(world.living);
    const rolled = this.dice(100);
    if (!page || (rolled < 4 && world.living.length < 5)) {
      this.steps.push(`${(await world.open()).id} opens`);
    } else if (rolled < 25) this.#append(page);
    else if (rolled < 55) {
      this.steps.push("one message");
      await world.step();
    } else if (rolled < 63) {
      this.steps.push("all messages");
      await world.quiet();
    } else if (rolled < 66) {
      this.steps.push("a message is lost");
      world.tasks.splice(this.dice(world.tasks.length + 1), 1);
    } else if (rolled < 74) {
      const epoch = (this.#epoch += this.dice(2));
      this.steps.push(`${page.id} is to lead ${epoch}`);
      page.replica.lead(epoch).then((store) => (page.store = store), () => {});
    } else if (rolled < 84) {
      const ms = this.dice(2) ? 300 : 1_100;
      this.steps.push(`${ms} ms`);
      await world.pass(ms);
    } else if (rolled < 87) {
      this.steps.push(`${page.id} dies`);
      page.die();
    } else if (rolled < 92) {
      const other = this.#pick(world.living);
      if (other === page) world.cuts.clear();
      else world.cut(page, other);
      this.steps.push(other === page ? "all hear" : `${page.id} and ${other.id} do not hear`);
    } else if (rolled < 96) await this.#consume(page);
    else if (page.storage) {
      if (this.dice(2)) page.storage.room = this.dice(2) ? Infinity : page.storage.used + this.dice(600);
      else page.storage.lives = this.dice(8);
      this.steps.push(`${page.id} has ${page.storage.room} of room, lives ${page.storage.lives}`);
    }
  }

  #append(page) {
    const row = `row ${(this.#rows += 1)} `;
    this.steps.push(`${page.id} appends ${row}`);
    page.append(row);
  }

  /** The coordinator is done with a row. */
  async #consume(page) {
    if (!page.store || !page.isReady) return;
    const [[key, row] = []] = await page.read("journal");
    if (key === undefined || this.#deleted.has(row)) return;
    this.steps.push(`${page.id} deletes ${row}`);
    // Who dies meanwhile may have deleted it.
    this.#deleted.add(row);
    const writes = [["journal", "delete", key], ["done", "put", bytes(row), key], ["stream", "put", bytes(row), "s"]];
    await page.run(...writes).catch(({ name }) => name === "QuotaExceededError" && this.#deleted.delete(row));
  }

  /** Copies of a version are equal at all times. */
  async #look() {
    for (const page of this.world.living.filter(({ isReady }) => isReady)) {
      const { version } = page.replica;
      const name = JSON.stringify(version);
      const all = [];
      for (const store of ["journal", "done", "stream"]) all.push(await page.read(store));
      const copy = JSON.stringify(all);
      const known = this.#versions.get(name) ?? copy;
      assert.equal(copy, known, `${page.id} at ${name}`);
      if (version.epoch > 0) this.#versions.set(name, copy);
      for (const [, row] of all[0]) this.#seen.set(row, (this.#seen.get(row) ?? new Set()).add(page));
    }
  }

  async #judge(last) {
    const { world } = this;
    const there = new Set(await last.texts());
    for (const page of world.living) {
      assert.deepEqual(page.replica.version, last.replica.version, `${page.id} has not come along`);
      assert.equal(page.done.filter(([, it]) => typeof it !== "number" && it.name !== "QuotaExceededError").length, 0);
    }
    for (const page of world.pages) {
      for (const [row, it] of page.done) {
        const isDone = typeof it === "number" && !this.#deleted.has(row);
        const seen = [...(this.#seen.get(row) ?? [])].filter(({ isDead }) => !isDead);
        if (isDone && (this.hasStorage || seen.length > 0)) {
          assert.ok(there.has(row), `${row} of ${page.id} is lost, ${seen.map(({ id }) => id)} had it`);
        }
      }
    }
  }

  #pick(list) {
    return list[this.dice(list.length || 1)];
  }
}
