// The page's link to the worker that hosts the coordinator, its life, and its timer.
//
// What always holds:
// - a registration of somebody else's worker is never replaced: where one lives that does not speak
//   Bellwether, the stock script gets a scope of its own, and is spoken to all the same;
// - only bytes of this channel, within their bound, are handed on; whatever else arrives is left alone,
//   because it may be the app's own;
// - a link that is closed says nothing any more.
//
// Not here: what is said, to whom it goes after silence, and when.

/** What the page hears; `Heard` in `link.rs` has the same numbers. */
const MESSAGE = 0;
const FAILED = 1;
const LINKED = 2;
const VISIBLE = 3;
const LEFT = 4;
const RETURNED = 5;
const ONLINE = 6;
const TIMEOUT = 7;
const NETWORK = 8;
const PEER = 9;

/** @typedef {(what: number, value: unknown) => void} Hear */

export class Link {
  #channel;
  /** @type {string | undefined} */
  #url;
  /** @type {string | undefined} */
  #scope;
  #hear;
  #listening = new AbortController();
  #isFinding = false;
  /** @type {ServiceWorkerRegistration | undefined} */
  #followed;
  /** @type {Pick<ServiceWorker, "postMessage"> | null | undefined} */
  #worker;
  /** @type {((worker?: ServiceWorker) => void) | undefined} where a page hosts */
  #offered;
  /** @type {MessagePort | undefined} */
  #port;
  /** @type {BroadcastChannel | undefined} */
  #peers;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {boolean | undefined} whether it may return, once it was hidden away */
  #left;

  /**
   * @param {string} channel @param {string | undefined} scope @param {Hear} hear
   * @param {string | undefined} url of the worker's script; `""` for no worker
   */
  constructor(channel, url, scope, hear) {
    this.#channel = channel;
    this.#url = url;
    this.#scope = scope;
    this.#hear = hear;
  }

  /** Whether the page can be seen. */
  static isVisible() {
    return document.visibilityState === "visible";
  }

  /** Whether the browser says that there is a network; true where it does not say. */
  static isOnline() {
    return navigator.onLine ?? true;
  }

  /** How fast the network is: 0, or slower: 1, 2; `undefined` where the browser does not say. */
  static network() {
    const connection = /** @type {any} */ (navigator).connection;
    const { effectiveType = "", saveData } = connection ?? {};
    const speed = saveData || /2g/.test(effectiveType) ? 2 : effectiveType === "3g" ? 1 : 0;
    return connection && speed;
  }

  /** Begins to listen, and looks for the worker. */
  start() {
    this.#listen(document, "visibilitychange", () => {
      const isVisible = Link.isVisible();
      // A page is put out of sight after it was hidden away, too; what the app has enqueued in between leaves with it.
      if (this.#left !== undefined && !isVisible) return this.#tell(LEFT, this.#left);
      this.#left = undefined;
      this.#tell(VISIBLE, isVisible);
    });
    this.#listen(document, "resume", () => this.#return());
    this.#listen(window, "pagehide", (event) => {
      this.#left = Boolean(event.persisted);
      this.#tell(LEFT, this.#left);
      // Held open it may keep the page out of the back/forward cache.
      this.#part();
    });
    this.#listen(window, "pageshow", (event) => event.persisted && this.#return());
    this.#listen(window, "offline", () => this.#tell(ONLINE, false));
    this.#listen(window, "online", () => {
      this.#tell(ONLINE, true);
      this.#find();
    });
    const { connection } = /** @type {any} */ (navigator);
    if (connection) this.#listen(connection, "change", () => this.#tell(NETWORK, Link.network()));
    const container = workers();
    if (container) {
      this.#listen(container, "message", (event) => this.#receive(event));
      this.#listen(container, "controllerchange", () => this.#find());
      // Messages to a listener, unlike those to `onmessage`, wait until they are asked for.
      container.startMessages();
    }
    this.#meet();
    this.#find();
  }

  /** Says something to the other pages of this channel. @param {Uint8Array} bytes */
  say(bytes) {
    // The bytes are the wasm's own memory.
    this.#peers?.postMessage(bytes.slice());
  }

  /**
   * Posts `bytes` to the worker, which wakes it; or only to its port, which is `fast` and wakes nobody.
   * With a `hello` goes a new port.
   *
   * @param {Uint8Array} bytes @param {boolean} fast @param {boolean} hello
   */
  post(bytes, fast, hello) {
    // The bytes are the wasm's own memory.
    const m = bytes.slice();
    const [port, moved] = [fast && this.#port, /** @type {Transferable[]} */ ([m.buffer])];
    if (!port && hello && this.#worker && !this.#offered) moved.push(this.#newPort());
    try {
      (port || this.#worker)?.postMessage({ bellwether: this.#channel, m }, moved);
    } catch {
      // A worker that cannot be posted to is redundant; the next one will be found.
    }
  }

  /**
   * Posts through `post` from here on: a page hosts the coordinator, and no worker. Gives what takes in what comes from
   * there. A worker that is found meanwhile is `offered`, and taken by [`back`]; or nothing, if nobody answers for long.
   *
   * @param {(bytes: Uint8Array) => void} post @param {(worker?: ServiceWorker) => void} offered
   */
  via(post, offered) {
    const found = this.#offered ? undefined : this.#worker;
    this.#offered = offered;
    this.#port?.close();
    this.#port = undefined;
    this.#worker = { postMessage: (/** @type {any} */ { m }) => post(m) };
    this.#tell(LINKED);
    if (found) offered(/** @type {ServiceWorker} */ (found));
    return (/** @type {Uint8Array} */ m) => this.#tell(MESSAGE, m);
  }

  /**
   * The worker is silent, perhaps because its wasm is being loaded: then its script answers. @param {boolean} wedged
   */
  async accuse(wedged) {
    const worker = /** @type {ServiceWorker | undefined} */ (this.#worker);
    if (this.#offered) return wedged ? this.#offered() : undefined;
    if (!worker) return;
    const answers = !wedged && (await probe(worker, this.#channel, WORD_MS_MAX));
    if (!answers && worker === this.#worker) this.#tell(FAILED, "service worker: it does not answer");
  }

  /** Goes back to the worker that was offered, or looks for one. @param {ServiceWorker} [worker] */
  back(worker) {
    if (!worker) return void this.#find();
    this.#offered = undefined;
    this.#take(worker);
  }

  /** Says when it is time: once, after `ms`; whatever was asked before is forgotten. @param {number} ms */
  wake(ms) {
    clearTimeout(this.#timer);
    // Browsers keep a delay in 32 signed bits, and wrap; who is woken early asks again.
    const delay = Math.min(Math.ceil(ms), 2 ** 31 - 1);
    this.#timer = setTimeout(() => this.#tell(TIMEOUT), delay);
  }

  /** Forgets what [`wake`] was asked for. */
  rest() {
    clearTimeout(this.#timer);
  }

  close() {
    this.#listening.abort();
    this.rest();
    this.#port?.close();
    this.#part();
  }

  // Where there is no such thing, or none for this page, the others hear of it from the worker.
  #meet() {
    try {
      this.#peers ??= new BroadcastChannel(`bellwether:${this.#channel}`);
      this.#peers.onmessage = ({ data }) => {
        if (data instanceof Uint8Array && data.length <= BUS_BYTES_MAX) this.#hear(PEER, data);
      };
    } catch {
      // Said nothing to.
    }
  }

  #part() {
    this.#peers?.close();
    this.#peers = undefined;
  }

  /** @param {number} what @param {unknown} [value] */
  #tell(what, value) {
    if (!this.#listening.signal.aborted) this.#hear(what, value);
  }

  /** @param {EventTarget} target @param {string} kind @param {(event: any) => void} heard */
  #listen(target, kind, heard) {
    target.addEventListener(kind, heard, { signal: this.#listening.signal });
  }

  #return() {
    this.#left = undefined;
    this.#meet();
    this.#tell(RETURNED);
    this.#find();
  }

  /** @param {MessageEvent} event */
  #receive({ data }) {
    // Where a page hosts a worker has nothing to say.
    if (data?.bellwether !== this.#channel || this.#offered) return;
    const { m, failed, message } = data;
    if (m instanceof Uint8Array && m.length <= BUS_BYTES_MAX) this.#tell(MESSAGE, m);
    // The worker's script could not start the coordinator, and says why.
    if (failed && typeof message === "string") this.#tell(FAILED, message);
  }

  #newPort() {
    const { port1, port2 } = new MessageChannel();
    this.#port?.close();
    this.#port = port1;
    port1.onmessage = (event) => this.#receive(event);
    return port2;
  }

  // While one look lasts there is no other.
  async #find() {
    if (this.#isFinding || this.#listening.signal.aborted) return;
    this.#isFinding = true;
    const found = await this.#registration().catch((fault) => {
      // Where one works already it was the look for an update that failed.
      if (!this.#worker) this.#tell(FAILED, ["service worker", fault.name, fault.message].filter(Boolean).join(": "));
    });
    this.#isFinding = false;
    if (found) await this.#follow(found);
  }

  /** @returns {Promise<ServiceWorkerRegistration>} */
  async #registration() {
    if (this.#url === "") throw none("switched off by the option `worker` or `hosts`");
    const container = workers();
    if (!container) throw none("this browser, or this address, does not allow one");
    const url = new URL(this.#url ?? STOCK, document.baseURI).href;
    const isStock = url.endsWith(STOCK);
    let scope = this.#scope;
    const there = await container.getRegistration(scope ?? (isStock ? "" : new URL(".", url)));
    const script = there && newest(there)?.scriptURL;
    if (there && script === url) {
      // Registering again lets the browser look for an update, and may wait for seconds until it gets to that.
      void this.#follow(there);
      if (isStock) scope = there.scope;
    } else if (there && script && isStock) {
      if (script.endsWith(STOCK)) return there;
      const worker = await active(there);
      if (worker && (await probe(worker, this.#channel, PROBE_MS_MAX))) return there;
      scope = url.replace(/[^/]*$/, "bellwether-sw/");
    }
    return container.register(url, { updateViaCache: "none", ...(scope !== undefined && { scope }) });
  }

  // Whenever another worker of this registration comes to its turn, it is the one that is posted to.
  /** @param {ServiceWorkerRegistration} found */
  async #follow(found) {
    if (this.#followed !== found) {
      this.#followed = found;
      const take = () => this.#followed === found && this.#take(found.active);
      this.#listen(found, "updatefound", () => {
        if (found.installing) this.#listen(found.installing, "statechange", take);
      });
      this.#wakeAtTimes(found);
    }
    const worker = await active(found);
    if (this.#followed === found) this.#take(worker);
  }

  // Where the user has granted it; it is never asked for.
  /** @param {any} found */
  async #wakeAtTimes({ periodicSync }) {
    const name = /** @type {any} */ ("periodic-background-sync");
    try {
      if ((await navigator.permissions.query({ name })).state !== "granted") return;
      await periodicSync.register(`bellwether:${this.#channel}`, { minInterval: PERIOD_MS });
    } catch {
      // The browser does not have it; other things wake the worker.
    }
  }

  /** @param {ServiceWorker | null} worker */
  #take(worker) {
    if (!worker || worker === this.#worker || this.#listening.signal.aborted) return;
    if (this.#offered) return this.#offered(worker);
    this.#worker = worker;
    this.#port?.close();
    this.#port = undefined;
    this.#tell(LINKED);
  }
}

/**
 * Whether a worker speaks Bellwether. Tells one that is there and wedged from one that works: the
 * question is posted, and the answer comes back on a port handed over with it.
 *
 * @param {ServiceWorker} worker @param {string} channel @param {number} ms
 * @returns {Promise<boolean>}
 */
export function probe(worker, channel, ms) {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const settle = (/** @type {boolean} */ speaks) => {
      clearTimeout(timer);
      port1.close();
      resolve(speaks);
    };
    const timer = setTimeout(settle, ms, false);
    port1.onmessage = ({ data }) => typeof data?.build === "string" && settle(true);
    try {
      worker.postMessage({ bellwether: channel, probe: true }, [port2]);
    } catch {
      settle(false);
    }
  });
}

// The registration's worker once it is active; `null` if it will not be.
/** @param {ServiceWorkerRegistration} registration @returns {Promise<ServiceWorker | null>} */
async function active(registration) {
  const worker = newest(registration);
  if (registration.active || !worker) return registration.active;
  await new Promise((resolve) => {
    const check = () => !worker.state.startsWith("install") && resolve(undefined);
    worker.addEventListener("statechange", check);
    check();
  });
  return registration.active;
}

/** @param {string} message */
function none(message) {
  return { name: "", message };
}

/** @param {ServiceWorkerRegistration} registration */
function newest({ installing, waiting, active }) {
  return installing ?? waiting ?? active;
}

// Asking throws in a sandboxed frame.
function workers() {
  try {
    return navigator.serviceWorker;
  } catch {
    return undefined;
  }
}

const STOCK = "/bellwether-sw.js";
const PROBE_MS_MAX = 3_000;
const WORD_MS_MAX = 1_000;
const PERIOD_MS = 12 * 60 * 60 * 1_000;
const BUS_BYTES_MAX = 4 * 1024 * 1024;
