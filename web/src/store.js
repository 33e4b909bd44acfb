// The coordinator's databases: transactions whose requests are told as a list.
//
// Browsers close databases: for an upgrade or a deletion (`versionchange`), when a profile is cleared
// (`close`), or silently when a page slept. So a handle is never taken for granted: a use that fails
// because of it happens once more on a new one.
//
// What always holds:
// - a transaction's requests are fired without a pause, and only its end is awaited: it is done when it
//   is complete, a request's success means nothing yet, and why it was aborted is told;
// - what is asked after its first answer may still refuse it: then nothing of it is written;
// - at most one connection is kept, and one that opens too late is closed at once, so that it cannot
//   stand in the way of others;
// - a use that is repeated has written nothing: its transaction never began, or was aborted.

/** @typedef {{ name: string, message: string }} Fault what the browser threw, or one of our own. */
/** @typedef {[string, string, unknown, unknown]} Request a store, its method, and what that is given. */

/** A connection to one database, opened when it is first used and again when it has died. */
export class Store {
  #name;
  #stores;
  #patienceMs;
  /** @type {IDBDatabase | undefined} */
  #db;
  /** @type {Promise<IDBDatabase> | undefined} */
  #opening;
  /** How often the browser has taken the database away. */
  losses = 0;

  /**
   * @param {string} name @param {string[]} stores what it has to have
   * @param {number} patienceMs for an opening, in which it is tried twice
   */
  constructor(name, stores, patienceMs) {
    this.#name = name;
    this.#stores = stores;
    this.#patienceMs = patienceMs;
  }

  open() {
    return this.#use(() => undefined);
  }

  /**
   * What the requests give, once their transaction is complete.
   *
   * @param {Request[]} requests @param {string} durability `default` only reads
   * @param {((first: unknown) => Request[] | undefined) | undefined} next is shown what the first has given, and
   * gives more requests, the last ones; or nothing, and then nothing is written
   */
  run(requests, durability, next) {
    return this.#use((db) => transact(db, requests, durability, next));
  }

  /** Lets go of the database; the next use opens it again. What is under way ends as usual. */
  close() {
    this.#db?.close();
    this.#db = undefined;
  }

  /** @param {(db: IDBDatabase) => unknown} work */
  async #use(work) {
    for (let repeated = false; ; repeated = true) {
      const db = this.#db ?? (await this.#open());
      try {
        return await work(db);
      } catch (fault) {
        if (repeated || !OF_HANDLE.includes(/** @type {Fault} */ (fault).name)) throw fault;
        this.#lose(db);
      }
    }
  }

  #open() {
    this.#opening ??= this.#openTwice().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  // Twice, because engines are known to leave a first opening without an answer for ever.
  async #openTwice() {
    try {
      return await this.#openInTime();
    } catch (first) {
      const { name } = /** @type {Fault} */ (first);
      if (name === "unavailable") throw first;
      return this.#openInTime().catch((second) => {
        // The second waits behind the first, and cannot know for what.
        throw name === "blocked" ? first : second;
      });
    }
  }

  /** @returns {Promise<IDBDatabase>} */
  #openInTime() {
    return new Promise((resolve, reject) => {
      let name = "timeout";
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        reject({ name, message: "" });
      }, this.#patienceMs / 2);
      const opening = openComplete(this.#name, this.#stores, () => {
        name = "blocked";
      });
      opening.then((db) => (late ? db.close() : resolve(this.#keep(db))), reject).finally(() => {
        clearTimeout(timer);
      });
    });
  }

  /** @param {IDBDatabase} db */
  #keep(db) {
    db.onversionchange = db.onclose = () => this.#lose(db);
    this.#db = db;
    return db;
  }

  /** @param {IDBDatabase} db */
  #lose(db) {
    this.losses += 1;
    db.close();
    if (this.#db === db) this.#db = undefined;
  }
}

/**
 * @param {IDBDatabase} db @param {Request[]} requests @param {string} durability
 * @param {((first: unknown) => Request[] | undefined) | undefined} next
 * @returns {Promise<unknown[]>}
 */
function transact(db, requests, durability, next) {
  return new Promise((resolve, reject) => {
    const stores = requests.map(([store]) => store);
    const mode = durability === "default" ? "readonly" : "readwrite";
    const transaction = db.transaction(stores, mode, {
      durability: /** @type {IDBTransactionDurability} */ (durability),
    });
    transaction.oncomplete = () => resolve(fired.map((request) => request.result));
    transaction.onabort = () => reject(transaction.error ?? { name: "AbortError", message: "" });
    /** @param {() => void} work */
    const whole = (work) => {
      try {
        work();
      } catch (fault) {
        // Half of it must not be written.
        reject(fault);
        transaction.abort();
      }
    };
    /** @param {Request[]} asked @returns {IDBRequest[]} */
    const fire = (asked) =>
      // What is `undefined` is to a database as good as absent.
      asked.map(([store, method, first, second]) =>
        /** @type {any} */ (transaction.objectStore(store))[method](first, second),
      );
    /** @type {IDBRequest[]} */
    let fired = [];
    whole(() => {
      fired = fire(requests);
      const [first] = fired;
      if (!next || !first) return;
      first.onsuccess = () =>
        whole(() => {
          const more = next(first.result);
          if (!more) throw { name: "refused", message: "" };
          fire(more);
          // Where it is missing the transaction commits by itself, a little later.
          transaction.commit?.();
        });
    });
  });
}

// A database may be there without the stores: another opened it without knowing them. Then it is
// opened once more, one version up.
/** @param {string} name @param {string[]} stores @param {() => void} blocked */
async function openComplete(name, stores, blocked) {
  const db = await open(name, undefined, stores, blocked);
  if (stores.every((store) => db.objectStoreNames.contains(store))) return db;
  db.close();
  return open(name, db.version + 1, stores, blocked);
}

/**
 * @param {string} name @param {number | undefined} version @param {string[]} stores
 * @param {() => void} blocked
 * @returns {Promise<IDBDatabase>}
 */
function open(name, version, stores, blocked) {
  return new Promise((resolve, reject) => {
    /** @type {IDBOpenDBRequest} */
    let request;
    try {
      request = indexedDB.open(name, version);
    } catch (thrown) {
      const { message } = /** @type {Fault} */ (thrown);
      return reject({ name: "unavailable", message });
    }
    request.onupgradeneeded = () => complete(request.result, stores);
    request.onblocked = blocked;
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? { name: "InvalidStateError", message: "" });
  });
}

// Keys stand outside the rows, and `journal` generates its own. What throws in here undoes the upgrade.
/** @param {IDBDatabase} db @param {string[]} stores */
function complete(db, stores) {
  for (const store of stores) {
    if (!db.objectStoreNames.contains(store)) {
      db.createObjectStore(store, { autoIncrement: store === "journal" });
    }
  }
}

// What a dead handle says: `InvalidStateError` is what `transaction()` throws, `UnknownError` what WebKit
// says when its database process has gone, `AbortError` what a forced closing leaves behind, and
// `NotFoundError` what a database without our stores says: it was deleted, and another opened it anew.
const OF_HANDLE = ["InvalidStateError", "UnknownError", "AbortError", "NotFoundError"];
