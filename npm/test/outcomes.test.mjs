// Waiting for outcomes: found on disk, old ones as well as those that come.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { connector } from "../build/js/connect.js";
import { facts, fakeClients, listening } from "../testing/client.mjs";
import { doneRow } from "../testing/rows.mjs";

async function open(done = []) {
  const clients = fakeClients();
  clients.whileOpening = (client) => (client.stored = { done });
  const page = await connector("b1", async () => clients)();
  await listening();
  return { page, outbox: page.outbox, client: clients.last };
}

/** A coordinator has filed more. */
function filed(client, key, ...entries) {
  client.stored.done.push([key, doneRow(entries)]);
  client.sink("status", facts({ pending: key }));
}

async function quiet() {
  for (let turns = 0; turns < 20; turns += 1) await turn();
}

const json = (value) => new TextEncoder().encode(JSON.stringify(value));

test("an outcome of before is found, with its result or why it was refused", async () => {
  const { outbox } = await open([
    [2, doneRow([["e1", 0, 7, json({ ok: true })], ["e2", 1, 5]])],
    [3, doneRow([["e3", 2, undefined, undefined, "forbidden", "not yours"]])],
  ]);
  assert.deepEqual(await outbox.delivered("e1"), {
    id: "e1",
    status: "accepted",
    offset: 7,
    result: { ok: true },
  });
  assert.deepEqual(await outbox.delivered("e2"), { id: "e2", status: "duplicate", offset: 5 });
  assert.deepEqual(await outbox.delivered("e3"), {
    id: "e3",
    status: "refused",
    error: { code: "forbidden", message: "not yours" },
  });
});

test("one that comes later is told to everybody who waits, and rows that cannot be read hide none", async () => {
  const { outbox, client } = await open([[1, doneRow([["other", 0, 1]])], [2, new Uint8Array([0xff])]]);
  const both = Promise.all([outbox.delivered("e1"), outbox.delivered("e1")]);
  await quiet();
  filed(client, 3, ["e1", 0, 2]);
  const expected = { id: "e1", status: "accepted", offset: 2 };
  assert.deepEqual(await both, [expected, expected]);
  // Somebody who comes when all has been looked at looks from the beginning.
  const late = outbox.delivered("other");
  assert.equal((await late).offset, 1);
});

test("of several outcomes of one event the newest counts", async () => {
  const refused = ["e1", 2, undefined, undefined, "forbidden", "not yours"];
  const { outbox } = await open([[1, doneRow([refused])], [2, doneRow([["e1", 0, 9]])]]);
  assert.equal((await outbox.delivered("e1")).status, "accepted");
});

test("what the disk cannot tell now is looked for with the next news", async () => {
  const { outbox, client } = await open();
  client.fault = { code: "store-failed", culprit: "browser", message: "no" };
  const outcome = outbox.delivered("e1");
  await quiet();
  client.fault = undefined;
  filed(client, 1, ["e1", 0, 3]);
  assert.equal((await outcome).offset, 3);
});

test("who waits when the page is closed is told so, and what is no id is refused", async () => {
  const { page, outbox } = await open();
  const outcome = outbox.delivered("e1");
  await quiet();
  const rejected = assert.rejects(outcome, { code: "closed" });
  await page.close();
  await rejected;
  await assert.rejects(outbox.delivered("e1"), { code: "closed" });
  await assert.rejects(outbox.delivered(), { code: "option-invalid" });
  for (const id of ["", "two words", "x".repeat(65)]) {
    await assert.rejects(outbox.delivered(id), { code: "event-invalid" }, id);
  }
});
