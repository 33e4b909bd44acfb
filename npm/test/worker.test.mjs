// The worker's listeners, in a service worker's world without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { WASM, WASM_NAME, startWorker } from "../testing/worker.mjs";

const AT_ROOT = `https://app.example/${WASM_NAME}`;
const OWN = "https://app.example/sw.js";
const HELLO = { bellwether: "notes", hello: 1 };

/** One end of a port that notes what is posted to it. */
function port() {
  const posted = [];
  return { posted, postMessage: (message) => posted.push(message) };
}

/** Plain values: those made in the worker's realm have other prototypes. */
function plain(value) {
  return JSON.parse(JSON.stringify(value));
}

function offline() {
  throw new TypeError("Failed to fetch");
}

test("all listeners are there after the first run, and none for fetch", () => {
  const types = startWorker().listeners.map(([type]) => type);
  assert.deepEqual(types, ["install", "activate", "message", "sync", "periodicsync", "push"]);
});

test("a second copy of the script attaches nothing", () => {
  const world = startWorker({ at: OWN });
  world.evaluate();
  assert.equal(world.listeners.length, 6);
});

test("nothing leaks into the app's worker but the mark and the registry of hooks", () => {
  const before = Object.keys(startWorkerWithoutScript().self);
  const after = Object.keys(startWorker({ at: OWN }).self);
  assert.deepEqual(
    after.filter((name) => !before.includes(name)),
    ["BELLWETHER_LISTENS", "bellwether"],
  );
});

function startWorkerWithoutScript() {
  const world = startWorker({ at: OWN, global: { BELLWETHER_LISTENS: true } });
  delete world.self.BELLWETHER_LISTENS;
  return world;
}

test("nothing is loaded before an event asks for it", () => {
  assert.deepEqual(startWorker().fetched, []);
});

test("install keeps the wasm under the build's name, past the browser's cache, and takes over", async () => {
  const world = startWorker();
  const [outcome] = await world.fire("install");
  assert.equal(outcome.status, "fulfilled");
  assert.deepEqual(world.fetched, [[AT_ROOT, "no-cache"]]);
  assert.deepEqual([...world.stored.keys()], ["bellwether-b1"]);
  assert.deepEqual([...world.stored.get("bellwether-b1")], [[AT_ROOT, WASM]]);
  assert.deepEqual(world.log, [["skipWaiting"]]);
});

test("install fails without a wasm that is one", async () => {
  const answers = [
    () => new Response("", { status: 404 }),
    () => new Response(""),
    () => new Response("<!doctype html>"),
    offline,
  ];
  for (const answer of answers) {
    const world = startWorker();
    world.answers = [answer];
    const [outcome] = await world.fire("install");
    assert.equal(outcome.status, "rejected", String(answer));
    assert.equal(world.stored.get("bellwether-b1")?.size ?? 0, 0);
    assert.deepEqual(world.log, [], "it takes nothing over");
  }
});

test("within the app's own worker it neither skips waiting nor claims", async () => {
  const world = startWorker({ at: OWN });
  await world.fire("install");
  await world.fire("activate");
  const [...skips] = await world.fire("message", { data: { bellwether: "a", skipWaiting: true } });
  assert.deepEqual(skips, []);
  assert.deepEqual(
    world.log.map(([name]) => name),
    ["start", "boot", "activate"],
  );
});

test("activate claims, deletes what earlier builds kept, and tells the coordinator", async () => {
  const stored = [
    ["bellwether-b0", []],
    ["app-v1", []],
    ["my-bellwether-b0", []],
  ];
  const world = startWorker({ stored });
  await world.fire("install");
  const [outcome] = await world.fire("activate");
  assert.equal(outcome.status, "fulfilled");
  assert.deepEqual([...world.stored.keys()], ["app-v1", "my-bellwether-b0", "bellwether-b1"]);
  assert.deepEqual(
    world.names().map(([name]) => name),
    ["skipWaiting", "claim", "start", "boot", "activate"],
  );
});

test("earlier builds stay while this one has no wasm of its own", async () => {
  const world = startWorker({ stored: [["bellwether-b0", []]] });
  world.answers = [offline];
  const [outcome] = await world.fire("activate");
  assert.equal(outcome.status, "rejected");
  assert.ok(world.stored.has("bellwether-b0"));
});

test("the wasm comes from the own cache, without the network", async () => {
  const { compile } = WebAssembly;
  const browsers = { "compiles as it reads": WebAssembly, "cannot": { compile } };
  for (const [what, able] of Object.entries(browsers)) {
    const stored = [["bellwether-b1", [[AT_ROOT, WASM]]]];
    const world = startWorker({ stored, global: { WebAssembly: able } });
    world.answers = [offline];
    await world.fire("message", { data: HELLO });
    await world.fire("message", { data: HELLO });
    assert.deepEqual(world.fetched, [], what);
    assert.deepEqual(world.log, [
      ["start", "[object WebAssembly.Module]"],
      ["boot", "b1"],
      ["message", HELLO],
      ["message", HELLO],
    ]);
  }
});

test("a wasm that was evicted or damaged comes from the network and is kept", async () => {
  for (const kept of [[], [[AT_ROOT, new Uint8Array([1, 2, 3])]]]) {
    const world = startWorker({ stored: [["bellwether-b1", kept]] });
    await world.fire("push");
    assert.deepEqual(world.fetched, [[AT_ROOT, "default"]]);
    assert.deepEqual(world.stored.get("bellwether-b1").get(AT_ROOT), WASM);
    assert.deepEqual(world.names("push"), [["push"]]);
  }
});

test("a page in the browser's cache instead of the wasm is asked for anew", async () => {
  const world = startWorker();
  world.answers = [() => new Response("<!doctype html>"), () => new Response(WASM)];
  await world.fire("push");
  assert.deepEqual(world.fetched, [
    [AT_ROOT, "default"],
    [AT_ROOT, "reload"],
  ]);
  assert.deepEqual(world.names("push"), [["push"]]);
});

test("without storage the network does", async () => {
  const world = startWorker();
  world.cachesFail = true;
  await world.fire("push");
  assert.deepEqual(world.names("push"), [["push"]]);
});

test("a failed start is not kept: the next event tries again", async () => {
  const world = startWorker();
  world.startFails = 1;
  const [first] = await world.fire("push");
  assert.equal(first.status, "rejected");
  const [second] = await world.fire("push");
  assert.equal(second.status, "fulfilled");
  assert.deepEqual(world.names("push"), [["push"]]);
});

test("events that come at once share one start", async () => {
  const world = startWorker();
  await Promise.all([world.fire("push"), world.fire("message", { data: HELLO })]);
  assert.equal(world.names("start").length, 1);
});

test("messages that are not for us are left alone", async () => {
  const world = startWorker({ at: OWN });
  for (const data of [undefined, null, 7, "bellwether", {}, { bellwether: 1 }, { type: "x" }]) {
    assert.deepEqual(await world.fire("message", { data }), []);
  }
  assert.deepEqual(world.log, []);
});

test("a probe is answered at once, without the wasm", () => {
  const world = startWorker({ at: OWN });
  const asker = port();
  const waits = [];
  const event = { ports: [asker], waitUntil: (it) => waits.push(it) };
  const [, listener] = world.listeners.find(([type]) => type === "message");
  listener({ ...event, data: { bellwether: "notes", probe: true } });
  assert.deepEqual(plain(asker.posted), [{ bellwether: "notes", build: "b1" }]);
  assert.deepEqual([waits, world.fetched], [[], []]);
  listener({ ...event, ports: [], data: { bellwether: "notes", probe: true } });
});

test("a worker of our own skips waiting when told to", async () => {
  const world = startWorker();
  await world.fire("message", { data: { bellwether: "notes", skipWaiting: true } });
  assert.deepEqual(world.log, [["skipWaiting"]]);
});

test("without wasm a message is answered in words, and its event settles", async () => {
  const world = startWorker();
  world.answers = [offline];
  const asker = port();
  const source = port();
  const outcomes = [
    ...(await world.fire("message", { data: HELLO, ports: [asker], source })),
    ...(await world.fire("message", { data: HELLO, source })),
    ...(await world.fire("message", { data: HELLO, source: null })),
  ];
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "fulfilled", "fulfilled"],
  );
  for (const posted of [asker.posted, source.posted]) {
    assert.equal(posted.length, 1);
    const { message, ...rest } = plain(posted[0]);
    assert.deepEqual(rest, { bellwether: "notes", failed: "worker-wasm-missing" });
    assert.match(message, /Failed to fetch/);
  }
});

test("a sync of ours rejects when it fails, so that the browser tries again", async () => {
  const world = startWorker();
  world.syncFails = true;
  const [outcome] = await world.fire("sync", { tag: "bellwether:notes", lastChance: true });
  assert.equal(outcome.status, "rejected");
  assert.deepEqual(world.names("sync"), [["sync", "bellwether:notes", true]]);
  world.syncFails = false;
  const [again] = await world.fire("sync", { tag: "bellwether:notes", lastChance: false });
  assert.equal(again.status, "fulfilled");
});

test("a sync without wasm rejects too", async () => {
  const world = startWorker();
  world.answers = [offline];
  const [outcome] = await world.fire("sync", { tag: "bellwether:notes", lastChance: false });
  assert.equal(outcome.status, "rejected");
});

test("tags that are not ours are left alone", async () => {
  const world = startWorker({ at: OWN });
  for (const tag of ["outbox", "bellwether", "workbox-background-sync:bellwether:"]) {
    assert.deepEqual(await world.fire("sync", { tag, lastChance: false }), []);
    assert.deepEqual(await world.fire("periodicsync", { tag }), []);
  }
  await world.fire("periodicsync", { tag: "bellwether:notes" });
  assert.deepEqual(world.names("periodicsync"), [["periodicsync", "bellwether:notes"]]);
});

test("the wasm lies beside the worker's script, or where the app says", async () => {
  const cases = [
    ["https://app.example/sub/sw.js", undefined, `https://app.example/sub/${WASM_NAME}`],
    [OWN, "/vendor/", `https://app.example/vendor/${WASM_NAME}`],
    [OWN, "https://cdn.example/b/", `https://cdn.example/b/${WASM_NAME}`],
  ];
  for (const [at, base, expected] of cases) {
    const world = startWorker({ at, global: base ? { BELLWETHER_BASE: base } : {} });
    await world.fire("push");
    assert.deepEqual(world.fetched, [[expected, "default"]]);
  }
});

test("a base that is no URL does not stop the app's own worker", async () => {
  const world = startWorker({ at: OWN, global: { BELLWETHER_BASE: "https://" } });
  assert.equal(world.listeners.length, 6);
  const [outcome] = await world.fire("push");
  assert.equal(outcome.status, "rejected");
});

test("hooks are taken in the first turn and later, and those not named stay", () => {
  const world = startWorker({ at: OWN });
  const { bellwether } = world.self;
  const [token, other, resolve] = [() => "t", () => "u", () => undefined];
  bellwether.use({ token, resolve });
  bellwether.use({ token: other });
  assert.equal(bellwether.hooks.token, other);
  assert.equal(bellwether.hooks.resolve, resolve);
  for (const unfit of [{ onFetch: () => {} }, { token: "t" }, { onPush: null, resolve: other }]) {
    assert.throws(() => bellwether.use(unfit), { name: "TypeError" });
  }
  assert.equal(bellwether.hooks.resolve, resolve, "what is refused changes nothing");
});

test("the app is told of a push after the coordinator was woken, and also if it cannot be", async () => {
  for (const [fails, expected] of [
    [0, ["start", "boot", "push", "app"]],
    [1, ["app"]],
  ]) {
    const world = startWorker({ at: OWN });
    world.startFails = fails;
    world.self.bellwether.use({ onPush: async ({ type }) => void world.log.push(["app", type]) });
    const outcomes = await world.fire("push");
    assert.equal(outcomes.length, 2, "both are waited for");
    assert.deepEqual(
      world.log.map(([name]) => name),
      expected,
    );
    assert.equal(outcomes[1].status, "fulfilled");
  }
});
