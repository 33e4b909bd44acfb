// Any store kept in step with the shared state: what is written, what is taken, and what never is.

import assert from "node:assert/strict";
import { test } from "node:test";

import { BellwetherError } from "../build/js/errors.js";
import { entry } from "../testing/entry.mjs";
import { fakeSession } from "../testing/fake-state.mjs";

const { createBroadcastSync } = await import("../build/js/broadcast-sync.js");

test("a change of one store is in the other, and only the changed keys are written", () => {
  const { session, ann, ben } = pair({ count: 0, text: "a" });
  ann.store.setState({ count: 1 });
  assert.deepEqual(ben.store.getState(), { count: 1, text: "a" });
  assert.deepEqual(ann.page.state.written, [{ count: 1 }]);
  ben.store.setState({ text: "b" });
  assert.deepEqual(ann.store.getState(), { count: 1, text: "b" });
  assert.deepEqual(session.values, { count: 1, text: "b" });
});

test("what came from elsewhere is not written back, objects and what other devices wrote included", () => {
  const { session, ann, ben } = pair({ list: [], count: 0 });
  ann.store.setState({ list: [1] });
  session.server({ list: [1, 2], count: 5 });
  assert.deepEqual(ben.store.getState(), { list: [1, 2], count: 5 });
  assert.deepEqual(ann.store.getState(), { list: [1, 2], count: 5 });
  assert.deepEqual(ann.page.state.written, [{ list: [1] }]);
  assert.deepEqual(ben.page.state.written, []);
});

test("the store keeps the object that the app gave it, not the copy that is shared", () => {
  const { ann, ben } = pair({ list: [] });
  const list = [{ at: 1 }];
  ann.store.setState({ list });
  assert.equal(ann.store.getState().list, list);
  assert.notEqual(ben.store.getState().list, list);
  assert.deepEqual(ben.store.getState().list, list);
});

test("a page that starts takes what is shared, and never writes what its store begins with", () => {
  const { session, ann } = pair({ count: 0, text: "" });
  ann.store.setState({ count: 7 });
  const late = tied(session, "cleo", { count: 0, text: "mine", theme: "light" });
  assert.deepEqual(late.store.getState(), { count: 7, text: "mine", theme: "light" });
  assert.deepEqual(late.page.state.written, []);
  assert.deepEqual(session.values, { count: 7 });
});

test("what the app changes while it connects is written, but where others had written already", async () => {
  const session = fakeSession();
  session.server({ count: 42 });
  const store = storeOf({ count: 0, text: "" });
  const page = session.page("ann");
  let give;
  const sync = createBroadcastSync(store, { bellwether: new Promise((resolve) => (give = resolve)) });
  const started = sync.start();
  store.setState({ count: 1, text: "typed" });
  assert.deepEqual([sync.isActive(), sync.getTabId(), sync.getConnectedTabs()], [true, "", 0]);
  give(page);
  await started;
  assert.deepEqual(store.getState(), { count: 42, text: "typed" });
  assert.deepEqual(session.values, { count: 42, text: "typed" });
});

test("functions are never shared, and nothing from elsewhere takes their place", () => {
  const session = fakeSession();
  session.server({ add: "text" });
  const add = () => {};
  const { store, page } = tied(session, "ann", { count: 0, add });
  store.setState({ count: 1, add: () => 1, reset: () => {} });
  store.setState({ add });
  assert.deepEqual(page.state.written, [{ count: 1 }]);
  session.server({ add: "again" });
  assert.equal(store.getState().add, add);
});

test("only the keys that are named are shared, none that is excluded, and an empty list names all", () => {
  const cases = [
    [{ keys: ["a", "b"], excludeKeys: ["b"] }, ["a"]],
    [{ syncKeys: ["b"] }, ["b"]],
    [{ excludeKeys: ["a"] }, ["b", "c"]],
    [{ keys: [] }, ["a", "b", "c"]],
    [{}, ["a", "b", "c"]],
  ];
  for (const [config, expected] of cases) {
    const session = fakeSession();
    const { store } = tied(session, "ann", { a: 0, b: 0, c: 0 }, config);
    store.setState({ a: 1, b: 1, c: 1 });
    assert.deepEqual(Object.keys(session.values), expected);
    session.server({ a: 2, b: 2, c: 2 });
    const taken = Object.entries(store.getState()).filter(([, value]) => value === 2);
    assert.deepEqual(taken.map(([key]) => key), expected);
  }
});

test("a key that is deleted has the store's first value again, and one that the store drops is deleted", () => {
  const { session, ann, ben } = pair({ list: ["first"] });
  ann.store.setState({ list: [], more: 1 });
  session.server({ list: undefined });
  assert.deepEqual(ben.store.getState(), { list: ["first"], more: 1 });
  assert.deepEqual(ben.page.state.written, []);
  ann.store.replace({ list: ann.store.getState().list });
  assert.deepEqual(session.values, {});
  assert.equal(ben.store.getState().more, undefined);
});

test("what a deleted key has again is of the first start, not of a later one", () => {
  const { session, ann } = pair({ list: ["first"] });
  ann.store.setState({ list: [] });
  ann.sync.stop();
  void ann.sync.start();
  session.server({ list: undefined });
  assert.deepEqual(ann.store.getState(), { list: ["first"] });
});

test("where listeners hear of a write a turn later, it is still known for the store's own", async () => {
  const session = fakeSession({ tellsLater: true });
  const [ann, ben] = ["ann", "ben"].map((id) => tied(session, id, { list: [], count: 0 }));
  const list = [1];
  ann.store.setState({ list });
  ben.store.setState({ count: 1 });
  ann.store.setState({ count: 2 });
  await turn();
  assert.equal(ann.store.getState().list, list);
  assert.deepEqual(ben.store.getState(), { list: [1], count: 2 });
  assert.deepEqual(ann.page.state.written, [{ list }, { count: 2 }]);
  assert.deepEqual(ben.page.state.written, [{ count: 1 }]);
});

test("a store that makes another value of what it is given keeps it, and does not write it back", () => {
  const session = fakeSession();
  const store = storeOf({ count: 0 });
  const { setState } = store;
  store.setState = (partial) => setState({ ...partial, count: Math.min(partial.count, 100) });
  const { page } = tiedTo(session, "ann", store);
  session.server({ count: 200 });
  assert.equal(store.getState().count, 100);
  store.replace({ count: 200 });
  assert.deepEqual(page.state.written, [], "what is shared already is not written again");
  store.setState({ count: 7 });
  assert.equal(session.values.count, 7);
});

test("what the app makes of a value from elsewhere is its own change", () => {
  const { session, ann, ben } = pair({ items: [], total: 0 });
  for (const { store } of [ann, ben]) {
    store.subscribe(() => {
      const total = store.getState().items.length;
      if (store.getState().total !== total) store.setState({ total });
    });
  }
  ann.store.setState({ items: [1, 2] });
  assert.deepEqual(session.values, { items: [1, 2], total: 2 });
  assert.equal(ben.store.getState().total, 2);
});

test("two stores of one page that share a key agree, without a loop", () => {
  const session = fakeSession();
  const page = session.page("ann");
  const first = storeOf({ theme: "light" });
  const second = storeOf({ theme: "light" });
  for (const store of [first, second]) createBroadcastSync(store, { bellwether: page }).start();
  first.setState({ theme: "dark" });
  assert.equal(second.getState().theme, "dark");
  void page.state.set({ theme: "light" });
  assert.deepEqual([first, second].map((store) => store.getState().theme), ["light", "light"]);
  assert.equal(page.state.written.length, 2);
});

test("a write that is refused is rolled back in the store, and told", async () => {
  const session = fakeSession();
  const told = [];
  const { store } = tied(session, "ann", { count: 0 }, { onError: (error) => told.push(error) });
  store.setState({ count: 1 });
  const refusal = new BellwetherError("store-quota", "browser", "full");
  session.refuse(refusal);
  store.setState({ count: 2 });
  assert.equal(store.getState().count, 1);
  await turn();
  assert.deepEqual(told, [refusal]);
  session.refuse(undefined);
  store.setState({ count: 3 });
  assert.equal(session.values.count, 3);
});

test("starting and stopping again has no further effect", () => {
  const { session, ann, ben } = pair({ count: 0 });
  assert.equal(ann.sync.start(), ann.sync.start());
  assert.equal(ann.page.state.listeners, 1);
  ann.sync.stop();
  ann.sync.stop();
  assert.equal(ann.sync.isActive(), false);
  assert.deepEqual([ann.page.state.listeners, ann.store.listeners], [0, 0]);
  ann.store.setState({ count: 1 });
  session.server({ count: 2 });
  assert.deepEqual([ann.store.getState().count, ben.store.getState().count], [1, 2]);
  void ann.sync.start();
  assert.equal(ann.store.getState().count, 2);
  assert.equal(ann.page.state.listeners, 1);
});

test("one that is stopped while it connects never begins", async () => {
  const session = fakeSession();
  const page = session.page("ann");
  const sync = createBroadcastSync(storeOf({ count: 0 }), { bellwether: async () => page });
  const first = sync.start();
  sync.stop();
  const second = sync.start();
  await Promise.all([first, second]);
  assert.equal(page.state.listeners, 1);
  sync.stop();
  assert.equal(page.state.listeners, 0);
});

test("a start that fails is told, leaves the store alone, and can be tried again", async () => {
  const session = fakeSession();
  const fault = new BellwetherError("wasm-unavailable", "app", "none");
  const turns = [Promise.reject(fault), session.page("ann")];
  const told = [];
  const sync = createBroadcastSync(storeOf({ count: 0 }), {
    bellwether: () => turns.shift(),
    onError: (error) => told.push(error),
  });
  await assert.rejects(sync.start(), fault);
  assert.equal(sync.isActive(), false);
  assert.deepEqual(told, [fault]);
  await sync.start();
  assert.equal(sync.isActive(), true);
});

test("a store that throws ends the start, and says so", async () => {
  const session = fakeSession();
  session.server({ count: 1 });
  const fault = new Error("frozen");
  const store = storeOf({ count: 0 });
  store.setState = () => {
    throw fault;
  };
  const told = [];
  const page = session.page("ann");
  const sync = createBroadcastSync(store, { bellwether: page, onError: (error) => told.push(error) });
  await assert.rejects(sync.start(), fault);
  assert.deepEqual([sync.isActive(), told, page.state.listeners], [false, [fault], 0]);
});

test("it connects by itself, and hands on what is the state's", async () => {
  const asked = [];
  const session = fakeSession();
  entry.connect = async (options) => {
    asked.push(options);
    return session.page(`page-${asked.length}`);
  };
  const store = storeOf({ count: 0 });
  const passed = {
    throttleMs: 100,
    debounceMs: 0,
    conflictStrategy: "merge",
    keyStrategies: { count: "custom" },
    customResolver: ({ local }) => local,
    shouldSync: () => true,
    validate: () => true,
  };
  await createBroadcastSync(store).start();
  await createBroadcastSync(store, { bellwether: { channel: "a" }, keys: ["count"] }).start();
  const initial = { theme: "light" };
  const bellwether = { channel: "a", state: { initial, throttleMs: 5 } };
  await createBroadcastSync(store, { bellwether, ...passed }).start();
  assert.deepEqual(asked, [{}, { channel: "a" }, { channel: "a", state: { initial, ...passed } }]);
});

test("an option that cannot be used is refused by name", () => {
  const page = fakeSession().page("ann");
  const cases = [
    [{ kyes: ["a"] }, "there is no option `kyes`, but bellwether,"],
    [{ keys: "a" }, "`keys` cannot be used; give it a list of keys"],
    [{ excludeKeys: [1] }, "`excludeKeys` cannot be used"],
    [{ keys: ["a"], syncKeys: ["a"] }, "`keys` and `syncKeys` are two names"],
    [{ onRemoteUpdate: true }, "`onRemoteUpdate` cannot be used; give it a function"],
    [{ debug: "all" }, "`debug` cannot be used; give it true or false"],
    [{ bellwether: "notes" }, "there is no Bellwether to be had of this"],
    [{ bellwether: page, throttleMs: 5 }, "`throttleMs` is for `connect`, which was called elsewhere"],
    [{ bellwether: async () => page, validate: () => true }, "give it there as `state.validate`"],
  ];
  for (const [config, told] of cases) {
    assert.throws(
      () => createBroadcastSync(storeOf({}), config),
      (fault) => {
        assert.ok(fault instanceof BellwetherError, `${fault}`);
        assert.equal(fault.code, "option-invalid");
        assert.ok(fault.message.includes(told), `${fault.message} lacks ${told}`);
        return true;
      },
    );
  }
  for (const store of [undefined, {}, { getState() {}, setState() {} }]) {
    assert.throws(() => createBroadcastSync(store), { code: "option-invalid" });
  }
});

test("updates from elsewhere are told with their keys and their page, and own ones are not", () => {
  const session = fakeSession();
  const told = [];
  const onRemoteUpdate = (keys, source) => told.push([keys, source]);
  const ann = tied(session, "ann", { a: 0, b: 0 }, { keys: ["a"], onRemoteUpdate });
  const ben = tied(session, "ben", { a: 0, b: 0 });
  ann.store.setState({ a: 1 });
  void ann.page.state.set({ a: 2 });
  assert.deepEqual(told, []);
  ben.store.setState({ a: 3, b: 3 });
  ben.store.setState({ b: 4 });
  session.server({ a: 5 });
  assert.deepEqual(told, [
    [["a"], "ben"],
    [["a"], ""],
  ]);
});

test("the connection is told as it comes and goes", () => {
  const session = fakeSession();
  const told = [];
  const { page, sync } = tied(session, "ann", {}, { onConnectionChange: (it) => told.push(it) });
  page.show({ connection: "disconnected" });
  page.show({ pending: 1 });
  page.show({ connection: "connected" });
  sync.stop();
  page.show({ connection: "disconnected" });
  assert.deepEqual(told, ["connected", "disconnected", "connected", "disconnected"]);
});

test("pages are counted", async () => {
  const { ann } = pair({});
  assert.equal(ann.sync.getTabId(), "ann");
  ann.page.show({ pages: 2 });
  assert.equal(ann.sync.getConnectedTabs(), 2);
});

test("who leads is told and can be forced", async () => {
  const session = fakeSession();
  const page = session.page("ann");
  page.leader = Object.assign(new EventTarget(), {
    isLeader: false,
    async forceLeader() {
      this.isLeader = true;
      this.dispatchEvent(new Event("change"));
    },
  });
  const told = [];
  const onConnectionChange = (it) => told.push(it);
  const sync = createBroadcastSync(storeOf({}), { bellwether: page, onConnectionChange });
  await sync.start();
  assert.equal(sync.isLeader(), false);
  await sync.forceLeader();
  assert.equal(sync.isLeader(), true);
  page.leader.isLeader = false;
  page.leader.dispatchEvent(new Event("change"));
  assert.deepEqual(told, ["connected", "leader", "follower"]);
});

test("the state is requested and broadcast on demand, also keys that nobody has written", async () => {
  const { session, ann, ben } = pair({ a: 1, b: 2, add: () => {} }, { excludeKeys: ["b"] });
  await ann.sync.requestState();
  assert.deepEqual(ann.page.state.asked, [["request"]]);
  await ann.sync.broadcastState();
  assert.deepEqual(session.values, { a: 1 });
  assert.deepEqual(ann.page.state.asked[1], ["broadcast", ["a"]]);
  await ann.sync.broadcastState(["a", "b", "none"]);
  assert.deepEqual(ann.page.state.written, [{ a: 1 }]);
  assert.deepEqual(ann.page.state.asked[2], ["broadcast", ["a"]]);
  assert.deepEqual(ben.page.state.written, []);
});

test("what needs a start says so without one", async () => {
  const { ann } = pair({});
  ann.sync.stop();
  for (const call of ["requestState", "broadcastState", "forceLeader"]) {
    await assert.rejects(ann.sync[call](), { name: "BellwetherError", code: "closed" });
  }
});

test("debugging logs each key that goes out or comes in, and silence is the default", (t) => {
  const lines = [];
  t.mock.method(console, "debug", (line) => lines.push(line));
  const session = fakeSession();
  const ann = tied(session, "ann", { a: 0 }, { debug: true });
  const ben = tied(session, "ben", { a: 0 });
  ann.store.setState({ a: 1 });
  ben.store.setState({ a: 2 });
  assert.deepEqual(lines, ["[bellwether ann] out: a", "[bellwether ann] in: a from page ben"]);
});

/** Two pages of one session, each with its store in sync. */
function pair(values, config) {
  const session = fakeSession();
  return {
    session,
    ann: tied(session, "ann", { ...values }, config),
    ben: tied(session, "ben", { ...values }, config),
  };
}

function tied(session, id, values, config) {
  return tiedTo(session, id, storeOf(values), config);
}

function tiedTo(session, id, store, config) {
  const page = session.page(id);
  const sync = createBroadcastSync(store, { bellwether: page, ...config });
  void sync.start();
  return { page, store, sync };
}

/** A store as small as one can be. */
function storeOf(values) {
  const listeners = new Set();
  const replace = (next) => {
    values = next;
    for (const listener of [...listeners]) listener();
  };
  return {
    getState: () => values,
    setState: (partial) => replace({ ...values, ...partial }),
    replace,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get listeners() {
      return listeners.size;
    },
  };
}

function turn() {
  return new Promise((resolve) => setTimeout(resolve));
}
