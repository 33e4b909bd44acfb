// The public types, as promised: this file is compiled, not run. Each `@ts-expect-error` is a
// mistake the compiler has to find.

import { BellwetherError, connect } from "bellwether";
import type {
  Bellwether,
  Change,
  Commit,
  Conflict,
  ConflictStrategy,
  ConnectOptions,
  DeadLetter,
  Delivery,
  EnqueueOptions,
  ErrorBody,
  ErrorCode,
  FlushReport,
  HostKind,
  LeaderOptions,
  Leadership,
  LeadershipChange,
  LockMetrics,
  LockOptions,
  NewEvent,
  Outbox,
  QueuedEvent,
  Receipt,
  RequestOptions,
  Role,
  SharedState,
  StateOptions,
  Status,
  WipeReport,
  WorkerHooks,
  WorkerRegistry,
} from "bellwether";

/** Whether two types are the same. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_ extends true>(): void {}

holds<Same<ReturnType<typeof connect>, Promise<Bellwether>>>();
holds<Same<Parameters<typeof connect>, [options?: ConnectOptions | undefined]>>();

async function options(url: URL, module: WebAssembly.Module): Promise<void> {
  await connect();
  await connect({});
  await connect({
    channel: "a",
    worker: "/sw.js",
    scope: "/",
    server: "https://sync.example",
    session: "s",
    user: "u",
    token: "t",
    outbox: {
      durability: "strict",
      maxRetries: 5,
      baseDelayMs: 1,
      maxDelayMs: 2,
      batchSize: 3,
      batchAgeMs: 4,
      deadLetterCap: 5,
      deadLetterOverflow: "block",
      maxPending: 6,
      safetyNetMs: 7_000,
      deliver: "protocol",
      encrypt: {
        seal: (json, { id, type }) => json + id + type,
        open: async (sealed, { id }) => sealed + id,
      },
      migrate: async (letter) => ({ type: letter.type, data: letter.data }),
    },
    state: {
      syncKeys: ["theme"],
      excludeKeys: ["secret"],
      throttleMs: 100,
      debounceMs: 50,
      conflictStrategy: "merge",
      keyStrategies: { seat: "first-write-wins" },
      customResolver: ({ key, base, local, remote }) => [key, base, local, remote],
      shouldSync: (previous, next) => previous["theme"] !== next["theme"],
      validate: (key, value) => key === "theme" && typeof value === "string",
      initial: { theme: "dark" },
    },
    guardUnload: true,
    wasm: module,
    debug: "push",
  });
  await connect({ worker: url, server: url, wasm: url, debug: true });
  await connect({ worker: false, server: null, token: undefined });
  await connect({ token: () => "t" });
  await connect({ token: async ({ user, session }) => `${user?.length}${session.length}` });
  await connect({ token: async () => undefined });

  // @ts-expect-error: no such option
  await connect({ chanel: "a" });
  // @ts-expect-error: a worker is a place, or none
  await connect({ worker: true });
  // @ts-expect-error: no such durability
  await connect({ outbox: { durability: "lax" } });
  // @ts-expect-error: no such strategy
  await connect({ state: { conflictStrategy: "newest-wins" } });
  // @ts-expect-error: no such strategy for a key, either
  await connect({ state: { keyStrategies: { theme: "newest" } } });
  // @ts-expect-error: keys are a list
  await connect({ state: { syncKeys: "theme" } });
  // @ts-expect-error: whether a value is fine is known at once
  await connect({ state: { validate: async () => true } });
  // @ts-expect-error: no such option
  await connect({ state: { persist: true } });
  // @ts-expect-error: sealing alone is not enough
  await connect({ outbox: { encrypt: { seal: (json) => json } } });
  // @ts-expect-error: no such way
  await connect({ outbox: { deliver: "batches" } });
  // @ts-expect-error: what is migrated becomes an event
  await connect({ outbox: { migrate: () => "event" } });
  // @ts-expect-error: a token is text
  await connect({ token: () => 7 });
}

async function page(bw: Bellwether): Promise<void> {
  holds<Same<typeof bw.id, string>>();
  holds<Same<typeof bw.ready, Promise<void>>>();
  holds<Same<typeof bw.status, Status>>();
  holds<Same<typeof bw.outbox, Outbox>>();
  holds<Same<typeof bw.state, SharedState>>();
  holds<Same<ReturnType<typeof bw.flush>, Promise<FlushReport>>>();
  holds<Same<FlushReport, { delivered: number; pending: number; dead: number }>>();
  holds<Same<ReturnType<typeof bw.record>, void>>();
  bw.record(true);
  bw.record(true, { bodies: true });
  // @ts-expect-error: no such option
  bw.record(true, { tokens: true });
  holds<Same<ReturnType<typeof bw.recording>, Promise<Blob>>>();
  await bw.setIdentity({ user: "ben", session: "s", token: () => "t" });
  await bw.setIdentity({});
  holds<Same<ReturnType<typeof bw.close>, Promise<void>>>();
  await bw.signOut();
  await bw.signOut({ undelivered: "discard" });
  // @ts-expect-error: no such choice
  await bw.signOut({ undelivered: "send" });
  holds<Same<ReturnType<typeof bw.wipe>, Promise<WipeReport>>>();
  holds<Same<WipeReport, { removed: number }>>();
  await bw.wipe({ session: "s", undelivered: true });
  const target: EventTarget = bw;

  // @ts-expect-error: the id is the runtime's
  bw.id = "mine";
  // @ts-expect-error: the status is frozen
  bw.status.pending = 0;
  // @ts-expect-error: and so are its reasons
  bw.status.reasons.push("because");
  // @ts-expect-error: no such member
  bw.unknown();
}

async function leading({ leader }: Bellwether): Promise<void> {
  holds<Same<typeof leader, Leadership>>();
  holds<Same<[typeof leader.isLeader, typeof leader.leaderId, typeof leader.epoch], [boolean, string | null, number]>>();
  holds<Same<typeof leader.role, Role>>();
  holds<Same<Role, "leader" | "follower" | "starting">>();
  leader.addEventListener("change", ({ detail }) => holds<Same<typeof detail, LeadershipChange>>());
  const target: EventTarget = leader;
  holds<Same<ReturnType<typeof leader.forceLeader>, Promise<void>>>();
  holds<Same<ReturnType<typeof leader.resign>, Promise<void>>>();
  const stop = leader.runExclusive("poll", async (signal) => holds<Same<typeof signal, AbortSignal>>());
  holds<Same<typeof stop, () => void>>();
  const end = leader.handle("sum", async (input, signal) => {
    holds<Same<typeof input, unknown>>();
    return signal.aborted;
  });
  holds<Same<typeof end, () => void>>();
  const result = await leader.delegate("sum", [1, 2], { to: "page", timeoutMs: 1_000 });
  holds<Same<typeof result, unknown>>();
  const options: LeaderOptions = { enabled: false };

  // @ts-expect-error: who leads is told, not set
  leader.isLeader = true;
  // @ts-expect-error: there is no such option yet
  const later: LeaderOptions = { heartbeatMs: 1_000 };
  // @ts-expect-error: it ends when its signal fires, and a promise says so
  leader.runExclusive("poll", () => 7);
  // @ts-expect-error: a task has an input
  await leader.delegate("sum");
}

async function locks(bw: Bellwether, signal: AbortSignal): Promise<void> {
  const options: LockOptions = {
    timeout: Infinity,
    lockCheckInterval: 50,
    maxRetries: 100,
    signal,
    runWithout: true,
  };
  const asynchronous = bw.withLock("n", async () => 7, options);
  holds<Same<typeof asynchronous, Promise<number>>>();
  const synchronous = bw.withLock("n", () => "text");
  holds<Same<typeof synchronous, Promise<string>>>();
  holds<Same<ReturnType<typeof bw.lockMetrics>, Promise<LockMetrics>>>();
  const counts = await bw.lockMetrics();
  holds<Same<(typeof counts)[keyof LockMetrics], number>>();

  // @ts-expect-error: a lock has a name
  await bw.withLock(() => 7);
  // @ts-expect-error: there is something to be done under it
  await bw.withLock("n");
  // @ts-expect-error: waiting is normal, and nobody's lock is taken away
  await bw.withLock("n", () => 7, { steal: true });
  // @ts-expect-error: counts are told, not set
  counts.lost = 0;
}

function status(it: Status): void {
  holds<Same<Status["host"], HostKind | "starting">>();
  holds<Same<Status["sync"], "synchronized" | "synchronizing" | "offline" | "blocked">>();
  holds<Same<Status["connection"], "connected" | "disconnected">>();
  holds<Same<Status["nextAttemptAt"], number | null>>();
  holds<Same<typeof it.blocked, string | undefined>>();
  holds<Same<Status["breaker"], "closed" | "open" | "half-open">>();
  holds<Same<Status["storage"], "persistent" | "best-effort" | "local" | "memory" | "none">>();
  holds<Same<Status["epoch"] | Status["pages"] | Status["pending"] | Status["dead"], number>>();
  holds<Same<Status["online"] | Status["paused"] | Status["hosting"], boolean>>();
  holds<Same<Status["build"], string>>();
  holds<Same<Status["protocol"], number>>();
}

function events(bw: Bellwether): void {
  bw.addEventListener("status", (event) => holds<Same<typeof event.detail, Status>>());
  bw.addEventListener("error", (event) => holds<Same<typeof event.detail, BellwetherError>>());
  bw.addEventListener("dead-letter", ({ detail }) => {
    holds<Same<typeof detail.tries, number>>();
    const { id, type, code, message }: Record<"id" | "type" | "code" | "message", string> = detail;
  });
  bw.addEventListener("state-lost", ({ detail }) => {
    const { what, from, to }: Record<"what" | "from" | "to", string> = detail;
  });
  bw.addEventListener("remote-update", (event) => holds<Same<typeof event.detail, Change>>());
  bw.addEventListener("conflict", (event) => holds<Same<typeof event.detail, Conflict>>());
  bw.addEventListener("reload-needed", ({ detail }) => {
    const { build, message }: Record<"build" | "message", string> = detail;
  });
  const listener = (): void => {};
  bw.addEventListener("status", listener, { once: true });
  bw.removeEventListener("status", listener);
}

async function outbox(it: Outbox, signal: AbortSignal): Promise<void> {
  holds<Same<ReturnType<Outbox["enqueue"]>, Promise<Receipt>>>();
  holds<Same<Receipt, { id: string; position: number }>>();
  holds<Same<ReturnType<Outbox["post"]>, string>>();
  holds<Same<ReturnType<Outbox["pending"]>, Promise<QueuedEvent[]>>>();
  holds<Same<ReturnType<Outbox["failed"]>, Promise<DeadLetter[]>>>();
  holds<Same<ReturnType<Outbox["retry"]>, Promise<number>>>();
  holds<Same<ReturnType<Outbox["delivered"]>, Promise<Delivery>>>();
  holds<Same<Delivery["status"], "accepted" | "duplicate" | "refused">>();
  holds<Same<Delivery["offset"], number | undefined>>();
  holds<Same<Delivery["error"], ErrorBody | undefined>>();

  const event: NewEvent = {
    type: "t",
    data: { a: [1] },
    key: "k",
    id: "i",
    correlationId: "c",
    schema: 1,
    after: "before",
    binds: { "/session": "/id" },
    onPrerequisiteFailed: "release",
    collapse: true,
  };
  const how: EnqueueOptions = { priority: "critical", immediate: true, timeoutMs: 5, signal };
  await it.enqueue(event, how);
  it.post({ type: "t" }, { priority: "bulk" });
  await it.retry();
  await it.retry("i");
  await it.discard("i");
  holds<Same<ReturnType<Outbox["cancel"]>, Promise<void>>>();
  await it.cancel("i");
  await it.replace("i", event);
  await it.edit("i", { type: "t" });
  holds<Same<ReturnType<Outbox["request"]>, Promise<Receipt>>>();
  const more: RequestOptions = { type: "t", key: "k", after: "i", keepCredentials: true, signal };
  await it.request(new Request("/a"), more);
  await it.request({ url: "/a", method: "PUT", headers: { "x-a": "b" }, body: new FormData() });
  await it.pause();
  await it.resume();

  // @ts-expect-error: an event has a type
  await it.enqueue({ data: 1 });
  // @ts-expect-error: no such lane
  await it.enqueue({ type: "t" }, { priority: "urgent" });
  // @ts-expect-error: a request goes somewhere
  await it.request({ method: "GET" });
  // @ts-expect-error: what a request takes from a result has no place in it
  await it.request("/a", { binds: { "/a": "/b" } });
  // @ts-expect-error: a prerequisite that fails buries or releases
  await it.enqueue({ type: "t", after: "i", onPrerequisiteFailed: "wait" });
  // @ts-expect-error: discarding everything at once is not offered
  await it.discard();
}

async function state(it: SharedState, user: { readonly name: string }): Promise<void> {
  holds<Same<StateOptions, NonNullable<ConnectOptions["state"]>>>();
  holds<Same<ReturnType<SharedState["set"]>, Promise<Commit>>>();
  holds<Same<ReturnType<SharedState["delete"]>, Promise<Commit>>>();
  holds<Same<ReturnType<SharedState["request"]>, Promise<void>>>();
  holds<Same<ReturnType<SharedState["broadcast"]>, Promise<void>>>();
  holds<Same<ReturnType<SharedState["subscribe"]>, () => void>>();
  holds<Same<Commit, { version: number; keys: string[]; conflict: boolean }>>();
  holds<Same<Change["origin"], "local" | "page" | "server">>();
  holds<Same<Change["source"], string>>();
  holds<Same<Change["keys"], string[]>>();
  holds<Same<Change["version"], number>>();
  holds<Same<Conflict["strategy"], ConflictStrategy>>();
  holds<Same<Conflict["base" | "local" | "remote" | "result"], unknown>>();

  const all = it.get();
  holds<Same<typeof all, Readonly<Record<string, unknown>>>>();
  const count = it.get<number>("count");
  holds<Same<typeof count, number | undefined>>();
  const unknown = it.get("count");
  holds<Same<typeof unknown, unknown>>();
  await it.set({ user, count: 1, gone: undefined });
  const commit = await it.update<number>("count", (value) => (value ?? 0) + 1);
  holds<Same<typeof commit, Commit>>();
  await it.delete("count");
  const end = it.subscribe(({ keys, origin }) => keys.includes(origin));
  end();
  it.subscribe(["user"], (change) => holds<Same<typeof change, Change>>());
  await it.request();
  await it.broadcast();
  await it.broadcast(["user"]);

  // @ts-expect-error: what is handed out is not changed
  all.count = 2;
  // @ts-expect-error: a write names its keys
  await it.set("count", 2);
  // @ts-expect-error: what the function makes is of the key's type
  await it.update<number>("count", () => "two");
  // @ts-expect-error: keys are a list
  it.subscribe("user", () => {});
  // @ts-expect-error: a listener is a function
  it.subscribe(["user"]);
}

function worker(registry: WorkerRegistry): void {
  const hooks: WorkerHooks = {
    token: ({ user, session }) => `${user}${session}`,
    resolve: (request) => new Request(request, { credentials: "include" }),
    deliver: async (request, { signal }) =>
      request.method === "GET" ? fetch(request, { signal }) : undefined,
    onPush: (event) => event.type,
    onEvent: ({ detail }) => holds<Same<typeof detail.tries, number>>(),
  };
  registry.use(hooks);
  registry.use({});
  // @ts-expect-error: a request is the browser's
  registry.use({ resolve: ({ url }) => ({ url }) });
  // @ts-expect-error: no such hook
  registry.use({ onFetch: () => {} });
  // @ts-expect-error: a token is text
  registry.use({ token: () => 7 });
  // @ts-expect-error: where they are kept is the runtime's affair
  registry.hooks;
}

function errors(fault: BellwetherError): void {
  const error: Error = fault;
  holds<Same<typeof fault.name, "BellwetherError">>();
  holds<Same<typeof fault.code, ErrorCode>>();
  holds<Same<typeof fault.culprit, "app" | "server" | "peer" | "browser" | "us">>();
  holds<Same<typeof fault.retryable, boolean>>();
  holds<Same<typeof fault.cause, unknown>>();
  if (fault.code === "store-quota") return;
  // @ts-expect-error: no such code
  if (fault.code === "quota") return;
}
