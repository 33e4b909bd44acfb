// What a page leaves that has no worker: a beacon to the server, and a cell for the next page.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { read, write } from "../build/js/cbor.js";
import { connector } from "../build/js/connect.js";
import { facts, fakeClients, listening } from "../testing/client.mjs";
import { deviceRow, journalRow } from "../testing/rows.mjs";

const DEVICE = new Uint8Array(16).fill(4);
const NO_WORKER = facts({ host: "starting", reason: "service worker: switched off", pending: 1 });

/** What a browser keeps, and what it is asked for. */
let world;

class Storage {
  getItem(key) {
    return Object.hasOwn(this, key) ? this[key] : null;
  }
  setItem(key, text) {
    if (world.isFull) throw new DOMException("full", "QuotaExceededError");
    this[key] = text;
  }
  removeItem(key) {
    delete this[key];
  }
}

beforeEach(() => {
  const events = new EventTarget();
  world = { events, beacons: [], fetched: [], tickets: 4, status: 200, takesBeacons: true };
  globalThis.localStorage = new Storage();
  globalThis.document = { baseURI: "https://app.example/" };
  globalThis.addEventListener = (...how) => events.addEventListener(...how);
  globalThis.removeEventListener = (...how) => events.removeEventListener(...how);
  Object.defineProperty(globalThis, "navigator", {
    configurable: true,
    value: {
      sendBeacon: (url, body) => {
        if (world.takesBeacons) world.beacons.push([url, body]);
        return world.takesBeacons;
      },
    },
  });
  globalThis.fetch = async (url, how) => {
    // A page without a worker may load what it needs to host; there is none of it here.
    if (`${url}`.endsWith(".wasm")) throw new TypeError("not here");
    world.fetched.push([String(url), how]);
    if (how.keepalive) return new Response("");
    const now = 1_790_000_000_000;
    const tickets = Array.from({ length: world.tickets }, (_, at) => new Uint8Array([at, 7]));
    const body = write([tickets, now + 900_000, now]);
    return new Response(world.status === 200 ? body : "", { status: world.status });
  };
});

const pages = [];
afterEach(() => Promise.all(pages.splice(0).map((page) => page.close())));

// Loaded once, so that no test waits for it longer than another.
await import("../build/js/later.js");

const SERVER = { server: "https://sync.example/base/", session: "s", user: "ann", token: () => "secret" };

async function open(options = SERVER, stored = {}) {
  const clients = fakeClients();
  clients.whileOpening = (client) => {
    client.stored = { meta: [["device", deviceRow(DEVICE)]], ...stored };
  };
  const page = await connector("b1", async () => clients)(options);
  pages.push(page);
  await listening();
  const errors = [];
  page.addEventListener("error", (event) => errors.push(event.detail));
  return { page, client: clients.last, errors };
}

/** The same without a worker. */
async function alone(...how) {
  const opened = await open(...how);
  opened.client.sink("status", NO_WORKER);
  await quiet();
  return opened;
}

/** A page without a worker is left, and has not seen these rows written. */
async function leftWith(...rows) {
  const { client } = await alone();
  client.left = rows;
  leave();
}

/** Lets what was begun come to its end. */
async function quiet() {
  for (let turns = 0; turns < 30; turns += 1) await turn();
}

function leave() {
  world.events.dispatchEvent(new Event("pagehide"));
}

const critical = (position, key, more = {}) => [
  position,
  journalRow({ id: `e${position}`, type: "t", key, ...more }, { user: "ann", lane: 0 }),
];

/** The ids in a farewell. */
async function told([url, body]) {
  assert.equal(url, "https://sync.example/base/v1/farewell");
  const bytes = new Uint8Array(body instanceof Blob ? await body.arrayBuffer() : body);
  assert.ok(bytes.length <= 64 * 1024, `${bytes.length}`);
  const [protocol, ticket, device, session, user, events] = read(bytes);
  assert.deepEqual([protocol, device, session, user], [[1, 1], DEVICE, "s", "ann"]);
  return { ticket: [...ticket], ids: events.map((event) => read(event).get(0)) };
}

test("a critical event without a worker goes by a beacon, with a ticket fetched before", async () => {
  const { page, client } = await alone();
  assert.deepEqual(world.fetched, [], "nothing critical is there yet");
  client.stored.journal = [
    critical(1, "a"),
    [2, journalRow({ id: "e2", type: "t" }, { user: "ann", lane: 1 })],
    [3, journalRow({ id: "e3", type: "t" }, { user: "ben", lane: 0 })],
    critical(4, "b"),
  ];
  client.sink("status", { ...NO_WORKER, pending: 4 });
  await quiet();
  const [[url, { headers, body, credentials }]] = world.fetched;
  assert.equal(url, "https://sync.example/base/v1/tickets");
  assert.equal(headers.authorization, "Bearer secret");
  assert.equal(credentials, "omit");
  assert.deepEqual(read(body), [[1, 1], DEVICE, "s", "ann"]);
  assert.deepEqual(world.beacons, [], "while the page lives nothing goes that way");

  leave();
  assert.equal(world.beacons.length, 1);
  assert.equal(world.beacons[0][1].type, "", "no leave is asked for");
  assert.deepEqual(await told(world.beacons[0]), { ticket: [3, 7], ids: ["e1", "e4"] });
  leave();
  assert.deepEqual((await told(world.beacons[1])).ticket, [2, 7], "a ticket is good for one");
  assert.equal(world.fetched.length, 1);
  assert.ok(!JSON.stringify({ ...localStorage }).includes("secret"));
  await page.close();
  leave();
  assert.equal(world.beacons.length, 2, "a closed page says nothing");
});

test("a beacon that is not taken goes by fetch with keepalive", async () => {
  world.takesBeacons = false;
  const { client } = await alone(SERVER, { journal: [critical(1, "a")] });
  leave();
  const [url, how] = world.fetched[1];
  assert.deepEqual([how.method, how.keepalive, how.credentials], ["POST", true, "omit"]);
  assert.deepEqual((await told([url, how.body])).ids, ["e1"]);
});

test("what is not yet on disk goes with the rest, and into a cell for the next page", async () => {
  const { page, client } = await alone(SERVER, { journal: [critical(1, "a")] });
  const [, last] = critical(2, "a");
  const normal = journalRow({ id: "e3", type: "t" }, { user: "ann" });
  client.left = [last, normal];
  leave();
  assert.deepEqual((await told(world.beacons[0])).ids, ["e1", "e2"]);
  assert.deepEqual(Object.keys(localStorage), [`bellwether:left:default:${page.id}`]);

  const next = await open();
  assert.deepEqual(
    next.client.adopted.map(({ row }) => row),
    [last, normal],
  );
  assert.equal(Object.keys(localStorage).length, 1, "until it is on disk it stays");
  next.client.adopted.forEach(({ settle }) => settle(1));
  await quiet();
  assert.deepEqual(Object.keys(localStorage), []);
});

test("what the app's own listeners enqueue comes after ours, and is kept all the same", async () => {
  const { page, client } = await alone(SERVER, { journal: [critical(1, "a")] });
  const row = (id) => critical(0, "b", { id })[1];
  const kept = () => JSON.parse(Object.entries(localStorage).find(([key]) => key.startsWith("bellwether:left:"))[1]).slice(2);
  const keep = (id) => Buffer.from(row(id)).toString("base64");
  world.events.addEventListener("pagehide", () => {
    client.left = [row("late")];
    page.outbox.post({ id: "late", type: "t", key: "b" }, { priority: "critical" });
  }, { once: true });
  leave();
  assert.deepEqual(kept(), [keep("late")]);
  assert.deepEqual((await told(world.beacons[1])).ids, ["e1", "late"]);
  const patch = journalRow({ id: "patch", type: "t" }, { user: "ann" });
  client.left = [row("late"), patch];
  page.state.set({ theme: "dark" }).catch(() => {});
  assert.deepEqual(kept(), [keep("late"), Buffer.from(patch).toString("base64")]);

  assert.equal(world.beacons.length, 2, "what is not to go has none of its own");

  const said = world.beacons.length;
  world.events.dispatchEvent(new Event("pageshow"));
  assert.deepEqual({ ...localStorage }, {}, "what it has left is its own again");
  client.left = [];
  page.outbox.post({ type: "t" });
  assert.equal(world.beacons.length, said, "it is back");
});

test("a cell that the disk does not take stays for the page after", async () => {
  await leftWith(critical(1, "a")[1]);
  const next = await open();
  await turn();
  const quota = { code: "store-quota", culprit: "browser", message: "the disk is full" };
  next.client.adopted.forEach(({ settle }) => settle(0, quota));
  await quiet();
  assert.equal(next.errors[0].code, "store-quota");
  assert.equal(Object.keys(localStorage).length, 1);
});

test("what was left is older than what the next page enqueues", async () => {
  await leftWith(critical(1, "a")[1]);
  const clients = fakeClients();
  const opening = connector("b1", async () => clients)();
  const page = await opening;
  assert.equal(clients.last.adopted.length, 1);
  page.outbox.post({ type: "t" });
  assert.equal(clients.last.appended.length, 1);
});

test("what was left is taken in by a page without a database, too", async (t) => {
  await leftWith(critical(1, "a")[1]);
  const clients = fakeClients();
  clients.whyNot = { code: "store-unavailable", culprit: "browser", message: "none" };
  globalThis.window = world.events;
  t.after(() => delete globalThis.window);
  globalThis.document.addEventListener = () => {};
  const page = await connector("b1", async () => clients)(SERVER);
  pages.push(page);
  await listening();
  await quiet();
  assert.equal(page.status.storage, "local");
  assert.deepEqual(clients.last.adopted.map(({ row }) => row), [critical(1, "a")[1]]);
});

for (const [how, act, stays] of [
  ["a wipe of all that is undelivered", (page) => page.wipe({ undelivered: true }), []],
  ["a wipe of a session", (page) => page.wipe({ session: "s", undelivered: true }), ["other"]],
  ["a wipe of what is delivered", (page) => page.wipe(), ["ann", "ben", "other"]],
  ["a sign-out that discards", (page) => page.signOut({ undelivered: "discard" }), ["ben", "other"]],
]) {
  test(`${how} removes the same of what was left`, async () => {
    const { page, client } = await alone();
    const of = { ann: ["s", "ann"], ben: ["s", "ben"], other: ["o", "ann"] };
    const ids = Object.keys(of);
    client.left = ids.map((id) => journalRow({ id, type: "t" }, { session: of[id][0], user: of[id][1] }));
    const rows = client.left.map((row) => Buffer.from(row).toString("base64"));
    leave();
    await quiet();
    act(page).catch(() => {});
    await quiet();
    const left = Object.values(localStorage).flatMap((cell) => JSON.parse(cell).slice(2));
    assert.deepEqual(left.map((row) => ids[rows.indexOf(row)]), stays);
  });
}

test("half a cell, or one that is not ours, is refused and removed", async () => {
  await leftWith(critical(1, "a")[1], critical(2, "a")[1]);
  const [[key, whole]] = Object.entries({ ...localStorage });
  const [format, sum, ...rows] = JSON.parse(whole);
  const cases = [
    whole.slice(0, -20),
    "",
    "null",
    "{}",
    JSON.stringify([format, sum]),
    JSON.stringify([format, sum, rows[0]]),
    JSON.stringify(["other", sum, ...rows]),
    JSON.stringify([format, sum + 1, ...rows]),
    JSON.stringify([format, 2_166_136_261, ""]),
    "x".repeat(200_000),
  ];
  for (const text of cases) {
    localStorage[key] = text;
    const next = await open();
    assert.deepEqual(next.client.adopted, [], text.slice(0, 40));
    assert.equal(Object.keys(localStorage).length, 0);
  }
  localStorage[key] = whole.slice(0, -20);
  const clients = fakeClients();
  const page = await connector("b1", async () => clients)();
  const errors = [];
  page.addEventListener("error", ({ detail }) => errors.push(detail.code));
  await listening();
  assert.deepEqual(errors, ["left-unreadable"]);
});

test("cells of other channels are left alone", async () => {
  localStorage["bellwether:left:other:p"] = "[]";
  localStorage["bellwether:left:default"] = "[]";
  const { client } = await open();
  await quiet();
  assert.deepEqual(client.adopted, []);
  assert.equal(Object.keys(localStorage).length, 2);
});

test("a cell has 64 KiB at the most, of what is oldest, and a full storage is no failure", async () => {
  const large = (id) => journalRow({ id, type: "t", data: `"${"x".repeat(30_000)}"` });
  await leftWith(large("e1"), large("e2"), large("e3"));
  const next = await open();
  assert.equal(next.client.adopted.length, 2);
  world.isFull = true;
  leave();
});

test("of a key all goes or nothing, the newest first, in 64 KiB and 64 events", async () => {
  const data = `"${"x".repeat(20_000)}"`;
  const journal = [
    critical(1, "old", { data }),
    critical(2, "large", { data: `"${"x".repeat(40_000)}"` }),
    critical(3, "large", { data }),
    critical(4, "large", { data }),
    critical(5, undefined, { data }),
    critical(6, "new"),
  ];
  const { client } = await alone(SERVER, { journal });
  leave();
  assert.deepEqual((await told(world.beacons[0])).ids, ["e1", "e5", "e6"]);

  const many = Array.from({ length: 65 }, (_, at) => critical(at + 1, `k${at}`));
  const second = await open(SERVER, { journal: many });
  second.client.sink("status", NO_WORKER);
  await quiet();
  world.beacons = [];
  leave();
  const farewells = await Promise.all(world.beacons.map(told));
  const { ids } = farewells.at(-1);
  assert.deepEqual([ids.length, ids[0], ids.at(-1)], [64, "e2", "e65"]);
});

test("without a ticket, or with a worker, nothing goes by the beacon", async () => {
  const journal = [critical(1, "a")];
  const cases = [
    ["refused", SERVER, () => (world.status = 404)],
    ["none given", SERVER, () => (world.tickets = 0)],
    ["no token", { ...SERVER, token: () => undefined }, () => {}],
    ["no server", { session: "s", user: "ann" }, () => {}],
    ["plain requests", { ...SERVER, outbox: { deliver: "requests" } }, () => {}],
  ];
  for (const [shows, options, change] of cases) {
    change();
    const { page, client } = await alone(options, { journal });
    client.sink("status", { ...NO_WORKER, pending: 2 });
    await quiet();
    leave();
    assert.deepEqual(world.beacons, [], shows);
    await page.close();
    Object.assign(world, { status: 200, tickets: 4 });
  }
  assert.equal(world.fetched.length, 2, "a server that has no tickets is not asked at once again");

  const { client } = await alone(SERVER, { journal });
  client.sink("status", facts({ pending: 1 }));
  client.left = [journal[0][1]];
  leave();
  assert.deepEqual([world.beacons, Object.keys(localStorage)], [[], []], "it is left to the worker");
});

test("another user's page has tickets of its own", async () => {
  const { page, client } = await alone(SERVER, { journal: [critical(1, "a")] });
  await page.setIdentity({ user: "ben" });
  leave();
  assert.deepEqual(world.beacons, [], "ann's ticket is not ben's, and ben has nothing to say");
});
