// Which page hosts the coordinator, and how the others reach it, in a browser whose clock, locks and bus are the test's.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Elections } from "../testing/elections.mjs";
import { Browser, LOCK, Worker, bytes } from "../testing/pages.mjs";

for (const [how, go] of [
  ["left", (page) => page.hide()],
  ["frozen", (page) => page.freeze()],
  ["closed", (page) => page.close()],
]) {
  test(`one page hosts at a time, and the next takes over when it is ${how}`, async (t) => {
    const browser = new Browser(t);
    const [first, second, third] = [await browser.open(), await browser.open(), await browser.open()];
    assert.deepEqual(browser.hosts, [first.id]);
    await browser.pass(10 * MINUTE);
    assert.equal(browser.started.length, 1, "waiting for the lock is not given up");
    const shown = first.shown.length;
    await go(first);
    assert.deepEqual(browser.hosts, [second.id]);
    assert.deepEqual([first, second, third].map((page) => page.shown.at(-1)), [true, true, false]);
    assert.equal(first.shown.length, shown, "what is shown of a page that goes could stir it");
    assert.deepEqual(browser.started[0].resigned.at(0), false, "nothing is written by a page that goes");
    await go(second);
    assert.deepEqual(browser.hosts, [third.id]);
    assert.deepEqual(third.faults, []);
  });
}

test("messages go to the page that hosts and back, its own among them", async (t) => {
  const browser = new Browser(t);
  const [first, second, third] = [await browser.open(), await browser.open(), await browser.open()];
  const [{ bus, told }] = browser.started;
  await first.say("from the host");
  await second.say("from another");
  assert.deepEqual(told, [[first.id, "from the host"], [second.id, "from another"]]);
  await act(first, () => bus.post(second.id, bytes("to one")));
  await act(first, () => bus.post(first.id, bytes("to the host")));
  await act(first, () => bus.post("", bytes("to all")));
  assert.deepEqual(first.heard, ["to the host", "to all"]);
  assert.deepEqual(second.heard, ["to one", "to all"]);
  assert.deepEqual(third.heard, ["to all"]);
  assert.deepEqual((await first.list()).sort(), [first.id, second.id, third.id]);
  await second.hide();
  assert.deepEqual((await first.list()).sort(), [first.id, third.id]);

  async function act(page, what) {
    page.run(what);
    await browser.quiet();
  }
});

test("a page that comes later is told who hosts, and each is turned to a new host once", async (t) => {
  const browser = new Browser(t);
  const [first, second] = [await browser.open(), await browser.open()];
  assert.deepEqual([first.turned, second.turned], [1, 1]);
  await first.close();
  assert.equal(second.turned, 2);
  await second.say("hello");
  assert.deepEqual(browser.started[1].told, [[second.id, "hello"]]);
});

test("a page whose worker answers when its turn comes does not host, and goes there", async (t) => {
  const browser = new Browser(t);
  const worker = new Worker(false);
  const [first, second] = [await browser.open(), await browser.open({ worker })];
  await browser.pass(MINUTE);
  assert.deepEqual(second.went, []);
  worker.answers = true;
  await first.close();
  assert.equal(browser.started.length, 1);
  assert.deepEqual(second.went, [worker]);
  assert.equal(browser.holder, undefined);
  const [{ bellwether, whole }] = worker.asked;
  assert.deepEqual([bellwether, whole], ["c", true], "its wasm is asked, too");
});

test("a page whose worker does not answer within 3 s hosts, and tells nobody of it", async (t) => {
  const browser = new Browser(t);
  const [first, second] = [await browser.open(), await browser.open({ worker: new Worker(false) })];
  await first.close();
  await browser.pass(2_900);
  assert.deepEqual(browser.hosts, []);
  await browser.pass(200);
  assert.deepEqual(browser.hosts, [second.id]);
  assert.deepEqual(second.faults, []);
});

test("a page that hosts yields only to a worker that has answered it itself", async (t) => {
  const browser = new Browser(t);
  const [first, second] = [await browser.open(), await browser.open({ worker: new Worker(true) })];
  for (let minutes = 0; minutes < 5; minutes += 1) {
    await browser.pass(MINUTE);
    await second.offer(second.worker);
  }
  assert.equal(browser.started.length, 1);
  assert.deepEqual(browser.hosts, [first.id]);
  assert.deepEqual([first.went, second.went], [[], []]);

  first.registered = new Worker(true);
  await second.offer(second.worker);
  await browser.pass(2_000);
  assert.deepEqual([first.went, second.went], [[first.registered], [second.worker]]);
  assert.deepEqual(browser.hosts, []);
  assert.deepEqual([first, second].map((page) => page.shown.at(-1)), [false, false]);
});

test("a page that hosts looks for a worker once a minute", async (t) => {
  const browser = new Browser(t);
  const page = await browser.open();
  page.registered = new Worker(true);
  await browser.pass(MINUTE - 100);
  assert.deepEqual(page.went, []);
  await browser.pass(200);
  assert.deepEqual(page.went, [page.registered]);
});

for (const lateMs of [0, 1_500, 20_000]) {
  test(`the role is on disk before it is given back, and nobody takes it again, timers ${lateMs} ms late`, async (t) => {
    const browser = new Browser(t);
    const resigning = gate();
    const [first, second] = [await browser.open({ resigning }), await browser.open()];
    second.lateMs = lateMs;
    second.registered = new Worker(true);
    const worker = new Worker(true);
    await first.offer(worker);
    await browser.pass(500);
    assert.deepEqual(browser.started[0].resigned, [true]);
    assert.deepEqual([first.went, second.went], [[], []], "nobody goes before it is on disk");
    resigning.open();
    await browser.quiet();
    assert.deepEqual([first.went, second.went], [[worker], [second.registered]]);
    await browser.pass(5 * MINUTE);
    assert.equal(browser.started.length, 1);
    assert.equal(browser.holder, undefined);
  });
}

test("a page that has given the role back rests, though its worker falls silent again", async (t) => {
  const browser = new Browser(t);
  const page = await browser.open();
  const worker = new Worker(true);
  await page.offer(worker);
  await browser.pass(2_000);
  worker.answers = false;
  await page.become({ host: "starting", reasons: ["it does not answer"] });
  await browser.pass(MINUTE - 3_000);
  assert.equal(page.attempts, 1);
  await browser.pass(5_000);
  assert.deepEqual(browser.hosts, [page.id]);
});

test("a worker that was replaced is neither asked nor gone to", async (t) => {
  const browser = new Browser(t);
  const [old, next] = [new Worker(true), new Worker(false)];
  const page = await browser.open();
  await Promise.all([page.offer(old), page.offer(next)]);
  await browser.pass(5_000);
  assert.deepEqual(page.went, []);
  next.state = "redundant";
  page.registered = new Worker(true);
  await browser.pass(MINUTE);
  assert.deepEqual(page.went, [page.registered]);
  assert.equal(next.asked.length, 1);
});

test("a disk that hangs keeps a page from its worker for 3 s", async (t) => {
  const browser = new Browser(t);
  const page = await browser.open({ resigning: gate() });
  const worker = new Worker(true);
  await page.offer(worker);
  await browser.pass(2_900);
  assert.deepEqual(page.went, []);
  await browser.pass(200);
  assert.deepEqual(page.went, [worker]);
});

test("the lock is kept for a second after the role was given back, unless the page is left", async (t) => {
  const browser = new Browser(t);
  const page = await browser.open();
  await page.offer(new Worker(true));
  await browser.pass(900);
  assert.equal(browser.holder, page.id);
  await browser.pass(200);
  assert.equal(browser.holder, undefined);

  for (const go of ["hide", "freeze", "close"]) {
    const page = await browser.open();
    await page.offer(new Worker(true));
    assert.equal(browser.holder, page.id);
    await page[go]();
    assert.equal(browser.holder, undefined, go);
  }
});

test("who has lost the role to another says so, and rests for a minute", async (t) => {
  const browser = new Browser(t);
  const page = await browser.open();
  const found = [];
  const other = await browser.open();
  await other.hide();
  page.inside.client.back = (worker) => found.push(worker);
  page.run(() => browser.started[0].bus.over(false));
  await browser.quiet();
  assert.deepEqual(browser.hosts, []);
  assert.deepEqual(found, [undefined], "it looks for a worker");
  await browser.pass(MINUTE - 1_000);
  assert.equal(page.attempts, 1);
  await browser.pass(2_000);
  assert.deepEqual(browser.hosts, [page.id]);
});

test("when the role is lost to a worker, all pages that can go there", async (t) => {
  const browser = new Browser(t);
  const worker = new Worker(false);
  const [first, second] = [await browser.open({ worker }), await browser.open()];
  second.registered = new Worker(true);
  await browser.pass(10_000);
  assert.deepEqual(browser.hosts, [first.id]);
  worker.answers = true;
  first.run(() => browser.started[0].bus.over(false));
  await browser.pass(1_000);
  assert.deepEqual([first.went, second.went], [[worker], [second.registered]]);
  assert.equal(browser.started.length, 1);
});

test("a page that cannot start its coordinator anew goes to a worker as soon as one answers", async (t) => {
  const browser = new Browser(t);
  const page = await browser.open();
  page.fault = new Error("no disk");
  page.run(() => browser.started[0].bus.over(true));
  await browser.pass(100);
  assert.equal(page.attempts, 2);
  const worker = new Worker(true);
  await page.offer(worker);
  assert.deepEqual(page.went, [worker]);
  assert.equal(browser.holder, undefined);
});

test("what is to be started anew is, once it is known that this page was not robbed", async (t) => {
  const browser = new Browser(t);
  const page = await browser.open();
  page.status.epoch = 4;
  page.run(() => browser.started[0].bus.over(true));
  await browser.pass(100);
  assert.deepEqual(browser.started.map(({ isAlive, heard }) => [isAlive, heard]), [[false, 0], [true, 4]]);
});

test("rows of a newer build are told as such", async (t) => {
  const browser = new Browser(t);
  const fault = { code: "reload-needed", culprit: "peer", message: "written by a newer version" };
  const first = await browser.open({ fault });
  assert.deepEqual(first.fired, [["reload-needed", { build: "", message: fault.message }]]);
  assert.deepEqual(first.faults, []);
});

test("a start that fails is told once and tried again later, and another page has its turn", async (t) => {
  const browser = new Browser(t);
  const fault = { code: "storage-unavailable", culprit: "browser", message: "no disk" };
  const [first, second] = [await browser.open({ fault }), await browser.open()];
  assert.deepEqual(browser.hosts, [second.id]);
  assert.equal(first.faults.length, 1);
  assert.equal(first.faults[0].code, "host-unavailable");
  assert.match(first.faults[0].message, /storage-unavailable: no disk/);
  await second.hide();
  const at = [];
  for (let seconds = 0; seconds < 300; seconds += 1) {
    const before = first.attempts;
    await browser.pass(1_000);
    if (first.attempts > before) at.push(seconds + 1);
  }
  assert.deepEqual(at, [10, 30, 70, 130, 190, 250]);
  assert.equal(first.faults.length, 1);
  first.fault = undefined;
  await browser.pass(MINUTE);
  assert.deepEqual(browser.hosts, [first.id]);
  first.fault = fault;
  first.run(() => browser.started.at(-1).bus.over(true));
  await browser.pass(100);
  assert.equal(first.faults.length, 2, "after it has gone well it is news");
});

test("a lock that the browser refuses is told of, and asked for again after a minute", async (t) => {
  const browser = new Browser(t);
  browser.locks.faults.set(LOCK, new DOMException("not here", "SecurityError"));
  const page = await browser.open();
  assert.match(page.faults[0].message, /not here/);
  browser.locks.faults.clear();
  await browser.pass(MINUTE - 1_000);
  assert.deepEqual(browser.hosts, []);
  await browser.pass(2_000);
  assert.deepEqual(browser.hosts, [page.id]);
});

for (const [how, lose] of [
  ["left", (_, page) => page.hide()],
  ["robbed", (browser, page) => steal(browser, page)],
]) {
  test(`a page that is ${how} while it starts hosts nothing, and what was started ends`, async (t) => {
    const browser = new Browser(t);
    const starting = gate();
    const [page, other] = [await browser.open({ starting }), await browser.open()];
    assert.deepEqual(browser.hosts, []);
    await lose(browser, page);
    if (how === "left") assert.equal(browser.holder, other.id, "the lock does not wait for what was begun");
    starting.open();
    await browser.pass(100);
    const [{ resigned }] = browser.started.filter((one) => one.page === page);
    assert.deepEqual(resigned, [false]);
    assert.equal(page.heard.length, 0);
    assert.ok(!browser.hosts.includes(page.id));
    if (how === "left") assert.deepEqual(browser.hosts, [other.id]);
  });
}

test("a start that fails once the lock is lost is nobody's affair", async (t) => {
  const browser = new Browser(t);
  const starting = gate();
  const page = await browser.open({ starting });
  await page.hide();
  starting.fail(new Error("no disk"));
  await browser.pass(100);
  assert.deepEqual(page.faults, []);
  page.starting = undefined;
  await page.show();
  assert.deepEqual(browser.hosts, [page.id], "and no reason to rest");
});

test("what has not begun to take the role when the lock is lost is told so", async (t) => {
  const browser = new Browser(t);
  const page = await browser.open();
  const { held } = browser.started[0];
  assert.equal(held.aborted, false);
  await page.hide();
  assert.equal(held.aborted, true);
});

test("a host that is silent is robbed, once a minute at most, and hears of it when it goes on", async (t) => {
  const browser = new Browser(t);
  const [first, second, third] = [await browser.open(), await browser.open(), await browser.open()];
  first.hang();
  await second.offer(undefined);
  assert.equal(browser.holder, second.id);
  assert.deepEqual(browser.hosts, [first.id, second.id], "the epoch is between the two");
  await third.say("hello");
  assert.deepEqual(browser.started[1].told, [[third.id, "hello"]]);
  await first.goOn();
  assert.deepEqual(browser.hosts, [second.id]);
  assert.deepEqual([first, second].map((page) => page.shown.at(-1)), [false, true]);
  assert.equal(first.turned, 2, "it goes to whoever hosts");
  await first.say("here, too");
  assert.deepEqual(browser.started[1].told.at(-1), [first.id, "here, too"]);

  second.hang();
  await third.offer(undefined);
  third.hang();
  await first.offer(undefined);
  assert.equal(browser.locks.stolen, 2, "who was robbed rests");
  assert.equal(browser.holder, third.id);
  await browser.pass(MINUTE);
  await first.offer(undefined);
  assert.equal(browser.holder, first.id);
});

test("a page robs once a minute at most, whoever it is that is silent", async (t) => {
  const browser = new Browser(t);
  const [, second, third] = [await browser.open(), await browser.open(), await browser.open()];
  await second.offer(undefined);
  await second.hide();
  await second.show();
  assert.equal(browser.holder, third.id);
  await browser.pass(MINUTE - 1_000);
  await second.offer(undefined);
  assert.equal(browser.locks.stolen, 1);
  await browser.pass(2_000);
  await second.offer(undefined);
  assert.equal(browser.locks.stolen, 2);
  assert.deepEqual(browser.hosts, [second.id]);
});

test("a page that does not hear itself on the bus robs nobody", async (t) => {
  const browser = new Browser(t);
  const [first, second] = [await browser.open(), await browser.open()];
  second.isDeaf = true;
  await second.offer(undefined);
  await browser.pass(5_000);
  assert.equal(browser.locks.stolen, 0);
  assert.deepEqual(browser.hosts, [first.id]);
});

test("where there is no bus a page hosts alone, and robs nobody", async (t) => {
  const browser = new Browser(t);
  globalThis.BroadcastChannel = undefined;
  const [first, second] = [await browser.open(), await browser.open()];
  await first.say("hello");
  assert.deepEqual(browser.started[0].told, [[first.id, "hello"]]);
  first.run(() => browser.started[0].bus.over(false));
  await browser.pass(MINUTE + 1_000);
  await first.offer(undefined);
  await browser.pass(5_000);
  assert.deepEqual(browser.hosts, [second.id]);
  assert.equal(browser.locks.stolen, 0);
});

test("a page that was robbed ends its coordinator at once", async (t) => {
  const browser = new Browser(t);
  const [first, second] = [await browser.open(), await browser.open()];
  await second.offer(undefined);
  assert.deepEqual(browser.hosts, [second.id]);
  assert.deepEqual(browser.started[0].resigned, [false]);
  assert.deepEqual(first.faults, [], "that it was silent is not the app's affair");
});

test("who loses what it has robbed rests like anyone else", async (t) => {
  const browser = new Browser(t);
  const [first, second] = [await browser.open(), await browser.open()];
  await second.offer(undefined);
  await first.hide();
  second.run(() => browser.started[1].bus.over(false));
  await browser.pass(MINUTE - 1_000);
  assert.equal(second.attempts, 1);
  await browser.pass(2_000);
  assert.deepEqual(browser.hosts, [second.id]);
});

test("what was robbed is started anew at once, too", async (t) => {
  const browser = new Browser(t);
  const [first, second] = [await browser.open(), await browser.open()];
  await second.offer(undefined);
  await first.hide();
  second.run(() => browser.started[1].bus.over(true));
  await browser.pass(100);
  assert.deepEqual(browser.hosts, [second.id]);
  assert.equal(second.attempts, 2);
});

test("a coordinator ends before the event ends with which its page is left", async (t) => {
  const browser = new Browser(t);
  const page = await browser.open();
  void page.hide();
  assert.deepEqual(browser.hosts, []);
  await browser.quiet();
});

for (const [go, come] of [["hide", "show"], ["freeze", "resume"]]) {
  test(`after ${go} a page has no lock and no bus, and with ${come} it takes part again`, async (t) => {
    const browser = new Browser(t);
    const page = await browser.open();
    await page[go]();
    assert.deepEqual((await browser.locks.query()).held, []);
    assert.equal(browser.channels.size, 0);
    assert.equal(browser.timers.size, 0);
    await page[come]();
    await page[come]();
    assert.deepEqual(browser.hosts, [page.id]);
    assert.deepEqual(page.shown.slice(-3), [true, false, true]);
    assert.equal(browser.channels.size, 1);
    assert.deepEqual((await browser.locks.query()).held.map(({ name }) => name).sort(), [
      LOCK,
      `bellwether:c:page:${page.id}`,
    ]);
  });
}

test("a page that a worker serves takes no part until it falls silent", async (t) => {
  const browser = new Browser(t);
  const status = { host: "service-worker", reasons: [], epoch: 1 };
  const page = await browser.open({ status });
  await page.show();
  assert.equal(browser.channels.size, 0);
  await page.become({ host: "starting" });
  assert.equal(browser.channels.size, 0, "nothing is known to be wrong");
  await page.become({ reasons: ["it does not answer"] });
  assert.deepEqual(browser.hosts, [page.id]);
});

test("a page that waits and is served by a worker takes no part any more", async (t) => {
  const browser = new Browser(t);
  const [first, second] = [await browser.open(), await browser.open()];
  await second.become({ host: "service-worker" });
  assert.deepEqual((await browser.locks.query()).held.length, 2);
  await first.close();
  assert.deepEqual(browser.hosts, []);
});

for (const [when, prepare, options] of [
  ["hosts", () => {}],
  ["waits for a worker's answer", (page) => page.offer(new Worker(false))],
  ["gives the role back", (page) => page.offer(new Worker(true))],
  ["waits for the disk to give it back", (page) => page.offer(new Worker(true)), { resigning: new Promise(() => {}) }],
  ["rests", (page, browser) => page.run(() => browser.started[0].bus.over(false))],
]) {
  test(`closing ends everything, while the page ${when}`, async (t) => {
    const browser = new Browser(t);
    const page = await browser.open(options);
    await prepare(page, browser);
    await browser.quiet();
    const went = [...page.went];
    await page.close();
    assert.deepEqual(browser.hosts, []);
    assert.deepEqual((await browser.locks.query()).held, []);
    assert.equal(browser.channels.size, 0);
    await browser.pass(5_000);
    assert.equal(browser.timers.size, 0);
    for (const event of ["show", "resume", "hide"]) await page[event]();
    await page.become({ host: "starting", reasons: ["no worker"] });
    assert.equal(browser.channels.size, 0);
    assert.equal(page.attempts, 1);
    assert.deepEqual(page.went, went);
  });
}

test("a parcel that is none of ours changes nothing", async (t) => {
  const browser = new Browser(t);
  const [first, second] = [await browser.open(), await browser.open()];
  const from = "page-9";
  for (const data of [
    undefined,
    null,
    7,
    "here",
    [],
    {},
    { to: "host", from },
    { to: "host", from, m: "text" },
    { to: "host", from, m: [1, 2] },
    { to: "host", from, m: new Uint8Array(4 * 1024 * 1024 + 1) },
    { to: "host", m: bytes("from nobody") },
    { to: 1, from, word: "here" },
    { to: "", from: 1, word: "gone" },
    { to: "", from, word: "no such word" },
    { to: "", from, word: 1 },
    { to: "page-8", from, word: "gone" },
    { to: "page-8", from, m: bytes("to another") },
  ]) {
    await first.receive(data);
    await second.receive(data);
  }
  await browser.pass(10_000);
  assert.deepEqual(browser.started[0].told, []);
  assert.deepEqual([first.heard, second.heard], [[], []]);
  assert.deepEqual([first.turned, second.turned], [1, 1]);
  assert.deepEqual(browser.hosts, [first.id]);
  assert.deepEqual([first.faults, second.faults], [[], []]);
  await first.receive({ to: "host", from, m: bytes("well formed") });
  assert.deepEqual(browser.started[0].told, [[from, "well formed"]]);
});

test("where pages are elected whoever is hosts, and takes no lock", async (t) => {
  const { browser, elections, open } = electing(t);
  const [first, second] = [await open(), await open()];
  assert.deepEqual(browser.hosts, [first.id]);
  await second.say("hello");
  assert.deepEqual(browser.started[0].told, [[second.id, "hello"]]);
  first.run(() => browser.started[0].bus.post("", bytes("to all")));
  await browser.quiet();
  assert.deepEqual([first.heard, second.heard], [["to all"], ["to all"]]);
  await elections.lose();
  assert.deepEqual(browser.hosts, [second.id]);
  assert.deepEqual(browser.started[0].resigned, [false]);
  assert.deepEqual([first.turned, second.turned], [2, 2], "each goes to whoever hosts");
  await elections.lose();
  assert.deepEqual(browser.hosts, [first.id], "who has lost it stands again");
  assert.equal(browser.locks.queues.size, 0);
  assert.deepEqual([first.faults, second.faults], [[], []]);
});

for (const go of ["hide", "freeze", "close"]) {
  test(`after ${go} a page that was elected is followed at once, and stands no more`, async (t) => {
    const { browser, elections, open } = electing(t);
    const [first, second, third] = [await open(), await open(), await open()];
    await first[go]();
    assert.deepEqual(browser.hosts, [second.id]);
    assert.deepEqual([second.hints, third.hints], [[1], [1]], "by the epoch in which it has gone");
    await third[go]();
    assert.deepEqual(second.hints, [1, undefined], "which is none of whoever was not elected");
    assert.equal(elections.waiting, 0);
    assert.equal(browser.channels.size, 1);
    await second[go]();
    assert.deepEqual([browser.hosts, elections.waiting, browser.timers.size], [[], 0, 0]);
  });
}

test("a page that comes back goes under its new epoch, though what it did before has not ended", async (t) => {
  const { browser, open } = electing(t);
  const turns = [];
  const stand = (signal, serve) => new Promise((resolve) => {
    turns.push({ serve, signal });
    signal.addEventListener("abort", resolve);
  });
  const page = await open({ elections: { of: () => ({ stand }) }, worker: new Worker(false) });
  const other = await open();
  const serve = ({ serve, signal }, epoch) => page.run(() => void serve(signal, epoch));
  serve(turns[0], 7);
  await page.hide();
  await browser.pass(1_000);
  await page.show();
  serve(turns[1], 9);
  await browser.pass(2_500);
  other.hints = [];
  await page.hide();
  assert.deepEqual(other.hints, [9], "it still asked its worker for what came first");
});

test("a word that another page lets go is a hint, and one that is not ours is none", async (t) => {
  const { open } = electing(t);
  const page = await open();
  const from = "page-9";
  for (const [parcel, hints] of [
    [{ to: "", from, word: "bye", epoch: 4 }, [4]],
    [{ to: "", from, word: "bye" }, [undefined]],
    [{ to: "", from, word: "gone" }, [undefined]],
    [{ to: "", from, word: "here" }, []],
    [{ to: "", from, word: "bye", epoch: "4" }, []],
    [{ to: "", from, word: "bye", epoch: null }, []],
    [{ to: "", word: "bye", epoch: 4 }, []],
  ]) {
    page.hints = [];
    await page.receive(parcel);
    assert.deepEqual(page.hints, hints, JSON.stringify(parcel));
  }
});

test("where there are no locks to tell who is there, the pages are asked", async (t) => {
  const { browser, open } = electing(t);
  const [first, second, third, fourth] = [await open(), await open(), await open(), await open()];
  const list = async () => {
    const listing = first.list();
    await browser.pass(300);
    return (await listing).sort();
  };
  await browser.pass(MINUTE);
  assert.deepEqual(await list(), [first.id, second.id, third.id, fourth.id], "who answers is there");
  second.hang();
  await third.hide();
  assert.deepEqual(await list(), [first.id, second.id, fourth.id], "who was heard lately may be busy, and who said bye is not");
  await browser.pass(4_000);
  assert.deepEqual(await list(), [first.id, second.id, fourth.id]);
  await browser.pass(2_000);
  assert.deepEqual(await list(), [first.id, fourth.id], "who is silent for long is gone");
  await second.goOn();
  assert.deepEqual(await list(), [first.id, second.id, fourth.id]);
});

test("a page that has no bus is alone", async (t) => {
  const { browser, open } = electing(t);
  globalThis.BroadcastChannel = undefined;
  const page = await open();
  assert.deepEqual(await page.list(), [page.id]);
  assert.equal(browser.timers.size, 1, "nobody is waited for");
});

test("a page that rests is not elected meanwhile, and stands anew", async (t) => {
  const { browser, elections, open } = electing(t);
  const first = await open();
  first.run(() => browser.started[0].bus.over(false));
  await browser.pass(MINUTE - 1_000);
  assert.deepEqual([elections.holder, elections.waiting, elections.epoch], [undefined, 0, 1]);
  const second = await open();
  assert.deepEqual(browser.hosts, [second.id]);
  await browser.pass(2_000);
  assert.equal(elections.waiting, 1);
  await second.hide();
  assert.deepEqual(browser.hosts, [first.id]);
});

test("a page that was elected and cannot start tries again later, and not in a loop", async (t) => {
  const { browser, elections, open } = electing(t);
  const page = await open({ fault: new Error("no disk") });
  await browser.pass(9_000);
  assert.deepEqual([page.attempts, elections.epoch, page.faults.length], [1, 1, 1]);
  page.fault = undefined;
  await browser.pass(2_000);
  assert.deepEqual(browser.hosts, [page.id]);
});

test("who is elected and silent is not robbed: an election ends by itself", async (t) => {
  const { browser, elections, open } = electing(t);
  const [first, second] = [await open(), await open()];
  first.hang();
  await second.offer(undefined);
  await browser.pass(5_000);
  assert.deepEqual([elections.holder.page, browser.locks.stolen], [first, 0]);
});

test("a page that was elected goes to a worker that answers it", async (t) => {
  const { browser, elections, open } = electing(t);
  const page = await open();
  const worker = new Worker(true);
  await page.offer(worker);
  assert.deepEqual(page.went, [worker]);
  await browser.pass(2_000);
  assert.deepEqual([browser.started[0].resigned.at(0), elections.holder], [true, undefined]);
});

test("below a database a page takes part whatever its status, and speaks to no worker", async (t) => {
  const { browser, open } = electing(t);
  const worker = new Worker(true);
  const below = { below: { rung: "broadcast-vote" }, why: "there is none" };
  const status = { host: "service-worker", reasons: [], epoch: 0 };
  const [first, second] = [await open({ below, status, worker }), await open({ below, registered: worker })];
  assert.deepEqual(browser.hosts, [first.id]);
  let looks = 0;
  for (const page of [first, second]) {
    await page.offer(worker);
    page.inside.client.back = () => (looks += 1);
  }
  await first.receive({ to: "host", from: "page-9", word: "yield" });
  await second.receive({ to: "", from: first.id, word: "gone" });
  await browser.pass(3 * MINUTE);
  assert.deepEqual([first.went, second.went, worker.asked], [[], [], []]);
  assert.equal(looks, 0);
  assert.deepEqual(browser.hosts, [first.id]);
});

test("pages that keep the rows themselves and pages with a database have a host each, and do not hear one another", async (t) => {
  const { browser, elections, open } = electing(t);
  const below = { below: { rung: "broadcast-vote" }, why: "there is none" };
  const [stored, kept] = [await browser.open(), await open({ below })];
  assert.deepEqual(browser.hosts, [stored.id, kept.id]);
  assert.deepEqual([stored.turned, kept.turned], [1, 1]);
  const [later, other] = [await browser.open(), await open({ below })];
  await later.say("to the database");
  await other.say("to the copies");
  const told = browser.started.map(({ told }) => told);
  assert.deepEqual(told, [[[later.id, "to the database"]], [[other.id, "to the copies"]]]);
  await stored.close();
  assert.equal(elections.holder.page, kept);
  assert.deepEqual(browser.hosts, [kept.id, later.id]);
});

for (const [how, go, come] of [
  ["left", "hide", "show"],
  ["frozen", "freeze", "resume"],
]) {
  test(`a page that is ${how} takes part no more, whatever its status becomes meanwhile`, async (t) => {
    const browser = new Browser(t);
    const [page, other] = [await browser.open(), await browser.open()];
    await page[go]();
    await page.become({ host: "starting", reasons: ["silent"] });
    assert.deepEqual(browser.hosts, [other.id]);
    assert.equal(browser.channels.size, 1);
    assert.equal((await browser.locks.query()).held.length, 2);
    await page[come]();
    await other.close();
    assert.deepEqual(browser.hosts, [page.id]);
  });
}

/** A browser whose pages elect the one that hosts. */
function electing(t) {
  const browser = new Browser(t);
  const elections = new Elections(browser);
  return { browser, elections, open: (options) => browser.open({ elections, ...options }) };
}

/** Something to be waited for, until it is opened. */
function gate() {
  const ends = {};
  const shut = new Promise((open, fail) => Object.assign(ends, { open, fail }));
  return Object.assign(shut, ends);
}

/** Somebody else takes the lock from `page`, and keeps it. */
async function steal(browser, page) {
  page.run(() => void browser.locks.request(LOCK, { steal: true }, () => new Promise(() => {})));
  await browser.quiet();
}

const MINUTE = 60_000;
