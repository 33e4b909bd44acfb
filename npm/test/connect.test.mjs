// Opening channels: options, one client per channel, and a wasm that cannot be started.

import assert from "node:assert/strict";
import { test } from "node:test";

import { connector } from "../build/js/connect.js";
import { BellwetherError } from "../build/js/errors.js";
import { loader } from "../build/js/load.js";
import { fakeClients, listening } from "../testing/client.mjs";

globalThis.document = { baseURI: "https://app.example/board/" };

function page() {
  const clients = fakeClients();
  return { clients, connect: connector("b1", async () => clients) };
}

test("without options everything has its default, and what has none is left to the wasm", async () => {
  const { clients, connect } = page();
  await connect();
  assert.deepEqual(clients.last.options, {
    channel: "default",
    session: "default",
    user: "",
    server: "",
    build: "b1",
    worker: undefined,
    workerOff: false,
    hosts: undefined,
    scope: undefined,
    relaxed: false,
    dropOldest: false,
    hasToken: false,
    debug: false,
    maxRetries: undefined,
    baseDelayMs: undefined,
    maxDelayMs: undefined,
    batchSize: undefined,
    batchAgeMs: undefined,
    deadLetterCap: undefined,
    maxPending: undefined,
    safetyNetMs: undefined,
    requests: false,
    state: false,
    resolves: false,
  });
});

test("that a page makes one of two is told from the start", async () => {
  const { clients, connect } = page();
  await connect({ state: { customResolver: ({ local }) => local } });
  const { state, resolves } = clients.last.options;
  assert.deepEqual({ state, resolves }, { state: true, resolves: true });
});

test("options reach the wasm, URLs made absolute by the page's own", async () => {
  const { clients, connect } = page();
  await connect({
    channel: "notes",
    worker: "/own-sw.js",
    scope: "./",
    server: new URL("https://sync.example/base/"),
    session: "team",
    user: "ann",
    token: "secret",
    outbox: {
      durability: "relaxed",
      maxRetries: 3,
      baseDelayMs: 10,
      maxDelayMs: 20,
      batchSize: 30,
      batchAgeMs: 0,
      deadLetterCap: 5,
      deadLetterOverflow: "drop-oldest",
      maxPending: 6,
      safetyNetMs: 7_000,
      deliver: "requests",
    },
    debug: true,
  });
  assert.deepEqual(clients.last.options, {
    channel: "notes",
    session: "team",
    user: "ann",
    server: "https://sync.example/base/",
    build: "b1",
    worker: "https://app.example/own-sw.js",
    workerOff: false,
    hosts: undefined,
    scope: "https://app.example/board/",
    relaxed: true,
    dropOldest: true,
    hasToken: true,
    debug: true,
    maxRetries: 3,
    baseDelayMs: 10,
    maxDelayMs: 20,
    batchSize: 30,
    batchAgeMs: 0,
    deadLetterCap: 5,
    maxPending: 6,
    safetyNetMs: 7_000,
    requests: true,
    state: false,
    resolves: false,
  });
});

test("the session is the channel's, no worker is none, and no server is none", async () => {
  const { clients, connect } = page();
  await connect({ channel: "a", worker: false, server: null });
  const { session, workerOff, worker, server } = clients.last.options;
  assert.deepEqual([session, workerOff, worker, server], ["a", true, undefined, ""]);
});

test("an option that cannot be used is refused by name, and nothing is opened", async () => {
  const cases = [
    [{ channel: 7 }, '`channel` is "7"; give it a string'],
    [{ user: null }, "`user` is null; give it a string"],
    [{ session: {} }, "`session` is object"],
    [{ token: 7 }, "`token` is"],
    [{ server: "sync.example:8080" }, '`server` is "sync.example:8080"; give it a URL'],
    [{ server: "" }, '`server` is ""'],
    [{ server: "https://" }, '`server` is "https://"'],
    [{ worker: true }, "`worker` is boolean"],
    [{ scope: 1n }, "`scope` is bigint"],
    [{ wasm: 1 }, "`wasm` is"],
    [{ debug: 1 }, "`debug` is"],
    [{ outbox: null, chanel: "a" }, "there is no option `chanel`"],
    [{ outbox: "strict" }, '`options` is "strict"; give it an object'],
    [{ outbox: { durability: "lax" } }, '`durability` is "lax"; give it "strict" or "relaxed"'],
    [{ outbox: { deadLetterOverflow: "drop" } }, '`deadLetterOverflow` is "drop"'],
    [{ outbox: { maxRetries: -1 } }, '`maxRetries` is "-1"; give it a whole number'],
    [{ outbox: { batchSize: 1.5 } }, '`batchSize` is "1.5"'],
    [{ outbox: { batchAgeMs: NaN } }, '`batchAgeMs` is "NaN"'],
    [{ outbox: { maxDelayMs: Infinity } }, '`maxDelayMs` is "Infinity"'],
    [{ outbox: { baseDelayMs: "5" } }, '`baseDelayMs` is "5"'],
    [{ outbox: { deadLetterCap: 5n } }, "`deadLetterCap` is bigint"],
    [{ outbox: { retries: 5 } }, "there is no option `retries`, but maxRetries,"],
    ["notes", '`options` is "notes"'],
    [null, "`options` is null"],
  ];
  const { clients, connect } = page();
  for (const [options, told] of cases) {
    const fault = await connect(options).then(
      () => assert.fail(`taken: ${told}`),
      (cause) => cause,
    );
    assert.ok(fault instanceof BellwetherError, `${told}: ${fault}`);
    assert.equal(fault.code, "option-invalid", told);
    assert.equal(fault.culprit, "app", told);
    assert.ok(fault.message.includes(told), `${fault.message} lacks ${told}`);
  }
  assert.equal(clients.clients.length, 0);
});

test("a channel that is open is given again, while it opens and after", async () => {
  const { clients, connect } = page();
  const options = () => ({ channel: "a", user: "ann", token: () => "secret" });
  const [first, second] = await Promise.all([connect(options()), connect(options())]);
  assert.equal(first, second);
  assert.equal(await connect(options()), first);
  assert.notEqual(await connect({ channel: "b" }), first);
  assert.equal(clients.clients.length, 2);
});

test("a channel that is open with other options is refused, and says which", async () => {
  const { connect } = page();
  await connect({ channel: "a", user: "ann", token: "one" });
  const cases = [
    [{ user: "ben", token: "one" }, "user"],
    [{ user: "ann", token: "two" }, "token"],
    [{ user: "ann" }, "token"],
    [{ user: "ann", token: "one", worker: false }, "worker"],
    [{ user: "ann", token: "one", outbox: { durability: "relaxed" } }, "durability"],
    [{ user: "ann", token: "one", outbox: { batchSize: 2 } }, "batchSize"],
  ];
  for (const [options, name] of cases) {
    await assert.rejects(connect({ channel: "a", ...options }), (fault) => {
      assert.equal(fault.code, "channel-open");
      assert.ok(fault.message.includes(`another \`${name}\``), fault.message);
      return true;
    });
  }
});

test("a closed channel is opened anew, once the old one is gone", async () => {
  const { clients, connect } = page();
  const first = await connect();
  let gone;
  clients.last.whileClosing = new Promise((resolve) => (gone = resolve));
  const closing = first.close();
  const again = Promise.all([connect({ user: "ben" }), connect({ user: "ben" })]);
  await listening();
  assert.equal(clients.clients.length, 1, "the old client is still closing");
  gone();
  await closing;
  const [second, third] = await again;
  assert.equal(clients.clients.length, 2);
  assert.notEqual(second, first);
  assert.equal(second, third);
  assert.deepEqual(clients.clients[0].calls, [["close"]]);
});

test("an opening that fails is forgotten", async () => {
  const { clients, connect } = page();
  const fault = { code: "option-invalid", culprit: "app", message: "too long" };
  clients.whileOpening = () => {
    throw fault;
  };
  await assert.rejects(connect(), fault);
  clients.whileOpening = undefined;
  await connect({ user: "ann" });
});

test("a fault without a name is one of our own", async () => {
  const { clients, connect } = page();
  clients.whileOpening = () => {
    throw new Error("unreachable");
  };
  await assert.rejects(connect(), { name: "BellwetherError", code: "internal", culprit: "us" });
});

test("wasm that cannot be started says what to check, and is tried again", async (t) => {
  t.mock.method(globalThis, "fetch", async () => new Response("", { status: 404 }));
  const loadClient = loader(() => assert.fail("there is nothing to start"), fakeClients());
  for (const turn of [1, 2]) {
    await assert.rejects(loadClient("https://app.example/page.wasm"), (fault) => {
      assert.equal(fault.code, "wasm-unavailable");
      assert.ok(fault.retryable);
      assert.match(fault.message, /https:\/\/app\.example\/page\.wasm/);
      assert.match(fault.message, /wasm-unsafe-eval/);
      return true;
    });
    assert.equal(fetch.mock.callCount(), turn);
  }
});
