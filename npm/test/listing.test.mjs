// Rows as they lie on disk, shown to the app: the bytes that the core's tests keep, and some more.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { read, write } from "../build/js/cbor.js";
import { failed, pending, queued } from "../build/js/listing.js";
import { connector } from "../build/js/connect.js";
import { fakeClients, listening } from "../testing/client.mjs";
import { deadRow, flightRow, journalRow } from "../testing/rows.mjs";

/** What the core writes, byte for byte, by name. */
const GOLDEN = new Map(
  readFileSync(new URL("../../shared/tests/bytes/golden.txt", import.meta.url), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(" "))
    .map(([name, hex]) => [name, Uint8Array.from(Buffer.from(hex, "hex"))]),
);

async function open(options) {
  const clients = fakeClients();
  const page = await connector("b1", async () => clients)(options);
  await listening();
  return { page, outbox: page.outbox, client: clients.last };
}

test("pending events and dead letters come with their data decoded", async () => {
  const { outbox, client } = await open();
  const first = { id: "e1", type: "t", key: "k", data: '{"a":1}', at: 1_000, correlation: "c" };
  client.stored = {
    flight: [["f", flightRow([[5, 5]])]],
    journal: [
      [5, journalRow(first, { user: "ann", lane: 0 })],
      [6, journalRow({ id: "e2", type: "t", at: 2_000, after: "e1" }, { user: "ann" })],
    ],
    dead: [
      ["e4", deadRow({ id: "e4", type: "t" }, { buriedAt: 4_000 })],
      ["e3", deadRow({ id: "e3", type: "t", data: "no JSON" }, { lane: 2, buriedAt: 3_000 })],
    ],
  };
  const about = { type: "t", session: "s", user: "ann" };
  const none = { key: undefined, data: undefined };
  assert.deepEqual(await outbox.pending(), [
    {
      ...about,
      id: "e1",
      position: 5,
      key: "k",
      data: { a: 1 },
      correlationId: "c",
      after: undefined,
      priority: "critical",
      state: "sending",
      appendedAt: 1_000,
    },
    {
      ...about,
      ...none,
      id: "e2",
      position: 6,
      correlationId: undefined,
      after: "e1",
      priority: "normal",
      state: "durable",
      appendedAt: 2_000,
    },
  ]);
  const letter = { type: "t", session: "s", user: "", code: "forbidden", message: "not yours" };
  assert.deepEqual(await outbox.failed(), [
    { ...letter, id: "e3", key: undefined, data: "no JSON", priority: "bulk", tries: 2, buriedAt: 3_000 },
    { ...letter, ...none, id: "e4", priority: "normal", tries: 2, buriedAt: 4_000 },
  ]);
});

test("the batch behind the one under way is sealed, too", async () => {
  const { outbox, client } = await open();
  const ids = [1, 2, 3, 4].map((position) => [position, journalRow({ id: `e${position}`, type: "t" })]);
  client.stored = { journal: ids, flight: [["f", flightRow([[1, 1], [2, 2]], [[3, 3]])]] };
  const states = (await outbox.pending()).map(({ state }) => state);
  assert.deepEqual(states, ["sending", "sending", "sending", "durable"]);
});

test("a row that cannot be read, or is of a newer build, hides no other", async () => {
  const { outbox, client } = await open();
  const whole = journalRow({ id: "e1", type: "t" });
  const newer = whole.slice();
  newer[2] = 2;
  client.stored = {
    journal: [
      [1, whole.subarray(0, -1)],
      [2, newer],
      [3, new Uint8Array()],
      [4, new Uint8Array([0xff])],
      [5, write([])],
      [6, whole],
    ],
    dead: [
      ["x", new Uint8Array([0x80])],
      ["journal:7", deadRow(undefined, {})],
    ],
  };
  assert.deepEqual((await outbox.pending()).map(({ position }) => position), [6]);
  const letters = await outbox.failed();
  assert.deepEqual(
    letters.map(({ id, type, session, data }) => [id, type, session, data]),
    [["journal:7", "", "", undefined]],
  );
});

test("a disk that fails is told", async () => {
  const { outbox, client } = await open();
  client.fault = { code: "store-closed", culprit: "browser", message: "closed" };
  await assert.rejects(outbox.pending(), client.fault);
  await assert.rejects(outbox.failed(), client.fault);
});

test("what the core writes is read field by field", async () => {
  const event = GOLDEN.get("event-after");
  const fields = read(event);
  assert.deepEqual([fields.get(0), fields.get(1), fields.get(2)], ["order-17", 1, "ended"]);
  assert.equal(typeof fields.get(10), "string");
  assert.ok(fields.get(11) instanceof Uint8Array);

  const inside = (stored) => {
    const client = fakeClients().open({}, () => {}, () => {});
    client.stored = stored;
    const settled = (call) => new Promise((resolve) => call(resolve));
    const decode = (json) => JSON.parse(json);
    return { client, asked: {}, kit: { settled, decode } };
  };
  const row = journalRow(undefined, { sealed: GOLDEN.get("event") });
  const flight = GOLDEN.get("flight-row");
  const [shown] = await pending(inside({ journal: [[300, row]], flight: [["f", flight]] }));
  assert.deepEqual(
    [shown.id, shown.type, shown.key, shown.data, shown.correlationId, shown.state],
    ["order-17", "added", "k", [1], "c", "sending"],
  );
  for (const [at, flight, state] of [
    [24, "flight-row-ahead", "sending"],
    [23, "flight-row-ahead", "sending"],
    [26, "flight-row-ahead", "durable"],
    [23, "flight-row-again", "durable"],
    [1, "flight-row-empty", "durable"],
  ]) {
    const [{ state: found }] = await pending(
      inside({ journal: [[at, row]], flight: [["f", GOLDEN.get(flight)]] }),
    );
    assert.equal(found, state, `${flight} at ${at}`);
  }
  const [letter] = await failed(inside({ dead: [["id", GOLDEN.get("dead-row")]] }));
  const { id, code, message, tries, buriedAt } = letter;
  const when = 0x1a0c4506c7b;
  assert.deepEqual([id, code, message, tries, buriedAt], ["id", "tries-spent", "five times", 5, when]);
  assert.equal(queued(1, GOLDEN.get("journal-row")), undefined, "its event is three bytes of nothing");
  const [, device] = [...read(GOLDEN.get("device-row"))][1];
  assert.deepEqual([...device], Array(16).fill(4));
});

test("no bytes make the reader do anything but read or refuse", () => {
  const golden = [...GOLDEN.values()];
  let state = 1;
  const random = (below) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below;
  for (let turn = 0; turn < 20_000; turn += 1) {
    const bytes = golden[random(golden.length)].slice();
    for (let change = random(3); change >= 0; change -= 1) bytes[random(bytes.length)] = random(256);
    try {
      read(bytes.subarray(0, bytes.length - random(3)));
    } catch (fault) {
      assert.ok(fault instanceof RangeError || fault instanceof TypeError, String(fault));
    }
  }
  const nested = new Uint8Array(100_000).fill(0x81);
  assert.throws(() => read(nested), RangeError);
  assert.throws(() => read(new Uint8Array([0x9a, 0xff, 0xff, 0xff, 0xff])), RangeError);
});

test("what is written is read again, and is what the core writes", () => {
  const device = new Uint8Array(16).fill(4);
  const wanted = write([[1, 2], device, "board", "ann"]);
  const golden = GOLDEN.get("tickets-wanted");
  assert.deepEqual(wanted, golden);
  for (const number of [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
    assert.equal(read(write(number)), number);
  }
  for (const length of [0, 23, 24, 255, 256, 70_000]) {
    assert.equal(read(write("x".repeat(length))).length, length);
    assert.equal(read(write(new Uint8Array(length))).length, length);
  }
});
