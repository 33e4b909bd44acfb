// A browser without a database: pages that host, vote and keep rows by the package's own modules, and what befalls them.
//
// What always holds:
// - what reaches a page (a word, a timer, an answer) is a task of its own, and runs as that page, with all that it causes, before the
//   next one begins; so whatever is asked for meanwhile, the clock or the storage, is that page's;
// - nothing runs by itself: `pass` moves the clock from one task to the next, and the same dice give the same story;
// - a page that is dead writes and says nothing any more, also in the middle of a task; what it had said before still arrives;
// - what one page says to another on one line arrives in its order, if it does; between pages, and between lines, there is none.
//
// `lead.js` is the built one, which has the glue of its wasm in it: the package is built first. In the place of the coordinator's wasm
// is one that delivers what it finds in the journal (`Coordinator`), and a server that takes each event once (`Server`).

import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import { register } from "node:module";
import { setImmediate as turn } from "node:timers/promises";

import { FakeStorage } from "./storage.mjs";

const here = (path) => new URL(path, import.meta.url).href;

const HOOKS = `
  const beside = (url, name) => url?.endsWith("/build/js/" + name);
  const GLUE = "export const initSync = () => {}; export const Embedded = globalThis.bellwetherEmbedded;";
  export async function resolve(name, context, next) {
    const { parentURL } = context;
    if (name === "./lead.js" && beside(parentURL, "machines.js")) return next(${JSON.stringify(here("../dist/lead.js"))}, context);
    if (name !== "./bellwether_sw.js" || !beside(parentURL, "host.js")) return next(name, context);
    return { url: "data:text/javascript," + encodeURIComponent(GLUE), format: "module", shortCircuit: true };
  }
`;
register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);

/** The page whose task runs. */
let running;
/** The built module; all pages have one. */
let lead;

globalThis.bellwetherEmbedded = { start: (...told) => Coordinator.start(running, ...told) };
const { goBelow } = await import("../build/js/below.js");
const { appFault, named } = await import("../build/js/errors.js");
const { host } = await import("../build/js/host.js");
const { fields, queued } = await import("../build/js/listing.js");
const { Replica } = await import("../build/js/replica.js");
const { bytes, dice, text } = await import("./replicas.mjs");
const { doneRow, journalRow } = await import("./rows.mjs");

// The copy of a page is looked at, and under which term it became the primary last.
const { join, lead: become } = Replica.prototype;
Replica.prototype.join = function () {
  running.replica = this;
  join.call(this);
};
Replica.prototype.lead = async function (epoch) {
  const store = await become.call(this, epoch);
  running.term = this.version;
  return store;
};

const CHANNEL = "c";
const KEPT = `bellwether:kept:${CHANNEL}:`;
const HEAD = `${KEPT}head`;

/** Takes the place of the clock, of chance and of the browser until the test ends, for one world after the other. */
export async function browsers(t) {
  const { fetch } = globalThis;
  globalThis.fetch = async (url) => new Response(readFileSync(new URL(url)), { headers: { "content-type": "application/wasm" } });
  lead = await import("../dist/lead.js");
  await lead.start();
  globalThis.fetch = fetch;
  const given = {
    fetch: async () => ({ ok: true, arrayBuffer: async () => {} }),
    setTimeout: (act, ms, ...told) => running.world.timer(running, ms, () => act(...told)),
    setInterval: (act, ms, ...told) => running.world.timer(running, ms, () => act(...told), ms),
    clearTimeout: (timer) => timer && (timer.isOver = true),
    clearInterval: (timer) => timer && (timer.isOver = true),
    addEventListener: (...told) => running.window.addEventListener(...told),
    removeEventListener: (...told) => running.window.removeEventListener(...told),
  };
  const got = {
    window: () => running.window,
    document: () => running.document,
    localStorage: () => running.localStorage,
    BroadcastChannel: () => (running.world.how.hasBus ? Channel : undefined),
  };
  const instead = [
    [WebAssembly, "compile", { value: async () => {} }],
    [performance, "now", { value: () => running.world.now }],
    [Date, "now", { value: () => 1_700_000_000_000 + running.world.now }],
    [Math, "random", { value: () => running.world.dice(1_000_000) / 1_000_000 }],
    ...Object.entries(given).map(([name, value]) => [globalThis, name, { value }]),
    ...Object.entries(got).map(([name, get]) => [globalThis, name, { get }]),
  ];
  for (const [owner, name, it] of instead) {
    const before = Object.getOwnPropertyDescriptor(owner, name);
    Object.defineProperty(owner, name, { ...it, configurable: true });
    t.after(() => (before ? Object.defineProperty(owner, name, before) : delete owner[name]));
  }
}

export class World {
  now = 1_000;
  pages = [];
  /** Each time a coordinator has begun, under which term of the rows. */
  lives = [];
  /** Pairs of pages that do not hear one another, as `a b`. */
  cuts = new Set();
  /** How long a word takes at the most, and how many of 100 are lost. */
  slownessMs = 5;
  losses = 0;
  /** How often a page has died while it wrote all that is kept anew, and so there was no head. */
  torn = 0;
  /** What happened. */
  steps = [];
  /** What is none of the pages'. */
  nobody = { world: this };
  #tasks = new Tasks();
  /** When the last word of one page to another arrives, by line. */
  #arrivals = new Map();

  /** `how`: `hosts`, the rungs allowed; `hasStorage`, `hasBus`; and the name of a fault that is `planted`. */
  constructor(seed, how) {
    this.dice = dice(seed);
    this.how = how;
    this.items = new Map();
    this.server = new Server(this);
    this.#forget();
  }

  // What pages know of a lock that was not to be had is in a module that all worlds have in common: who asks next takes it along.
  #forget() {
    running = { world: this, window: new EventTarget(), localStorage: new FakeStorage(), isDead: true, lateMs: 0 };
    void lead.byMutex({ key: `bellwether:${CHANNEL}:elected:host-below`, limits: {}, signal: new AbortController().signal });
  }

  get living() {
    return this.pages.filter(({ isDead }) => !isDead);
  }

  async open() {
    const page = new Page(this, this.pages.length + 1);
    this.pages.push(page);
    await this.act(page, () => page.begin());
    // A module is loaded when it comes, and nothing else happens meanwhile.
    while (!page.rung && !page.isDead) await turn();
    return page;
  }

  /** Does something as a page, with all that it causes at once. */
  async act(page, act) {
    running = page;
    act();
    await turn();
  }

  /** To be run as this page, so much later. */
  task(page, ms, act) {
    const task = { page, at: this.now + ms, act };
    this.#tasks.add(task);
    return task;
  }

  timer(page, ms, act, again) {
    const timer = { isOver: false };
    const begin = (delay) => this.task(page, delay, fire).timer = timer;
    const fire = () => {
      if (again !== undefined) begin(again);
      act();
    };
    begin(Math.max(ms, 0) + (again === undefined ? page.lateMs : 0));
    return timer;
  }

  /** A word from one page to another, by what carries it. */
  carry(from, to, line, hear) {
    if (from.isDead || this.cuts.has(`${from.id} ${to.id}`) || this.dice(100) < this.losses) return;
    const way = `${from.id} ${to.id} ${line}`;
    const at = Math.max(this.now + 1 + this.dice(this.slownessMs), this.#arrivals.get(way) ?? 0);
    this.#arrivals.set(way, at);
    this.task(to, at - this.now, hear);
  }

  cut(one, other) {
    this.cuts.add(`${one.id} ${other.id}`).add(`${other.id} ${one.id}`);
  }

  async pass(ms) {
    const end = this.now + ms;
    for (let task = this.#tasks.next(end); task; task = this.#tasks.next(end)) {
      this.now = Math.max(this.now, task.at);
      await this.#run(task);
    }
    this.now = end;
  }

  /** The device sleeps: all that was due meanwhile comes after. */
  sleep(ms) {
    this.now += ms;
  }

  async #run(task) {
    const { page, act, timer } = task;
    if (page.isDead || timer?.isOver) return;
    if (page.hung) page.hung.push(task);
    else await this.act(page, act);
  }

  /** What all pages find in the storage: the mark of the coordinator that was kept last, and the term of the rows. */
  get kept() {
    const mark = this.items.get(`${KEPT}document:tlife`);
    const head = this.items.get(HEAD);
    return { mark: mark && Number(Buffer.from(mark, "base64")), head: head && JSON.parse(head).version };
  }
}

/** Those that are due first come first; of those due at once, in the order in which they came. */
class Tasks {
  #heap = [];
  #count = 0;

  add(task) {
    const heap = this.#heap;
    task.order = this.#count += 1;
    let at = heap.push(task) - 1;
    for (let above = (at - 1) >> 1; at > 0 && this.#isBefore(task, heap[above]); above = (at - 1) >> 1) {
      heap[at] = heap[above];
      at = above;
    }
    heap[at] = task;
  }

  next(end) {
    const heap = this.#heap;
    if (heap.length === 0 || heap[0].at > end) return undefined;
    const [first] = heap;
    const last = heap.pop();
    if (heap.length === 0) return first;
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      if (below + 1 < heap.length && this.#isBefore(heap[below + 1], heap[below])) below += 1;
      if (this.#isBefore(last, heap[below])) break;
      heap[at] = heap[below];
      at = below;
    }
    heap[at] = last;
    return first;
  }

  #isBefore(one, other) {
    return one.at < other.at || (one.at === other.at && one.order < other.order);
  }
}

class Page {
  window = new EventTarget();
  document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  status = { host: "starting", reasons: ["no worker"], epoch: 0 };
  isDead = false;
  /** What is for it while it hangs. */
  hung = undefined;
  /** It was left, and is kept to be brought back. */
  isLeft = false;
  /** Its timers come so much later. */
  lateMs = 0;
  channels = new Set();
  /** Its copy has come, or it goes by what it has. */
  isReady = false;
  isHosting = false;
  /** Its copy of the rows, and under which term it changes them. */
  replica = undefined;
  term = undefined;
  /** What it has enqueued: the event, and what became of that: `true` once it is stored, or a fault. */
  enqueued = new Map();
  faults = [];
  #over = new AbortController();
  #storage;
  #journal;
  #post;

  constructor(world, number) {
    this.world = world;
    this.number = number;
    // Which of two is the later one by its name is nobody's order.
    this.id = `${world.dice(0x10000000).toString(16).padStart(8, "0")}-0000-4000-8000-${`${number}`.padStart(12, "0")}`;
    this.#storage = world.how.hasStorage ? new SharedStorage(this) : undefined;
    const target = new EventTarget();
    Object.defineProperties(target, { id: { value: this.id }, status: { get: () => this.status } });
    setMaxListeners(0, this.#over.signal);
    this.inside = {
      page: target,
      asked: { raw: { build: "b1", channel: CHANNEL, hosts: world.how.hosts } },
      over: this.#over.signal,
      kit: { appFault, named },
      below: () => this.below,
      report: (fault) => this.faults.push(fault),
      climbed: ({ rung }) => (this.rung = rung),
      hosts: (does) => (this.isHosting = does),
      fire() {},
      client: {
        keepIn: (journal) => (this.#journal = journal),
        via: (post) => {
          this.#post = post;
          return (message) => (this.status.epoch = Math.max(this.status.epoch, Number(text(message))));
        },
        back() {},
      },
    };
  }

  get name() {
    return `page ${this.number}`;
  }

  get localStorage() {
    if (!this.#storage) throw new DOMException("it is not allowed", "SecurityError");
    return this.#storage;
  }

  get storage() {
    return this.#storage;
  }

  begin() {
    const below = goBelow(this.inside, (rung) => this.inside.asked.raw.hosts.split(",").includes(rung));
    // Not even the storage can be used that is all there is.
    if (!below) return void (this.isDead = true);
    this.below = { below, why: "no database" };
    this.#journal.open(() => (this.isReady = true));
    void host(this.inside);
  }

  enqueue() {
    const event = `${this.number}.${this.enqueued.size + 1}`;
    this.enqueued.set(event, undefined);
    const row = journalRow({ id: event, type: "t", data: "x".repeat(this.world.dice(200)) });
    const done = (_, fault) => this.isDead || this.enqueued.set(event, fault ?? true);
    this.#journal.append(row, Uint32Array.of(row.length), "strict", done);
    this.#post?.(bytes("look"));
    return event;
  }

  /** Pairs of key and text, of its copy. */
  async read(store) {
    running = this;
    const pairs = await new Promise((resolve, reject) =>
      this.#journal.read(store, -1, 0, (rows, fault) => (fault ? reject(fault) : resolve(rows))),
    );
    return pairs.map(([key, row]) => [key, store === "journal" ? eventOf(row) : text(row)]);
  }

  /** It is gone from one moment to the next. */
  die() {
    if (this.isDead) return;
    this.isDead = true;
    this.channels.clear();
    if (!this.world.items.has(HEAD)) this.world.torn += 1;
  }

  /** It is closed, in good order: what it does then takes a moment. */
  close() {
    this.#over.abort();
    this.world.task(this, 200, () => this.die());
  }

  hang() {
    this.hung ??= [];
  }

  goOn() {
    const hung = this.hung ?? [];
    this.hung = undefined;
    // In the order in which they were due.
    for (const { act, timer } of hung) this.world.task(this, 0, act).timer = timer;
  }

  fire(target, type) {
    this[target].dispatchEvent(new Event(type));
  }
}

/** A page's part of what all have in common; others hear of what it changes. */
class SharedStorage extends FakeStorage {
  #page;
  #head;

  constructor(page) {
    super(page.world.items, () => page.die());
    this.#page = page;
  }

  getItem(item) {
    const { planted } = this.#page.world.how;
    return planted === "unfenced" && item === HEAD && this.#head ? this.#head : super.getItem(item);
  }

  setItem(item, text) {
    if (this.#page.isDead) return;
    if (this.#page.world.how.planted === "unkept" && item.startsWith(`${KEPT}journal:`)) return;
    if (item === HEAD) this.#head = text;
    this.#dying(() => super.setItem(item, text)) && this.#tell(item, text);
  }

  removeItem(item) {
    if (this.#page.isDead || !this.items.has(item)) return;
    this.#dying(() => super.removeItem(item)) && this.#tell(item, null);
  }

  // To whoever goes on in a page that has just died nothing is told: it does no harm any more.
  #dying(write) {
    try {
      write();
      return true;
    } catch (fault) {
      if (!this.#page.isDead) throw fault;
      return false;
    }
  }

  #tell(key, newValue) {
    // Nobody listens for the others.
    if (!key.endsWith(":line") && !key.includes(":elected:")) return;
    for (const other of this.#page.world.living) {
      if (other === this.#page) continue;
      const event = () => Object.assign(new Event("storage"), { key, newValue, storageArea: other.storage });
      this.#page.world.carry(this.#page, other, "storage", () => other.window.dispatchEvent(event()));
    }
  }
}

class Channel {
  onmessage = () => {};
  #page = running;

  constructor(name) {
    this.name = name;
    this.#page.channels.add(this);
  }

  postMessage(data) {
    const page = this.#page;
    if (page.isDead) return;
    for (const other of page.world.living) {
      for (const channel of other.channels) {
        if (other === page || channel.name !== this.name) continue;
        const copy = structuredClone(data);
        if (page.world.how.planted === "garbled" && copy.data?.word === "did") copy.data.changes.pop();
        page.world.carry(page, other, this.name, () => other.channels.has(channel) && channel.onmessage({ data: copy }));
      }
    }
  }

  close() {
    this.#page.channels.delete(this);
  }
}

/** In the place of the wasm: reads the journal, a few rows at a time, and deletes what the server has answered. */
class Coordinator {
  #page;
  #store;
  #bus;
  #epoch = 0;
  #isOver = false;
  #wake = () => {};

  static async start(page, channel, build, heard, bus) {
    const it = new Coordinator();
    [it.#page, it.#store, it.#bus] = [page, bus.store, bus];
    await it.#store.open();
    const { lives } = page.world;
    const mark = lives.push({ page, term: page.term });
    await it.#store.run([LEASE], "strict", (row) => {
      it.#epoch = Math.max(Number(row ? text(row) : 0), heard) + 1;
      return [["lease", "put", bytes(`${it.#epoch}`), "host"], ["document", "put", bytes(`${mark}`), "life"]];
    });
    bus.post("", bytes(`${it.#epoch}`));
    void it.#work();
    return it;
  }

  onMessage() {
    this.#wake();
  }

  async resign() {
    this.#isOver = true;
    this.#wake();
  }

  async #work() {
    const { planted } = this.#page.world.how;
    while (!this.#isOver) {
      try {
        const isAll = await this.#deliver(planted);
        if (isAll) await this.#rest(5_000);
      } catch ({ name }) {
        if (name === "InvalidStateError" || name === "refused") {
          if (!this.#isOver) this.#bus.over(false);
          return;
        }
        if (planted === "gives up") return;
        await this.#rest(2_000);
      }
    }
  }

  /** Whether nothing is left. */
  async #deliver(planted) {
    const [keys, rows] = await this.#store.run([["journal", "getAllKeys", null, 4], ["journal", "getAll", null, 4]], "default");
    const [outcomes] = await this.#store.run([["done", "getAll", null, 0]], "default");
    if (keys.length === 0) return true;
    const done = new Set(outcomes.flatMap((row) => fields(row).get(2).map(([event]) => event)));
    const open = [...new Set(rows.map(eventOf))].filter((event) => !done.has(event));
    if (planted === "overtakes") open.reverse();
    if (planted !== "forgets" && open.length > 0) await this.#page.world.server.push(this.#page, open);
    const filed = keys.map((key) => ["journal", "delete", key]);
    if (open.length > 0) filed.push(["done", "put", doneRow(open.map((event) => [event, 0])), keys.at(-1)]);
    const mine = (row) => (row && text(row) === `${this.#epoch}` ? filed : undefined);
    if (!this.#isOver) await this.#store.run([LEASE], "strict", mine);
    return false;
  }

  #rest(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function eventOf(row) {
  return queued(0, row).event.get(0);
}

const LEASE = ["lease", "get", "host"];

/** Takes each event once, whoever brings it how often. */
class Server {
  /** What took effect, in its order. */
  log = [];
  isUp = true;
  #world;

  constructor(world) {
    this.#world = world;
  }

  push(page, events) {
    const world = this.#world;
    return new Promise((resolve, reject) => {
      // A push may be on its way for long, and an answer may be lost.
      const delay = 10 + world.dice(world.dice(5) === 0 ? 4_000 : 200);
      const isAnswered = world.dice(100) >= world.losses;
      world.task(world.nobody, delay, () => {
        const isTaken = this.isUp;
        if (isTaken) this.#take(events);
        world.task(page, 10 + world.dice(100), () => (isTaken && isAnswered ? resolve() : reject({ name: "offline" })));
      });
    });
  }

  #take(events) {
    const { planted } = this.#world.how;
    for (const event of events) if (planted === "repeats" || !this.log.includes(event)) this.log.push(event);
  }
}
