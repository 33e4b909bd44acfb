// The shared state of one page: what it shows, what leaves it, and in which form.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CONFLICT, LOCAL, answer, heard, open, places, quiet, told } from "../testing/state.mjs";

test("a read is answered at once, with the same object until it changes", async () => {
  const { state, client } = await open();
  client.elsewhere([["user", { name: "Ann", towns: ["Ulm"] }], ["theme", "dark"]]);
  const [all, user] = [state.get(), state.get("user")];
  assert.deepEqual(all, { user: { name: "Ann", towns: ["Ulm"] }, theme: "dark" });
  assert.equal(state.get(), all);
  assert.equal(state.get().user, user);
  client.elsewhere([["theme", "light"]]);
  assert.notEqual(state.get(), all);
  assert.equal(state.get("user"), user);
  assert.equal(state.get("none"), undefined);
  client.elsewhere([["user", "Ben", "name"]]);
  assert.deepEqual(state.get("user"), { name: "Ben", towns: ["Ulm"] });
  assert.equal(user.name, "Ann");
});

test("what is told again, and is the same, is no change and stays the same object", async () => {
  const { state, client } = await open();
  client.elsewhere([["user", { a: 1, b: 2 }]]);
  const [user, changes] = [state.get("user"), told(state)];
  client.elsewhere([["user", { b: 2, a: 1 }]]);
  assert.equal(state.get("user"), user);
  assert.deepEqual(changes, []);
  await state.set({ user: { b: 2, a: 1 } });
  assert.equal(client.written.length, 0);
  assert.equal(state.get("user"), user);
});

test("what is handed out is frozen, and apart from the app's objects", async () => {
  const initial = { settings: { sizes: [1] } };
  for (const options of [{}, { throttleMs: 50 }, { excludeKeys: ["user"] }]) {
    initial.settings.sizes[0] = 1;
    const { page, state } = await open({ ...options, initial });
    const user = { name: "Ann", towns: ["Ulm"] };
    await state.set({ user });
    user.towns.push("Bonn");
    initial.settings.sizes[0] = 2;
    assert.deepEqual(state.get(), { settings: { sizes: [1] }, user: { name: "Ann", towns: ["Ulm"] } });
    for (const value of [state.get(), state.get("user"), state.get("user").towns, state.get("settings").sizes]) {
      assert.ok(Object.isFrozen(value));
    }
    await page.close();
  }
});

test("a write is shown in the same task, and told to those who asked for its keys", async () => {
  const { state, client } = await open({}, { waits: true });
  client.elsewhere([["theme", "dark"]]);
  const [all, some, none] = [told(state), told(state, ["a", "theme"]), told(state, ["other"])];
  const commit = state.set({ theme: "light", count: 1 });
  assert.deepEqual(state.get(), { theme: "light", count: 1 });
  assert.deepEqual(all, [{ keys: ["theme", "count"], ...LOCAL, version: 1 }]);
  assert.deepEqual(some, [{ keys: ["theme"], ...LOCAL, version: 1 }]);
  assert.deepEqual(none, []);
  client.written[0].settle(7, undefined);
  assert.deepEqual(await commit, { version: 7, keys: ["theme", "count"], conflict: false });
});

test("a write from elsewhere tells from where, by event, too", async () => {
  const { page, state, client } = await open();
  const [changes, updates] = [told(state), heard(page, "remote-update")];
  client.elsewhere([["theme", "dark"]], "page", "page-2");
  client.elsewhere([["theme", "light"]], "server", "");
  const expected = [
    { keys: ["theme"], source: "page-2", origin: "page", version: 1 },
    { keys: ["theme"], source: "", origin: "server", version: 2 },
  ];
  assert.deepEqual(changes, expected);
  assert.deepEqual(updates, expected);
  await state.set({ theme: "blue" });
  assert.equal(changes.length, 3);
  assert.equal(updates.length, 2);
});

test("`delete`, and `undefined` in a patch, delete a key", async () => {
  const { state, client } = await open();
  await state.set({ a: 1, b: 2 });
  const changes = told(state);
  await state.delete("a");
  await state.set({ b: undefined, c: undefined });
  assert.deepEqual(state.get(), {});
  assert.deepEqual(changes.map(({ keys }) => keys), [["a"], ["b"]]);
  assert.deepEqual(places(client).slice(1), [[["a", ""]], [["b", ""]]]);
});

test("a write that cannot be stored is rolled back, told, and rejects", async () => {
  const { page, state, client } = await open({}, { waits: true });
  client.elsewhere([["theme", "dark"]]);
  const before = state.get("theme");
  const commit = state.set({ theme: "light" });
  const changes = told(state);
  client.withdraw("patch-1");
  const fault = { code: "store-failed", culprit: "browser", message: "no" };
  client.written[0].settle(undefined, fault);
  await assert.rejects(commit, { ...fault, name: "BellwetherError" });
  assert.equal(state.get("theme"), before);
  assert.deepEqual(changes, [{ keys: ["theme"], ...LOCAL, version: 1 }]);
  assert.equal(page.status.storage, "none");
});

test("what the wasm throws becomes a rejection, and nothing is shown, not even what is not shared", async () => {
  const { state } = await open({ excludeKeys: ["secret"] });
  const changes = told(state);
  const commit = state.set({ "": 1, secret: 2 });
  await assert.rejects(commit, { name: "BellwetherError", code: "state-invalid" });
  await assert.rejects(state.update("x".repeat(201), () => 1), { code: "state-invalid" });
  assert.deepEqual(state.get(), {});
  assert.deepEqual(changes, []);
});

test("what is no JSON is refused before anything is shown", async () => {
  const cycle = {};
  cycle.self = { cycle };
  const { state, client } = await open({ excludeKeys: ["own"] });
  const changes = told(state);
  const values = [cycle, () => {}, Symbol("s"), 1n, { deep: [{ f() {} }] }, { n: 1n }, [undefined], NaN, { n: Infinity }];
  for (const value of [...values, { toJSON: () => undefined }]) {
    await assert.rejects(state.set({ fine: 1, value }), { code: "state-invalid" });
    await assert.rejects(state.set({ own: value }), { code: "state-invalid" });
  }
  for (const patch of [undefined, null, "theme", [1]]) {
    await assert.rejects(state.set(patch), { code: "state-invalid" });
  }
  assert.deepEqual(state.get(), {});
  assert.deepEqual(changes, []);
  assert.equal(client.written.length, 0);
  await assert.rejects(open({ initial: { value: NaN } }), { code: "state-invalid" });
});

test("what JSON writes otherwise is shown as the others will see it", async () => {
  const { state } = await open({ excludeKeys: ["own"] });
  const value = { at: new Date(0), zero: -0, none: null, absent: undefined };
  await state.set({ own: value, shared: value });
  const expected = { at: "1970-01-01T00:00:00.000Z", zero: 0, none: null };
  assert.deepEqual(state.get(), { own: expected, shared: expected });
});

test("initial values stand until somebody has written, and are never written", async () => {
  const { state, client } = await open({ initial: { theme: "dark", count: 0, user: { a: 1 } } });
  const initial = state.get();
  assert.deepEqual(initial, { theme: "dark", count: 0, user: { a: 1 } });
  assert.equal(state.get("count"), 0);
  await state.broadcast();
  assert.equal(client.written.length, 0);
  client.elsewhere([["theme", null]]);
  assert.equal(state.get("theme"), null);
  // Deleted is not unwritten.
  client.elsewhere([["theme", undefined]]);
  const changes = told(state);
  await state.delete("count");
  assert.deepEqual(state.get(), { user: { a: 1 } });
  assert.deepEqual(changes, [{ keys: ["count"], ...LOCAL, version: 2 }]);
  assert.deepEqual(places(client), [[["count", ""]]]);
});

test("keys named like members of every object are keys like others", async () => {
  const { state, client } = await open({ initial: { a: 1 }, keyStrategies: { b: "merge" } });
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  for (const name of names) assert.equal(state.get(name), undefined);
  for (const name of names) await state.set({ [name]: name });
  assert.deepEqual(Object.keys(state.get()).sort(), ["a", ...names].sort());
  for (const name of names) assert.equal(state.get(name), name);
  await state.delete("__proto__");
  assert.equal(state.get("__proto__"), undefined);
  assert.equal(client.written[1].writes[0][1], "");
});

test("what is excluded, or not among those that are shared, never reaches the wasm, nor comes from it", async () => {
  const cases = [
    { excludeKeys: ["secret"] },
    { syncKeys: ["theme"] },
    { syncKeys: ["theme", "secret"], excludeKeys: ["secret"] },
    { excludeKeys: ["secret"], throttleMs: 20 },
    { excludeKeys: ["secret"], shouldSync: () => true, validate: () => true, initial: { secret: 0 } },
  ];
  for (const options of cases) {
    const { page, state, client } = await open(options);
    const [changes, updates] = [told(state, ["secret"]), heard(page, "remote-update")];
    const conflicts = heard(page, "conflict");
    await state.set({ theme: "dark", secret: { token: 1 } });
    await state.update("secret", (value) => ({ token: value.token + 1 }));
    await state.broadcast();
    await state.broadcast(["secret"]);
    client.elsewhere([["secret", "another's"]]);
    client.sink("clash", { key: "secret", base: [], local: [], remote: [] });
    assert.deepEqual(state.get("secret"), { token: 2 });
    assert.deepEqual(state.get(), { theme: "dark", secret: { token: 2 } });
    assert.ok(!JSON.stringify(client.written).includes("token"), JSON.stringify(options));
    assert.ok(!client.asked.has("secret"), JSON.stringify(options));
    assert.deepEqual(changes.map(({ version }) => version), [0, 0]);
    assert.deepEqual([...updates, ...conflicts], []);
    await state.delete("secret");
    assert.deepEqual(state.get(), { theme: "dark" });
    await page.close();
  }
});

test("merged objects are written by the places that differ", async () => {
  const { state, client } = await open({ conflictStrategy: "merge" });
  const proto = JSON.parse('{"__proto__":{"x":1},"10":"ten","2":{"b":1,"a":1}}');
  await state.set({ doc: { keep: 1, gone: 2, list: [1, 2], deep: { one: 1, two: { three: 3 } } } });
  await state.set({ doc: { keep: 1, list: [1, 3], deep: { one: 1, two: { three: 4, four: {} } } } });
  await state.set({ doc: { ...state.get("doc"), ...proto, ["__proto__"]: proto["__proto__"] } });
  const before = state.get("doc");
  await state.set({ doc: { ...before, 2: { a: 1, b: 2 }, ["__proto__"]: { x: 2 } } });
  assert.deepEqual(places(client).slice(1), [
    [
      ["doc", "", "gone"],
      ["doc", "[1,3]", "list"],
      ["doc", "4", "deep", "two", "three"],
      ["doc", "{}", "deep", "two", "four"],
    ],
    [
      ["doc", '{"b":1,"a":1}', "2"],
      ["doc", '"ten"', "10"],
      ["doc", '{"x":1}', "__proto__"],
    ],
    [
      ["doc", "2", "2", "b"],
      ["doc", "2", "__proto__", "x"],
    ],
  ]);
  const doc = state.get("doc");
  assert.equal(Object.getPrototypeOf(doc), Object.prototype);
  assert.equal(JSON.stringify(doc.__proto__), '{"x":2}');
  assert.deepEqual(doc[2], { b: 2, a: 1 });
  assert.deepEqual(doc.deep, { one: 1, two: { three: 4, four: {} } });
  await state.set({ doc: [1] });
  await state.set({ doc: undefined });
  assert.deepEqual(places(client).slice(4), [[["doc", "[1]"]], [["doc", ""]]]);
});

test("what is merged into an initial value is written as a whole, as long as nobody has written", async () => {
  const { state, client } = await open({ initial: { form: { a: 1, b: 2 } }, conflictStrategy: "merge" });
  await state.set({ form: { a: 1, b: 3 } });
  await state.set({ form: { a: 2, b: 3 } });
  assert.deepEqual(places(client), [[["form", '{"a":1,"b":3}']], [["form", "2", "a"]]]);
});

test("places are put together as the server does it", async () => {
  const { state, client } = await open();
  client.elsewhere([["a", { x: 1 }], ["a", undefined, "x", "y"], ["b", 1], ["b", undefined, "x"]]);
  client.elsewhere([["c", { x: 1 }], ["c", 2, "x", "y"], ["d", 3, "x", "y"], ["e", [1]], ["e", 2, "0"]]);
  const expected = { a: { x: 1 }, b: 1, c: { x: { y: 2 } }, d: { x: { y: 3 } }, e: { 0: 2 } };
  assert.deepEqual(state.get(), expected);
});

test("`validate` keeps out what it refuses, from whomever, and says so", async () => {
  const seen = [];
  const { page, state, client } = await open({
    validate(key, value) {
      seen.push([key, value]);
      if (value === "throw") throw new Error("mine");
      return typeof value === "number";
    },
  });
  const [errors, changes] = [heard(page, "error"), told(state)];
  client.elsewhere([["count", 1]]);
  client.elsewhere([["count", "two"], ["other", 2]]);
  client.elsewhere([["count", "throw"]], "page");
  assert.equal(state.get("count"), 1);
  assert.deepEqual(state.get(), { count: 1, other: 2 });
  assert.deepEqual(changes.map(({ keys }) => keys), [["count"], ["other"]]);
  assert.deepEqual(errors.map(({ code }) => code), ["state-refused", "state-refused"]);
  assert.match(errors[1].message, /"count".*mine/);
  assert.deepEqual(seen, [["count", 1], ["count", "two"], ["other", 2], ["count", "throw"]]);
  // What the app writes itself, it need not pass; and deleting shows nothing.
  await state.set({ count: "four" });
  assert.equal(state.get("count"), "four");
  client.elsewhere([["count", "five"]]);
  assert.equal(state.get("count"), "four");
  client.elsewhere([["count", undefined]]);
  assert.deepEqual(state.get(), { other: 2 });
});

test("what the app writes is shown though it is what was refused before", async () => {
  const { state, client } = await open({ validate: (_, value) => value < 5 });
  client.elsewhere([["count", 3]]);
  client.elsewhere([["count", 5]]);
  assert.equal(state.get("count"), 3);
  const changes = told(state);
  await state.set({ count: 5 });
  assert.equal(state.get("count"), 5);
  assert.deepEqual(changes, [{ keys: ["count"], ...LOCAL, version: 2 }]);
});

test("what is there when a page opens is validated, too", async () => {
  const prepare = (client) => client.elsewhere([["a", 1], ["b", "no"]]);
  const options = { validate: (_, value) => typeof value === "number", initial: { b: 7 } };
  const { state, client } = await open(options, { prepare });
  assert.deepEqual(state.get(), { a: 1, b: 7 });
  client.elsewhere([["a", "no"]]);
  assert.deepEqual(state.get(), { a: 1, b: 7 });
});

test("where the first write wins, a write waits for the outcome", async () => {
  const { page, state, client } = await open({ keyStrategies: { seat: "first-write-wins" } });
  const conflicts = heard(page, "conflict");
  const taken = state.set({ seat: "Ann", note: 1 });
  assert.deepEqual(client.written[0].writes, [["seat", "based", '"Ann"'], ["note", "", "1"]]);
  assert.equal(client.written[0].how, 0);
  let isOver = false;
  void taken.then(() => (isOver = true));
  await quiet();
  assert.equal(isOver, false);
  answer(client, "patch-1", 0, 9);
  assert.deepEqual(await taken, { version: 9, keys: ["seat", "note"], conflict: false });

  const lost = state.set({ seat: "Ben" });
  client.elsewhere([["seat", "Cleo"]]);
  client.sink("clash", { key: "seat", base: [['"Ann"']], local: [['"Ben"']], remote: [['"Cleo"']] });
  answer(client, "patch-2", ...CONFLICT);
  assert.deepEqual(await lost, { version: 0, keys: ["seat"], conflict: true });
  const strategy = "first-write-wins";
  assert.deepEqual(conflicts, [{ key: "seat", base: "Ann", local: "Ben", remote: "Cleo", result: "Cleo", strategy }]);

  const refused = state.set({ seat: "Dora" });
  answer(client, "patch-3", 2, undefined, undefined, "forbidden", "not yours");
  await assert.rejects(refused, { code: "state-refused", culprit: "server", message: "not yours" });
});

test("a write under `custom` says that it waits for a resolver", async () => {
  const { state, client } = await open({ conflictStrategy: "custom", customResolver: () => 1 });
  await quiet();
  const commit = state.set({ seat: "Ann" });
  assert.deepEqual(client.written[0].writes, [["seat", "based", '"Ann"']]);
  assert.equal(client.written[0].how, 4);
  answer(client, "patch-1", 0, 2);
  assert.equal((await commit).version, 2);
});

test("a write that has lost is resolved by a page that shares its key, and left alone by one that does not", async (t) => {
  const navigator = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const locks = { request: async (name, _, act) => act({ name }) };
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  t.after(() => {
    if (navigator) Object.defineProperty(globalThis, "navigator", navigator);
    else delete globalThis.navigator;
  });
  const customResolver = ({ local, remote }) => `${remote}+${local}`;
  const prepare = (client) => {
    client.losers = [["e1", "page-1", [["seat", '"Ben"']]]];
    client.elsewhere([["seat", "Ann"]]);
  };
  const cases = [
    [{ conflictStrategy: "custom" }, "Ann+Ben", [["resolved", "e1"]]],
    [{ conflictStrategy: "custom", excludeKeys: ["seat"] }, undefined, []],
    [{ conflictStrategy: "merge" }, "Ann", []],
  ];
  for (const [options, shown, calls] of cases) {
    const { state, client } = await open({ customResolver, ...options }, { prepare });
    await quiet();
    client.losers = [];
    if (client.written.length > 0) answer(client, "patch-1", 0, 2);
    await quiet();
    assert.equal(state.get("seat"), shown);
    assert.deepEqual(client.calls, calls);
  }
});

test("`update` tries again after a conflict, of the value that it lost against, five times in all", async () => {
  for (const [losses, rounds] of [[0, 1], [2, 3], [9, 5]]) {
    const { state, client } = await open({ conflictStrategy: "first-write-wins" });
    client.elsewhere([["count", 10]]);
    const seen = [];
    const commit = state.update("count", (count) => (seen.push(count), count + 1));
    for (let round = 1; round <= rounds; round += 1) {
      await quiet();
      const { id } = client.written.at(-1);
      if (round <= losses) {
        client.withdraw(id, "server");
        client.elsewhere([["count", 10 + round * 10]]);
        answer(client, id, ...CONFLICT);
      } else answer(client, id, 0, round);
    }
    assert.equal((await commit).conflict, losses === 9);
    assert.deepEqual(seen, [10, 20, 30, 40, 50].slice(0, rounds));
    const asked = client.calls.filter(([what]) => what === "pull").length;
    assert.equal(asked, rounds - 1);
  }
});

test("an `update` whose function throws has written nothing", async () => {
  const { state, client } = await open();
  const mine = new Error("mine");
  await assert.rejects(state.update("count", () => { throw mine; }), mine);
  assert.equal(client.written.length, 0);
});

test("a listener that throws stops no other, and one that was ended hears no more", async (t) => {
  const { state } = await open();
  const reported = [];
  globalThis.reportError = (cause) => reported.push(cause);
  t.after(() => delete globalThis.reportError);
  const mine = new Error("mine");
  const heard = [];
  state.subscribe(() => {
    heard.push("first");
    end();
    throw mine;
  });
  const end = state.subscribe(() => heard.push("ended"));
  const endLast = state.subscribe(["a"], () => heard.push("last"));
  await state.set({ a: 1 });
  assert.deepEqual(heard, ["first", "last"]);
  assert.deepEqual(reported, [mine]);
  endLast();
  await state.set({ a: 2 });
  assert.deepEqual(heard, ["first", "last", "first"]);
});

test("a listener may write, and sees what it wrote", async () => {
  const { state } = await open();
  const sums = [];
  state.subscribe(["a"], () => void state.set({ sum: state.get("a") + 1 }));
  state.subscribe(["sum"], () => sums.push(state.get("sum")));
  await state.set({ a: 1 });
  await state.set({ a: 5 });
  assert.deepEqual(sums, [2, 6]);
});

test("`broadcast` writes once more what is shown, and nobody hears of a change", async () => {
  const { state, client } = await open({ keyStrategies: { form: "merge" } });
  await state.set({ theme: "dark", form: { a: 1, b: { c: 2 } }, other: 1 });
  const [form, changes] = [state.get("form"), told(state)];
  await state.broadcast(["theme", "form", "nothing"]);
  assert.deepEqual(places(client)[1], [
    ["theme", '"dark"'],
    ["form", "1", "a"],
    ["form", "2", "b", "c"],
  ]);
  await state.broadcast();
  assert.equal(client.written[2].writes.length, 4);
  assert.equal(state.get("form"), form);
  assert.deepEqual(changes, []);
});

test("`request` asks for what is newer, and rejects if it cannot be had", async () => {
  const { state, client } = await open();
  await state.request();
  assert.deepEqual(client.calls, [["pull"]]);
  client.fault = { code: "coordinator-silent", culprit: "browser", message: "no answer" };
  await assert.rejects(state.request(), { ...client.fault, name: "BellwetherError" });
});
