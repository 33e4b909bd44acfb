// Pages of one browser that may have to host the coordinator, or to lead, without a browser.
//
// What always holds:
// - what reaches a page (a word on the bus, a lock, an answer, a timer) is a task of its own, and runs as that page; tasks
//   run in the order in which they were posted, one at a time, with all that they cause in the same turn;
// - nothing runs by itself: `quiet` runs what is due, `pass` moves the clock from one timer to the next;
// - a page that hangs runs nothing until it goes on; what is for it waits, in its order.
//
// Not here: what a coordinator does; the one here notes what it is told. Nor the page's wasm: its client does as it is told.

import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as turn } from "node:timers/promises";

import { takeSeat } from "../build/js/seat.js";

export const CHANNEL = "c";
export const LOCK = `bellwether:${CHANNEL}:host`;

/** Many more than any test has at once. */
const TASKS_MAX = 10_000;

/** The page whose code runs. */
const running = new AsyncLocalStorage();

export class Browser {
  now = 1_000;
  pages = [];
  /** Coordinators, in the order in which they were started. */
  started = [];
  /** Those that have not fired. */
  timers = new Set();
  channels = new Set();
  locks = new Locks(this);
  #t;
  #tasks = [];

  /** Takes the place of this process's own clock and browser until the test ends. */
  constructor(t) {
    this.#t = t;
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    t.mock.method(performance, "now", () => this.now);
    const browser = this;
    const instead = {
      navigator: { locks: this.locks },
      BroadcastChannel: class extends Channel {
        constructor(name) {
          super(browser, name);
        }
      },
      MessageChannel: class {
        port1 = new Port(browser);
        port2 = new Port(browser);
        constructor() {
          [this.port1.other, this.port2.other] = [this.port2, this.port1];
        }
      },
      ...this.#timers(),
    };
    for (const [name, value] of Object.entries(instead)) replace(t, name, value);
  }

  /** Opens a page, which takes part as `begin` says; `worker` is one that it knows. */
  async open(options = {}, begin = (page) => takeSeat(page.inside, page.start, { election: page.election })) {
    const page = new Page(this, `page-${this.pages.length + 1}`, options);
    this.pages.push(page);
    replace(this.#t, "window", page.window);
    replace(this.#t, "document", page.document);
    page.run(() => begin(page));
    await this.quiet();
    return page;
  }

  /** The pages whose coordinator is alive. */
  get hosts() {
    return this.started.filter(({ isAlive }) => isAlive).map(({ page }) => page.id);
  }

  get holder() {
    return this.locks.queues.get(LOCK)?.find(({ isHeld }) => isHeld)?.page.id;
  }

  /** To be run once all before it has been. */
  task(page, act) {
    this.#tasks.push({ page, act });
  }

  /** Runs what is due, and what comes of it; throws if there is no end to that. */
  async quiet() {
    await turn();
    let count = 0;
    for (let task = this.#tasks.shift(); task; task = this.#tasks.shift()) {
      count += 1;
      if (count > TASKS_MAX) throw new Error("what is due brings about more, without end");
      const { page, act } = task;
      if (page.hung) page.hung.push(task);
      else page.run(act);
      await turn();
    }
  }

  async pass(ms) {
    const end = this.now + ms;
    for (;;) {
      await this.quiet();
      const due = Math.min(...[...this.timers].map(({ due }) => due));
      const step = Math.min(due, end) - this.now;
      this.now += step;
      this.#t.mock.timers.tick(step);
      if (this.now === end && !(due <= end)) break;
    }
    await this.quiet();
  }

  // A timer is its page's, and fires as late as that page's timers do. It may be cleared while its task waits.
  #timers() {
    const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
    const begin = (act, ms, told, again) => {
      const page = running.getStore();
      const delay = Math.max(ms, 0) + (again ? 0 : page.lateMs);
      const timer = { due: this.now + delay, isCleared: false };
      const fire = () => {
        if (again) timer.due += delay;
        else this.timers.delete(timer);
        this.task(page, () => timer.isCleared || act(...told));
      };
      const own = again ? setInterval(fire, delay) : setTimeout(fire, delay);
      timer.stop = () => (again ? clearInterval(own) : clearTimeout(own));
      this.timers.add(timer);
      return timer;
    };
    const clear = (timer) => {
      if (!timer) return;
      timer.isCleared = true;
      timer.stop();
      this.timers.delete(timer);
    };
    return {
      setTimeout: (act, ms, ...told) => begin(act, ms, told, false),
      setInterval: (act, ms, ...told) => begin(act, ms, told, true),
      clearTimeout: clear,
      clearInterval: clear,
    };
  }
}

class Page {
  status = { host: "starting", reasons: ["no worker"], epoch: 0 };
  window = new EventTarget();
  document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  faults = [];
  fired = [];
  /** How often it has begun to start a coordinator. */
  attempts = 0;
  /** What its client was told by whoever hosts. */
  heard = [];
  /** How often its client was turned to whoever hosts. */
  turned = 0;
  /** The workers that its client was sent back to. */
  went = [];
  /** Its one-shot timers fire so much later. */
  lateMs = 0;
  /** Nothing that is said on the bus reaches it. */
  isDeaf = false;
  /** Why no coordinator can be started here. */
  fault = undefined;
  /** Is waited for before a coordinator is there, or has resigned. */
  starting = undefined;
  resigning = undefined;
  /** Where its rows are, if it has no database. */
  below = undefined;
  /** Whether it hosts, as the app sees it: each word of it. */
  shown = [];
  /** What is for it while it hangs. */
  hung = undefined;
  #over = new AbortController();
  #target = new EventTarget();
  #browser;
  #offered;

  /** `worker` is known to the page from the start; one that is `registered` is found where it is looked for. */
  constructor(browser, id, { worker, registered, elections, ...rest }) {
    this.#browser = browser;
    Object.assign(this, { id, worker, registered, ...rest });
    /** How it is chosen to host, if not by locks. */
    this.election = elections?.of(this);
    this.inside = {
      page: Object.assign(this.#target, { id }),
      asked: { raw: { build: "b1", channel: CHANNEL } },
      over: this.#over.signal,
      below: () => this.below,
      report: (fault) => this.faults.push(fault),
      fire: (type, detail) => this.fired.push([type, detail]),
      hosts: (does) => {
        if (this.#over.signal.aborted) throw new Error("a page that is closed shows nothing");
        this.shown.push(does);
      },
      client: {
        via: (post, offered) => this.#via(post, offered),
        back: (worker) => this.#back(worker),
      },
    };
    Object.defineProperty(this.#target, "status", { get: () => this.status });
  }

  run(act) {
    return running.run(this, act);
  }

  /** Starts a coordinator, as the wasm would. */
  start = async (heard, bus, held) => {
    this.attempts += 1;
    const it = { page: this, heard, bus, held, told: [], resigned: [], isAlive: false };
    it.onMessage = (from, m) => it.told.push([from, text(m)]);
    it.resign = async (note) => {
      it.isAlive = false;
      it.resigned.push(note);
      await this.resigning;
    };
    if (this.fault) throw this.fault;
    await this.starting;
    it.isAlive = true;
    this.#browser.started.push(it);
    return it;
  };

  /** Its client says something to whoever hosts. */
  say(words) {
    this.run(() => this.post(bytes(words)));
    return this.#browser.quiet();
  }

  /** Its client offers a worker that it has found; or nothing, since whoever hosts is silent. */
  offer(worker) {
    this.run(() => this.#offered(worker));
    return this.#browser.quiet();
  }

  /** Its status becomes another. */
  become(status) {
    Object.assign(this.status, status);
    return this.#fire(this.#target, "status");
  }

  /** The pages that whoever hosts here can see. */
  list() {
    return this.run(() => this.#browser.started.at(-1).bus.list());
  }

  hide() {
    return this.#fire(this.window, "pagehide");
  }

  show() {
    return this.#fire(this.window, "pageshow");
  }

  freeze() {
    return this.#fire(this.document, "freeze");
  }

  resume() {
    return this.#fire(this.document, "resume");
  }

  /** It comes into sight, or goes out of it. */
  see(isInSight) {
    this.document.visibilityState = isInSight ? "visible" : "hidden";
    return this.#fire(this.document, "visibilitychange");
  }

  close() {
    this.run(() => this.#over.abort());
    return this.#browser.quiet();
  }

  hang() {
    this.hung = [];
  }

  goOn() {
    const waiting = this.hung;
    this.hung = undefined;
    for (const { act } of waiting) this.#browser.task(this, act);
    return this.#browser.quiet();
  }

  /** Something else on the same bus says `data`. */
  receive(data) {
    for (const channel of this.#browser.channels) {
      if (channel.page === this) this.#browser.task(this, () => channel.onmessage({ data }));
    }
    return this.#browser.quiet();
  }

  #fire(target, type) {
    this.run(() => target.dispatchEvent(new Event(type)));
    return this.#browser.quiet();
  }

  #via(post, offered) {
    const known = this.#offered ? undefined : this.worker;
    Object.assign(this, { post, turned: this.turned + 1 });
    this.#offered = offered;
    this.status.host = "web-locks";
    if (known) offered(known);
    return (message) => this.heard.push(text(message));
  }

  // The worker that it goes to welcomes it, if it works.
  #back(worker) {
    const found = worker ?? this.registered;
    if (!worker) return void (found && this.#offered?.(found));
    this.#offered = undefined;
    this.worker = worker;
    this.went.push(worker);
    if (!worker.answers) return;
    this.#browser.task(this, () => {
      Object.assign(this.status, { host: "service-worker", reasons: [] });
      this.#target.dispatchEvent(new Event("status"));
    });
  }
}

/** A worker as one page sees it; `answers` tells whether it works. */
export class Worker {
  state = "activated";
  asked = [];

  constructor(answers) {
    this.answers = answers;
  }

  postMessage(message, [port]) {
    this.asked.push(message);
    if (this.answers) port.postMessage({ build: "b1" });
  }
}

/** Like `navigator.locks`: one holder per name, the others in a queue. */
class Locks {
  queues = new Map();
  stolen = 0;
  /** Why a lock is refused, by name. */
  faults = new Map();
  #browser;

  constructor(browser) {
    this.#browser = browser;
  }

  request(name, { signal, steal = false }, act) {
    if (signal && steal) return Promise.reject(new DOMException("not the two together", "NotSupportedError"));
    if (this.faults.has(name)) return Promise.reject(this.faults.get(name));
    if (signal?.aborted) return Promise.reject(signal.reason);
    const page = running.getStore();
    return new Promise((resolve, reject) => {
      const ask = { page, resolve, reject, isHeld: false };
      const queue = this.queues.get(name) ?? [];
      this.queues.set(name, queue);
      if (steal) {
        this.stolen += 1;
        const [robbed] = queue.filter(({ isHeld }) => isHeld);
        if (robbed) {
          queue.splice(queue.indexOf(robbed), 1);
          this.#browser.task(robbed.page, () => robbed.reject(new DOMException("stolen", "AbortError")));
        }
        queue.unshift(ask);
      } else queue.push(ask);
      const drop = () => {
        this.#release(name, ask);
        reject(signal.reason);
      };
      signal?.addEventListener("abort", drop);
      ask.begin = () => {
        signal?.removeEventListener("abort", drop);
        return act({ name });
      };
      this.#grant(name);
    });
  }

  async query() {
    const held = [...this.queues].filter(([, [first]]) => first?.isHeld).map(([name]) => ({ name }));
    return { held, pending: [] };
  }

  #grant(name) {
    const [first] = this.queues.get(name);
    if (!first || first.isHeld) return;
    first.isHeld = true;
    this.#browser.task(first.page, async () => {
      if (!this.queues.get(name).includes(first)) return;
      try {
        first.resolve(await first.begin());
      } catch (cause) {
        first.reject(cause);
      } finally {
        this.#release(name, first);
      }
    });
  }

  #release(name, ask) {
    const queue = this.queues.get(name);
    if (!queue.includes(ask)) return;
    queue.splice(queue.indexOf(ask), 1);
    this.#grant(name);
  }
}

class Channel {
  page = running.getStore();
  onmessage = () => {};
  #browser;

  constructor(browser, name) {
    this.#browser = browser;
    this.name = name;
    browser.channels.add(this);
  }

  postMessage(data) {
    if (!this.#browser.channels.has(this)) throw new DOMException("closed", "InvalidStateError");
    for (const other of this.#browser.channels) {
      if (other === this || other.name !== this.name || other.page.isDeaf) continue;
      const copy = structuredClone(data);
      const hear = () => this.#browser.channels.has(other) && other.onmessage({ data: copy });
      this.#browser.task(other.page, hear);
    }
  }

  close() {
    this.#browser.channels.delete(this);
  }
}

class Port {
  page = running.getStore();
  isClosed = false;
  #browser;

  constructor(browser) {
    this.#browser = browser;
  }

  postMessage(data) {
    const { other } = this;
    this.#browser.task(other.page, () => other.isClosed || other.onmessage?.({ data }));
  }

  close() {
    this.isClosed = true;
  }
}

export function bytes(words) {
  return new TextEncoder().encode(words);
}

function text(message) {
  return new TextDecoder().decode(message);
}

function replace(t, name, value) {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
  t.after(() => {
    if (before) Object.defineProperty(globalThis, name, before);
    else delete globalThis[name];
  });
}
