// The shared state of one page: when what was written leaves it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LOCAL, answer, clock, open, places, quiet, told } from "../testing/state.mjs";

test("throttled writes: the first leaves at once, the last of those that follow at the end", async (t) => {
  const { state, client } = await open({ throttleMs: 1_000 });
  const tick = clock(t);
  const changes = told(state);
  const first = state.set({ at: 1 });
  assert.deepEqual(places(client), [[["at", "1"]]]);
  await first;
  tick(400);
  const [second, third] = [state.set({ at: 2, note: "a" }), state.set({ at: 3, more: 1 })];
  assert.deepEqual(state.get(), { at: 3, note: "a", more: 1 });
  assert.equal(client.written.length, 1);
  tick(599);
  assert.equal(client.written.length, 1);
  tick(1);
  assert.deepEqual(places(client).slice(1), [[["at", "3"], ["note", '"a"'], ["more", "1"]]]);
  assert.deepEqual((await second).keys, ["at", "note"]);
  assert.deepEqual((await third).keys, ["at", "more"]);
  tick(1_000);
  const { note } = state.get();
  void state.set({ at: 4 });
  assert.equal(client.written.length, 3);
  assert.equal(state.get("note"), note);
  assert.deepEqual(changes.map(({ keys }) => keys), [["at"], ["at", "note"], ["at", "more"], ["at"]]);
});

test("what leaves late stays the same object", async (t) => {
  const { state } = await open({ throttleMs: 1_000, conflictStrategy: "merge" });
  const tick = clock(t);
  void state.set({ user: { b: 1 } });
  void state.set({ user: { b: 1, a: { c: 1 } } });
  const [all, user] = [state.get(), state.get("user")];
  tick(1_000);
  assert.equal(state.get("user"), user);
  assert.equal(state.get(), all);
});

test("debounced writes leave once none has followed for so long", async (t) => {
  const { state, client } = await open({ debounceMs: 100 });
  const tick = clock(t);
  const commits = [];
  for (let at = 1; at <= 3; at += 1) {
    commits.push(state.set({ at }));
    tick(99);
  }
  assert.equal(client.written.length, 0);
  tick(1);
  assert.deepEqual(places(client), [[["at", "3"]]]);
  const expected = { version: 0, keys: ["at"], conflict: false };
  assert.deepEqual(await Promise.all(commits), [expected, expected, expected]);
});

test("what is held back and refused then is rolled back, told, and rejects for each who waits", async (t) => {
  const { state, client } = await open({ debounceMs: 100 });
  const tick = clock(t);
  client.elsewhere([["theme", "dark"]]);
  assert.equal(state.get("theme"), "dark");
  const commits = [state.set({ theme: "light" }), state.set({ theme: "blue", more: 1 })];
  const changes = told(state);
  client.unfit = { code: "state-invalid", culprit: "app", message: "too large" };
  tick(100);
  for (const commit of commits) await assert.rejects(commit, { code: "state-invalid" });
  assert.deepEqual(state.get(), { theme: "dark" });
  assert.deepEqual(changes, [{ keys: ["theme", "more"], ...LOCAL, version: 1 }]);
});

test("what was held back while another wrote the same is shown as it is", async (t) => {
  const { state, client } = await open({ debounceMs: 100 });
  const tick = clock(t);
  await quiet();
  assert.equal(state.get("at"), undefined);
  void state.set({ at: 2 });
  const changes = told(state);
  client.elsewhere([["at", 3]]);
  assert.equal(state.get("at"), 2);
  client.elsewhere([["at", 2]]);
  tick(100);
  assert.equal(state.get("at"), 2);
  assert.equal(client.written.length, 0);
  assert.deepEqual(changes, []);
});

test("members that others wrote while one was held back stay theirs", async (t) => {
  const { state, client } = await open({ debounceMs: 100, conflictStrategy: "merge" });
  const tick = clock(t);
  client.elsewhere([["form", { name: "Ann", town: "Ulm" }]]);
  void state.set({ form: { ...state.get("form"), name: "Anna" } });
  client.elsewhere([["form", "Bonn", "town"]]);
  const changes = told(state);
  tick(100);
  assert.deepEqual(places(client), [[["form", '"Anna"', "name"]]]);
  assert.deepEqual(state.get("form"), { name: "Anna", town: "Bonn" });
  assert.deepEqual(changes, [{ keys: ["form"], ...LOCAL, version: 2 }]);
});

test("what counts only on what it was built on does not wait, and what does leaves before it", async (t) => {
  const { state, client } = await open({ debounceMs: 100, keyStrategies: { seat: "first-write-wins" } });
  const tick = clock(t);
  const held = state.set({ note: 1 });
  const taken = state.set({ seat: "Ann" });
  assert.deepEqual(places(client), [[["note", "1"]], [["seat", '"Ann"']]]);
  assert.deepEqual(await held, { version: 0, keys: ["note"], conflict: false });
  answer(client, "patch-2", 0, 4);
  assert.deepEqual(await taken, { version: 4, keys: ["seat"], conflict: false });
  tick(1_000);
  assert.equal(client.written.length, 2);
});

test("what is held back leaves before the page does, and before another user comes", async (t) => {
  for (const go of [(page) => page.close(), (page) => page.setIdentity({ user: "ben" }), (page) => page.signOut()]) {
    const { page, state, client } = await open({ debounceMs: 100 });
    const commit = state.set({ at: 1 });
    const seen = [];
    const { close, identify } = client;
    client.close = (...how) => (seen.push(client.written.length), close.apply(client, how));
    client.identify = (...how) => (seen.push(client.written.length), identify.apply(client, how));
    await go(page);
    assert.deepEqual(seen, [1]);
    assert.equal((await commit).conflict, false);
  }
});

test("a closed page rejects, and sets no timer", async (t) => {
  const { page, state, client } = await open({ debounceMs: 100 });
  const tick = clock(t);
  const closing = page.close();
  const late = state.set({ at: 1 });
  await closing;
  await assert.rejects(late, { code: "closed" });
  assert.equal(state.get("at"), undefined);
  const changes = told(state);
  for (const call of [() => state.set({ at: 2 }), () => state.delete("at"), () => state.update("at", () => 3)]) {
    await assert.rejects(call(), { code: "closed" });
  }
  await assert.rejects(state.request(), { code: "closed" });
  tick(10_000);
  assert.equal(client.written.length, 0);
  assert.deepEqual(changes, []);
});

test("what `shouldSync` keeps back is shown here, and goes with a later change that passes", async () => {
  const asked = [];
  const { state, client } = await open({
    shouldSync: (previous, next) => (asked.push([previous, next]), next.done === true),
  });
  const changes = told(state);
  assert.deepEqual(await state.set({ at: 1 }), { version: 0, keys: ["at"], conflict: false });
  assert.deepEqual(state.get(), { at: 1 });
  assert.equal(client.written.length, 0);
  await state.set({ done: true });
  assert.deepEqual(places(client), [[["at", "1"], ["done", "true"]]]);
  assert.deepEqual(asked, [[{}, { at: 1 }], [{ at: 1 }, { at: 1, done: true }]]);
  assert.deepEqual(changes.map(({ keys }) => keys), [["at"], ["done"]]);
});

test("a `shouldSync` that throws refuses the write", async () => {
  const cause = new Error("mine");
  const { state, client } = await open({
    shouldSync: () => {
      throw cause;
    },
  });
  await assert.rejects(state.set({ at: 1 }), { code: "option-invalid", culprit: "app", cause });
  assert.deepEqual(state.get(), {});
  assert.equal(client.written.length, 0);
});


test("what is held back leaves when the page goes out of sight", async (t) => {
  const listeners = new Map();
  globalThis.addEventListener = (type, listener) => listeners.set(type, listener);
  t.after(() => delete globalThis.addEventListener);
  const { state, client } = await open({ throttleMs: 1_000 });
  clock(t);
  await state.set({ at: 1 });
  const commit = state.set({ at: 2 });
  listeners.get("visibilitychange")();
  assert.deepEqual(places(client), [[["at", "1"]], [["at", "2"]]]);
  assert.equal((await commit).conflict, false);
});
