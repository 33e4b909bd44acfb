// What a page with a database does about what pages without one have kept, while such pages live.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { adoptKept } from "../build/js/below.js";
import { settled } from "../build/js/errors.js";
import { Keep } from "../build/js/keep.js";
import { FakeStorage, World, bytes, led, text } from "../testing/replicas.mjs";

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
  });
  return { inside: { asked: { raw: { channel: "c" } }, client, kit: { settled } }, taken };
}

function keptEvents(items) {
  const copy = new Keep(new FakeStorage(items), "c").load()?.copy;
  return (copy?.pairs("journal") ?? []).map(([, row]) => text(row));
}
