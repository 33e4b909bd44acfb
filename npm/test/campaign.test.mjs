// What drives a machine that stands for a role, with a machine, a row and a line that are the test's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { Campaign } from "../build/js/campaign.js";
import { FakeMachine, FakeRow } from "../testing/machine.mjs";

/** A campaign with all that it touches. */
function campaign(t, { wants = {}, hasLine = false } = {}) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const world = {
    now: 1_000.5,
    document: Object.assign(new EventTarget(), { visibilityState: "visible" }),
    machine: Object.assign(new FakeMachine(), { wants }),
    made: 0,
    row: new FakeRow(),
    lines: [],
    serves: [],
    /** What it was told since it was asked last. */
    told: () => world.machine.log.splice(0),
    serve: (held, epoch) => new Promise((end, fail) => world.serves.push({ held, epoch, end, fail })),
    see(state) {
      world.document.visibilityState = state;
      world.document.dispatchEvent(new Event("visibilitychange"));
    },
  };
  t.mock.method(performance, "now", () => world.now);
  t.mock.method(Date, "now", () => 77_000);
  globalThis.document = world.document;
  t.after(() => delete globalThis.document);
  const open = (hear) => {
    const line = { hear, said: [], post: (data) => line.said.push(data), close: () => (line.isClosed = true) };
    world.lines.push(line);
    return line;
  };
  const make = (mono, wall) => {
    world.made += 1;
    world.madeAt = [mono, wall];
    return world.machine;
  };
  world.it = new Campaign(make, world.row, hasLine ? open : undefined);
  return world;
}

/** Begins to stand; `leave` ends it, and `isOver` tells whether it has ended. */
function stand(world, how = "stand", serve = world.serve) {
  const controller = new AbortController();
  const standing = { leave: () => controller.abort(), isOver: false };
  standing.over = world.it[how](controller.signal, serve).finally(() => (standing.isOver = true));
  return standing;
}

/** What becomes of its standing. */
const outcome = (standing) => standing.over.then(() => "over", ({ code, message }) => `${code}: ${message}`);

/** Elects whoever stands, as an answer of the row. */
async function elect(world, epoch = 7) {
  world.machine.wants = { ...world.machine.wants, Hint: [["Gained", epoch]] };
  world.it.hint();
  await turn();
  world.told();
  return world.serves.at(-1);
}

test("who stands makes the machine once, tells it what is, and comes back to it", async (t) => {
  const world = campaign(t);
  const first = stand(world);
  assert.deepEqual(world.told(), ["Timeout", "Visible"]);
  assert.deepEqual([world.madeAt, world.machine.at], [[1_000.5, 77_000], [1_000.5, 77_000]]);
  first.leave();
  assert.deepEqual(world.told(), ["Leaving"], "before the event ends with which the page is left");
  await first.over;
  world.document.visibilityState = "hidden";
  const second = stand(world, "take");
  assert.deepEqual(world.told(), ["Returned", "Hidden", "Claim"]);
  assert.equal(world.made, 1);
  second.leave();
  await second.over;
});

test("who need not stand any more makes nothing", async (t) => {
  const world = campaign(t, { hasLine: true });
  await world.it.stand(AbortSignal.abort(), world.serve);
  await world.it.take(AbortSignal.abort(), world.serve);
  assert.deepEqual([world.made, world.lines.length], [0, 0]);
  world.it.hint();
  world.it.hint(3);
});

for (const [shows, want, answer, told] of [
  ["a row", ["Read"], (row) => row.answer(Uint8Array.of(1, 2)), "Read 1 2"],
  ["no row", ["Read"], (row) => row.answer(undefined), "Read"],
  ["a read that fails", ["Read"], (row) => row.fail(new Error("no disk")), "Failed"],
  ["a swap", ["Swap", undefined, Uint8Array.of(3)], (row) => row.answer({ isMade: true }), "Swapped"],
  [
    "a swap that finds another row",
    ["Swap", Uint8Array.of(1), Uint8Array.of(3)],
    (row) => row.answer({ isMade: false, found: Uint8Array.of(4) }),
    "Differed 4",
  ],
  [
    "a swap that finds no row",
    ["Swap", Uint8Array.of(1), Uint8Array.of(3)],
    (row) => row.answer({ isMade: false, found: undefined }),
    "Differed",
  ],
  ["a swap that fails", ["Swap", undefined, Uint8Array.of(3)], (row) => row.fail(new Error("full")), "Failed"],
]) {
  test(`${shows} is answered once, as a fact, and what follows is done`, async (t) => {
    const [fact] = told.split(" ");
    const world = campaign(t, { wants: { Timeout: [want], [fact]: [["Read"]] } });
    stand(world);
    const [name, ...about] = want;
    assert.deepEqual(world.row.asked, [[name.toLowerCase(), ...about]]);
    world.told();
    await turn();
    assert.deepEqual(world.told(), [], "not before it is there");
    answer(world.row);
    await turn();
    assert.deepEqual(world.told(), [told]);
    assert.deepEqual(world.row.asked.slice(1), [["read"]]);
  });
}

test("a role that is had is served under its epoch, once all that is wanted with it is done", async (t) => {
  const world = campaign(t, { wants: { Timeout: [["Gained", 4], ["Read"]] } });
  const served = [];
  const serve = (held, epoch) => {
    served.push([epoch, held.aborted, world.row.asked.length]);
    return new Promise(() => {});
  };
  stand(world, "stand", serve);
  assert.deepEqual(served, []);
  await turn();
  assert.deepEqual(served, [[4, false, 1]]);
});

for (const [what, deed, count] of [
  ["asks the row", ["Swap", undefined, Uint8Array.of(1)], (world) => world.row.asked.length],
  ["says a word", ["Say", Uint8Array.of(1)], (world) => world.lines[0].said.length],
]) {
  test(`a role that is lost is told before the page ${what}`, async (t) => {
    const world = campaign(t, { hasLine: true });
    stand(world);
    const { held } = await elect(world);
    const seen = [];
    held.addEventListener("abort", () => seen.push(count(world)));
    world.machine.wants = { Hint: [["Lost"], deed] };
    world.it.hint();
    assert.deepEqual(seen, [0]);
    assert.equal(count(world), 1);
  });
}

for (const [shows, end] of [
  ["ends", (serve) => serve.end()],
  ["fails", (serve) => serve.fail(new Error("no"))],
]) {
  test(`what ${shows} lets go of the role, and the page stands on`, async (t) => {
    const world = campaign(t);
    const standing = stand(world);
    const serve = await elect(world);
    world.machine.wants = { Resign: [["Lost"]] };
    end(serve);
    await turn();
    assert.deepEqual(world.told(), ["Resign"]);
    assert.equal(serve.held.aborted, true);
    assert.equal(standing.isOver, false);
    assert.equal((await elect(world, 8)).epoch, 8);
  });
}

test("what throws at once lets go of the role, too", async (t) => {
  const world = campaign(t);
  stand(world, "stand", () => {
    throw new Error("no");
  });
  world.told();
  world.machine.wants = { Hint: [["Gained", 1]] };
  world.it.hint();
  await turn();
  assert.deepEqual(world.told(), ["Hint", "Resign"]);
});

test("what ends after the role was lost lets go of nothing", async (t) => {
  const world = campaign(t);
  stand(world);
  const before = await elect(world);
  world.machine.wants = { Hint: [["Lost"]] };
  world.it.hint();
  const { held } = await elect(world, 8);
  before.end();
  await turn();
  assert.deepEqual(world.told(), []);
  assert.equal(held.aborted, false);
});

test("a role that is lost in the same moment is not served", async (t) => {
  const world = campaign(t, { wants: { Timeout: [["Gained", 4], ["Lost"]] } });
  const standing = stand(world);
  await turn();
  assert.equal(world.serves.length, 0);
  assert.deepEqual(world.told(), ["Timeout", "Visible"]);
  standing.leave();
  await standing.over;
});

test("who leaves is heard at once, and its standing ends once what it served has", async (t) => {
  const world = campaign(t);
  const standing = stand(world);
  const { end, held } = await elect(world);
  world.machine.wants = { Leaving: [["Lost"], ["Swap", undefined, Uint8Array.of(1)]] };
  standing.leave();
  assert.deepEqual(world.told(), ["Leaving"]);
  assert.deepEqual([held.aborted, world.row.asked.length], [true, 1]);
  await turn();
  assert.equal(standing.isOver, false);
  end();
  await standing.over;
  assert.deepEqual(world.told(), [], "it was let go of before");
});

test("the answer to what was asked for before the page left is heard all the same", async (t) => {
  const world = campaign(t, { wants: { Leaving: [["Swap", undefined, Uint8Array.of(1)]] } });
  const standing = stand(world);
  standing.leave();
  await standing.over;
  world.told();
  world.row.answer({ isMade: true });
  await turn();
  assert.deepEqual(world.told(), ["Swapped"]);
});

test("who takes the role right after it has left claims it, and neither waits for the other", async (t) => {
  const world = campaign(t, { hasLine: true });
  const standing = stand(world);
  const before = await elect(world, 7);
  world.machine.wants = { Leaving: [["Lost"]], Claim: [["Gained", 8]] };
  standing.leave();
  const taking = stand(world, "take");
  await turn();
  assert.deepEqual(world.told(), ["Leaving", "Returned", "Visible", "Claim"]);
  const [, { held, epoch }] = world.serves;
  assert.deepEqual([before.held.aborted, held.aborted, epoch], [true, false, 8]);
  assert.deepEqual(world.lines.map(({ isClosed = false }) => isClosed), [true, false]);
  before.end();
  await turn();
  assert.deepEqual([standing.isOver, taking.isOver], [true, false], "what is served anew is not the former's");
  assert.deepEqual(world.told(), []);
});

test("who takes the role serves once: what is had later was not taken", async (t) => {
  const world = campaign(t);
  const taking = stand(world, "take");
  const { end, held } = await elect(world, 7);
  world.machine.wants = { Hint: [["Lost"]] };
  world.it.hint();
  assert.deepEqual([held.aborted, taking.isOver], [true, false]);
  end();
  await turn();
  assert.equal(taking.isOver, true);
  world.told();
  stand(world);
  assert.deepEqual(world.told(), ["Returned", "Visible"], "it does not claim the role");
  assert.equal((await elect(world, 8)).epoch, 8);
});

test("a role that cannot be had within 15 s is given up, and that is told", async (t) => {
  const world = campaign(t, { wants: { Claim: [["Swap", undefined, Uint8Array.of(1)]] } });
  const taking = stand(world, "take");
  world.row.fail(new DOMException("full", "QuotaExceededError"));
  await turn();
  t.mock.timers.tick(14_999);
  await turn();
  assert.deepEqual([taking.isOver, world.told()], [false, ["Timeout", "Visible", "Claim", "Failed"]]);
  t.mock.timers.tick(1);
  assert.match(await outcome(taking), /^leader-unavailable: .* within 15 s/);
  assert.deepEqual(world.told(), ["Leaving"], "it is not claimed any more");
});

test("a role that was had in time is served for as long as it takes, and one that is left in time is no failure", async (t) => {
  const world = campaign(t);
  const taking = stand(world, "take");
  const { held } = await elect(world);
  t.mock.timers.tick(60_000);
  await turn();
  assert.deepEqual([held.aborted, taking.isOver], [false, false]);
  taking.leave();
  world.serves[0].end();
  const again = stand(world, "take");
  again.leave();
  await turn();
  t.mock.timers.tick(60_000);
  assert.deepEqual([await outcome(taking), await outcome(again)], ["over", "over"]);
});

test("each turn is served by what came with it", async (t) => {
  const world = campaign(t, { wants: { Timeout: [["Gained", 1]], Claim: [["Gained", 2]], Leaving: [["Lost"]] } });
  const served = [];
  const standing = stand(world, "stand", async (_, epoch) => served.push(["stand", epoch]));
  standing.leave();
  stand(world, "take", async (_, epoch) => served.push(["take", epoch]));
  await turn();
  assert.deepEqual(served, [["take", 2]]);
});

test("the machine is woken when it wants to be, not before, and not twice", async (t) => {
  const world = campaign(t);
  const pass = (ms) => {
    world.now += ms;
    t.mock.timers.tick(ms);
  };
  world.machine.wakesNext = 1_100;
  const standing = stand(world);
  world.told();
  world.machine.wakesNext = 1_400;
  pass(99);
  assert.deepEqual(world.told(), []);
  pass(1);
  assert.deepEqual(world.told(), ["Timeout"]);

  world.machine.wakesAt = 1_200;
  world.it.hint();
  world.machine.wakesNext = Infinity;
  pass(100);
  assert.deepEqual(world.told(), ["Hint", "Timeout"], "the time that was named last counts");
  pass(1_000);
  assert.deepEqual(world.told(), []);

  world.machine.wakesAt = 900;
  world.it.hint();
  assert.deepEqual(world.told(), ["Hint"]);
  pass(0);
  assert.deepEqual(world.told(), ["Timeout"], "what is past is due at once");
  standing.leave();
});

test("who does not stand is not woken, whatever the machine wants", async (t) => {
  const world = campaign(t);
  world.machine.wakesNext = 1_100;
  const standing = stand(world);
  standing.leave();
  await standing.over;
  world.told();
  world.now += 1_000;
  t.mock.timers.tick(1_000);
  assert.deepEqual(world.told(), []);
  Object.assign(world.machine, { wakesAt: 2_100, wakesNext: Infinity });
  stand(world);
  world.told();
  world.now += 1_000;
  t.mock.timers.tick(1_000);
  assert.deepEqual(world.told(), ["Timeout"]);
});

test("what gives reason to look is told while the page stands", async (t) => {
  const world = campaign(t);
  const standing = stand(world);
  world.told();
  for (const [act, told] of [
    [() => world.it.hint(), "Hint"],
    [() => world.it.hint(0), "gone 0"],
    [() => world.it.hint(6), "gone 6"],
    [() => world.row.changed(), "Hint"],
    [() => world.see("hidden"), "Hidden"],
    [() => world.see("visible"), "Visible"],
  ]) {
    act();
    assert.deepEqual(world.told(), [told]);
  }
  world.machine.wants = { gone: [["Read"]] };
  world.it.hint(6);
  assert.equal(world.row.asked.length, 1, "what comes of it is done");
  standing.leave();
  await standing.over;
  world.told();
  world.see("hidden");
  assert.deepEqual(world.told(), []);
  assert.equal(world.row.watching.aborted, true);
});

test("a machine that hears by itself who is gone is not told", (t) => {
  const world = campaign(t);
  world.machine.gone = undefined;
  stand(world);
  world.told();
  world.it.hint(6);
  assert.deepEqual(world.told(), []);
});

test("what the machine says goes over the line, and what others say comes in", async (t) => {
  const world = campaign(t, { hasLine: true, wants: { Timeout: [["Say", Uint8Array.of(1)]], hear: [["Say", Uint8Array.of(2)]] } });
  const standing = stand(world);
  const [line] = world.lines;
  assert.deepEqual(line.said, [Uint8Array.of(1)]);
  world.told();
  line.hear(Uint8Array.of(8, 9));
  assert.deepEqual(world.told(), ["hear 8 9"]);
  assert.deepEqual(line.said.slice(1), [Uint8Array.of(2)]);
  for (const data of [undefined, "words", [1], { m: Uint8Array.of(1) }]) line.hear(data);
  assert.deepEqual(world.told(), [], "what is no message is none");

  world.machine.wants = { Leaving: [["Say", Uint8Array.of(3)]] };
  standing.leave();
  assert.deepEqual(line.said.slice(2), [Uint8Array.of(3)], "the last word is said before the line is closed");
  assert.equal(line.isClosed, true);
  world.machine.wants = { Returned: [["Say", Uint8Array.of(4)]] };
  stand(world);
  assert.deepEqual(world.lines[1].said, [Uint8Array.of(4)]);
  assert.equal(world.lines.length, 2);
});
