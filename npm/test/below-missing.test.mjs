// A page that has no database, and cannot load what keeps its rows.

import assert from "node:assert/strict";
import { register } from "node:module";
import { test } from "node:test";

import { connector } from "../build/js/connect.js";
import { fakeClients, listening } from "../testing/client.mjs";

const HOOKS = `
  export async function load(url, context, next) {
    if (url.endsWith("/below.js")) throw new Error("404");
    return next(url, context);
  }
`;

register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);

test("where below.js cannot be loaded that is told, and the page opens all the same", async () => {
  const clients = fakeClients();
  clients.whyNot = { code: "store-unavailable", culprit: "browser", message: "there is none" };
  const page = await connector("b1", async () => clients)();
  const faults = [];
  page.addEventListener("error", ({ detail }) => faults.push(detail));
  await listening();
  assert.deepEqual(faults.map(({ code, culprit }) => [code, culprit]), [["module-unavailable", "app"]]);
  assert.match(faults[0].message, /below\.js could not be loaded \(Error: 404\); check that it lies beside/);
  assert.equal(page.status.storage, "none");
  assert.deepEqual([clients.last.journal, clients.last.calls], [undefined, []]);
  await page.close();
});
