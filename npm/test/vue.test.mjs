// The composables for Vue, in scopes, in an app, and rendered on a server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { BellwetherError } from "../build/js/errors.js";
import { openWindow } from "../testing/dom.mjs";
import { entry } from "../testing/entry.mjs";
import { fakeSession } from "../testing/fake-state.mjs";

openWindow();

const { computed, createApp, createSSRApp, effectScope, h, nextTick, watchEffect } = await import("vue");
const { renderToString } = await import("vue/server-renderer");
const { createBellwether, useBellwether, useSharedState, useStatus } = await import("../build/js/vue.js");

test("a ref is read and written, follows all pages, and ends with its scope", async () => {
  const session = fakeSession();
  const page = session.page("ann");
  const scope = effectScope();
  const told = [];
  const count = scope.run(() => {
    const count = useSharedState("count", 0, { bellwether: page });
    const twice = computed(() => count.value * 2);
    watchEffect(() => told.push([count.value, twice.value]), { flush: "sync" });
    return count;
  });
  assert.deepEqual(session.values, {}, "what stands for a value is not written");
  count.value += 1;
  session.server({ count: 5 });
  session.server({ count: null });
  assert.deepEqual(told, [
    [0, 0],
    [1, 2],
    [5, 10],
    [null, 0],
  ]);
  assert.deepEqual(page.state.written, [{ count: 1 }]);
  assert.equal(page.state.listeners, 1);
  scope.stop();
  assert.equal(page.state.listeners, 0);
});

test("components get it from the plugin, and let go when they are unmounted", async () => {
  const session = fakeSession();
  const page = session.page("ann");
  const { app, root } = await mounted(createBellwether(page));
  assert.equal(root.textContent, "ann connected 0");
  root.querySelector("button").click();
  session.server({ count: 3 });
  page.show({ connection: "disconnected" });
  await nextTick();
  assert.equal(root.textContent, "ann disconnected 3");
  app.unmount();
  assert.equal(page.state.listeners, 0);
});

test("it connects when it is installed, and shows what is shared once it has", async () => {
  const session = fakeSession();
  session.server({ count: 8 });
  const asked = [];
  entry.connect = async (options) => (asked.push(options), session.page("ann"));
  const { root } = await mounted(createBellwether({ channel: "notes" }));
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(root.textContent, "ann connected 8");
  assert.deepEqual(asked, [{ channel: "notes" }]);
});

test("on a server nothing is connected, and the initial value is shown", async () => {
  const { document } = globalThis;
  delete globalThis.document;
  try {
    let asked = 0;
    const app = createSSRApp(App).use(createBellwether(() => void asked++));
    assert.match(await renderToString(app), />\s*0<\/button>/);
    assert.equal(asked, 0);
  } finally {
    globalThis.document = document;
  }
});

test("a write that is refused is told, and the ref has its former value", async () => {
  const session = fakeSession();
  const told = [];
  const bellwether = session.page("ann");
  const onError = (error) => told.push(error);
  const count = useSharedState("count", 0, { bellwether, onError });
  const refusal = new BellwetherError("store-quota", "browser", "full");
  session.refuse(refusal);
  count.value = 1;
  assert.equal(count.value, 0);
  await nextTick();
  assert.deepEqual(told, [refusal]);
});

test("without the plugin it says what is missing, and what can only be read says so", () => {
  assert.throws(() => useSharedState("count"), (fault) => {
    return fault instanceof BellwetherError && fault.message.includes("`useSharedState` finds no");
  });
  const status = useStatus({ bellwether: fakeSession().page("ann") });
  assert.throws(() => (status.value = undefined), { code: "option-invalid" });
});

const App = {
  setup() {
    const count = useSharedState("count", 0);
    const bellwether = useBellwether();
    const status = useStatus();
    return () => [
      `${bellwether.value?.id} ${status.value?.connection} `,
      h("button", { onClick: () => count.value++ }, `${count.value}`),
    ];
  },
};

async function mounted(plugin) {
  const root = document.body.appendChild(document.createElement("div"));
  const app = createApp(App).use(plugin);
  app.mount(root);
  await nextTick();
  return { app, root };
}
