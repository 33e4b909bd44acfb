// A session of pages that share a state, without a coordinator: it stands in for what `connect` gives.
//
// It keeps the documented contract: reads are synchronous and give the same object until it changes, what is handed out is
// a frozen copy, and all pages see a write in the same moment. A test may refuse writes, and write as the server.

/** Makes a session; `page(id)` joins it, and gives that page's Bellwether. `tellsLater`: listeners hear a turn later. */
export function fakeSession({ tellsLater = false } = {}) {
  const session = new Session(tellsLater);
  return {
    page: (id) => new FakeBellwether(session, id),
    /** Writes as another device does. */
    server: (patch) => session.write(patch, undefined),
    /** The document, as it is shared. */
    get values() {
      return session.values;
    },
    /** Refuses the writes that come, with this error; `undefined` takes them again. */
    refuse: (error) => (session.refusal = error),
  };
}

class Session {
  values = Object.freeze({});
  version = 0;
  pages = new Set();
  refusal;

  constructor(tellsLater) {
    this.tellsLater = tellsLater;
  }

  write(patch, writer) {
    const keys = Object.keys(patch);
    const copies = Object.entries(patch).map(([key, value]) => [key, copy(value)]);
    const before = Object.fromEntries(keys.map((key) => [key, this.values[key]]));
    this.#put(Object.fromEntries(copies), writer);
    if (!this.refusal) return { version: this.version, keys, conflict: false };
    this.#put(before, undefined);
    throw this.refusal;
  }

  #put(patch, writer) {
    const merged = Object.entries({ ...this.values, ...patch });
    this.values = Object.freeze(Object.fromEntries(merged.filter(([, value]) => value !== undefined)));
    this.version += 1;
    this.tell(Object.keys(patch), writer);
  }

  tell(keys, writer) {
    for (const page of this.pages) {
      const origin = !writer ? "server" : page === writer ? "local" : "page";
      const change = { keys, source: writer?.id ?? "", origin, version: this.version };
      if (this.tellsLater) queueMicrotask(() => page.state.tell(change));
      else page.state.tell(change);
    }
  }
}

class FakeBellwether extends EventTarget {
  ready = Promise.resolve();
  status = STATUS;
  enqueued = [];
  leader = Object.assign(new EventTarget(), { isLeader: false, leaderId: null, epoch: 0, role: "starting" });
  outbox = {
    enqueue: async (event, options) => {
      this.enqueued.push([event, options]);
      return { id: event.id ?? "id-1", position: this.enqueued.length };
    },
  };

  constructor(session, id) {
    super();
    this.id = id;
    this.state = new FakeState(session, this);
    session.pages.add(this);
    this.show({ pages: session.pages.size });
  }

  /** Puts another status in the place of this one. */
  show(changes) {
    this.status = Object.freeze({ ...this.status, ...changes });
    this.dispatchEvent(new CustomEvent("status", { detail: this.status }));
  }
}

class FakeState {
  /** Every patch that this page wrote, and what else it was asked for. */
  written = [];
  asked = [];
  #session;
  #page;
  #listeners = new Set();

  constructor(session, page) {
    this.#session = session;
    this.#page = page;
  }

  /** How many listen. */
  get listeners() {
    return this.#listeners.size;
  }

  get(key) {
    return key === undefined ? this.#session.values : this.#session.values[key];
  }

  async set(patch) {
    this.written.push(patch);
    return this.#session.write(patch, this.#page);
  }

  async update(key, fn) {
    return this.set({ [key]: fn(this.get(key)) });
  }

  async delete(key) {
    return this.set({ [key]: undefined });
  }

  subscribe(keys, listener = keys) {
    const wanted = keys === listener ? undefined : keys;
    const heard = { wanted, listener };
    this.#listeners.add(heard);
    return () => this.#listeners.delete(heard);
  }

  async request() {
    this.asked.push(["request"]);
  }

  async broadcast(keys) {
    this.asked.push(["broadcast", keys]);
    this.#session.tell(keys, this.#page);
  }

  tell(change) {
    for (const { wanted, listener } of [...this.#listeners]) {
      const keys = wanted ? change.keys.filter((key) => wanted.includes(key)) : change.keys;
      if (keys.length > 0) listener({ ...change, keys });
    }
  }
}

function copy(value) {
  return value === undefined ? undefined : freeze(JSON.parse(JSON.stringify(value)));
}

function freeze(value) {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(freeze);
  return Object.freeze(value);
}

const STATUS = Object.freeze({
  host: "service-worker",
  reasons: [],
  epoch: 1,
  connection: "connected",
  online: true,
  sync: "synchronized",
  pages: 1,
  pending: 0,
  dead: 0,
  nextAttemptAt: null,
  paused: false,
  breaker: "closed",
  storage: "persistent",
  build: "b1",
  protocol: 1,
});
