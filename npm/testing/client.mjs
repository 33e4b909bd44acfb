// A client that does as it is told: it stands in for the page's wasm.
//
// It notes every call, and settles an append only when the test says so.

/** A class like the wasm's `Client`; `clients` lists those that were opened. */
export function fakeClients() {
  const clients = [];
  return {
    clients,
    get last() {
      return clients.at(-1);
    },
    async open(options, sink) {
      const client = new FakeClient(options, sink);
      clients.push(client);
      await this.whileOpening?.(client);
      return client;
    },
  };
}

class FakeClient {
  appended = [];
  calls = [];
  rows = [];
  letters = [];
  delivery = ["accepted", 7, '{"ok":true}', "", "", undefined];

  constructor(options, sink) {
    this.options = options;
    this.sink = sink;
  }

  id() {
    return "page-1";
  }

  append(type, data, key, id, correlation, schema, lane, immediate, settle) {
    if (this.unfit) throw this.unfit;
    const own = id ?? `id-${this.appended.length + 1}`;
    const fields = { type, data, key, id: own, correlation, schema, lane, immediate };
    this.appended.push({ ...fields, settle });
    if (this.answersAtOnce) settle(this.appended.length, undefined);
    return own;
  }

  async pending() {
    return this.rows;
  }

  async failed() {
    return this.letters;
  }

  delivered(id, settle) {
    settle(...this.delivery);
  }

  async retry(id) {
    this.calls.push(["retry", id]);
    return 3;
  }

  async discard(id) {
    this.calls.push(["discard", id]);
    if (this.fault) throw this.fault;
  }

  async pause(on) {
    this.calls.push(["pause", on]);
  }

  async flush() {
    this.calls.push(["flush"]);
    return { delivered: 1, pending: 2, dead: 3 };
  }

  async identify(user, session, hasToken) {
    this.calls.push(["identify", user, session, hasToken]);
    this.askedWhileIdentifying = await this.sink.token(user, session);
    if (this.fault) throw this.fault;
  }

  async close() {
    this.calls.push(["close"]);
    await this.whileClosing;
  }
}

/** The facts of one status, in the order the wasm tells them. */
export function facts(changes = {}) {
  const all = {
    host: "service-worker",
    reason: "",
    epoch: 4,
    sync: "synchronized",
    blocked: "",
    connection: "connected",
    online: true,
    pages: 2,
    pending: 0,
    dead: 0,
    nextAttemptAt: 0,
    paused: false,
    workerBuild: "b2",
    protocol: 1,
  };
  return Object.values({ ...all, ...changes });
}
