// The enhancer for Redux: slices, the action that brings values, and other enhancers beside it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { applyMiddleware, combineReducers, compose, createStore } from "redux";

import "../testing/entry.mjs";
import { fakeSession } from "../testing/fake-state.mjs";

const { REMOTE_UPDATE, bellwether, isRemoteUpdate } = await import("../build/js/redux.js");

const count = (state = 0, action) => (action.type === "add" ? state + 1 : state);
const text = (state = "", action) => (action.type === "write" ? action.text : state);
const updates = (state = [], action) => (isRemoteUpdate(action) ? [...state, action.payload] : state);
const reducer = combineReducers({ count, text, updates });

test("the named slices agree in all pages, and the others stay", () => {
  const session = fakeSession();
  session.server({ count: 5, text: "theirs" });
  const [ann, ben] = ["ann", "ben"].map((id) => store(session, id));
  assert.deepEqual(ann.getState(), { count: 5, text: "", updates: [{ count: 5 }] });
  ann.dispatch({ type: "add" });
  ann.dispatch({ type: "write", text: "mine" });
  assert.equal(ben.getState().count, 6);
  assert.equal(ben.getState().text, "");
  assert.deepEqual(session.values, { count: 6, text: "theirs" });
  assert.deepEqual(ben.getState().updates, [{ count: 5 }, { count: 6 }], "reducers see what came");
  assert.deepEqual(ann.getState().updates, [{ count: 5 }]);
});

test("values from elsewhere come by one action, which middleware sees if it is outside", () => {
  const session = fakeSession();
  const seen = [];
  const noting = () => (next) => (action) => (seen.push(action), next(action));
  const enhancer = options(session, "ann");
  const outside = createStore(reducer, compose(bellwether(enhancer), applyMiddleware(noting)));
  session.server({ count: 2 });
  assert.deepEqual(seen, [{ type: REMOTE_UPDATE, payload: { count: 2 } }]);
  assert.equal(outside.getState().count, 2);
  outside.bellwether.stop();

  const inside = compose(applyMiddleware(noting), bellwether(options(session, "ben")));
  const other = createStore(reducer, inside);
  session.server({ count: 3 });
  assert.equal(other.getState().count, 3);
  assert.equal(seen.length, 1);
});

test("a slice that is deleted has its first value again", () => {
  const session = fakeSession();
  session.server({ count: 5 });
  const ann = store(session, "ann");
  session.server({ count: undefined });
  assert.equal(ann.getState().count, 0);
  assert.deepEqual(session.values, {});
});

test("a reducer that is put in the place of another takes values, too", () => {
  const session = fakeSession();
  const ann = store(session, "ann");
  ann.replaceReducer(combineReducers({ count, text }));
  session.server({ count: 9 });
  assert.equal(ann.getState().count, 9);
});

test("it starts by itself only where there is a page, and else when it is told to", async () => {
  const session = fakeSession();
  const page = session.page("ann");
  const ann = createStore(reducer, bellwether({ keys: ["count"], bellwether: page }));
  assert.equal(ann.bellwether.isActive(), false);
  await ann.bellwether.start();
  assert.equal(page.state.listeners, 1);
  ann.bellwether.stop();
  assert.equal(page.state.listeners, 0);
});

test("without slices to share, or with an option that there is not, nothing is made", () => {
  for (const options of [{}, { keys: [] }, { keys: ["count"], kyes: [] }]) {
    assert.throws(() => createStore(reducer, bellwether(options)), { code: "option-invalid" });
  }
});

function options(session, id) {
  return { keys: ["count"], bellwether: session.page(id), autoStart: true };
}

function store(session, id) {
  return createStore(reducer, bellwether(options(session, id)));
}
