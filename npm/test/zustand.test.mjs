// The middleware for Zustand, alone and among others.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createStore } from "zustand/vanilla";
import { combine, createJSONStorage, persist, subscribeWithSelector } from "zustand/middleware";

import "../testing/entry.mjs";
import { fakeSession } from "../testing/fake-state.mjs";

const { bellwether } = await import("../build/js/zustand.js");

test("stores of two pages agree, actions stay, and defaults are not written", async () => {
  const session = fakeSession();
  session.server({ count: 5 });
  const [ann, ben] = ["ann", "ben"].map((id) => counter(session, id));
  await turn();
  assert.equal(ann.getState().count, 5);
  ann.getState().add();
  assert.equal(ben.getState().count, 6);
  assert.equal(typeof ben.getState().add, "function");
  assert.deepEqual(session.values, { count: 6 });
});

test("it starts by itself only where there is a page, and else when it is told to", async () => {
  const session = fakeSession();
  const page = session.page("ann");
  const store = createStore(bellwether(() => ({ count: 0 }), { bellwether: page }));
  await turn();
  assert.equal(store.bellwether.isActive(), false);
  await store.bellwether.start();
  session.server({ count: 1 });
  assert.equal(store.getState().count, 1);
  store.bellwether.stop();
  assert.equal(page.state.listeners, 0);

  globalThis.document = {};
  const inPage = createStore(bellwether(() => ({ count: 0 }), { bellwether: page }));
  delete globalThis.document;
  await turn();
  assert.equal(inPage.bellwether.isActive(), true);
});

test("it works inside and outside of other middleware", async () => {
  const session = fakeSession();
  const create = combine({ count: 0 }, (set) => ({ add: () => set(({ count }) => ({ count: count + 1 })) }));
  const options = (id) => ({ bellwether: session.page(id), autoStart: true });
  const inside = createStore(subscribeWithSelector(bellwether(create, options("ann"))));
  const outside = createStore(bellwether(subscribeWithSelector(create), options("ben")));
  await turn();
  const told = [];
  outside.subscribe(
    ({ count }) => count,
    (count) => told.push(count),
  );
  inside.getState().add();
  assert.deepEqual(told, [1]);
  outside.getState().add();
  assert.equal(inside.getState().count, 2);
});

test("what comes from elsewhere goes through the middleware inside, such as one that stores it", async () => {
  const session = fakeSession();
  const stored = new Map();
  const storage = createJSONStorage(() => ({
    getItem: (name) => stored.get(name) ?? null,
    setItem: (name, value) => stored.set(name, value),
    removeItem: (name) => stored.delete(name),
  }));
  const options = { bellwether: session.page("ann"), autoStart: true };
  createStore(bellwether(persist(() => ({ count: 0 }), { name: "counter", storage }), options));
  await turn();
  session.server({ count: 5 });
  assert.deepEqual(JSON.parse(stored.get("counter")).state, { count: 5 });
});

test("an option that cannot be used is refused when the store is made", () => {
  const create = () => createStore(bellwether(() => ({ count: 0 }), { kyes: [] }));
  assert.throws(create, { name: "BellwetherError", code: "option-invalid" });
});

function counter(session, id) {
  const page = session.page(id);
  return createStore(
    bellwether(
      (set) => ({ count: 0, add: () => set(({ count }) => ({ count: count + 1 })) }),
      { bellwether: page, keys: ["count"], autoStart: true },
    ),
  );
}

function turn() {
  return new Promise((resolve) => setTimeout(resolve));
}
