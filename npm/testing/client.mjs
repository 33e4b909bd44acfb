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
    open(options, sink, opened) {
      const client = new FakeClient(options, sink);
      clients.push(client);
      this.whileOpening?.(client);
      queueMicrotask(() => opened(undefined, this.whyNot));
      return client;
    },
  };
}

/** Past the moment from which a page that was just opened fires its events at once: its timer was set before this one. */
export function listening() {
  return new Promise((resolve) => setTimeout(resolve));
}

class FakeClient {
  appended = [];
  calls = [];
  /** Keys and rows by store. */
  stored = {};
  adopted = [];
  left = [];
  tokens = [];

  constructor(options, sink) {
    this.options = options;
    this.sink = sink;
  }

  id() {
    return "page-1";
  }

  append(type, data, key, id, correlation, after, binds, schema, how, settle) {
    if (this.unfit) throw this.unfit;
    const own = id ?? `id-${this.appended.length + 1}`;
    const fields = { type, data, key, id: own, correlation, after, binds, schema, how };
    this.appended.push({ ...fields, settle });
    if (this.answersAtOnce) settle(this.appended.length, undefined);
    return own;
  }

  read(store, after, settle) {
    if (store === "unwritten") return settle(this.left);
    if (store === "recording") return settle(new Uint8Array([1, 2, 3]));
    const found = (this.stored[store] ?? []).filter(([key]) => !(key <= after));
    settle(found, this.fault);
  }

  adopt(row, settle) {
    this.adopted.push({ row, settle });
  }


  ask(what, id, user, settle) {
    this.calls.push([what, id, user].filter((it) => it !== undefined));
    const report = { delivered: 1, pending: 2, dead: 3 };
    settle(what === "flush" ? report : 3, this.fault);
  }

  token(user, session, token) {
    this.tokens.push([user, session, token]);
  }

  identify(user, session, sink) {
    this.calls.push(["identify", user, session, sink === this.sink]);
    sink?.("token", { user, session });
    if (this.fault) throw this.fault;
  }

  close(closed) {
    this.calls.push(["close"]);
    Promise.resolve(this.whileClosing).then(() => closed());
  }
}

/** One status, as the wasm tells it. */
export function facts(changes = {}) {
  return {
    host: "service-worker",
    reason: "",
    epoch: 4,
    connection: "connected",
    online: true,
    sync: "synchronized",
    pages: 2,
    pending: 0,
    dead: 0,
    nextAttemptAt: null,
    paused: false,
    breaker: "closed",
    build: "b2",
    protocol: 1,
    ...changes,
  };
}
