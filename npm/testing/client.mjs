// A client that does as it is told: it stands in for the page's wasm.
//
// It notes every call, and settles an append only when the test says so. Its document is what the patches make of it that it was
// given, in their order: places below a key, as the wasm tells them.


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
  /** Writes of this page: each with its id, its writes, `how` and `settle`. */
  written = [];
  /** Writes that have lost, as the wasm tells them. */
  losers = [];
  /** Keys that the document was asked for. */
  asked = new Set();
  version = 0;
  #patches = [];
  tokens = [];

  constructor(options, sink) {
    this.options = options;
    this.sink = sink;
  }

  id() {
    return "page-1";
  }

  keepIn(journal) {
    this.journal = journal;
  }

  via(post, offered) {
    this.calls.push(["via"]);
    return () => {};
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

  set(writes, how, settle) {
    if (this.isClosed) throw CLOSED;
    if (this.unfit) throw this.unfit;
    const unfit = writes.find(([key]) => key === "" || Buffer.byteLength(key) > 200);
    if (unfit) throw { code: "state-invalid", culprit: "app", message: "a key is empty, or longer than 200 bytes" };
    const id = `patch-${this.written.length + 1}`;
    this.written.push({ id, writes, how, settle });
    // Whoever writes is not told.
    this.#patches.push({ id, writes });
    if (this.answersAtOnce) settle(this.version, undefined);
    return id;
  }

  state(key) {
    if (key === null) return this.losers;
    const document = this.#document();
    if (key === undefined) return [...document.keys()].filter((key) => isShown(document.get(key)));
    this.asked.add(key);
    const leaves = document.get(key);
    const isWhole = leaves?.length === 1 && leaves[0].length === 1 && leaves[0][0] !== undefined;
    return isWhole ? leaves[0][0] : leaves;
  }

  /** Others write, each `[key, value, ...path]`; `undefined` deletes. */
  elsewhere(writes, origin = "server", source = "page-2") {
    this.version += 1;
    const patch = writes.map(([key, value, ...path]) => [key, "", JSON.stringify(value) ?? "", ...path]);
    this.#change(() => this.#patches.push({ writes: patch }), origin, source);
  }

  /** A write of this page will never count. */
  withdraw(id, origin = "local") {
    const change = () => (this.#patches = this.#patches.filter((patch) => patch.id !== id));
    this.#change(change, origin, "page-1");
  }

  #change(change, origin, source) {
    const before = this.#document();
    change();
    const after = this.#document();
    const differs = (key) => JSON.stringify(shown(before.get(key))) !== JSON.stringify(shown(after.get(key)));
    const keys = [...new Set([...before.keys(), ...after.keys()])].filter(differs);
    const from = ["local", "page", "server"].indexOf(origin);
    const told = keys.length === 1 ? keys[0] : keys;
    if (keys.length > 0) this.sink("state", told, source, from, this.version);
  }

  // A write ends what is at its place and below.
  #document() {
    const document = new Map();
    for (const [key, , json, ...path] of this.#patches.flatMap(({ writes }) => writes)) {
      const isBelow = ([, ...other]) => path.every((name, at) => other[at] === name);
      const leaves = (document.get(key) ?? []).filter((leaf) => !isBelow(leaf));
      leaves.push([json || undefined, ...path]);
      document.set(key, leaves.sort(([, ...one], [, ...other]) => byPlace(one, other)));
    }
    return document;
  }

  ask(what, id, user, settle) {
    if (this.isClosed) return settle(undefined, CLOSED);
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
    Promise.resolve(this.whileClosing).then(() => {
      this.isClosed = true;
      closed();
    });
  }
}

const CLOSED = { code: "closed", culprit: "app", message: "this client is closed" };

function shown(leaves = []) {
  return isShown(leaves) ? leaves : [];
}

function isShown(leaves) {
  return leaves.some(([json]) => json !== undefined);
}

// The shorter first, else by the first name in which they differ.
function byPlace(one, other) {
  const at = one.findIndex((name, at) => name !== other[at]);
  if (at < 0) return one.length - other.length;
  return at >= other.length || one[at] > other[at] ? 1 : -1;
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
