// A page whose shared state is under test, on a client that does as it is told.

import { setImmediate as turn } from "node:timers/promises";

import { connector } from "../build/js/connect.js";
import { facts, fakeClients, listening } from "./client.mjs";
import { doneRow } from "./rows.mjs";

/** A page with these options of `state`; what it writes is durable at once, unless `waits`. */
export async function open(state = {}, { waits = false, prepare } = {}) {
  const clients = fakeClients();
  clients.whileOpening = (client) => {
    client.answersAtOnce = !waits;
    client.stored = { done: [] };
    prepare?.(client);
  };
  const page = await connector("b1", async () => clients)({ state });
  await listening();
  return { page, state: page.state, client: clients.last };
}

/** What listeners are told. */
export function told(state, ...keys) {
  const changes = [];
  state.subscribe(...keys, (change) => changes.push(change));
  return changes;
}

export function heard(page, type) {
  const details = [];
  page.addEventListener(type, ({ detail }) => details.push(detail));
  return details;
}

/** The places that were written, without what they are for. */
export function places(client) {
  return client.written.map(({ writes }) => writes.map(([key, , json, ...path]) => [key, json, ...path]));
}

/** Whoever orders the writes has answered. */
export function answer(client, id, ...outcome) {
  client.stored.done.push([client.stored.done.length + 1, doneRow([[id, ...outcome]])]);
  client.sink("status", facts({ pending: client.stored.done.length }));
}

export const CONFLICT = [2, undefined, undefined, "state-conflict", "the key was changed meanwhile"];
export const LOCAL = { source: "page-1", origin: "local" };

export async function quiet() {
  for (let turns = 0; turns < 20; turns += 1) await turn();
}

/** Clock and timers that the test moves. */
export function clock(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let now = 5;
  t.mock.method(performance, "now", () => now);
  return (ms) => {
    now += ms;
    t.mock.timers.tick(ms);
  };
}
