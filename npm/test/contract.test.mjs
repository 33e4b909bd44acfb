// What each back end promises to a page's journal and to a coordinator's store: IndexedDB, and copies with localStorage or in memory.
//
// A `rule` holds of all of them, and what is there at its end is there for whoever comes once all pages are gone, in the stores
// that are `KEPT`. A `promise` says of each what is to be had of that one: whoever promises less says how much.
//
// Not here: databases that a browser takes away, or does not open (web/tests); pages that are cut off from one another, and
// writes that end halfway (`replica.test.mjs`, `keep.test.mjs`).

import assert from "node:assert/strict";
import { test } from "node:test";

import { STORES } from "../build/js/copy.js";
import { BACKENDS, add, countOf, get, keysOf, lastKey, put, remove, rowsOf, span } from "../testing/backends.mjs";
import { bytes, text } from "../testing/replicas.mjs";

/** The stores that outlive all pages. Of `meta` the device does not where its keys cannot. */
const KEPT = { database: STORES, local: ["journal", "document", "cursor", "dead", "done", "meta"], memory: [] };

// The journal.

rule("rows of an append stand one after the other, the first of all at 1, and it gives the position of the last", async ({ back, page, other }) => {
  assert.equal(await page.append("a", "b", "c"), 3);
  assert.equal(await other.append("d"), 4);
  const many = Array.from({ length: 300 }, (_, at) => `row ${at}`);
  assert.equal(await other.append(...many), 304);
  assert.equal(await page.append("e"), 305);
  await back.quiet();
  const expected = ["a", "b", "c", "d", ...many, "e"].map((row, at) => [at + 1, row]);
  for (const one of [page, other]) assert.deepEqual(shown(await one.read("journal")), expected);
});

rule("an append of no rows is done, and takes no position", async ({ page, other }) => {
  assert.equal(await page.append(), undefined);
  assert.equal(await other.append(), undefined);
  assert.equal(await page.append("a"), 1);
});

rule("appends of two pages at once do not mix, and those of one page are in its order", async ({ back, page, other }) => {
  const groups = Array.from({ length: 20 }, (_, group) => Array.from({ length: 10 }, (_, at) => `${group}.${at}`));
  const lasts = await Promise.all(groups.map((rows, at) => [page, other][at % 2].append(...rows)));
  await back.quiet();
  const all = await texts(page, "journal");
  assert.equal(all.length, 200);
  groups.forEach((rows, at) => assert.deepEqual(all.slice(lasts[at] - 10, lasts[at]), rows));
  for (const parity of [0, 1]) {
    const own = lasts.filter((_, at) => at % 2 === parity);
    assert.deepEqual(own, own.toSorted((one, other) => one - other));
  }
});

rule("the largest group that a page makes is appended", async ({ page, other }) => {
  // `GROUP_ROWS_MAX` rows, `GROUP_BYTES_MAX` bytes.
  const rows = Array.from({ length: 4_096 }, (_, at) => new Uint8Array(1_024).fill(at));
  assert.equal(await page.append(...rows), 4_096);
  assert.equal(await other.append(...rows), 8_192);
  assert.deepEqual(await other.read("journal", 8_190), [[8_191, rows[4_094]], [8_192, rows[4_095]]]);
});

rule("where positions run out, an append and a run are written whole or not at all", async ({ page, other, coordinator }) => {
  await coordinator.run([put("journal", 2 ** 53 - 2, "x")]);
  const writes = [put("done", 1, "y"), add("a"), add("b"), add("c"), put("done", 2, "y")];
  await assert.rejects(coordinator.run(writes), { name: "ConstraintError" });
  assert.equal(await page.count("done"), 0);
  for (const one of [page, other]) await assert.rejects(one.append("a", "b", "c"), { name: "ConstraintError" }, "there are only two places");
  assert.equal(await page.append("d"), 2 ** 53 - 1);
  assert.deepEqual(await texts(page, "journal"), ["x", "d"]);
});

rule("what is done the page that did it finds at once, and so does the coordinator", async ({ back, page, other, coordinator }) => {
  let count = 0;
  for (const one of [page, other]) {
    count += 1;
    const found = new Promise((resolve) => {
      one.tell(["row"], () => {
        const own = new Promise((told) => one.journal.count("journal", told));
        resolve(Promise.all([own, coordinator.store.run([countOf("journal")], "default", undefined)]));
      });
    });
    assert.deepEqual(await back.answered(found), [count, [count]]);
  }
});

rule("`done` is called once, and never before the call has returned", async ({ back, page, other }) => {
  for (const { journal } of [page, other]) {
    for (const ask of [
      (done) => journal.open(done),
      (done) => journal.append(bytes("a"), Uint32Array.of(1), "relaxed", done),
      (done) => journal.append(new Uint8Array(), new Uint32Array(), "strict", done),
      (done) => journal.read("journal", -1, 0, done),
      (done) => journal.read("other", -1, 0, done),
      (done) => journal.readDocument("", true, done),
      (done) => journal.count("journal", done),
    ]) {
      let calls = 0;
      ask(() => (calls += 1));
      assert.equal(calls, 0, `${ask}`);
      await back.pass(500);
      assert.equal(calls, 1, `${ask}`);
    }
  }
});

rule("rows come back byte for byte, of whatever length", async ({ back, page, other, coordinator }) => {
  const rows = [new Uint8Array(), Uint8Array.from({ length: 256 }, (_, at) => at), new Uint8Array(100_000).fill(0xc3)];
  await other.append(...rows);
  await coordinator.run(rows.map((row, at) => put("document", `${at}`, row)));
  await back.quiet();
  for (const one of [page, other]) {
    for (const store of ["journal", "document"]) {
      const read = await one.read(store);
      assert.ok(read.every(([, row]) => row instanceof Uint8Array));
      assert.deepEqual(read.map(([, row]) => row), rows);
    }
  }
});

rule("whoever changes what was handed over, or what was given, changes no row", async ({ back, page, other, coordinator }) => {
  const row = bytes("row");
  await coordinator.run([put("document", "k", row)]);
  row.fill(0);
  await page.append("own");
  await back.quiet();
  const seen = [];
  const spoil = (one) => {
    seen.push(text(one));
    one.fill(0);
  };
  for (let time = 0; time < 2; time += 1) {
    for (const one of [page, other]) {
      for (const store of ["document", "journal"]) (await one.read(store)).forEach(([, it]) => spoil(it));
      (await one.readDocument("", true)).flat().forEach(([, it]) => spoil(it));
    }
    const asks = [get("document", "k"), rowsOf("document"), get("document", "k")];
    const [first, all, again] = await coordinator.run(asks, (shown) => (spoil(shown), []));
    [...all, again].forEach(spoil);
    assert.ok(first instanceof Uint8Array);
  }
  const once = ["row", "own", "row", "own", "row", "own", "row", "own", "row", "row", "row"];
  assert.deepEqual(seen, [...once, ...once]);
});

rule("a page reads what lies beyond a number, in the order of the keys, up to a limit, for 0 without one", async ({ back, page, other, coordinator }) => {
  await coordinator.run(["t", 10, "5", 5, "\uff5e", "\ud83d\ude00", 100].map((key) => put("done", key, `${key}`)));
  await back.quiet();
  const all = [5, 10, 100, "5", "t", "\ud83d\ude00", "\uff5e"];
  for (const one of [page, other]) {
    for (const [after, limit, keys] of [
      [-1, 0, all],
      [4, 0, all],
      [5, 0, all.slice(1)],
      [5, 1, [10]],
      [-1, 2, [5, 10]],
      [10, 2, [100, "5"]],
      [100, 9, all.slice(3)],
      [2 ** 53, 1, ["5"]],
    ]) {
      assert.deepEqual(shown(await one.read("done", after, limit)), keys.map((key) => [key, `${key}`]), `${after}, ${limit}`);
    }
    assert.deepEqual(await one.read("kv"), []);
  }
});

rule("a page reads those of the document that begin so, and all of the journal if it asks for the whole", async ({ back, page, other, coordinator }) => {
  const keys = ["a", "a ", "a /key/x", "a /key/\ud83d\ude00", "a!", "b /fold", 7];
  await coordinator.run(keys.map((key) => put("document", key, `${key}`)));
  await page.append("x", "y");
  await back.quiet();
  const journal = [[1, "x"], [2, "y"]];
  for (const one of [page, other]) {
    for (const [prefix, found] of [
      ["a ", ["a ", "a /key/x", "a /key/\ud83d\ude00"]],
      ["a /key/x", ["a /key/x"]],
      ["b", ["b /fold"]],
      ["c", []],
      ["", ["a", "a ", "a /key/x", "a /key/\ud83d\ude00", "a!", "b /fold"]],
    ]) {
      const rows = found.map((key) => [key, key]);
      assert.deepEqual((await one.readDocument(prefix, false)).map(shown), [rows], prefix);
      assert.deepEqual((await one.readDocument(prefix, true)).map(shown), [rows, journal], prefix);
    }
  }
});

rule("document and journal are read as of one moment, whatever is moved from one to the other meanwhile", async ({ back, page, other, coordinator }) => {
  const rows = Array.from({ length: 8 }, (_, at) => `row ${at}`);
  await page.append(...rows);
  await back.quiet();
  const asked = rows.flatMap((row, at) => [
    ...[page, other].map((one) => one.readDocument("", true)),
    coordinator.run([remove("journal", at + 1), put("document", row, row)]),
    ...[page, other].map((one) => one.readDocument("", true)),
  ]);
  const reads = (await Promise.all(asked)).filter(([it]) => Array.isArray(it));
  assert.equal(reads.length, 4 * rows.length);
  for (const [document, journal] of reads) assert.deepEqual(shown([...document, ...journal]).map(([, row]) => row).sort(), rows);
});

rule("a page counts the rows of a store, and is told of one that there is not", async ({ back, page, other, coordinator }) => {
  await coordinator.run([put("dead", "a", "a"), put("dead", "b", "b"), put("dead", "b", "c"), put("dead", 1, "d"), remove("dead", "a")]);
  await back.quiet();
  for (const one of [page, other]) {
    assert.deepEqual([await one.count("dead"), await one.count("journal")], [2, 0]);
    await assert.rejects(one.count("other"), { name: "NotFoundError" });
    await assert.rejects(one.read("other"), { name: "NotFoundError" });
    assert.deepEqual([await one.open(), await one.count("dead")], [undefined, 2]);
  }
});

// The store.

rule("each request of a run is answered, in their order", async ({ coordinator }) => {
  const documents = ["b", "c\ud83d\ude00", "a", "b2", "c\uff5e", "c", "b\ud83d\ude00"];
  const sorted = ["a", "b", "b2", "b\ud83d\ude00", "c", "c\ud83d\ude00", "c\uff5e"];
  const written = await coordinator.run([
    put("done", 10, "10"),
    put("done", "t", "T"),
    put("done", 5, "5"),
    remove("done", 6),
    add("a"),
    add("b"),
    ...documents.map((key) => put("document", key, key.toUpperCase())),
  ]);
  assert.deepEqual(written, [10, "t", 5, undefined, 1, 2, ...documents], "what is put or added has a key");
  const cases = [
    ["a row by its key", get("document", "b"), "B"],
    ["no row", get("document", "x"), undefined],
    ["a key of the other kind", get("done", "5"), undefined],
    ["all rows, numbers before texts", rowsOf("done"), ["5", "10", "T"]],
    ["all keys", keysOf("done"), [5, 10, "t"]],
    ["a limit", keysOf("done", undefined, 2), [5, 10]],
    ["a limit of 0 is none", keysOf("done", undefined, 0), [5, 10, "t"]],
    ["beyond a number, numbers alone", keysOf("done", IDBKeyRange.bound(5, Infinity, true)), [10]],
    ["beyond all numbers", keysOf("done", IDBKeyRange.bound(2 ** 64, Infinity, true)), []],
    ["through a number", keysOf("done", span(0, 5)), [5]],
    ["beyond a number", keysOf("done", IDBKeyRange.lowerBound(5, true)), [10, "t"]],
    ["from a number on", keysOf("done", IDBKeyRange.lowerBound(5)), [5, 10, "t"]],
    ["before a number", keysOf("done", IDBKeyRange.upperBound(10, true)), [5]],
    ["up to a number", keysOf("done", IDBKeyRange.upperBound(10)), [5, 10]],
    ["a range between keys", keysOf("done", IDBKeyRange.bound(6, 9)), []],
    ["texts that begin so", keysOf("document", IDBKeyRange.bound("b", "b\uffff")), sorted.slice(1, 4)],
    ["texts by code unit", keysOf("document"), sorted],
    ["a range of rows, with a limit", rowsOf("document", IDBKeyRange.bound("a", "c"), 2), ["A", "B"]],
    ["the count", countOf("done"), 3],
    ["the count of nothing", countOf("kv"), 0],
    ["no row at all", rowsOf("kv"), []],
  ];
  const answers = await coordinator.read(cases.map(([, request]) => request));
  cases.forEach(([shows, , expected], at) => {
    const answer = answers[at];
    assert.deepEqual(Array.isArray(answer) ? answer.map(text) : text(answer), expected, shows);
  });
  const [last, none] = await coordinator.read([lastKey("document"), lastKey("kv")]);
  assert.deepEqual([last.key, none], ["c\uff5e", null]);
});

rule("what is deleted is what the key or the range names, and nothing else", async ({ coordinator }) => {
  for (const [shows, key, left] of [
    ["a row", 5, [10, "5", "t"]],
    ["a text that looks like a number", "5", [5, 10, "t"]],
    ["no row", 6, [5, 10, "5", "t"]],
    ["a range, open below", span(5, 10), [5, "5", "t"]],
    ["a range, closed", IDBKeyRange.bound(5, 10), ["5", "t"]],
    ["all numbers", span(0, 2 ** 64), ["5", "t"]],
    ["a range that holds nothing", span(5, 9), [5, 10, "5", "t"]],
  ]) {
    await coordinator.run([5, 10, "5", "t"].map((it) => put("done", it, "row")));
    const answers = await coordinator.run([remove("done", key), keysOf("done")]);
    assert.deepEqual(answers, [undefined, left], shows);
  }
});

rule("a position is never used again, and a row of the journal can be replaced where it lies", async ({ back, page, other, coordinator }) => {
  await page.append("a", "b", "c");
  await coordinator.run([put("journal", 2, "B"), remove("journal", 3)]);
  assert.equal(await other.append("d"), 4);
  const emptied = await coordinator.run([remove("journal", span(0, 4)), add("e"), remove("journal", 5), add("f")]);
  assert.deepEqual(emptied, [undefined, 5, undefined, 6]);
  await coordinator.run([put("journal", 2, "late"), remove("journal", 6)]);
  assert.equal(await page.append("g"), 7);
  await coordinator.run([put("journal", 20, "far")]);
  assert.equal(await page.append("h"), 21);
  await back.quiet();
  for (const one of [page, other]) assert.deepEqual(shown(await one.read("journal")), [[2, "late"], [7, "g"], [20, "far"], [21, "h"]]);
});

rule("a run is seen by all pages, as a whole", async ({ back, page, other, coordinator }) => {
  await page.append("a", "b");
  await coordinator.run([remove("journal", 1), ...STORES.map((store) => put(store, 9, store))]);
  assert.deepEqual(shown(await page.read("journal")), [[2, "b"], [9, "journal"]], "its own page at once");
  await back.quiet();
  for (const one of [page, other]) {
    for (const store of STORES) assert.equal((await texts(one, store)).at(-1), store);
    assert.equal(await one.count("journal"), 2);
  }
});

rule("`next` is shown the first answer once it is there, and what it asks for is done and not answered", async ({ coordinator }) => {
  await coordinator.run([put("kv", "row", "row"), ["meta", "put", null, "signing"]]);
  for (const [shows, request, first] of [
    ["a row", get("kv", "row"), "row"],
    ["no row", get("kv", "none"), undefined],
    ["the key pair of a browser that cannot sign", get("meta", "signing"), null],
    ["a list", keysOf("kv"), ["row"]],
  ]) {
    const seen = [];
    const next = (found) => (seen.push(text(found)), [put("meta", "config", shows)]);
    const running = coordinator.run([request, countOf("kv"), get("meta", "config")], next);
    assert.deepEqual(seen, [], "not before the call has returned");
    const answers = await running;
    assert.deepEqual([seen, answers.length, answers[1]], [[first], 3, 1], shows);
    const [config] = await coordinator.read([get("meta", "config")]);
    assert.equal(text(config), shows);
  }
  await coordinator.run([get("kv", "row")], () => []);
});

rule("a run that is refused, throws or fails writes nothing, and takes no position", async ({ back, page, other, coordinator }) => {
  await coordinator.run([put("lease", "host", "1"), put("done", 5, "5"), put("done", 10, "10"), add("a")]);
  const writes = [get("lease", "host"), put("done", 5, "other"), remove("done", 10), put("kv", 1, "new"), add("row")];
  const reads = STORES.flatMap((store) => [keysOf(store), rowsOf(store)]);
  const before = await coordinator.read(reads);
  const no = () => {
    throw new RangeError("ours");
  };
  const cannotBeStored = ["meta", "put", () => {}, "signing"];
  for (const [shows, requests, next, ...names] of [
    ["refused", [], () => undefined, "refused"],
    ["`next` throws", [], no, "RangeError"],
    ["no key", [["kv", "put", bytes("x"), undefined]], () => [], "DataError"],
    ["a key that is none", [put("kv", Number.NaN, "x")], () => [], "DataError"],
    ["a key that is none, without `next`", [put("kv", Number.NaN, "x")], undefined, "DataError"],
    ["a key that is none, from `next`", [], () => [put("kv", 2, "x"), put("kv", Number.NaN, "x")], "DataError"],
    ["to delete no key", [remove("done", undefined)], () => [], "DataError"],
    ["what cannot be stored", [["meta", "get", "signing"], cannotBeStored], () => [], "DataCloneError", "DataError"],
    ["what cannot be stored, from `next`", [["meta", "get", "signing"]], () => [cannotBeStored], "DataCloneError", "DataError"],
    ["a store that there is not", [get("other", 1)], () => [], "NotFoundError"],
  ]) {
    const refused = ({ name }) => names.includes(name);
    await assert.rejects(coordinator.run([...writes, ...requests], next), refused, shows);
    assert.deepEqual(await coordinator.read(reads), before, shows);
  }
  await assert.rejects(coordinator.read([get("lease", "host"), put("kv", 1, "x")]), { name: "ReadOnlyError" });
  assert.deepEqual([await page.append("b"), await other.append("c")], [2, 3]);
  await back.quiet();
  for (const one of [page, other]) assert.deepEqual(await texts(one, "journal"), ["a", "b", "c"]);
});

rule("runs at once are one after the other: each is shown what the one before has written", async ({ coordinator }) => {
  const seen = [];
  const boot = () =>
    coordinator.run([get("lease", "host")], (found) => {
      seen.push(text(found));
      return [put("lease", "host", `${Number(text(found) ?? 0) + 1}`)];
    });
  await Promise.all([boot(), boot(), boot(), boot()]);
  assert.deepEqual(seen, [undefined, "1", "2", "3"]);
});

rule("a run takes out of the journal what it has read, and nothing that is appended meanwhile", async ({ page, other, coordinator }) => {
  const taken = [];
  const take = () =>
    coordinator.run([keysOf("journal")], (keys) => {
      taken.push(...keys);
      return keys.length > 0 ? [remove("journal", span(0, keys.at(-1)))] : [];
    });
  const asked = Array.from({ length: 12 }, (_, at) => [take(), page.append(`${at}`), take(), other.append(`${at}`)]).flat();
  await Promise.all(asked);
  await take();
  assert.deepEqual(taken, Array.from({ length: 24 }, (_, at) => at + 1));
});

rule("a run under another epoch than the lease's writes nothing, nor does one without a lease", async ({ page, coordinator }) => {
  await assert.rejects(commit(coordinator, 1, [add("x")]), { name: "refused" });
  await boot(coordinator);
  await boot(coordinator);
  for (const epoch of [1, 3]) await assert.rejects(commit(coordinator, epoch, [add("x"), put("kv", "k", "x")]), { name: "refused" });
  assert.deepEqual([await page.count("journal"), await page.count("kv")], [0, 0]);
  await commit(coordinator, 2, [add("y"), put("kv", "k", "y")]);
  assert.deepEqual([await texts(page, "journal"), await texts(page, "kv")], [["y"], ["y"]]);
});

rule("the device's keys come back as what can sign", async ({ coordinator, other, back }) => {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
  await coordinator.run([["meta", "put", pair, "signing"], put("meta", "device", "d")]);
  await back.quiet();
  const [own] = await coordinator.read([get("meta", "signing")]);
  const [, [, others]] = await other.read("meta");
  for (const { privateKey } of [own, others]) {
    const algorithm = { name: "ECDSA", hash: "SHA-256" };
    const signature = await crypto.subtle.sign(algorithm, privateKey, bytes("batch"));
    assert.ok(await crypto.subtle.verify(algorithm, pair.publicKey, signature, bytes("batch")));
  }
});

// Both, over time.

rule("the next coordinator finds all that there was, and goes on", async ({ back, page, other, coordinator }) => {
  await boot(coordinator);
  await page.append("a", "b", "c");
  await commit(coordinator, 1, [remove("journal", 2), ...STORES.slice(1).map((store) => put(store, "k", store))]);
  const next = await back.lead(other);
  const reads = STORES.map((store) => rowsOf(store));
  const found = await next.read(reads);
  assert.deepEqual(found.map((rows) => rows.map(text)), STORES.map((store) => ({ journal: ["a", "c"], lease: ["1", "lease"] })[store] ?? [store]));
  assert.equal(await boot(next), "2");
  await commit(next, 2, [add("d")]);
  assert.deepEqual([await page.append("e"), await other.append("f")], [5, 6]);
  await back.quiet();
  for (const one of [page, other]) assert.deepEqual(await texts(one, "journal"), ["a", "c", "d", "e", "f"]);
});

rule("what is closed is opened by the next use, and what is under way ends as usual", async ({ page, coordinator }) => {
  await page.append("a");
  const under = [page.append("b"), coordinator.run([put("kv", 1, "x")])];
  for (const one of [page, page, coordinator, coordinator]) one.close();
  await Promise.all(under);
  assert.deepEqual([await page.append("c"), await texts(page, "journal")], [3, ["a", "b", "c"]]);
  for (const one of [page, coordinator]) one.close();
  assert.deepEqual(await coordinator.read([countOf("journal"), countOf("kv")]), [3, 1]);
  for (const one of [page, coordinator]) {
    one.close();
    assert.equal(await one.open(), undefined);
  }
  assert.equal(coordinator.store.losses, 0);
});

// What outlives all pages: which rows of `meta`, and the journal's next position.
promise(
  "outlives",
  {
    database: { meta: ["config", "device", "signing"], next: 4 },
    local: { meta: ["config"], next: 4 },
    memory: { meta: [], next: 1 },
  },
  async (back, { meta, next }, name) => {
    const page = await back.page();
    const coordinator = await back.lead(page);
    await page.append("a", "b", "c");
    const others = STORES.filter((store) => store !== "journal" && store !== "meta");
    await coordinator.run([
      remove("journal", span(1, 3)),
      ...others.map((store) => put(store, "k", store)),
      ...["config", "device"].map((key) => put("meta", key, key)),
      ["meta", "put", null, "signing"],
    ]);
    await back.end();
    const later = await back.page();
    const found = await (await back.lead(later)).read(STORES.map((store) => keysOf(store)));
    const expected = STORES.map((store) => (KEPT[name].includes(store) ? ({ journal: [1], meta }[store] ?? ["k"]) : []));
    assert.deepEqual(found, expected);
    assert.equal(await later.append("d"), next);
  },
);

// What a full disk refuses it refuses whole, by which name. Memory has no disk, and refuses nothing.
promise(
  "full",
  { database: "QuotaExceededError", local: "QuotaExceededError", memory: undefined },
  async (back, name) => {
    const [page, other] = [await back.page(), await back.page()];
    const coordinator = await back.lead(page);
    await page.append("a");
    await coordinator.run([put("document", "k", "before"), put("done", 5, "5")]);
    await back.quiet();
    const larger = [put("document", "k", "x".repeat(400)), put("done", 6, "y".repeat(400)), remove("done", 5), add("b")];
    const reads = ["journal", "document", "done"].flatMap((store) => [keysOf(store), rowsOf(store)]);
    const before = await coordinator.read(reads);
    back.fill();
    for (const ask of [
      () => page.append("x".repeat(400)),
      () => other.append("x".repeat(400)),
      () => coordinator.run(larger),
      () => coordinator.run(reads, () => larger),
    ]) {
      if (name) await assert.rejects(ask(), { name }, `${ask}`);
      else await ask();
    }
    if (!name) return assert.deepEqual([await page.append("c"), await other.append("d")], [6, 7]);
    assert.deepEqual(await coordinator.read(reads), before);
    back.makeRoom();
    await back.end();
    const later = await back.page();
    assert.deepEqual(await (await back.lead(later)).read(reads), before, "after all pages, too");
    assert.equal(await later.append("c"), 2);
  },
);

// How many appends are done while there is no coordinator. To copies they wait for one, as far as there is room for what waits.
promise(
  "without a coordinator",
  { database: { done: 5, full: 0 }, local: { done: 0, full: 1 }, memory: { done: 0, full: 1 } },
  async (back, expected) => {
    const page = await back.page();
    const told = [];
    const row = new Uint8Array(4 * 1024 * 1024 - 4 * 1024).fill(1);
    for (let at = 0; at < 5; at += 1) page.tell([row], (position, fault) => told.push(fault?.name ?? position));
    await back.pass(15_000);
    const full = told.filter((it) => it === "full").length;
    assert.deepEqual({ done: told.length - full, full }, expected);
    assert.equal(await page.count("journal"), expected.done, "what waits cannot be read");
    const coordinator = await back.lead(page);
    assert.deepEqual(told.filter((it) => it !== "full"), [1, 2, 3, 4, 5].slice(0, 5 - full));
    assert.deepEqual(await coordinator.read([countOf("journal")]), [5 - full]);
  },
);

// How many rows of one page's append another finds at the moment when it is done. A copy has to hear of them first.
promise("seen by another page", { database: 1, local: 0, memory: 0 }, async (back, atOnce) => {
  const [page, other] = [await back.page(), await back.page()];
  await back.lead(page);
  const found = new Promise((resolve) => page.tell(["row"], () => other.journal.count("journal", resolve)));
  assert.equal(await back.answered(found), atOnce);
  await back.quiet();
  assert.equal(await other.count("journal"), 1);
});

// What a coordinator is told that writes after the next one has begun. Copies know their primary besides the lease.
promise("a coordinator of before", { database: "refused", local: "InvalidStateError", memory: "InvalidStateError" }, async (back, name) => {
  const [page, other] = [await back.page(), await back.page()];
  const coordinator = await back.lead(page);
  await boot(coordinator);
  await boot(await back.lead(other));
  await assert.rejects(commit(coordinator, 1, [add("x"), put("kv", "k", "x")]), { name });
  await back.quiet();
  for (const one of [page, other]) assert.deepEqual([await one.count("journal"), await one.count("kv")], [0, 0]);
});

test("page and coordinator make the same database, with the stores that a copy has", async (t) => {
  const made = async (open) => {
    const back = BACKENDS.database(t);
    await open(back);
    const { result } = await new Promise((resolve) => (indexedDB.open("bellwether:c").onsuccess = ({ target }) => resolve(target)));
    const stores = [...result.objectStoreNames].map((name) => result.transaction(name).objectStore(name));
    return stores.map(({ name, keyPath, autoIncrement }) => [name, keyPath, autoIncrement]);
  };
  const expected = STORES.toSorted().map((name) => [name, null, name === "journal"]);
  assert.deepEqual(await made(async (back) => (await back.page()).open()), expected);
  assert.deepEqual(await made((back) => back.lead()), expected);
});

/** A rule of all back ends: each is given to it with two pages and a coordinator, which is in the first page if it is in one. */
function rule(sentence, check) {
  for (const [name, open] of Object.entries(BACKENDS)) {
    test(`${name}: ${sentence}`, async (t) => {
      const back = open(t);
      const [page, other] = [await back.page(), await back.page()];
      await check({ back, page, other, coordinator: await back.lead(page) });
      await back.quiet();
      const rows = await keptRows(page, name);
      await back.end();
      const later = await back.page();
      await back.lead(later);
      assert.deepEqual(await keptRows(later, name), rows, "after all pages");
    });
  }
}

/** What each back end promises, and is checked for. */
function promise(of, promises, check) {
  assert.deepEqual(Object.keys(promises), Object.keys(BACKENDS));
  for (const [name, expected] of Object.entries(promises)) {
    test(`${name}: ${of}: ${JSON.stringify(expected) ?? "nothing"}`, (t) => check(BACKENDS[name](t), expected, name));
  }
}

/** Takes the lease, as a coordinator that begins; gives its epoch. */
async function boot(coordinator) {
  await coordinator.run([get("lease", "host")], (found) => [put("lease", "host", `${Number(text(found) ?? 0) + 1}`)]);
  const [lease] = await coordinator.read([get("lease", "host")]);
  return text(lease);
}

/** Writes a batch under the lease of this epoch: what is to be written is asked for before the answer about the lease is there. */
function commit(coordinator, epoch, writes) {
  return coordinator.run([get("lease", "host"), ...writes], (lease) => (text(lease) === `${epoch}` ? [] : undefined));
}

/** What a page finds in the stores that outlive it, but for the device. */
async function keptRows(page, name) {
  const all = [];
  for (const store of KEPT[name]) for (const [key, row] of await page.read(store)) all.push([store, key, row]);
  return all.filter(([, key]) => key !== "device" && key !== "signing");
}

async function texts(page, store) {
  return shown(await page.read(store)).map(([, row]) => row);
}

function shown(pairs) {
  return pairs.map(([key, row]) => [key, text(row)]);
}
