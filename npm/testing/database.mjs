// As much of indexedDB as a row needs: databases that a test makes, one store each, and transactions that end by themselves.
//
// What always holds: a transaction takes its turn after those that were begun before it, and is complete only after its last
// request has been answered. Nothing is made by opening what is not there, if the opening is aborted.

export class FakeDatabases {
  /** The rows of each database's store `lease`, by its name. */
  rows = new Map();
  /** Handles that are open. */
  handles = new Set();
  /** What to do when one is opened, in the place of opening it. */
  onOpen;
  /** Why no transaction is completed. */
  fault;
  #turns = Promise.resolve();

  open(name) {
    const opening = { transaction: null };
    const succeed = () => {
      opening.result = this.#handle(name);
      opening.onsuccess?.();
    };
    const fail = (error) => {
      opening.error = error;
      opening.onerror?.();
    };
    queueMicrotask(() => {
      if (this.onOpen) return this.onOpen({ succeed, fail });
      if (this.rows.has(name)) return succeed();
      let isAborted = false;
      opening.transaction = { abort: () => (isAborted = true) };
      opening.onupgradeneeded?.();
      if (isAborted) return fail(new DOMException("it was aborted", "AbortError"));
      this.rows.set(name, new Map());
      succeed();
    });
    return opening;
  }

  #handle(name) {
    const handle = { close: () => this.handles.delete(handle) };
    handle.transaction = (store, mode) => {
      if (!this.handles.has(handle)) throw new DOMException("it is closed", "InvalidStateError");
      if (store !== "lease") throw new DOMException("no such store", "NotFoundError");
      return this.#transaction(this.rows.get(name), mode);
    };
    this.handles.add(handle);
    return handle;
  }

  #transaction(rows, mode) {
    const transaction = { error: null };
    const requests = [];
    const request = (act) => {
      const request = { act };
      requests.push(request);
      return request;
    };
    const written = new Map(rows);
    const put = (row, key) => {
      if (mode !== "readwrite") throw new DOMException("it only reads", "ReadOnlyError");
      return request(() => void written.set(key, row));
    };
    transaction.objectStore = () => ({ get: (key) => request(() => written.get(key)), put });
    this.#turns = this.#turns.then(async () => {
      rows.forEach((row, key) => written.set(key, row));
      for (const it of requests) {
        await undefined;
        it.result = it.act();
        it.onsuccess?.();
      }
      if (this.fault) {
        transaction.error = this.fault;
        return transaction.onabort?.();
      }
      written.forEach((row, key) => rows.set(key, row));
      transaction.oncomplete?.();
    });
    return transaction;
  }
}
