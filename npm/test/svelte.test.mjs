// The stores for Svelte, by Svelte's own helpers.

import assert from "node:assert/strict";
import { test } from "node:test";

import { derived, get } from "svelte/store";

import { BellwetherError } from "../build/js/errors.js";
import "../testing/entry.mjs";
import { fakeSession } from "../testing/fake-state.mjs";

const { createBellwether } = await import("../build/js/svelte.js");

test("a store tells its value at once and after each change, of this page and of others", async () => {
  const session = fakeSession();
  const { sharedState } = createBellwether(session.page("ann"));
  const count = sharedState("count", 0);
  const told = [];
  const end = count.subscribe((value) => told.push(value));
  await count.set(1);
  await count.update((value) => value + 1);
  session.server({ count: 7, other: 1 });
  end();
  session.server({ count: 8 });
  assert.deepEqual(told, [0, 1, 2, 7]);
});

test("what stands for a value is not written, and null is a value", async () => {
  const session = fakeSession();
  const { sharedState } = createBellwether(session.page("ann"));
  const chosen = sharedState("chosen", "first");
  assert.equal(get(chosen), "first");
  assert.equal(get(sharedState("none")), undefined);
  assert.deepEqual(session.values, {});
  await chosen.set(null);
  assert.equal(get(chosen), null);
});

test("it follows from the first subscriber to the last, and derived stores do, too", () => {
  const session = fakeSession();
  const page = session.page("ann");
  const { sharedState } = createBellwether(page);
  const count = sharedState("count", 1);
  const twice = derived(count, (value) => value * 2);
  const told = [];
  const ends = [twice.subscribe((value) => told.push(value)), count.subscribe(() => {})];
  assert.equal(page.state.listeners, 1);
  session.server({ count: 4 });
  assert.deepEqual(told, [2, 8]);
  for (const end of ends) end();
  assert.equal(page.state.listeners, 0);
  const again = count.subscribe(() => {});
  assert.equal(page.state.listeners, 1);
  again();
});

test("it connects with the first subscriber in a page, and on a server with none", async () => {
  const session = fakeSession();
  session.server({ count: 3 });
  let asked = 0;
  const source = async () => (asked++, session.page("ann"));
  const { sharedState, status, client } = createBellwether(source);
  const count = sharedState("count", 0);
  assert.equal(get(count), 0);
  assert.equal(asked, 0);

  globalThis.document = {};
  const told = [];
  const ends = [
    count.subscribe((value) => told.push(value)),
    status.subscribe((value) => told.push(value?.connection)),
    client.subscribe((value) => told.push(value?.id)),
  ];
  await turn();
  delete globalThis.document;
  assert.deepEqual(told, [0, undefined, undefined, 3, "connected", "ann"]);
  assert.equal(asked, 1);
  get(client).show({ connection: "disconnected" });
  assert.equal(told.at(-1), "disconnected");
  for (const end of ends) end();
});

test("a write that is refused is told, and the store has its former value", async () => {
  const session = fakeSession();
  const told = [];
  const onError = (error) => told.push(error);
  const { sharedState } = createBellwether(session.page("ann"), { onError });
  const count = sharedState("count", 0);
  const refusal = new BellwetherError("store-quota", "browser", "full");
  session.refuse(refusal);
  await assert.rejects(count.set(1), refusal);
  void count.set(2);
  await turn();
  assert.deepEqual([get(count), told], [0, [refusal, refusal]]);
});

test("a source that leads nowhere is refused", () => {
  for (const source of [null, "notes", 7]) {
    assert.throws(() => createBellwether(source), { code: "option-invalid" });
  }
});

function turn() {
  return new Promise((resolve) => setTimeout(resolve));
}
