// Put before the page's and the worker's script while profiling: notes when each transaction,
// request to the server, signature and message begins and ends.
(() => {
  const stages = (globalThis.benchStages = []);
  const now = () => performance.timeOrigin + performance.now();
  const note = (what, from, detail) => stages.push([what, from, now(), detail]);
  const begin = IDBDatabase.prototype.transaction;
  IDBDatabase.prototype.transaction = function (stores, mode, options) {
    const from = now();
    const transaction = begin.call(this, stores, mode, options);
    const detail = `${mode ?? 'readonly'} ${options?.durability ?? ''} ${[].concat(stores).join('+')}`;
    transaction.addEventListener('complete', () => note('transaction', from, detail));
    transaction.addEventListener('abort', () => note('transaction aborted', from, detail));
    return transaction;
  };
  const timed = (object, name, what, detail) => {
    const call = object?.[name];
    if (!call) return;
    object[name] = function (...args) {
      const from = now();
      const made = call.apply(this, args);
      if (made?.then) made.then(() => note(what, from, detail?.(args)), () => note(`${what} failed`, from, detail?.(args)));
      else note(what, from, detail?.(args));
      return made;
    };
  };
  timed(globalThis, 'fetch', 'fetch', ([to]) => String(to.url ?? to));
  timed(globalThis.SubtleCrypto?.prototype, 'sign', 'sign');
  timed(globalThis.SubtleCrypto?.prototype, 'generateKey', 'generateKey');
  timed(globalThis.CacheStorage?.prototype, 'open', 'cache open');
  timed(globalThis.Cache?.prototype, 'match', 'cache match');
  timed(globalThis.Response?.prototype, 'arrayBuffer', 'read');
  timed(globalThis.Clients?.prototype, 'matchAll', 'list clients');
  timed(WebAssembly, 'compile', 'compile');
  timed(WebAssembly, 'instantiate', 'instantiate');
  // From asking for a lock until it is there.
  const request = globalThis.LockManager?.prototype.request;
  if (request) {
    LockManager.prototype.request = function (name, ...given) {
      const from = now();
      const act = given.pop();
      return request.call(this, name, ...given, (lock) => { note('lock', from, name); return act(lock); });
    };
  }
  const open = IDBFactory.prototype.open;
  IDBFactory.prototype.open = function (...args) {
    const from = now();
    const request = open.apply(this, args);
    request.addEventListener('success', () => note('database open', from));
    return request;
  };
  globalThis.addEventListener?.('message', () => note('message', now()));
  note('script begins', now());
  const posted = (object) => timed(object, 'postMessage', 'post', ([message]) => `${message?.bytes?.byteLength ?? message?.m?.byteLength ?? ''}`);
  [globalThis.MessagePort, globalThis.ServiceWorker, globalThis.Client, globalThis.BroadcastChannel].forEach((it) => posted(it?.prototype));
  // What a listener does with a message, from the moment it is called.
  for (const of of [globalThis.MessagePort, globalThis.BroadcastChannel]) {
    const { get, set } = Object.getOwnPropertyDescriptor(of.prototype, 'onmessage');
    const heard = (f) => (event) => { const from = now(); f(event); note(`${of.name} heard`, from, `${event.data?.byteLength ?? ''}`); };
    Object.defineProperty(of.prototype, 'onmessage', { get, set(f) { set.call(this, f && heard(f)); } });
  }
})();
