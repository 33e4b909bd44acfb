// A page that has no locks, and cannot load what elects one page without them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { connector } from "../build/js/connect.js";
import { appFault, named } from "../build/js/errors.js";
import { fakeClients } from "../testing/client.mjs";
import "../testing/host.mjs";
import "../testing/lead.mjs";
import { FakeStorage } from "../testing/storage.mjs";

/** Whether the wasm can be had; once it was loaded it is there for good. */
let isThere = false;
const { fetch } = globalThis;
globalThis.fetch = async (url, ...more) => {
  if (!isThere && `${url}`.endsWith("/bellwether_lead_bg.wasm")) throw new TypeError("offline");
  return fetch(url, ...more);
};

const events = new EventTarget();
const items = new Map();
Object.defineProperty(globalThis, "navigator", { configurable: true, value: {} });
Object.assign(globalThis, {
  window: events,
  document: Object.assign(new EventTarget(), { visibilityState: "visible" }),
  addEventListener: events.addEventListener.bind(events),
  removeEventListener: events.removeEventListener.bind(events),
  localStorage: new FakeStorage(items),
  BroadcastChannel: class {
    postMessage() {}
    close() {}
  },
});

// Loaded once, so that no test waits for it longer than another.
const [{ climb, electionFor }] = await Promise.all(
  ["ladder", "later", "below", "host", "leader", "lead"].map((name) => import(`../build/js/${name}.js`)),
);

const locks = { request: async (name, act) => act() };

for (const [what, choose, browser] of [
  ["hosts", climb, {}],
  ["leads", electionFor, {}],
  ["with locks leads", electionFor, { locks }],
]) {
  test(`that a file cannot be loaded is no reason to be chosen worse: no page ${what} alone because of it`, async (t) => {
    Object.assign(navigator, browser);
    t.after(() => delete navigator.locks);
    const told = [];
    const inside = {
      page: { id: "page-1", status: { reasons: [], epoch: 0 }, leader: { epoch: 0 } },
      asked: { raw: { build: "b1", channel: "c" } },
      over: new AbortController().signal,
      below: () => undefined,
      climbed: (way) => told.push(way),
      report: (fault) => told.push(fault),
      kit: { appFault, named },
    };
    await assert.rejects(choose(inside), ({ code, message }) => {
      assert.match(message, /^lead\.js or its wasm could not be loaded \(TypeError: offline\)/);
      return code === "module-unavailable";
    });
    assert.deepEqual(told, []);
  });
}

test("a page hosts, and takes part in leading, once what it takes can be loaded; each failure is told once", async (t) => {
  const { page, faults, until } = await open(t);
  await until(0, () => faults.length > 0);
  page.leader.handle("double", async (number) => 2 * number);
  await until(0, () => faults.length > 1);
  await until(60_000);
  assert.deepEqual(faults.map(({ code }) => code), ["module-unavailable", "module-unavailable"], "to host, and to lead");
  for (const { message } of faults) assert.match(message, /^lead\.js or its wasm could not be loaded/);
  assert.deepEqual([page.status.host, page.status.reasons], ["starting", []], "no rung was given up");

  isThere = true;
  events.dispatchEvent(new Event("online"));
  await until(0, () => page.status.reasons.length > 0);
  assert.deepEqual(
    page.status.reasons,
    ["service-worker", "web-locks", "indexeddb-lease"].map((it) => `${it}: there is none`),
    "it stands by the best that works",
  );
  let doubled;
  void page.leader.delegate("double", 21).then((number) => (doubled = number));
  await until(50, () => doubled !== undefined);
  assert.deepEqual([doubled, faults.length], [42, 2]);
});

/** Opens a page that has no database. `until` lets time pass until it `isSo`; what is loaded takes as many turns as it takes. */
async function open(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { setTimeout } = globalThis;
  // The clock of the test has no default.
  t.mock.method(globalThis, "setTimeout", (act, ms = 0, ...told) => setTimeout(act, ms, ...told));
  const until = async (ms, isSo = () => true) => {
    for (let turns = 0; turns < 20 || (turns < 100_000 && !isSo()); turns += 1) {
      t.mock.timers.tick(ms);
      await turn();
    }
    assert.ok(isSo());
  };
  const clients = fakeClients();
  clients.whyNot = { code: "store-unavailable", culprit: "browser", message: "there is none" };
  const page = await connector("b1", async () => clients)();
  t.after(() => page.close());
  const faults = [];
  page.addEventListener("error", ({ detail }) => faults.push(detail));
  return { page, faults, until };
}
