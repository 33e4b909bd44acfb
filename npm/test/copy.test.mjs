// A database in memory does what IndexedDB does, as far as a coordinator asks for it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Copy } from "../build/js/copy.js";
import { bytes, text } from "../testing/replicas.mjs";

// What each gives is what a database gives for it, by https://w3c.github.io/IndexedDB/.
for (const [shows, request, expected] of [
  ["a row by its key", ["document", "get", "b"], "B"],
  ["no row", ["document", "get", "x"], undefined],
  ["a key of the other kind", ["done", "get", "5"], undefined],
  ["all rows, numbers before texts", ["done", "getAll"], ["5", "10", "T"]],
  ["all keys", ["done", "getAllKeys"], [5, 10, "t"]],
  ["a limit", ["done", "getAllKeys", undefined, 2], [5, 10]],
  ["a limit of 0 is none", ["done", "getAllKeys", undefined, 0], [5, 10, "t"]],
  ["beyond a number, numbers alone", ["done", "getAllKeys", bound(5, Infinity, true)], [10]],
  ["beyond a number", ["done", "getAllKeys", { lower: 5, lowerOpen: true }], [10, "t"]],
  ["from a number on", ["done", "getAllKeys", { lower: 5, lowerOpen: false }], [5, 10, "t"]],
  ["up to a number", ["done", "getAllKeys", { upper: 10, upperOpen: false }], [5, 10]],
  ["before a number", ["done", "getAllKeys", { upper: 10, upperOpen: true }], [5]],
  ["a range between keys", ["done", "getAllKeys", bound(6, 9)], []],
  ["texts that begin so", ["document", "getAllKeys", bound("b", "b\uffff")], ["b", "b2", "b\ud83d\ude00"]],
  ["texts by code unit", ["document", "getAllKeys"], ["a", "b", "b2", "b\ud83d\ude00", "c", "c\ud83d\ude00", "c\uff5e"]],
  ["a range of rows, with a limit", ["document", "getAll", bound("a", "c"), 2], ["A", "B"]],
  ["the count", ["done", "count"], 3],
  ["the count of nothing", ["kv", "count"], 0],
  ["the last key", ["document", "openKeyCursor", undefined, "prev"], { key: "c\uff5e", primaryKey: "c\uff5e" }],
  ["the last key of nothing", ["kv", "openKeyCursor", undefined, "prev"], null],
  ["what putting gives", ["kv", "put", bytes("x"), 7], 7],
  ["what adding gives", ["journal", "add", bytes("x")], 1],
  ["what deleting gives", ["done", "delete", 5], undefined],
]) {
  test(`asked for ${shows}, a copy gives what a database would`, () => {
    const copy = filled();
    const [answer] = write(copy, [request]);
    assert.deepEqual(Array.isArray(answer) ? answer.map(text) : text(answer), expected);
  });
}

for (const [shows, request, left] of [
  ["the row of a key", ["done", "delete", 5], [10, "t"]],
  ["no row", ["done", "delete", 6], [5, 10, "t"]],
  ["a range, open below", ["done", "delete", bound(5, 10, true)], [5, "t"]],
  ["a range, closed", ["done", "delete", bound(5, 10)], ["t"]],
  ["a range that holds nothing", ["done", "delete", bound(6, 9)], [5, 10, "t"]],
]) {
  test(`deleting ${shows} deletes nothing else`, () => {
    const copy = filled();
    write(copy, [request]);
    assert.deepEqual(keys(copy, "done"), left);
  });
}

test("the journal counts its positions by itself, and uses none twice", () => {
  const copy = new Copy();
  const add = (row) => ["journal", "add", bytes(row), undefined];
  assert.deepEqual(write(copy, [add("a"), add("b"), add("c")]), [1, 2, 3]);
  write(copy, [["journal", "delete", bound(0, 3)]]);
  assert.deepEqual(write(copy, [add("d")]), [4]);
  write(copy, [["journal", "put", bytes("e"), 2], ["journal", "put", bytes("f"), 9]]);
  assert.deepEqual(write(copy, [add("g")]), [10], "a key that was given counts");
  assert.deepEqual(keys(copy, "journal"), [2, 4, 9, 10]);
});

for (const [shows, requests, next, name] of [
  ["refuses", [], () => undefined, "refused"],
  ["throws", [], () => fail(new RangeError("ours")), "RangeError"],
  ["asks for what there is not", [], () => [["kv", "clear"]], "DataError"],
  ["asks for a store that there is not", [["other", "get", 1]], () => [], "NotFoundError"],
  ["gives a row that is none", [], () => [["kv", "put", { no: "row" }, 1]], "DataError"],
  ["gives an object for the key pair that is none", [], () => [["meta", "put", {}, "signing"]], "DataError"],
  ["deletes without a key", [], () => [["done", "delete", undefined]], "DataError"],
  ["deletes a range that is none", [["done", "delete", {}]], () => [], "DataError"],
  ["adds without a key where none is made", [["kv", "add", bytes("x")]], () => [], "DataError"],
]) {
  test(`a run that ${shows} changes nothing`, () => {
    const copy = filled();
    const before = state(copy);
    const writes = [
      ["done", "get", 5],
      ["done", "put", bytes("other"), 5],
      ["done", "delete", 10],
      ["kv", "put", bytes("new"), 1],
      ["journal", "add", bytes("row"), undefined],
      ...requests,
    ];
    assert.throws(() => write(copy, writes, next), { name });
    assert.deepEqual(state(copy), before);
    assert.deepEqual(write(copy, [["journal", "add", bytes("row")]]), [1], "a position that nobody has seen is free");
  });
}

test("what is asked after the first answer is shown it, and does not answer itself", () => {
  const copy = filled();
  const shown = [];
  const next = (first) => {
    shown.push(text(first));
    return [["kv", "put", bytes("new"), 1]];
  };
  const answers = write(copy, [["done", "get", 5], ["done", "delete", 5]], next);
  assert.deepEqual(answers.map(text), ["5", undefined]);
  assert.deepEqual(shown, ["5"]);
  assert.deepEqual([keys(copy, "done"), keys(copy, "kv")], [[10, "t"], [1]]);
});

test("a run that may only read writes nothing, and is of no version of its own", () => {
  const copy = filled();
  const before = state(copy);
  const reading = { mayWrite: false, commit: () => fail(new Error("nothing is to be committed")) };
  assert.throws(() => copy.run([["kv", "put", bytes("x"), 1]], reading), { name: "ReadOnlyError" });
  copy.run([["done", "getAll"]], reading);
  assert.deepEqual(state(copy), before);
});

test("what cannot be committed is undone", () => {
  const copy = filled();
  const before = state(copy);
  const full = { mayWrite: true, teller: ["page", 3], commit: () => fail(new DOMException("", "QuotaExceededError")) };
  assert.throws(() => copy.run([["journal", "add", bytes("x")], ["done", "delete", 5]], full), { name: "QuotaExceededError" });
  assert.deepEqual(state(copy), before);
});

test("rows are copied in and out", () => {
  const copy = new Copy();
  const row = bytes("row");
  write(copy, [["kv", "put", row, 1]]);
  row.fill(0);
  const [read] = write(copy, [["kv", "get", 1]]);
  assert.equal(text(read), "row");
  read.fill(0);
  copy.pairs("kv")[0][1].fill(0);
  assert.equal(text(write(copy, [["kv", "get", 1]])[0]), "row");
});

test("a copy to which the same steps were applied is the same", () => {
  const [copy, other] = [new Copy(), new Copy()];
  const steps = [];
  const commit = (step) => steps.push(structuredClone(step));
  copy.run([["kv", "put", bytes("a"), 1], ["kv", "delete", 1], ["done", "put", bytes("b"), 2]], { mayWrite: true, commit });
  copy.run([["journal", "add", bytes("c")]], { mayWrite: true, commit, teller: ["page", 1] });
  copy.run([["done", "delete", 2], ["journal", "delete", 1]], { mayWrite: true, commit });
  steps.forEach((step) => other.apply(step));
  assert.deepEqual(state(other), state(copy));
  assert.deepEqual(other.told("page"), [1, 1]);
});

test("a copy comes of the versions that are in its line, and of none beyond", () => {
  const line = [{ epoch: 1, by: "a", seq: 5 }, { epoch: 3, by: "b", seq: 2 }];
  const copy = new Copy({ epoch: 4, by: "a", seq: 7 }, line);
  for (const [epoch, by, seq, does] of [
    [0, "", 0, true],
    [1, "a", 5, true],
    [1, "a", 6, false],
    [1, "b", 1, false],
    [2, "a", 0, false],
    [3, "b", 2, true],
    [4, "a", 7, true],
    [4, "a", 8, false],
    [4, "b", 0, false],
  ]) {
    assert.equal(copy.comesOf({ epoch, by, seq }), does, `${epoch} ${by} ${seq}`);
  }
});

/** Two stores with some rows, and the others empty. */
function filled() {
  const copy = new Copy();
  const documents = { b: "B", "c\ud83d\ude00": "E", a: "A", b2: "B2", "c\uff5e": "W", c: "C", "b\ud83d\ude00": "BE" };
  write(copy, [
    ["done", "put", bytes("10"), 10],
    ["done", "put", bytes("T"), "t"],
    ["done", "put", bytes("5"), 5],
    ...Object.entries(documents).map(([key, row]) => ["document", "put", bytes(row), key]),
  ]);
  return copy;
}

function write(copy, requests, next) {
  return copy.run(requests, { mayWrite: true, next, commit: () => {} });
}

function keys(copy, store) {
  return copy.pairs(store).map(([key]) => key);
}

/** All that there is to a copy. */
function state(copy) {
  return [copy.version, copy.next, copy.allTold, [...copy.all()].map(([store, key, row]) => [store, key, text(row)])];
}

function bound(lower, upper, lowerOpen = false, upperOpen = false) {
  return { lower, upper, lowerOpen, upperOpen };
}

function fail(fault) {
  throw fault;
}
