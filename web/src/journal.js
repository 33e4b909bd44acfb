// IndexedDB as a page uses it: the journal, and reading the other stores.
//
// Browsers close databases: for an upgrade or a deletion (`versionchange`), when a profile is cleared
// (`close`), or silently when a page slept. So a handle is never taken for granted: a use that fails
// because of it happens once more on a new one.
//
// What always holds:
// - a transaction's requests are fired without a pause, and only its end is awaited: it is done when it
//   is complete, a request's success means nothing yet, and why it was aborted is told;
// - at most one connection is kept, and one that opens too late is closed at once, so that it cannot
//   stand in the way of others;
// - a use that is repeated has written nothing: its transaction never began, or was aborted.

/** @typedef {{ name: string, message: string }} Fault what the browser threw, or one of our own. */
/** @typedef {(value: unknown, fault?: Fault) => void} Done called once. */

/** A connection to one database, opened when it is first used and again when it has died. */
export class Journal {
  #name;
  #patienceMs;
  /** @type {IDBDatabase | undefined} */
  #db;
  /** @type {Promise<IDBDatabase> | undefined} */
  #opening;

  /** @param {string} name @param {number} patienceMs for an opening, in which it is tried twice */
  constructor(name, patienceMs) {
    this.#name = name;
    this.#patienceMs = patienceMs;
  }

  /**
   * From here on all is done by another journal, which keeps what it is given elsewhere.
   *
   * @param {Pick<Journal, "open" | "append" | "read" | "readDocument" | "count" | "close">} other
   */
  instead(other) {
    this.close();
    Object.assign(this, other);
  }

  /** @param {Done} done */
  open(done) {
    this.#use(() => undefined, done);
  }

  /**
   * Appends rows, which lie one after the other in `bytes`; gives the position of the last.
   *
   * @param {Uint8Array} bytes @param {Uint32Array} lengths @param {Done} done
   * @param {string} durability `strict`: done only once the disk has them, not only the operating system
   */
  append(bytes, lengths, durability, done) {
    // At once: the bytes are the wasm's own memory.
    let at = 0;
    const rows = Array.from(lengths, (length) => bytes.slice(at, (at += length)));
    this.#use((db) => {
      const add = (/** @type {Stores} */ stores) => rows.map((row) => stores("journal").add(row));
      return transact(db, ["journal"], "readwrite", durability, add).then((all) => all.at(-1));
    }, done);
  }

  /**
   * Gives pairs of key and row in the order of the keys.
   *
   * @param {string} store @param {number} after @param {Done} done
   * @param {number} limit 0 for none
   */
  read(store, after, limit, done) {
    this.#use(async (db) => {
      const beyond = IDBKeyRange.lowerBound(after, true);
      return (await pairs(db, [[store, beyond]], limit))[0];
    }, done);
  }

  /**
   * Gives pairs of key and row: those of `document` whose keys begin with `prefix`, and of the same moment all of the
   * journal if it is a `whole`, else none.
   *
   * @param {string} prefix @param {boolean} whole @param {Done} done
   */
  readDocument(prefix, whole, done) {
    this.#use((db) => {
      // No text that begins so comes after this one.
      const begins = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      return pairs(db, whole ? [["document", begins], ["journal"]] : [["document", begins]], 0);
    }, done);
  }

  /** @param {string} store @param {Done} done */
  count(store, done) {
    this.#use(async (db) => {
      const ask = (/** @type {Stores} */ stores) => [stores(store).count()];
      const [count] = await transact(db, [store], "readonly", "default", ask);
      return count;
    }, done);
  }

  /** Lets go of the database; the next use opens it again. What is under way ends as usual. */
  close() {
    this.#db?.close();
    this.#db = undefined;
  }

  /** @param {(db: IDBDatabase) => unknown} work @param {Done} done */
  #use(work, done) {
    this.#tried(work).then(done, (fault) => done(undefined, fault));
  }

  /** @param {(db: IDBDatabase) => unknown} work */
  async #tried(work) {
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
      const opening = openComplete(this.#name, () => {
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
    db.close();
    if (this.#db === db) this.#db = undefined;
  }
}

/**
 * Keys and rows of some stores, each in a range or all, as one transaction sees them.
 *
 * @param {IDBDatabase} db @param {[string, IDBKeyRange?][]} ranges @param {number} limit 0 for none
 */
async function pairs(db, ranges, limit) {
  const ask = (/** @type {Stores} */ stores) =>
    ranges.flatMap(([store, range]) => [
      stores(store).getAllKeys(range, limit),
      stores(store).getAll(range, limit),
    ]);
  const names = ranges.map(([store]) => store);
  const all = await transact(db, names, "readonly", "default", ask);
  return ranges.map((_, at) =>
    all[at * 2].map((/** @type {IDBValidKey} */ key, /** @type {number} */ nth) => [
      key,
      all[at * 2 + 1][nth],
    ]),
  );
}

/** @typedef {(name: string) => IDBObjectStore} Stores */

/**
 * The results of what `ask` asks, once the transaction is complete.
 *
 * @param {IDBDatabase} db @param {string[]} names @param {IDBTransactionMode} mode @param {string} durability
 * @param {(stores: Stores) => IDBRequest[]} ask
 * @returns {Promise<any[]>}
 */
function transact(db, names, mode, durability, ask) {
  return new Promise((resolve, reject) => {
    const options = { durability: /** @type {IDBTransactionDurability} */ (durability) };
    const transaction = db.transaction(names, mode, options);
    /** @type {IDBRequest[]} */
    let requests = [];
    transaction.oncomplete = () => resolve(requests.map((request) => request.result));
    transaction.onabort = () => reject(transaction.error ?? { name: "AbortError", message: "" });
    try {
      requests = ask((name) => transaction.objectStore(name));
    } catch (fault) {
      // Half of it must not be written.
      transaction.abort();
      throw fault;
    }
    // Where it is missing the transaction commits by itself, a little later.
    if (mode === "readwrite") transaction.commit?.();
  });
}

// A database may be there without the stores: another opened it without knowing them. Then it is
// opened once more, one version up.
/** @param {string} name @param {() => void} blocked */
async function openComplete(name, blocked) {
  const db = await open(name, undefined, blocked);
  if (STORES.every((store) => db.objectStoreNames.contains(store))) return db;
  db.close();
  return open(name, db.version + 1, blocked);
}

/**
 * @param {string} name @param {number | undefined} version @param {() => void} blocked
 * @returns {Promise<IDBDatabase>}
 */
function open(name, version, blocked) {
  return new Promise((resolve, reject) => {
    /** @type {IDBOpenDBRequest} */
    let request;
    try {
      request = indexedDB.open(name, version);
    } catch (thrown) {
      const { message } = /** @type {Fault} */ (thrown);
      return reject({ name: "unavailable", message });
    }
    request.onupgradeneeded = () => complete(request.result);
    request.onblocked = blocked;
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? { name: "InvalidStateError", message: "" });
  });
}

// Keys stand outside the rows, and `journal` generates its own. What throws in here undoes the upgrade.
/** @param {IDBDatabase} db */
function complete(db) {
  for (const store of STORES) {
    if (!db.objectStoreNames.contains(store)) {
      db.createObjectStore(store, { autoIncrement: store === "journal" });
    }
  }
}

// The same as the coordinator creates (`rows::Store`).
const STORES = [
  "journal",
  "flight",
  "done",
  "dead",
  "document",
  "stream",
  "cursor",
  "lease",
  "idle",
  "meta",
  "kv",
  "retained",
];

// What a dead handle says: `InvalidStateError` is what `transaction()` throws, `UnknownError` what WebKit
// says when its database process has gone, `AbortError` what a forced closing leaves behind, and
// `NotFoundError` what a database without our stores says: it was deleted, and another opened it anew.
const OF_HANDLE = ["InvalidStateError", "UnknownError", "AbortError", "NotFoundError"];
