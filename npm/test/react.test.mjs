// The hooks for React, in a document and rendered on a server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { BellwetherError } from "../build/js/errors.js";
import { openWindow } from "../testing/dom.mjs";
import { entry } from "../testing/entry.mjs";
import { fakeSession } from "../testing/fake-state.mjs";

openWindow();
globalThis.IS_REACT_ACT_ENVIRONMENT = true;

const react = await import("react");
const { createRoot, hydrateRoot } = await import("react-dom/client");
const { renderToString } = await import("react-dom/server");
const hooks = await import("../build/js/react.js");
const { act, createElement: h, startTransition, StrictMode, Suspense, useState } = react;
const { BellwetherProvider, useSharedState } = hooks;

test("a key is read and written like a state, and all pages show it", async () => {
  const session = fakeSession();
  const [ann, ben] = [await counter(session.page("ann")), await counter(session.page("ben"))];
  assert.deepEqual([ann.text, ben.text], ["0", "0"]);
  assert.deepEqual(session.values, {}, "what stands for a value is not written");
  await ann.click();
  await ben.click();
  assert.deepEqual([ann.text, ben.text, session.values], ["2", "2", { count: 2 }]);
  await act(() => session.server({ count: 7 }));
  assert.deepEqual([ann.text, ben.text], ["7", "7"]);
  await act(() => session.server({ count: null }));
  assert.equal(ann.text, "null", "it is a value");
  await act(() => session.server({ count: undefined }));
  assert.equal(ann.text, "0");
});

test("the strict mode mounts twice, and one listener is left; none after the end", async () => {
  const page = fakeSession().page("ann");
  const view = await counter(page, StrictMode);
  assert.equal(page.state.listeners, 1);
  await view.click();
  assert.deepEqual(page.state.written, [{ count: 1 }], "a function that makes the value is called once per write");
  await view.end();
  assert.equal(page.state.listeners, 0);
});

test("a render on a server needs no Bellwether, and its first frame in a page is the same", async () => {
  const session = fakeSession();
  session.server({ count: 5 });
  const page = session.page("ann");
  let asked = 0;
  const source = () => (asked++, page);
  const tree = () => h(BellwetherProvider, { bellwether: source }, h(Counter));
  const given = h(BellwetherProvider, { bellwether: page }, h(Counter));
  assert.equal(renderToString(given), renderToString(tree()));
  assert.equal(asked, 0);

  const root = place();
  root.innerHTML = renderToString(tree());
  assert.equal(root.textContent, "0");
  const complaints = [];
  await act(async () => {
    hydrateRoot(root, tree(), { onRecoverableError: (error) => complaints.push(error) });
  });
  assert.deepEqual([root.textContent, asked, complaints], ["5", 1, []]);
});

test("until there is a Bellwether the initial value is shown, and a write waits for it", async () => {
  const session = fakeSession();
  session.server({ count: 41 });
  let give;
  const asked = new Promise((resolve) => (give = resolve));
  const view = await counter(asked);
  await view.click();
  assert.equal(view.text, "0");
  await act(async () => give(session.page("ann")));
  assert.deepEqual([view.text, session.values.count], ["42", 42]);
});

test("all that one render shows is of one version, also where it is interrupted", async () => {
  const session = fakeSession();
  const page = session.page("ann");
  const seen = [];
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  let passes = 0;
  const Slow = () => {
    const [value] = useSharedState("count", 0);
    if (passes++ < 2) react.use(gate);
    return `${value} `;
  };
  let show;
  const App = () => {
    const [isShown, setShown] = useState(false);
    show = () => startTransition(() => setShown(true));
    const parts = [0, 1, 2].map((key) => h(Slow, { key }));
    return isShown ? h(Suspense, null, parts) : null;
  };
  const root = place();
  const watcher = new MutationObserver(() => seen.push(root.textContent));
  watcher.observe(root, { childList: true, subtree: true, characterData: true });
  await act(async () => createRoot(root).render(h(BellwetherProvider, { bellwether: page }, h(App))));
  await act(async () => show());
  await act(async () => session.server({ count: 1 }));
  await act(async () => open());
  assert.equal(root.textContent, "1 1 1 ");
  for (const text of seen.filter(Boolean)) {
    assert.equal(new Set(text.trim().split(" ")).size, 1, `torn: ${text}`);
  }
});

test("a selection is rendered again only when it has changed", async () => {
  const session = fakeSession();
  session.server({ first: "Ann", last: "Lee", age: 7 });
  let renders = 0;
  const selections = [];
  const Name = () => {
    renders++;
    const name = hooks.useSharedSelector(
      ({ first, last }) => ({ first, last }),
      (a, b) => a.first === b.first && a.last === b.last,
    );
    selections.push(name);
    return `${name.first} ${name.last}`;
  };
  const view = await shown(session.page("ann"), Name);
  const before = renders;
  await act(async () => session.server({ age: 8 }));
  assert.equal(renders, before);
  await act(async () => session.server({ last: "May" }));
  assert.equal(view.text, "Ann May");
  assert.equal(renders, before + 1);
  await view.again();
  assert.equal(selections.at(-1), selections.at(-2), "an equal selection is the same object");
});

test("Bellwether, status and outbox are shown as they come", async () => {
  const page = fakeSession().page("ann");
  const enqueues = new Set();
  const All = () => {
    const bellwether = hooks.useBellwether();
    const status = hooks.useStatus();
    const { pending, dead, sync, enqueue } = hooks.useOutbox();
    enqueues.add(enqueue);
    return [bellwether?.id, status?.connection, pending, dead, sync].join(" ");
  };
  let give;
  const view = await shown(new Promise((resolve) => (give = resolve)), All);
  assert.equal(view.text, "  0 0 ");
  const [enqueue] = enqueues;
  const early = enqueue({ type: "t" }, { immediate: true });
  await act(async () => give(page));
  assert.equal(view.text, "ann connected 0 0 synchronized");
  await act(async () => page.show({ pending: 3, dead: 1, sync: "synchronizing" }));
  assert.equal(view.text, "ann connected 3 1 synchronizing");
  assert.deepEqual(await early, { id: "id-1", position: 1 });
  assert.deepEqual(page.enqueued, [[{ type: "t" }, { immediate: true }]]);
  assert.equal(enqueues.size, 1);
});

test("who leads is shown as it changes, in the strict mode and on a server, too", async () => {
  const page = fakeSession().page("ann");
  const views = [];
  const Leads = () => {
    const view = hooks.useLeader();
    views.push(view);
    return [view.isLeader, view.leaderId, view.epoch, view.role].join(" ");
  };
  const tree = (source) => h(BellwetherProvider, { bellwether: source }, h(Leads));
  assert.equal(renderToString(tree(page)), "false  0 starting");
  let give;
  const view = await shown(new Promise((resolve) => (give = resolve)), Leads, StrictMode);
  assert.equal(view.text, "false  0 starting");
  const lead = (facts) => {
    Object.assign(page.leader, facts);
    page.leader.dispatchEvent(new CustomEvent("change"));
  };
  await act(async () => lead({ leaderId: "ben", epoch: 3, role: "follower" }));
  await act(async () => give(page));
  assert.equal(view.text, "false ben 3 follower");
  await act(async () => lead({ isLeader: true, leaderId: "ann", epoch: 4, role: "leader" }));
  assert.equal(view.text, "true ann 4 leader");
  assert.ok(Object.isFrozen(views.at(-1)));
  await view.again();
  assert.equal(views.at(-1), views.at(-2), "the same object until it changes");
  const count = views.length;
  await view.end();
  lead({ isLeader: false, leaderId: null });
  assert.equal(views.length, count);
});

test("options are connected with once, and a failure is told; the children are shown all the same", async () => {
  const fault = new BellwetherError("wasm-unavailable", "app", "none");
  const page = fakeSession().page("ann");
  const asked = [];
  const turns = [Promise.reject(fault), page];
  entry.connect = async (options) => (asked.push(options), turns.shift());
  const told = [];
  const App = ({ turn }) =>
    h(
      BellwetherProvider,
      { bellwether: { channel: "notes" }, onError: (error) => told.push([turn, error]) },
      h(Counter),
    );
  const root = place();
  const mounted = createRoot(root);
  await act(async () => mounted.render(h(App, { turn: 1 })));
  assert.deepEqual([root.textContent, told], ["0", [[1, fault]]]);
  await act(async () => mounted.render(h(App, { turn: 2 })));
  assert.equal(asked.length, 1, "options made anew say nothing");
  await act(async () => root.querySelector("button").click());
  assert.deepEqual([root.textContent, asked.length], ["1", 2], "a write tries again");
  page.state.set = async () => Promise.reject(fault);
  await act(async () => root.querySelector("button").click());
  assert.deepEqual(told.at(-1), [2, fault], "the latest render's listener");
});

test("another connected Bellwether takes the place of the one before", async () => {
  const [first, second] = [fakeSession(), fakeSession()].map((it) => it.page("ann"));
  await second.state.set({ count: 9 });
  const root = place();
  const mounted = createRoot(root);
  const tree = (bellwether) => h(BellwetherProvider, { bellwether }, h(Counter));
  await act(async () => mounted.render(tree(first)));
  await act(async () => mounted.render(tree(second)));
  assert.deepEqual([root.textContent, first.state.listeners], ["9", 0]);
});

test("a hook without a provider says what is missing", () => {
  const names = ["useBellwether", "useStatus", "useSharedState", "useSharedSelector", "useOutbox", "useLeader"];
  for (const name of names) {
    assert.throws(
      () => renderToString(h(() => String(hooks[name](() => "")))),
      (fault) => fault instanceof BellwetherError && fault.message.includes(`\`${name}\` has no <B`),
    );
  }
});

test("a store is in sync from mount to unmount, in the strict mode, too", async () => {
  const session = fakeSession();
  const page = session.page("ann");
  const store = storeOf({ count: 0 });
  const told = [];
  let sync;
  const App = ({ turn }) => {
    const [isShown, setShown] = useState(true);
    const Tied = Tie;
    return h("div", null, h("button", { onClick: () => setShown(false) }), isShown && h(Tied, { turn }));
  };
  const Tie = ({ turn }) => {
    sync = hooks.useBroadcastSync(store, {
      bellwether: page,
      onRemoteUpdate: (keys) => told.push([turn, ...keys]),
      onConnectionChange: (state) => told.push([turn, state]),
    });
    return null;
  };
  const root = place();
  const mounted = createRoot(root);
  await act(async () => mounted.render(h(StrictMode, null, h(App, { turn: 1 }))));
  assert.deepEqual(told.splice(0), [
    [1, "connected"],
    [1, "disconnected"],
    [1, "connected"],
  ]);
  assert.deepEqual([sync.isActive(), page.state.listeners, store.listeners], [true, 1, 1]);
  const before = sync;
  await act(async () => mounted.render(h(StrictMode, null, h(App, { turn: 2 }))));
  assert.equal(sync, before, "a config made anew says nothing");
  session.server({ count: 3 });
  assert.equal(store.getState().count, 3);
  assert.deepEqual(told, [[2, "count"]]);
  await act(async () => root.querySelector("button").click());
  assert.deepEqual([sync.isActive(), page.state.listeners, store.listeners], [false, 0, 0]);
});

test("a store without a Bellwether of its own has the provider's", async () => {
  const session = fakeSession();
  session.server({ count: 4 });
  const store = storeOf({ count: 0 });
  const page = session.page("ann");
  const App = () => hooks.useBroadcastSync(store, { keys: ["count"] }).getTabId();
  await shown(async () => page, App);
  assert.equal(store.getState().count, 4);
});

function Counter() {
  const [count, setCount] = useSharedState("count", 0);
  return h("button", { onClick: () => void setCount((value) => value + 1) }, String(count));
}

async function counter(source, wrapper = react.Fragment) {
  return shown(source, Counter, wrapper);
}

async function shown(bellwether, component, wrapper = react.Fragment) {
  const root = place();
  const mounted = createRoot(root);
  const again = () =>
    act(async () => {
      const tree = h(BellwetherProvider, { bellwether }, h(component));
      mounted.render(h(wrapper, null, tree));
    });
  await again();
  return {
    get text() {
      return root.textContent;
    },
    again,
    click: () => act(async () => root.querySelector("button").click()),
    end: () => act(async () => mounted.unmount()),
  };
}

function place() {
  return document.body.appendChild(document.createElement("div"));
}

function storeOf(values) {
  const listeners = new Set();
  return {
    getState: () => values,
    setState(partial) {
      values = { ...values, ...partial };
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get listeners() {
      return listeners.size;
    },
  };
}
