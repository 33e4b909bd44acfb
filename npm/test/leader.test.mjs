// Which page leads, and what only that one runs, in a browser whose clock, bus and election are the test's.

import assert from "node:assert/strict";
import { test } from "node:test";

import { BellwetherError } from "../build/js/errors.js";
import { Leaders } from "../testing/leaders.mjs";

const MINUTE = 60_000;
/** How long a leader is out of sight before it gives way. */
const HIDDEN = 5_000;

for (const [how, go] of [
  ["left", (page) => page.hide()],
  ["frozen", (page) => page.freeze()],
  ["closed", (page) => page.close()],
]) {
  test(`one page leads, all know which, and the next one does when it is ${how}`, async (t) => {
    const leaders = new Leaders(t);
    const [first, second, third] = [await leaders.open(), await leaders.open(), await leaders.open()];
    for (const [page, role] of [[first, "leader"], [second, "follower"], [third, "follower"]]) {
      assert.deepEqual(facts(page), { isLeader: page === first, leaderId: first.id, epoch: 1, role });
    }
    for (const page of [first, second, third]) await leaders.exclusive(page, "poll", { ends: true });
    await go(first);
    assert.deepEqual(facts(first), { isLeader: false, leaderId: null, epoch: 1, role: "starting" });
    assert.deepEqual(facts(third), { isLeader: false, leaderId: second.id, epoch: 2, role: "follower" });
    assert.deepEqual([leaders.leading, leaders.elected], [[second.id], second.id]);
    assert.deepEqual(leaders.log, [
      "page-1 begins poll",
      "page-1 is told",
      "page-1 ends poll",
      "page-2 begins poll",
    ]);
  });
}

test("pages without a database have a leader of their own", async (t) => {
  const leaders = new Leaders(t);
  const without = { isOther: true, below: { below: { rung: "broadcast-vote" }, why: "there is none" } };
  const pages = [await leaders.open(), await leaders.open(without), await leaders.open(), await leaders.open(without)];
  const [stored, kept] = pages;
  assert.deepEqual(leaders.leading, [stored.id, kept.id]);
  assert.deepEqual(pages.map(({ leader }) => leader.leaderId), [stored.id, kept.id, stored.id, kept.id]);
});

test("who leads is told when it changes, and only then, in a frozen detail", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open()];
  await second.hide();
  await second.show();
  await first.receive({ to: "", from: "x", word: "who" });
  await first.close();
  assert.deepEqual(first.changes, [
    { isLeader: true, leaderId: first.id, epoch: 1 },
    { isLeader: false, leaderId: null, epoch: 1 },
  ]);
  assert.deepEqual(second.changes, [
    { isLeader: false, leaderId: first.id, epoch: 1 },
    { isLeader: false, leaderId: null, epoch: 1 },
    { isLeader: false, leaderId: first.id, epoch: 1 },
    { isLeader: false, leaderId: null, epoch: 1 },
    { isLeader: true, leaderId: second.id, epoch: 2 },
  ]);
  assert.ok(second.changes.every(Object.isFrozen));
});

test("pages that wait or lead have no timers, however long", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open({ isInSight: false })];
  await leaders.exclusive(first);
  await leaders.exclusive(second);
  for (let rounds = 0; rounds < 3; rounds += 1) {
    assert.equal(leaders.browser.timers.size, 0);
    await leaders.browser.pass(10 * MINUTE);
  }
  await first.close();
  await leaders.browser.pass(10 * MINUTE);
  assert.deepEqual([leaders.browser.timers.size, leaders.elections], [0, 2]);
});

for (const [back, away, come] of [
  ["from the cache", (page) => page.hide(), (page) => page.show()],
  ["from being frozen", (page) => page.freeze(), (page) => page.resume()],
]) {
  test(`a page that comes back ${back} holds nothing meanwhile, and stands again`, async (t) => {
    const leaders = new Leaders(t);
    const only = await leaders.open();
    await leaders.exclusive(only, "poll", { ends: true });
    await leaders.exclusive(only, "hung", { ends: () => {} });
    await away(only);
    assert.deepEqual([leaders.elected, leaders.browser.channels.size, leaders.browser.timers.size], [undefined, 0, 0]);
    await come(only);
    await come(only);
    assert.deepEqual(facts(only), { isLeader: true, leaderId: only.id, epoch: 2, role: "leader" });
    assert.equal(leaders.log.filter((line) => line === "page-1 begins poll").length, 2);
  });
}

test("a lower epoch is ignored, and its page learns that it leads no more", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open()];
  await leaders.exclusive(first, "poll", { ends: true });
  await second.hide();
  await second.show();
  // The first is robbed while it hangs, and believes to lead until it hears of it.
  first.hang();
  const forced = leaders.call(second, (leader) => leader.forceLeader());
  await leaders.browser.pass(1_000);
  await forced;
  assert.deepEqual(leaders.leading, [first.id, second.id]);
  await second.receive({ to: "", from: first.id, word: "leads", epoch: 1 });
  await second.receive({ to: "", from: first.id, word: "gone", epoch: 1 });
  assert.deepEqual(facts(second), { isLeader: true, leaderId: second.id, epoch: 2, role: "leader" });
  // What it was told meanwhile is lost.
  first.hung = undefined;
  await second.receive({ to: "", from: first.id, word: "leads", epoch: 1 });
  assert.deepEqual(facts(first), { isLeader: false, leaderId: second.id, epoch: 2, role: "follower" });
  assert.deepEqual(leaders.log.slice(0, 3), ["page-1 begins poll", "page-1 is told", "page-1 ends poll"]);
});

test("of the page that is known to lead a lower epoch is ignored, too", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open()];
  await leaders.call(first, (leader) => leader.resign());
  await leaders.call(second, (leader) => leader.resign());
  const third = await leaders.open();
  assert.deepEqual([third.leader.leaderId, third.leader.epoch], [first.id, 3]);
  for (const word of ["gone", "leads"]) {
    await third.receive({ to: "", from: first.id, word, epoch: 1 });
    assert.deepEqual([third.leader.leaderId, third.leader.epoch], [first.id, 3]);
  }
});

test("what is said on the line is not believed if it has another shape", async (t) => {
  const leaders = new Leaders(t);
  const page = await leaders.open();
  page.changes.splice(0);
  const fine = { to: "", from: "x", word: "leads", epoch: 9 };
  for (const data of [
    undefined,
    null,
    7,
    "leads",
    [],
    { ...fine, from: 7 },
    { ...fine, from: "x".repeat(201) },
    { ...fine, from: page.id },
    { ...fine, to: "another" },
    { ...fine, to: undefined },
    { ...fine, epoch: -1 },
    { ...fine, epoch: 1.5 },
    { ...fine, epoch: "9" },
    { ...fine, epoch: Infinity },
    { ...fine, word: {} },
    { ...fine, word: "toString" },
    { ...fine, word: "do", n: "1", task: "t" },
    { ...fine, word: "do", n: 1, task: "t", ms: NaN },
    { ...fine, word: "done", n: 77 },
  ]) {
    await page.receive(data);
    assert.deepEqual(page.changes, [], JSON.stringify(data));
  }
  await page.receive(fine);
  assert.deepEqual(page.changes[1], { isLeader: false, leaderId: "x", epoch: 9 });
});

for (const [shows, learn] of [
  ["it goes out of sight", async (leaders, first) => {
    const second = await leaders.open();
    await first.see(false);
    return second;
  }],
  ["one comes into sight", async (leaders, first) => {
    const second = await leaders.open({ isInSight: false });
    await first.see(false);
    assert.deepEqual(leaders.leading, [first.id], "none is in sight");
    await second.see(true);
    return second;
  }],
  ["one joins in sight", async (leaders, first) => {
    await first.see(false);
    return leaders.open();
  }],
]) {
  test(`a leader that is out of sight gives way to a page in sight: ${shows}`, async (t) => {
    const leaders = new Leaders(t);
    const first = await leaders.open();
    await leaders.exclusive(first, "poll", { ends: true });
    const second = await learn(leaders, first);
    await leaders.browser.pass(HIDDEN - 1);
    assert.deepEqual(leaders.leading, [first.id]);
    await leaders.browser.pass(1);
    assert.deepEqual(leaders.leading, [second.id]);
    await leaders.browser.pass(MINUTE);
    await first.see(true);
    assert.deepEqual([leaders.leading, leaders.elections], [[second.id], 2], "a page in sight keeps the role");
  });
}

for (const [why, act] of [
  ["it comes back into sight", (first) => first.see(true)],
  ["the other goes out of sight, too", (_, second) => second.see(false)],
  ["the other is closed", (_, second) => second.close()],
  ["the app forces it", (first) => first.leader.forceLeader()],
]) {
  test(`a leader that was out of sight for a moment keeps the role: ${why}`, async (t) => {
    const leaders = new Leaders(t);
    const [first, second] = [await leaders.open(), await leaders.open()];
    for (let rounds = 0; rounds < 2; rounds += 1) {
      await first.see(false);
      await leaders.browser.pass(HIDDEN - 1);
      if (rounds === 0) await first.see(true);
    }
    await act(first, second);
    await leaders.browser.pass(MINUTE);
    assert.deepEqual([leaders.leading, leaders.elections, leaders.browser.timers.size], [[first.id], 1, 0]);
  });
}

test("a leader that is out of sight and is left meanwhile lets go at once, and has no timer", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open()];
  await first.see(false);
  await first.hide();
  assert.deepEqual([leaders.leading, leaders.browser.timers.size], [[second.id], 0]);
});

test("hidden pages in between let it pass", async (t) => {
  const leaders = new Leaders(t);
  const first = await leaders.open();
  const hidden = [await leaders.open({ isInSight: false }), await leaders.open({ isInSight: false })];
  const last = await leaders.open();
  for (const page of hidden) await leaders.exclusive(page);
  await first.see(false);
  await leaders.browser.pass(HIDDEN);
  assert.deepEqual([leaders.leading, leaders.elections, leaders.log], [[last.id], 4, []]);
  await leaders.browser.pass(MINUTE);
  await last.close();
  assert.equal(leaders.leading.length, 1, "who gave way stands again");
});

test("somebody has led since it gave way, so a hidden page gives way again", async (t) => {
  const leaders = new Leaders(t);
  const [first, hidden, third] = [await leaders.open(), await leaders.open({ isInSight: false }), await leaders.open()];
  await first.see(false);
  await leaders.browser.pass(HIDDEN);
  assert.deepEqual(leaders.leading, [third.id]);
  const last = await leaders.open();
  await leaders.exclusive(first);
  await leaders.exclusive(hidden);
  await third.close();
  assert.deepEqual([leaders.leading, leaders.log], [[last.id], []]);
});

test("a page that gave way in vain keeps the role, until another comes into sight", async (t) => {
  const leaders = new Leaders(t);
  const first = await leaders.open();
  await first.receive({ to: "", from: "ghost", word: "seen" });
  await first.see(false);
  await leaders.browser.pass(HIDDEN);
  assert.deepEqual(leaders.leading, []);
  await leaders.browser.pass(MINUTE);
  assert.deepEqual([leaders.leading, leaders.elections, leaders.browser.timers.size], [[first.id], 2, 0]);
  // It says so each time somebody leads, and cannot lead.
  await first.receive({ to: "", from: "ghost", word: "seen" });
  await first.see(true);
  await first.see(false);
  await leaders.browser.pass(HIDDEN);
  assert.deepEqual([leaders.leading, leaders.elections], [[first.id], 2]);
  await first.receive({ to: "", from: "ghost", word: "unseen" });
  await first.receive({ to: "", from: "ghost", word: "seen" });
  await leaders.browser.pass(HIDDEN);
  assert.deepEqual(leaders.leading, []);
  await leaders.browser.pass(MINUTE);
  assert.deepEqual([leaders.leading, leaders.elections], [[first.id], 3]);
});

test("a leader that is out of sight learns from a page in sight that it is there", async (t) => {
  const leaders = new Leaders(t);
  const [first, hidden, last] = [await leaders.open(), await leaders.open({ isInSight: false }), await leaders.open()];
  // What leads is no candidate, so the page in between knows none in the end.
  for (const page of [last, first]) await leaders.call(page, (leader) => leader.forceLeader());
  await first.close();
  await leaders.browser.pass(HIDDEN);
  assert.deepEqual(hidden.changes.at(-1), { isLeader: false, leaderId: last.id, epoch: 5 });
  assert.deepEqual([leaders.leading, leaders.elections], [[last.id], 5]);
});

test("the page before may have died without a word, and one that gives way waits all the same", async (t) => {
  const leaders = new Leaders(t);
  const [first, hidden] = [await leaders.open(), await leaders.open({ isInSight: false })];
  await hidden.receive({ to: "", from: "ghost", word: "seen" });
  await leaders.kill(first);
  assert.deepEqual([hidden.leader.isLeader, hidden.leader.leaderId], [false, null]);
  await leaders.browser.pass(5_000);
  assert.deepEqual([hidden.leader.isLeader, leaders.elections], [true, 3]);
});

test("two hidden pages that know one in sight, which cannot lead, settle", async (t) => {
  const leaders = new Leaders(t);
  const pages = [await leaders.open({ isInSight: false }), await leaders.open({ isInSight: false })];
  for (const page of pages) await page.receive({ to: "", from: "ghost", word: "seen" });
  await leaders.browser.pass(10 * MINUTE);
  assert.equal(leaders.leading.length, 1);
  assert.ok(leaders.elections <= 4, `${leaders.elections} elections`);
});

test("a page that resigns lets others go first, in sight or not", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open({ isInSight: false })];
  await leaders.exclusive(first, "poll", { ends: true });
  await first.see(false);
  await first.see(true);
  const { isSettled } = await leaders.call(first, (leader) => leader.resign());
  assert.ok(isSettled);
  assert.deepEqual([leaders.leading, leaders.log.at(-1)], [[second.id], "page-1 ends poll"]);
  await leaders.browser.pass(10 * MINUTE);
  assert.deepEqual(leaders.leading, [second.id]);
  await second.close();
  assert.deepEqual(leaders.leading, [first.id], "another has led");
  assert.ok((await leaders.call(second, (leader) => leader.resign())).error.code === "closed");
});

test("a page that has resigned asks for the role once it comes into sight anew", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open({ isInSight: false })];
  await leaders.call(first, (leader) => leader.resign());
  await first.see(false);
  await leaders.browser.pass(HIDDEN);
  assert.deepEqual(leaders.leading, [second.id]);
  await first.see(true);
  await leaders.browser.pass(HIDDEN);
  assert.deepEqual(leaders.leading, [first.id]);
});

test("a hidden page that leads and forces it keeps it from pages in sight", async (t) => {
  const leaders = new Leaders(t);
  const hidden = await leaders.open({ isInSight: false });
  await leaders.call(hidden, (leader) => leader.forceLeader());
  await leaders.open();
  await leaders.browser.pass(HIDDEN);
  assert.deepEqual([leaders.leading, leaders.elections], [[hidden.id], 1]);
});

test("a page that resigns and is alone leads again after 5 s", async (t) => {
  const leaders = new Leaders(t);
  const first = await leaders.open();
  await leaders.call(first, (leader) => leader.resign());
  assert.ok((await leaders.call(first, (leader) => leader.resign())).isSettled, "there is nothing to let go of");
  await leaders.browser.pass(4_999);
  assert.deepEqual(leaders.leading, []);
  await leaders.browser.pass(1);
  assert.deepEqual([leaders.leading, leaders.elections], [[first.id], 2]);
});

test("a page that forces it has it from the one that leads, with nobody in between", async (t) => {
  const leaders = new Leaders(t);
  const [first, between, last] = [await leaders.open(), await leaders.open(), await leaders.open({ isInSight: false })];
  for (const page of [first, between, last]) await leaders.exclusive(page, "poll", { ends: true });
  await between.see(false);
  await between.see(true);
  const { isSettled, error } = await leaders.call(last, (leader) => leader.forceLeader());
  assert.deepEqual([isSettled, error], [true, undefined]);
  assert.deepEqual(leaders.log, ["page-1 begins poll", "page-1 is told", "page-1 ends poll", "page-3 begins poll"]);
  assert.deepEqual(facts(between), { isLeader: false, leaderId: last.id, epoch: 2, role: "follower" });
  await leaders.browser.pass(10 * MINUTE);
  assert.deepEqual([leaders.leading, leaders.browser.timers.size], [[last.id], 0], "pages in sight do not get it back");
  assert.ok((await leaders.call(last, (leader) => leader.forceLeader())).isSettled);
  await last.close();
  assert.deepEqual(leaders.leading, [between.id]);
  await between.close();
  assert.deepEqual(leaders.leading, [first.id], "who was forced stands again");
});

test("a page that does not answer loses the role after a second", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open()];
  first.hang();
  const call = await leaders.call(second, (leader) => leader.forceLeader());
  await leaders.browser.pass(999);
  assert.deepEqual([call.isSettled, leaders.elected], [undefined, first.id]);
  await leaders.browser.pass(1);
  assert.deepEqual([call.isSettled, call.error, leaders.elected], [true, undefined, second.id]);
  await first.goOn();
  assert.deepEqual(leaders.leading, [second.id]);
});

for (const [what, order] of [["the election", (words) => words], ["who leads", (words) => words.reverse()]]) {
  test(`a page that was robbed in its sleep stands again at once, and by no timer, if ${what} tells it first`, async (t) => {
    const leaders = new Leaders(t);
    const [first, second] = [await leaders.open(), await leaders.open()];
    await leaders.exclusive(first, "poll", { ends: true });
    first.hang();
    await leaders.call(second, (leader) => leader.forceLeader());
    await leaders.browser.pass(1_000);
    order(first.hung);
    await first.goOn();
    assert.deepEqual([leaders.leading, leaders.browser.timers.size], [[second.id], 0]);
    await second.close();
    assert.deepEqual(leaders.leading, [first.id]);
  });
}

test("a role that is kept for a page that dies is let go of", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open()];
  await first.receive({ to: first.id, from: "ghost", word: "force" });
  await leaders.browser.pass(2_999);
  assert.deepEqual([leaders.leading, leaders.elected], [[], first.id]);
  await leaders.browser.pass(1);
  assert.deepEqual(leaders.leading, [second.id]);
});

for (const [why, code, prepare, act] of [
  ["the page is closed", "closed", (page) => page.close()],
  ["the page is left", "leader-unavailable", (page) => page.hide()],
  ["it is closed meanwhile", "closed", () => {}, (page) => page.close()],
  ["it is frozen meanwhile", "leader-unavailable", () => {}, (page) => page.freeze()],
  ["the election refuses", "internal", (page, leaders) => leaders.refuse(new Error("no"))],
]) {
  test(`the role cannot be forced: ${why}`, async (t) => {
    const leaders = new Leaders(t);
    const [first, second] = [await leaders.open(), await leaders.open()];
    first.hang();
    await prepare(second, leaders);
    const call = await leaders.call(second, (leader) => leader.forceLeader());
    await act?.(second);
    await leaders.browser.pass(MINUTE);
    assert.ok(call.error instanceof BellwetherError);
    assert.deepEqual([call.error.code, leaders.elections], [code, 1]);
  });
}

test("a page that may not lead follows, and cannot force it", async (t) => {
  const leaders = new Leaders(t);
  const never = await leaders.open({ leader: { enabled: false } });
  assert.deepEqual(facts(never), { isLeader: false, leaderId: null, epoch: 0, role: "starting" });
  const first = await leaders.open();
  assert.equal(never.leader.leaderId, first.id);
  await first.see(false);
  await never.see(false);
  await never.see(true);
  await leaders.browser.pass(HIDDEN);
  assert.deepEqual(leaders.leading, [first.id], "it is no candidate");
  const { error } = await leaders.call(never, (leader) => leader.forceLeader());
  assert.equal(error.code, "not-supported");
  await first.hide();
  assert.deepEqual(facts(never), { isLeader: false, leaderId: null, epoch: 1, role: "starting" });
});

test("where pages cannot hear one another one leads all the same", async (t) => {
  const leaders = new Leaders(t);
  const open = () => undefined;
  const [first, second] = [await leaders.open({ open }), await leaders.open({ open })];
  assert.deepEqual([leaders.leading, second.leader.role], [[first.id], "starting"]);
  const { error } = await leaders.call(second, (leader) => leader.forceLeader());
  assert.deepEqual([error, leaders.leading], [undefined, [second.id]]);
});

test("what runs exclusively is told before the role is let go of, and waited for, for a second at the most", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open()];
  let end;
  await leaders.exclusive(first, "poll", { ends: (it) => (end = it) });
  await leaders.exclusive(second, "poll", { ends: () => {} });
  const quick = await leaders.call(first, (leader) => leader.resign());
  assert.deepEqual([first.leader.isLeader, leaders.elected, quick.isSettled], [false, first.id, undefined]);
  first.run(() => end());
  await leaders.browser.quiet();
  assert.deepEqual(leaders.log, ["page-1 begins poll", "page-1 is told", "page-1 ends poll", "page-2 begins poll"]);
  assert.ok(quick.isSettled);

  const slow = await leaders.call(second, (leader) => leader.resign());
  await leaders.browser.pass(999);
  assert.deepEqual([slow.isSettled, leaders.elected], [undefined, second.id]);
  await leaders.browser.pass(1);
  assert.deepEqual([slow.isSettled, leaders.leading], [true, [first.id]]);
});

test("stopping it fires its signal, and it runs no more", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open()];
  const stop = await leaders.exclusive(first, "poll", { ends: true });
  const stopEarly = await leaders.exclusive(second, "poll", { ends: true });
  await stopEarly();
  await stop();
  await stop();
  assert.deepEqual(leaders.log, ["page-1 begins poll", "page-1 is told", "page-1 ends poll"]);
  await first.close();
  assert.deepEqual([leaders.leading, leaders.log.length], [[second.id], 3]);
  const fn = () => assert.fail("it was stopped before the module was there");
  second.run(() => second.leader.runExclusive("poll", fn)());
  await leaders.browser.quiet();
  assert.deepEqual(second.faults, []);
});

test("of two with one name the later waits until the earlier is stopped and has ended", async (t) => {
  const leaders = new Leaders(t);
  const page = await leaders.open();
  let end;
  const stop = await leaders.exclusive(page, "poll", { ends: (it) => (end = it) });
  await leaders.exclusive(page, "poll", { ends: true });
  await leaders.exclusive(page, "other", { ends: true });
  assert.deepEqual(leaders.log.splice(0), ["page-1 begins poll", "page-1 begins other"]);
  await stop();
  assert.deepEqual(leaders.log.splice(0), ["page-1 is told"]);
  page.run(() => end());
  await leaders.browser.quiet();
  assert.deepEqual(leaders.log, ["page-1 ends poll", "page-1 begins poll"]);
});

test("one that never ends does not keep the next from its turn for more than a second", async (t) => {
  const leaders = new Leaders(t);
  const page = await leaders.open();
  const stop = await leaders.exclusive(page, "poll", { ends: () => {} });
  await leaders.exclusive(page, "poll", { ends: true });
  await stop();
  await leaders.browser.pass(999);
  assert.deepEqual(leaders.log, ["page-1 begins poll", "page-1 is told"]);
  await leaders.browser.pass(1);
  assert.equal(leaders.log.at(-1), "page-1 begins poll");
});

test("what fails is told, and runs again when its page leads the next time", async (t) => {
  const leaders = new Leaders(t);
  const page = await leaders.open();
  const fails = new Error("no socket");
  await leaders.exclusive(page, "poll", { fails });
  await leaders.browser.pass(MINUTE);
  const [fault] = page.faults;
  assert.deepEqual([fault.code, fault.cause, leaders.log], ["exclusive-failed", fails, ["page-1 begins poll"]]);
  assert.deepEqual(leaders.leading, [page.id]);
  await leaders.call(page, (leader) => leader.resign());
  await leaders.browser.pass(MINUTE);
  assert.deepEqual([page.faults.length, leaders.log.length], [2, 2]);
});

test("who is told to end may do so by what its signal throws", async (t) => {
  const leaders = new Leaders(t);
  const page = await leaders.open();
  const late = new Error("after the end");
  const fn = (signal, reason) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(reason ?? signal.reason)));
  page.run(() => page.leader.runExclusive("polite", (signal) => fn(signal)));
  page.run(() => page.leader.runExclusive("rude", (signal) => fn(signal, late)));
  await leaders.call(page, (leader) => leader.resign());
  assert.deepEqual(page.faults.map(({ cause }) => cause), [late]);
});

test("what cannot be run or handled is refused at once", async (t) => {
  const leaders = new Leaders(t);
  const { leader, faults } = await leaders.open();
  for (const name of ["runExclusive", "handle"]) {
    for (const how of [[7, () => {}], ["x".repeat(201), () => {}], [undefined, () => {}], ["x"], ["x", {}]]) {
      assert.throws(() => leader[name](...how), { code: "option-invalid" });
    }
  }
  assert.deepEqual(faults, []);
});

test("a page that cannot stand says so once, and tries again, more and more seldom", async (t) => {
  const leaders = new Leaders(t);
  leaders.unfit(new Error("the database does not open"));
  const page = await leaders.open();
  await leaders.browser.pass(20 * MINUTE);
  assert.deepEqual(page.faults.map(({ code }) => code), ["internal"]);
  assert.equal(leaders.browser.timers.size, 1);
  leaders.unfit(undefined);
  await leaders.browser.pass(MINUTE - 1);
  assert.deepEqual(leaders.leading, [page.id]);
  assert.equal(leaders.browser.timers.size, 0);

  leaders.unfit(new Error("again"));
  await page.hide();
  await page.show();
  assert.equal(page.faults.length, 2, "after it has gone well it is news");
  await page.hide();
  assert.equal(leaders.browser.timers.size, 0, "a page that is left tries nothing");
  leaders.unfit(undefined);
  await page.show();
  assert.deepEqual(leaders.leading, [page.id]);
});

test("leaders that are elected in different ways end each other's time ever more seldom", async (t) => {
  const leaders = new Leaders(t);
  const [first, second] = [await leaders.open(), await leaders.open({ isOther: true })];
  const counts = [];
  for (let minutes = 0; minutes < 10; minutes += 1) {
    const before = leaders.elections;
    await leaders.browser.pass(MINUTE);
    assert.equal(leaders.leading.length, 1);
    counts.push(leaders.elections - before);
  }
  assert.ok(counts[0] <= 8 && counts.slice(4).every((count) => count <= 1), `${counts} elections, minute by minute`);
  const [leading, other] = first.leader.isLeader ? [first, second] : [second, first];
  await leading.close();
  assert.deepEqual(leaders.leading, [other.id], "whoever spares another stands when that one has gone");
  await leaders.browser.pass(MINUTE);
  assert.equal(leaders.browser.timers.size, 0);
});

function facts({ leader: { isLeader, leaderId, epoch, role } }) {
  return { isLeader, leaderId, epoch, role };
}
