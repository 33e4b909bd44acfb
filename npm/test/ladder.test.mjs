// By which way pages choose one of them, in browsers that have more or less.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { appFault, named } from "../build/js/errors.js";
import "../testing/lead.mjs";

const [{ climb, electionFor }, { Campaign }, { LockElection }] = await Promise.all(
  ["ladder", "campaign", "lock-election"].map((name) => import(`../build/js/${name}.js`)),
);

const ALL = ["locks", "storage", "bus"];

/** A page in a browser that `has` these. */
function page(t, { has = ALL, hosts, below, reasons = ["no worker"] } = {}) {
  const world = { asked: [], lines: [], items: new Map(), faults: [] };
  const events = new EventTarget();
  const locks = {
    request: async (name, use) => {
      world.asked.push(name);
      if (has.includes("locks refused")) throw new DOMException("not here", "SecurityError");
      await use();
    },
  };
  const storage = {
    setItem(key, text) {
      if (has.includes("full storage")) throw new DOMException("full", "QuotaExceededError");
      world.items.set(key, text);
    },
    removeItem: (key) => world.items.delete(key),
  };
  const instead = {
    navigator: { locks: has.some((it) => it.startsWith("locks")) ? locks : undefined },
    localStorage: has.some((it) => it.endsWith("storage")) ? storage : undefined,
    BroadcastChannel: class {
      constructor(name) {
        if (!has.includes("bus")) throw new Error("no such thing");
        world.lines.push(Object.assign(this, { name }));
      }
      close() {
        this.isClosed = true;
      }
    },
    window: events,
    document: new EventTarget(),
    addEventListener: events.addEventListener.bind(events),
  };
  for (const [name, value] of Object.entries(instead)) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
    t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
  }
  world.inside = {
    page: { id: "page-1", status: { reasons, epoch: 0 }, leader: { epoch: 0 } },
    asked: { raw: { build: "b1", channel: "c", hosts } },
    over: new AbortController().signal,
    below: () => below && { below: { rung: below }, why: "there is no database" },
    climbed: (way) => (world.climbed = way),
    report: (fault) => world.faults.push(fault),
    kit: { appFault, named },
  };
  return world;
}

const NONE = "this browser, or this address, has none";
const UNHEARD = "pages cannot hear one another here";
const NOT_ASKED = "not among the option `hosts`";
const NO_DATABASE = "there is no database";
const NO_STORAGE = /^storage-mutex: .*(undefined|setItem)/;

for (const [shows, how, rung, reasons] of [
  ["all there is", {}, "web-locks", []],
  ["no locks", { has: ["storage", "bus"] }, "indexeddb-lease", [`web-locks: ${NONE}`]],
  ["locks that are refused", { has: ["locks refused", "storage"] }, "indexeddb-lease", ["web-locks: not here"]],
  ["locks, and lets only others", { hosts: "indexeddb-lease,solo" }, "indexeddb-lease", [`web-locks: ${NOT_ASKED}`]],
  [
    "a storage, and lets only that",
    { hosts: "storage-mutex" },
    "storage-mutex",
    [`web-locks: ${NOT_ASKED}`, `indexeddb-lease: ${NOT_ASKED}`],
  ],
  [
    "no storage",
    { has: ["bus"], hosts: "storage-mutex,broadcast-vote" },
    "broadcast-vote",
    [`web-locks: ${NOT_ASKED}`, `indexeddb-lease: ${NOT_ASKED}`, NO_STORAGE],
  ],
  [
    "a storage that is full",
    { has: ["full storage"], hosts: "storage-mutex,solo" },
    "solo",
    [
      `web-locks: ${NOT_ASKED}`,
      `indexeddb-lease: ${NOT_ASKED}`,
      "storage-mutex: full",
      `broadcast-vote: ${NOT_ASKED}`,
    ],
  ],
  [
    "no bus",
    { has: [], hosts: "broadcast-vote,solo" },
    "solo",
    [
      `web-locks: ${NOT_ASKED}`,
      `indexeddb-lease: ${NOT_ASKED}`,
      `storage-mutex: ${NOT_ASKED}`,
      `broadcast-vote: ${UNHEARD}`,
    ],
  ],
  [
    "no database",
    { below: "broadcast-vote" },
    "broadcast-vote",
    ["web-locks", "indexeddb-lease", "storage-mutex"].map((it) => `${it}: ${NO_DATABASE}`),
  ],
  [
    "no database, which nothing else has said",
    { below: "storage-mutex", reasons: [] },
    "storage-mutex",
    ["service-worker", "web-locks", "indexeddb-lease"].map((it) => `${it}: ${NO_DATABASE}`),
  ],
]) {
  test(`a browser with ${shows} hosts by ${rung}`, async (t) => {
    const world = page(t, how);
    const way = await climb(world.inside);
    assert.equal(way.rung, rung);
    assert.equal(way.reasons.length, reasons.length, way.reasons.join("\n"));
    way.reasons.forEach((it, at) => {
      if (reasons[at] instanceof RegExp) assert.match(it, reasons[at]);
      else assert.equal(it, reasons[at]);
    });
    assert.deepEqual(world.climbed, { rung, reasons: way.reasons });
    assert.equal(way.election === undefined, rung === "web-locks", "whoever asked takes the lock itself");
    assert.equal(way.election instanceof Campaign, rung !== "web-locks" && rung !== "solo");
    assert.ok(world.lines.every(({ isClosed }) => isClosed), "what was tried is let go of");
    assert.equal(world.items.size, 0);
    const tried = how.has?.includes("locks refused") || rung === "web-locks";
    assert.deepEqual(world.asked, tried ? ["bellwether:try:page-1"] : []);
    assert.deepEqual(world.faults, []);
  });
}

test("where no way is allowed that works nobody hosts, and the status says why", async (t) => {
  const world = page(t, { hosts: "web-locks", has: [] });
  assert.equal(await climb(world.inside), undefined);
  assert.deepEqual(world.climbed, {
    rung: "starting",
    reasons: [`web-locks: ${NONE}`, ...["indexeddb-lease", "storage-mutex", "broadcast-vote", "solo"].map((it) => `${it}: ${NOT_ASKED}`)],
  });
});

for (const [shows, how, kind] of [
  ["locks", {}, LockElection],
  ["no locks", { has: [] }, Campaign],
  ["no database", { below: "solo" }, Campaign],
  ["a bus, and no database nor storage", { has: ["bus"], below: "broadcast-vote" }, Campaign],
]) {
  test(`a browser with ${shows} has an election for who leads, whatever may host`, async (t) => {
    const world = page(t, { ...how, hosts: "service-worker" });
    assert.ok((await electionFor(world.inside)) instanceof kind);
    assert.deepEqual([world.faults, world.climbed], [[], undefined]);
  });
}

test("a page that hears nobody takes the role once, and stands again and again", async (t) => {
  const world = page(t, { has: [], below: "solo" });
  const election = await electionFor(world.inside);
  const standing = new AbortController();
  const epochs = [];
  const serve = async (_, epoch) => {
    epochs.push(epoch);
    if (epochs.length === 3) standing.abort();
  };
  await election.take(standing.signal, serve);
  assert.deepEqual(epochs, [1]);
  await election.stand(standing.signal, serve);
  await election.take(standing.signal, serve);
  assert.deepEqual(epochs, [1, 2, 3]);
});

test("pages without a database vote among themselves, to host and to lead", async (t) => {
  const world = page(t, { has: ["bus"], below: "broadcast-vote" });
  await climb(world.inside);
  await electionFor(world.inside);
  const names = world.lines.map(({ name }) => name);
  assert.deepEqual(names, ["bellwether:c:host-below:vote", "bellwether:c:leader-below:vote"]);
});

test("a page that is closed meanwhile tries nothing more, and tells nobody", async (t) => {
  const world = page(t, { has: ["locks refused", "storage", "bus"] });
  Object.assign(world.inside, { over: AbortSignal.abort() });
  assert.equal(await electionFor(world.inside), undefined);
  assert.deepEqual([world.faults, world.asked], [[], []]);
});

test("a page that is alone has the role for as long as it stands, under a higher epoch each time", async (t) => {
  const world = page(t, { hosts: "solo" });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { election } = await climb(world.inside);
  const control = new AbortController();
  const served = [];
  const serve = (held, epoch) => new Promise((end) => served.push({ held, epoch, end }));
  const standing = election.stand(control.signal, serve);
  served[0].end();
  await turn();
  t.mock.timers.tick(1_000);
  await turn();
  assert.deepEqual(served.map(({ epoch }) => epoch), [1, 2]);
  control.abort();
  assert.equal(served[1].held.aborted, true);
  served[1].end();
  await standing;
  const again = new AbortController();
  void election.take(again.signal, serve);
  assert.deepEqual(served.map(({ epoch }) => epoch), [1, 2, 3]);
});

test("a page that is alone, and makes nothing of it, pauses before it has the role again", async (t) => {
  const world = page(t, { hosts: "solo" });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { election } = await climb(world.inside);
  const control = new AbortController();
  const served = [];
  const standing = election.stand(control.signal, async (_, epoch) => {
    // Whoever does not pause would never end.
    if (served.push(epoch) === 100) control.abort();
  });
  await turn();
  assert.deepEqual(served, [1]);
  t.mock.timers.tick(1_000);
  await turn();
  assert.deepEqual(served, [1, 2]);
  control.abort();
  await standing;
});
