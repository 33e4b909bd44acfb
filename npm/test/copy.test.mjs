// A copy undoes what is refused, takes the steps of another, and knows what it comes of.
//
// Not here: that it answers as IndexedDB does; `contract.test.mjs` asks both.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Copy } from "../build/js/copy.js";
import { bytes, text } from "../testing/replicas.mjs";

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

/** A store with some rows, and the others empty. */
function filled() {
  const copy = new Copy();
  write(copy, [
    ["done", "put", bytes("10"), 10],
    ["done", "put", bytes("T"), "t"],
    ["done", "put", bytes("5"), 5],
  ]);
  return copy;
}

function write(copy, requests, next) {
  return copy.run(requests, { mayWrite: true, next, commit: () => {} });
}

/** All that there is to a copy. */
function state(copy) {
  return [copy.version, copy.next, copy.allTold, [...copy.all()].map(([store, key, row]) => [store, key, text(row)])];
}

function fail(fault) {
  throw fault;
}
