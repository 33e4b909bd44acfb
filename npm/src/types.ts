// The public face: what an app sees and may rely on. Types only.
//
// What always holds: times are milliseconds, sizes bytes, and every failure is a `BellwetherError`.
// Signatures may grow by optional fields, and never shrink.

import type { BellwetherError } from "./errors.js";
import type { EventLog } from "./event-log.js";
import type { LeaderOptions, Leadership } from "./leadership.js";
import type { TypedTarget } from "./listening.js";
import type { Change, Conflict, SharedState, StateOptions } from "./shared-state.js";

export type * from "./hooks.js";
export type * from "./event-log.js";
export type * from "./leadership.js";
export type * from "./shared-state.js";

/** What {@link connect} is told. Every field is optional; a name it does not know is refused. */
export interface ConnectOptions {
  /**
   * Names the databases, locks and messages of one runtime; pages of one origin with the same
   * channel share a session. At most 200 bytes. Default `"default"`.
   */
  channel?: string | undefined;
  /**
   * The worker's script. Default: the worker of the page's own scope if it speaks Bellwether, else
   * `"/bellwether-sw.js"`. `false`: never a worker; one of the
   * pages does its work then, as long as it is open.
   */
  worker?: string | URL | false | undefined;
  /** The scope to register the worker under. Default: that of the script's folder. */
  scope?: string | undefined;
  /**
   * Base URL of the sync server, `http:` or `https:`, absolute or relative to the page. Default
   * `null`: events stay in this browser.
   */
  server?: string | URL | null | undefined;
  /** The session on the server; at most 200 bytes. Default: the channel. */
  session?: string | undefined;
  /**
   * Whose events these are; at most 200 bytes. Default: nobody's in particular. Events are only
   * ever sent with a token of the user who made them.
   */
  user?: string | undefined;
  /** What to show the server. Default: nothing. See {@link TokenSource}. */
  token?: TokenSource | undefined;
  /** How events are stored and sent. */
  outbox?: OutboxOptions | undefined;
  /** How the shared state behaves in this page. */
  state?: StateOptions | undefined;
  /** Whether this page may lead. It takes part only once `bw.leader` is looked at. */
  leader?: LeaderOptions | undefined;
  /**
   * Asks the user before the page is closed while something is undelivered. The listener is there
   * only as long as that, so that it does not keep the page out of the back/forward cache. Default
   * `false`.
   */
  guardUnload?: boolean | undefined;
  /**
   * The page's wasm, compiled, or where it lies. Default: beside this module, as
   * `bellwether_page_bg.wasm`. A page loads it once: later calls of `connect` use what is there.
   */
  wasm?: string | URL | WebAssembly.Module | undefined;
  /**
   * Logs each message to the console: all of them, or those that contain the given text. Default
   * `false`. The `localStorage` item `bellwether:debug` does the same without a new build: `1` for
   * all, else the text.
   */
  debug?: boolean | string | undefined;
  /**
   * Where the coordinator may run: some of {@link HostKind}. The best of them that works is taken, in the order of the list
   * there, whatever the order here. Default: all. Give all pages of a channel the same: of two that may
   * not have the same host each takes its place from the other, at most once a minute.
   */
  hosts?: readonly HostKind[] | undefined;
}

/**
 * A bearer token of at most 8 KiB, or a function that gets one.
 *
 * A string belongs to the user it was given with, and is not used for anybody else. A function is
 * asked again whenever a token is wanted or was refused. It is told for whom: events wait for the
 * user who made them, so it may be asked about an earlier user. Where it has no token of that very
 * user it gives `undefined`, and the events wait, without spending tries.
 */
export type TokenSource =
  | string
  | ((of: { user?: string; session: string }) => string | undefined | Promise<string | undefined>);

/** How events are stored and sent. Numbers are whole and not negative. */
export interface OutboxOptions {
  /**
   * `"strict"` waits until the operating system has written the event to the disk; `"relaxed"`
   * until it has the event, which is faster and survives all but a power cut or a crash of the
   * whole device. Default `"strict"`.
   */
  durability?: "strict" | "relaxed" | undefined;
  /** How often one event is tried before it becomes a dead letter. Default 5. */
  maxRetries?: number | undefined;
  /** The first delay after a failure, in milliseconds; it doubles from there. Default 1 000. */
  baseDelayMs?: number | undefined;
  /** The longest delay after a failure, in milliseconds. Default 30 000. */
  maxDelayMs?: number | undefined;
  /** Events in one batch at the most. Default and upper bound 500. */
  batchSize?: number | undefined;
  /** How long a batch waits to be filled, in milliseconds. Default 50. */
  batchAgeMs?: number | undefined;
  /** How many dead letters are kept. Default 50. */
  deadLetterCap?: number | undefined;
  /**
   * What happens at that cap. `"block"`: nothing is dropped; delivery stops, and `status.blocked`
   * says so. `"drop-oldest"`: the oldest dead letter goes. Default `"block"`.
   */
  deadLetterOverflow?: "block" | "drop-oldest" | undefined;
  /**
   * How many events may be pending on this device: beyond that `enqueue`, `post` and `request`
   * refuse with `"outbox-full"`, and nothing is stored. At least 1. Default: as many as the disk
   * takes.
   */
  maxPending?: number | undefined;
  /**
   * While this page lives and something is pending, the coordinator is woken at least this often, in
   * milliseconds, whatever else has failed to. From 5 000. Default 60 000.
   */
  safetyNetMs?: number | undefined;
  /**
   * `"protocol"`: in batches, to a server that speaks Bellwether's protocol. `"requests"`: each event
   * is a plain request to a back end of any kind, made by {@link Outbox.request} and sent at least
   * once, with its id as `Idempotency-Key`. Default `"protocol"`. It is the whole channel's.
   */
  deliver?: "protocol" | "requests" | undefined;
  /**
   * Encrypts what `data` holds, on the disk and on the way: the server gets `{ "$sealed": text }`.
   * Not with `deliver: "requests"`, which the worker has to read. Default: none.
   */
  encrypt?: EncryptHooks | undefined;
  /**
   * Is offered each dead letter whose type the server does not know (`"type-unknown"`), once in the
   * life of this page. The event it gives back takes the letter's place, under the same id, and is
   * sent; `undefined` leaves it a letter. What fails fires `"error"`, and leaves it a letter.
   */
  migrate?:
    | ((letter: DeadLetter) => NewEvent | undefined | Promise<NewEvent | undefined>)
    | undefined;
}

/** Encrypts what events hold. Both may be asynchronous; the order of events is kept. */
export interface EncryptHooks {
  /** Gives the text that is stored for an event's `data`, which is handed over as JSON. */
  seal(json: string, of: { id: string; type: string }): string | Promise<string>;
  /** Gives back the JSON that `seal` was given; for `pending()` and `failed()`. */
  open(sealed: string, of: { id: string; type: string }): string | Promise<string>;
}

/**
 * One page's hold on the session that all pages of a channel share.
 *
 * Fires these events, each a `CustomEvent`; see {@link BellwetherEventMap}: `"status"`,
 * `"dead-letter"`, `"state-lost"`, `"reload-needed"`, `"error"`. What happens while `connect` is
 * still at work is fired after it has resolved, so listeners attached right then miss nothing.
 */
export interface Bellwether extends TypedTarget<BellwetherEventMap> {
  /** This page's id; another one after a reload. */
  readonly id: string;
  /**
   * Resolves once a coordinator has answered. Nothing needs to wait for it: events are stored
   * without one. Rejects with `"closed"` if the page closes first; ignoring that is fine, it raises
   * no `unhandledrejection`.
   */
  readonly ready: Promise<void>;
  /** How things stand. Frozen, and replaced by another object on each change. */
  readonly status: Status;
  /** The queue of events to the server. */
  readonly outbox: Outbox;
  /** What all pages and devices of the session share. */
  readonly state: SharedState;
  /** The events of all devices, as the server has them. */
  readonly events: EventLog;
  /** Which page leads, and what only that one does. Whoever looks at it takes part from then on. */
  readonly leader: Leadership;

  /**
   * Tries to send all that is pending, without waiting for batches or delays to run out.
   *
   * Resolves when the attempt is over, whether or not everything could be sent: being offline is
   * not an error. Events of users without a token stay pending.
   *
   * @throws {@link BellwetherError} with `code`
   *   - `"coordinator-silent"`: no worker or page answered; the events stay stored
   *   - `"closed"`: this page was closed
   */
  flush(): Promise<FlushReport>;

  /**
   * Writes down what happens, or does so no more: a flight recorder, to be replayed step by step by
   * those who can mend it. Off until asked for.
   *
   * This page writes down its own part from here on, and forgets what it had. The coordinator
   * starts over, in all tabs unnoticed, and writes down each of its lives until `record(false)`,
   * through restarts, too; of the last eight there is a part on this device's disk.
   *
   * Types, keys, ids, users and the server's words are in it. Tokens never are. The data of events
   * and what the server gave back for them are left out unless asked for; a hash of each event
   * stands for it, by which a good guess at the whole of an event could be confirmed.
   */
  record(on: boolean, options?: RecordOptions): void;

  /**
   * What was recorded by this page, and by the coordinator up to when it was last at rest: one
   * file for `cargo xtask replay`. Empty of facts if nothing was.
   */
  recording(): Promise<Blob>;

  /**
   * Runs `fn` while no other call of this channel runs one under the same name, in this page or in another of this
   * browser. Gives what `fn` gives, and what it throws goes through as it is.
   *
   * The lock is the browser's own (Web Locks) where there is one. Elsewhere, as on plain `http:`, pages take turns by
   * marks in `localStorage`. That is advisory: browsers do not promise when another process sees a write, so in rare
   * cases two run at once. What must not be done twice belongs into the outbox, which does not rely on it. There a page
   * that dies leaves a mark that is passed over after 10 s, and one that is put to sleep for so long has lost the lock.
   *
   * A call inside the `fn` of another with the same name waits for itself, and ends with `"lock-timeout"`.
   *
   * @param name - any text
   * @throws {@link BellwetherError} with `code`; in each case `fn` was not run
   *   - `"lock-timeout"`: another had it all the time; call again, or wait longer
   *   - `"lock-unavailable"`: the browser offers neither locks nor `localStorage` here; see `runWithout`
   *   - `"aborted"`: the signal fired before there was a lock
   *   - `"option-invalid"`: an argument cannot be used
   *   - `"module-unavailable"`: a file of the package cannot be loaded
   *   - `"closed"`: this page was closed
   *
   * @example
   * await bw.withLock("export", async () => upload(await collect()), { timeout: 30_000 });
   */
  withLock<T>(name: string, fn: () => T | Promise<T>, options?: LockOptions): Promise<T>;

  /** What came of this page's calls of {@link Bellwether.withLock} so far. */
  lockMetrics(): Promise<LockMetrics>;

  /**
   * Says who is at work from here on. Events enqueued earlier stay their maker's, and wait for a
   * token of that user; they are never sent under another's.
   *
   * @param to.user - `""` for nobody in particular; left out, it stays
   * @param to.session - left out, it stays
   * @param to.token - left out, a function stays, and a string stays while the user does
   * @throws {@link BellwetherError} with `code`
   *   - `"option-invalid"`: a value cannot be used; nothing has changed
   *   - `"closed"`: this page was closed
   */
  setIdentity(to: Identity): Promise<void>;

  /**
   * Ends this user's work in this page: the worker forgets the token, and the page goes on as
   * nobody in particular, without one. What was enqueued waits until its user is back, with a token of
   * their own; other pages that have signed in as them are not asked to forget it.
   *
   * @param options.undelivered - `"keep"`: it waits. `"discard"`: what this user has not delivered in
   *   this session is deleted from this device, dead letters too. Default `"keep"`
   * @throws {@link BellwetherError} with `code`
   *   - `"option-invalid"`: there is no such choice; nothing has changed
   *   - `"coordinator-silent"`, `"store-…"`: the user is signed out, and what was to be discarded may
   *     still be there; `wipe` tries again
   *   - `"module-unavailable"`: a file of the package cannot be loaded; nothing has changed
   *   - `"closed"`: this page was closed
   */
  signOut(options?: SignOutOptions): Promise<void>;

  /**
   * Removes from this device what the channel, or one session of it, has stored, for all tabs.
   * Events that are not delivered stay, as do dead letters, unless they are asked for. What tabs without
   * a database have kept in `localStorage` goes, too; one that is open meanwhile still has it in memory,
   * and goes on with that.
   *
   * @throws {@link BellwetherError} with `code`
   *   - `"option-invalid"`: an option cannot be used; nothing was removed
   *   - `"coordinator-silent"`, `"store-…"`: it may not have been done; call again
   *   - `"module-unavailable"`: a file of the package cannot be loaded; nothing was removed
   *   - `"not-supported"`: the worker is of a build that cannot do that yet; update it
   *   - `"closed"`: this page was closed
   */
  wipe(options?: WipeOptions): Promise<WipeReport>;

  /**
   * Leaves the session: other pages and the worker go on, and what is stored stays stored. May be
   * called again, to no further effect. Calls made after it fail with `"closed"`; `connect` opens
   * the channel anew.
   */
  close(): Promise<void>;
}

/** The events of {@link Bellwether}, by name. */
export interface BellwetherEventMap {
  /** `status` is another. */
  status: CustomEvent<Status>;
  /** Keys of the shared state have a value from elsewhere. */
  "remote-update": CustomEvent<Change>;
  /** Two writes to a key of the shared state did not know of one another. */
  conflict: CustomEvent<Conflict>;
  /** An event was given up, and waits for `retry` or `discard`. */
  "dead-letter": CustomEvent<DeadLetterNotice>;
  /** Something durable is gone or was replaced: by the browser, by a restored profile or server. */
  "state-lost": CustomEvent<StateLoss>;
  /** This page is too old or too new for the coordinator, and has to be loaded again. */
  "reload-needed": CustomEvent<ReloadNotice>;
  /** Something failed that no call is waiting for, such as an event handed to `post`. */
  error: CustomEvent<BellwetherError>;
}

/** Who is at work. */
export interface Identity {
  /** Whose events are made from here on; `""` for nobody in particular. */
  user?: string | undefined;
  /** The session on the server. */
  session?: string | undefined;
  /** What to show the server. */
  token?: TokenSource | undefined;
}

/** See {@link Bellwether.signOut}. */
export interface SignOutOptions {
  /** What becomes of what was not delivered. Default `"keep"`. */
  undelivered?: "keep" | "discard" | undefined;
}

/** See {@link Bellwether.wipe}. */
export interface WipeOptions {
  /** One session; default: all of them. */
  session?: string | undefined;
  /** Undelivered events and dead letters, too. Default `false`. */
  undelivered?: boolean | undefined;
}

/** What {@link Bellwether.wipe} came to. */
export interface WipeReport {
  /** How many undelivered events and dead letters were removed. */
  removed: number;
}

/** See {@link Bellwether.withLock}. */
export interface LockOptions {
  /**
   * How long to wait for the lock, in milliseconds, from 0; `Infinity` waits as long as it takes. The time that `fn` takes
   * is not counted. Default 5 000, where there are no Web Locks to within a fifth of a second.
   */
  timeout?: number | undefined;
  /** How often to look, where there are no Web Locks: milliseconds, more or less by a quarter. Default 50. */
  lockCheckInterval?: number | undefined;
  /**
   * How often to look again, where there are no Web Locks, even if there is time left. Default 100; with a `timeout` above
   * 5 000 as often as there is time for.
   */
  maxRetries?: number | undefined;
  /** Ends the waiting. Once `fn` runs it has no effect. */
  signal?: AbortSignal | undefined;
  /**
   * Runs `fn` without a lock where the browser offers neither locks nor `localStorage`, and says so in the console.
   * Default `false`: `"lock-unavailable"`.
   */
  runWithout?: boolean | undefined;
}

/** Counts of this page's locks, since it was connected. */
export interface LockMetrics {
  /** Calls that got the lock. */
  readonly acquired: number;
  /** Calls that did not get it at once, whatever became of them. */
  readonly contended: number;
  /** Calls that ended with `"lock-timeout"`. */
  readonly timedOut: number;
  /** Locks that were lost while `fn` ran; each was told by `"error"`, as `"lock-lost"`. */
  readonly lost: number;
  /** Calls that ran without a lock, by `runWithout`. */
  readonly ranWithout: number;
  /** Milliseconds for which calls have waited, all together, also those that got nothing. */
  readonly waitedMs: number;
}

/**
 * Where the coordinator runs: in the service worker, else in a page. The others say how that page is elected, the best first:
 * over Web Locks, by a lease in the database or in `localStorage`, by a vote of the pages that hear one another, or not at all.
 */
export type HostKind =
  "service-worker" | "web-locks" | "indexeddb-lease" | "storage-mutex" | "broadcast-vote" | "solo";

/** How things stand. */
export interface Status {
  /** Where the coordinator runs; `"starting"` until one has answered, and so for good where none of what is allowed works. */
  readonly host: HostKind | "starting";
  /**
   * Whether this page hosts the coordinator: what it does for long at a stretch keeps all pages waiting, and when it goes another
   * takes over. `false` in all pages while a worker hosts. A page that hung may say so for a moment after another has taken over.
   */
  readonly hosting: boolean;
  /**
   * Why there is no better host, in words, as why no worker could be registered; empty if there is nothing to say. Where there
   * is none at all, why each of {@link HostKind} does not work.
   */
  readonly reasons: readonly string[];
  /** Which coordinator: counted up each time one takes over; 0 until one has answered. */
  readonly epoch: number;
  /** Whether this page hears the coordinator. */
  readonly connection: "connected" | "disconnected";
  /** What the browser says of the network. `true` does not mean that the server can be reached. */
  readonly online: boolean;
  /** One word for the user interface. */
  readonly sync: "synchronized" | "synchronizing" | "offline" | "blocked";
  /**
   * Why nothing is sent, by name; present only while `sync` is `"blocked"`. Where the disk is why, it is
   * the code of that fault: the README says what to do about each.
   */
  readonly blocked?: string;
  /** How many pages share the session, this one included. */
  readonly pages: number;
  /** How many events are stored and not yet delivered. */
  readonly pending: number;
  /** How many dead letters wait for `retry` or `discard`. */
  readonly dead: number;
  /** When it will be tried again, in milliseconds since the Unix epoch; `null`: nothing is due. */
  readonly nextAttemptAt: number | null;
  /** Whether delivery was paused by the app. */
  readonly paused: boolean;
  /**
   * Whether the server is being spared after failures in a row: `"open"`, nothing is sent until
   * `nextAttemptAt`; `"half-open"`, one request is on its way to see whether it is well again.
   */
  readonly breaker: "closed" | "open" | "half-open";
  /**
   * What the browser promises for what is stored. `"persistent"`: it stays until the user deletes it.
   * `"best-effort"`: the browser may delete it when it is short of space. Without a database pages keep it themselves:
   * `"local"`, it outlives them in `localStorage`, up to a few megabytes; `"memory"`, it is gone with the last page. `"none"`:
   * nothing can be stored here; `enqueue` fails, and says why.
   */
  readonly storage: "persistent" | "best-effort" | "local" | "memory" | "none";
  /** Build id of the coordinator; `""` until one has answered. */
  readonly build: string;
  /** Version of the protocol spoken with the coordinator; 0 until one has answered. */
  readonly protocol: number;
}

/** How much {@link Bellwether.record} writes down. */
export interface RecordOptions {
  /** Whether events' data, and what the server gave back for them, are part of it. Default: no. */
  bodies?: boolean;
}

/** What {@link Bellwether.flush} came to. */
export interface FlushReport {
  /** How many events the server has taken during this flush. */
  delivered: number;
  /** How many are still pending. */
  pending: number;
  /** How many dead letters there are. */
  dead: number;
}

/** The queue of events to the server: durable, in order, each taking effect there once. */
export interface Outbox {
  /**
   * Stores an event, to be sent to the server as soon as that is possible.
   *
   * Resolves once the event is on disk, not once it is sent: from then on it survives the tab, the
   * worker and the browser, and takes effect on the server once, in order within its lane. Offline
   * is not an error. To learn when the server has it, wait for `delivered(id)`.
   *
   * @param event.type - what happened, as the server knows it; at most 200 bytes of UTF-8
   * @param event.data - any JSON value; at most 256 KiB once encoded
   * @param options.timeoutMs - give up waiting for the disk after this long; default 5 000
   * @returns the event's id, and its position in the order of appending on this device
   * @throws {@link BellwetherError} with `code`
   *   - `"event-invalid"`: a field cannot be used, the message says which; nothing was stored
   *   - `"data-invalid"`: `data` cannot be encoded as JSON; nothing was stored
   *   - `"option-invalid"`: an option cannot be used; nothing was stored
   *   - `"outbox-too-large"`: `type` or `data` is over its limit; nothing was stored
   *   - `"outbox-full"`: too many events wait for the disk, or `maxPending` are pending; nothing was
   *     stored, try again later
   *   - `"seal-failed"`: the option `encrypt` could not seal it, `cause` says why; nothing was stored
   *   - `"not-supported"`: the channel delivers plain requests: use `request`; nothing was stored
   *   - `"store-quota"`: the disk is full; nothing was stored, nothing stored earlier was lost
   *   - `"store-timeout"`: no answer in time; the event **may** have been stored, and calling again
   *     with the same `id` is safe
   *   - `"store-unavailable"`, `"store-closed"`, `"store-failed"`: the browser's storage does not
   *     work; nothing was stored
   *   - `"aborted"`: `options.signal` fired; unless it had fired before the call, the event **may**
   *     be stored, and is then sent
   *   - `"closed"`: this page was closed; nothing was stored
   *
   * @example
   * const { id } = await bw.outbox.enqueue({ type: "todo.added", data: { title: "Buy milk" } });
   */
  enqueue(event: NewEvent, options?: EnqueueOptions): Promise<Receipt>;

  /**
   * Stores an event like {@link Outbox.enqueue}, without waiting for the disk: when this returns
   * the event is **not** yet durable. If it cannot be stored, the page fires `"error"`.
   *
   * `timeoutMs` and `signal` are without effect here.
   *
   * @returns the event's id
   * @throws {@link BellwetherError} at once for what `enqueue` refuses without asking the disk:
   *   `"event-invalid"`, `"data-invalid"`, `"option-invalid"`, `"outbox-too-large"`,
   *   `"outbox-full"`, `"closed"`
   */
  post(event: NewEvent, options?: EnqueueOptions): string;

  /**
   * Stores a plain request, to be sent to its own server as soon as that is possible, at least once,
   * with the event's id as `Idempotency-Key`. Only with `outbox.deliver: "requests"`. Resolves once it is
   * on disk.
   *
   * A `Request` is read, and may be used by the app afterwards; mode, cache, credentials and signal of
   * it are not kept. A relative URL is the page's. Credentials are best given when it is sent, by the
   * option `token` or the worker's hook `resolve`.
   *
   * @param request.method - default `"GET"`, or `"POST"` if there is a body; not `CONNECT`, `TRACE`, `TRACK`
   * @param request.body - what `fetch` takes, but no stream; at most 256 KiB with URL and headers
   * @throws {@link BellwetherError} with `code`
   *   - `"request-invalid"`: a part of it cannot be sent, the message says which; nothing was stored
   *   - `"not-supported"`: the channel does not deliver plain requests; nothing was stored
   *   - `"module-unavailable"`: a file of the package cannot be loaded; nothing was stored
   *   - and those of {@link Outbox.enqueue}
   *
   * @example
   * await bw.outbox.request(new Request("/api/todos", { method: "POST", body: JSON.stringify(todo) }));
   */
  request(request: Request | RequestParts, options?: RequestOptions): Promise<Receipt>;

  /**
   * Takes an event out of the queue. Its outcome is then `"refused"` with the code `"cancelled"`.
   * Durable when it resolves.
   *
   * @throws {@link BellwetherError} with `code`
   *   - `"already-sealed"`: it may be on its way to the server; nothing has changed
   *   - `"event-unknown"`: it is not in the queue; it may be delivered
   *   - `"coordinator-silent"`: no worker or page answered; it may not have been done
   *   - `"not-supported"`: the worker is of a build that cannot do that yet; update it
   *   - `"closed"`: this page was closed
   */
  cancel(id: string): Promise<void>;

  /**
   * Puts another event into the place of one that is queued, under the same id, for the same session,
   * user and priority. Durable when it resolves.
   *
   * @param event - as for `enqueue`; its `id` is left out, or the same
   * @throws {@link BellwetherError} with the codes of {@link Outbox.cancel}, and for an event that cannot
   *   be used those of {@link Outbox.enqueue}
   */
  replace(id: string, event: NewEvent): Promise<void>;

  /**
   * Lists what is stored and not yet delivered, of all pages, sessions and users of the channel, in
   * the order of appending. What the option `encrypt` cannot open is listed as it is stored, and fires
   * `"error"` with `"open-failed"`.
   *
   * @throws {@link BellwetherError} with `code` `"store-…"`, `"module-unavailable"` or `"closed"`
   */
  pending(): Promise<QueuedEvent[]>;

  /**
   * Lists the dead letters: events that the server refused for good, or that spent their tries. A letter
   * of pages without a database stays theirs: one that has a database takes in events, and lists no such letter.
   *
   * @throws {@link BellwetherError} with `code` `"store-…"`, `"module-unavailable"` or `"closed"`
   */
  failed(): Promise<DeadLetter[]>;

  /**
   * Puts another event into a dead letter, under the same id. It stays a letter: `retry` sends it.
   * Durable when it resolves.
   *
   * @param event - as for `enqueue`; its `id` is left out, or the same
   * @throws {@link BellwetherError} with `code`
   *   - `"letter-unknown"`: there is no such letter; another page may have been faster
   *   - `"coordinator-silent"`: no worker or page answered; it may not have been done
   *   - `"not-supported"`: the worker is of a build that cannot do that yet; update it
   *   - and for an event that cannot be used those of {@link Outbox.enqueue}
   */
  edit(id: string, event: NewEvent): Promise<void>;

  /**
   * Puts dead letters back into the queue, at its end, under the same ids. Durable when it
   * resolves.
   *
   * @param id - one letter; left out, all of them
   * @returns how many were put back
   * @throws {@link BellwetherError} with `code`
   *   - `"letter-unknown"`: there is no such letter; another page may have been faster
   *   - `"coordinator-silent"`: no worker or page answered; nothing has changed
   *   - `"closed"`: this page was closed
   */
  retry(id?: string): Promise<number>;

  /**
   * Deletes a dead letter for good. Durable when it resolves.
   *
   * @throws {@link BellwetherError} with `code`
   *   - `"letter-unknown"`: there is no such letter; another page may have been faster
   *   - `"coordinator-silent"`: no worker or page answered; the letter is still there
   *   - `"closed"`: this page was closed
   */
  discard(id: string): Promise<void>;

  /**
   * Stops delivery for the whole channel, in all pages, until `resume`; events are still stored. It
   * outlasts page, worker and browser.
   *
   * @throws {@link BellwetherError} with `code` `"coordinator-silent"`, `"store-…"` or `"closed"`
   */
  pause(): Promise<void>;

  /**
   * Ends `pause`.
   *
   * @throws {@link BellwetherError} with `code` `"coordinator-silent"`, `"store-…"` or `"closed"`
   */
  resume(): Promise<void>;

  /**
   * Resolves when the server has accepted or refused an event, which may take as long as the
   * device is offline. For an event that is done it resolves at once, while its outcome is kept:
   * for 7 days, or 10,000 events.
   *
   * @throws {@link BellwetherError} with `code` `"closed"`: this page was closed; the event stays
   *   stored, and is sent
   */
  delivered(id: string): Promise<Delivery>;
}

/** An event to store and send. */
export interface NewEvent {
  /** What happened, as the server knows it; 1 to 200 bytes of UTF-8. */
  type: string;
  /**
   * Any value that `JSON.stringify` can encode, at most 256 KiB once encoded. It is encoded before
   * the call returns, so later changes to it do not matter. Default: none.
   */
  data?: unknown;
  /** Events of one key take effect in the order of appending; at most 200 bytes. Default: none. */
  key?: string | undefined;
  /**
   * 1 to 64 visible ASCII characters that name this event for ever: the server takes each id once
   * per session. Default: a new UUIDv7.
   */
  id?: string | undefined;
  /** Ties events together that belong together; at most 200 bytes. Default: none. */
  correlationId?: string | undefined;
  /** Your version of the shape of `data`, a whole number from 0 to 4,294,967,295. Default 0. */
  schema?: number | undefined;
  /**
   * The id of its prerequisite: an event enqueued before on this device. It is not sent before the
   * server has taken that one. Default: none.
   */
  after?: string | undefined;
  /**
   * What the server takes out of the prerequisite's result and puts into `data` before it takes
   * effect: JSON pointers (RFC 6901) into `data`, each with one into the result. At most 4 KiB as JSON;
   * only with `after`, and not into what the option `encrypt` has sealed. Default: nothing.
   *
   * @example
   * { type: "session.ended", data: {}, after: started.id, binds: { "/session": "/id" } }
   */
  binds?: Record<string, string> | undefined;
  /**
   * What becomes of it if its prerequisite fails: `"bury"` makes it a dead letter
   * (`"prerequisite-failed"`), `"release"` sends it all the same, unbound. Default `"bury"`.
   */
  onPrerequisiteFailed?: "bury" | "release" | undefined;
  /**
   * Until it is sent, a later event of the same `type` and `key` that says so, too, takes its place; its
   * outcome is then `"refused"` with the code `"superseded"`. For pings and drafts. Default `false`.
   */
  collapse?: boolean | undefined;
}

/** A plain request, in parts. */
export interface RequestParts {
  url: string | URL;
  method?: string | undefined;
  headers?: HeadersInit | undefined;
  body?: BodyInit | null | undefined;
}

/** How a plain request is stored and sent. */
export interface RequestOptions
  extends
    EnqueueOptions,
    Pick<NewEvent, "key" | "id" | "correlationId" | "after" | "onPrerequisiteFailed" | "collapse"> {
  /** What it is listed as; at most 200 bytes. Default: its method. */
  type?: string | undefined;
  /**
   * Stores the headers `Authorization` and `Proxy-Authorization`, in clear, on the disk; they are refused
   * otherwise. Default `false`.
   */
  keepCredentials?: boolean | undefined;
}

/** How an event is stored and sent. */
export interface EnqueueOptions {
  /**
   * `"critical"` goes first and at once; `"normal"` and `"bulk"` are batched, `"bulk"` last. Order
   * is kept within each of the three, not between them. Default `"normal"`.
   */
  priority?: Priority | undefined;
  /** Send at once, without waiting for the batch to fill. Default `false`. */
  immediate?: boolean | undefined;
  /**
   * How long to wait for the disk, in milliseconds, above 0; `Infinity` waits as long as it takes.
   * Default 5 000, to within half a second.
   */
  timeoutMs?: number | undefined;
  /** Ends the waiting, not the event: see `"aborted"` at {@link Outbox.enqueue}. */
  signal?: AbortSignal | undefined;
}

/** How urgent an event is. */
export type Priority = "critical" | "normal" | "bulk";

/** Proof that an event is on disk. */
export interface Receipt {
  /** The event's id. */
  id: string;
  /** Its place in the order of appending on this device; there may be gaps. */
  position: number;
}

/** What became of an event on the server. */
export interface Delivery {
  /** The event's id. */
  id: string;
  /** `"duplicate"`: the server had it already, and it took effect then. */
  status: "accepted" | "duplicate" | "refused";
  /** Its place in the session's log on the server. */
  offset?: number;
  /** What the server's app gave back for it. */
  result?: unknown;
  /** Why it was refused. */
  error?: ErrorBody;
}

/** The server's words on a refusal; for developers, not to be shown to users. */
export interface ErrorBody {
  /** The server's name for the reason. */
  code: string;
  /** The reason in words. */
  message: string;
}

/** An event that is stored and not yet delivered. */
export interface QueuedEvent {
  readonly id: string;
  /** Its place in the order of appending on this device. */
  readonly position: number;
  readonly type: string;
  readonly key: string | undefined;
  readonly data: unknown;
  readonly correlationId: string | undefined;
  /** Its prerequisite. */
  readonly after: string | undefined;
  readonly priority: Priority;
  /** `"sending"`: part of a batch that is sealed, and may have reached the server. */
  readonly state: "durable" | "sending";
  /** When it was appended, in milliseconds since the Unix epoch, by this device's clock. */
  readonly appendedAt: number;
  readonly session: string;
  /** Who made it; `""` for nobody in particular. */
  readonly user: string;
}

/** An event that was given up. */
export interface DeadLetter {
  readonly id: string;
  readonly type: string;
  readonly key: string | undefined;
  readonly data: unknown;
  readonly priority: Priority;
  /** Why it was given up, by name: the server's, or Bellwether's own. */
  readonly code: string;
  /** Why it was given up, in words, for developers. */
  readonly message: string;
  /** How many tries it has spent. */
  readonly tries: number;
  /** When it was given up, in milliseconds since the Unix epoch, by this device's clock. */
  readonly buriedAt: number;
  readonly session: string;
  /** Who made it; `""` for nobody in particular. */
  readonly user: string;
}

/** Tells that an event was given up; `outbox.failed()` has all of it. */
export interface DeadLetterNotice {
  readonly id: string;
  readonly type: string;
  /** Why it was given up, by name: the server's, or Bellwether's own. */
  readonly code: string;
  /** Why it was given up, in words, for developers. */
  readonly message: string;
  /** How many tries it has spent. */
  readonly tries: number;
}

/** Tells that something durable is gone or was replaced. */
export interface StateLoss {
  /** What was lost, by name. */
  readonly what: string;
  /** Which it was before. */
  readonly from: string;
  /** Which it is. */
  readonly to: string;
}

/** Tells that this page has to be loaded again. */
export interface ReloadNotice {
  /** The coordinator's build; `""` where that is not known. */
  readonly build: string;
  /** Why, in words. */
  readonly message: string;
}
