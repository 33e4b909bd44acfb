// One page's client, as an event target.
//
// What always holds: `status` is frozen, and replaced only by another that differs; what happens
// before the app can listen is kept until it can.

import { untilLoaded } from "./again.js";
import { closed } from "./closed.js";
import type { EventLog, LoggedEvent, SubscribeOptions } from "./event-log.js";
import { appFault, named, naming, settled } from "./errors.js";
import { DATABASE_HOSTS, allows } from "./hosts.js";
import type { Inside, Kit } from "./inside.js";
import type { Climbed } from "./ladder.js";
import { Leading } from "./leading.js";
import { later } from "./load.js";
import { checkIdentity, refuseUnknown, text, unfit } from "./options.js";
import type { Asked } from "./options.js";
import { PageOutbox, checked, decode, encode } from "./outbox.js";
import { PageState } from "./state.js";
import type {
  Bellwether,
  BellwetherEventMap,
  FlushReport,
  Identity,
  Leadership,
  LockMetrics,
  LockOptions,
  RecordOptions,
  SignOutOptions,
  Status,
  WipeOptions,
  WipeReport,
} from "./types.js";
import type { Client, ClientClass, Fault, Happenings, RawStatus, Sink } from "./wasm.js";

export class Page extends EventTarget implements Bellwether {
  readonly ready: Promise<void>;
  readonly #asked: Asked;
  readonly #onClosing: (over: Promise<void>) => void;
  #client!: Client;
  #outbox!: PageOutbox;
  #state: PageState | undefined;
  #hasLooked = false;
  #leader: Leading | undefined;
  readonly #over = new AbortController();
  #raw = STARTING;
  #storage: Status["storage"] = "best-effort";
  #below: ReturnType<Inside["below"]>;
  /** How pages choose one of them to host. */
  #way: Climbed | undefined;
  #hosts = false;
  #status = toStatus(STARTING, "best-effort");
  #seen = "";
  #hasAskedToStay = false;
  /** It has seen to what there is to do without a worker; or it is not known yet whether it has a database. */
  #isAlone = true;
  #held: Event[] | undefined = [];
  readonly #looks = new Set<() => void>();
  /** What somebody listens to, or once did. */
  readonly #heard = new Set<string>();
  #closing: Promise<void> | undefined;
  #settleReady!: { resolve(): void; reject(fault: Error): void };

  /** `asked` is kept up to date; `onClosing` is told once, of a promise for the end of it. */
  static async open(
    clients: ClientClass,
    asked: Asked,
    onClosing: (over: Promise<void>) => void,
  ): Promise<Page> {
    const page = new Page(asked, onClosing);
    const { raw, encrypt, migrate, guardUnload, state = {} } = asked;
    // What becomes of a write that may be refused is found out there, and a page that is offline could not load it.
    const strategies = [state.conflictStrategy, ...Object.values(state.keyStrategies ?? {})];
    const decides = strategies.some((it) => it === "first-write-wins" || it === "custom");
    const asksMore = encrypt || migrate || guardUnload || raw.requests || raw.maxPending || decides;
    const isPlain = !asksMore;
    // What is not there yet is not waited for where nothing of it was asked for.
    const more = isPlain ? undefined : await later();
    const fault = await settled<Fault | undefined>((opened) => {
      page.#client = clients.open(raw, page.#sink, (_, fault) => {
        // Tried again by each use; whoever enqueues is told, too.
        if (fault) page.#onStored(fault);
        opened(fault, undefined);
      });
    });
    void page.#stay(false);
    const inside = page.#inside();
    const isForced = !DATABASE_HOSTS.some((it) => allows(raw.hosts, it));
    if (isForced || NO_DATABASE.includes(fault?.code ?? "")) {
      await page.#descend(inside, isForced ? "not among the option `hosts`" : fault!.message);
    }
    if (!page.#below) {
      page.#isAlone = false;
      page.#lookAround();
    }
    // Before the app can enqueue anything: it is older.
    if (hasLeft(raw.channel)) await later().then((it) => it.adopt(inside)).catch(page.#report);
    page.#state = new PageState(inside);
    page.#outbox = more ? more.furnish(inside) : new PageOutbox(inside);
    // The app can listen once `connect` has resolved and its microtasks have run.
    setTimeout(() => page.#release());
    return page;
  }

  private constructor(asked: Asked, onClosing: (over: Promise<void>) => void) {
    super();
    this.#asked = asked;
    this.#onClosing = onClosing;
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    this.ready.catch(() => {});
  }

  override addEventListener(type: string, ...more: [any, any?]): void {
    this.#heard.add(type);
    super.addEventListener(type, ...more);
  }

  get id(): string {
    return this.#client.id();
  }

  get status(): Status {
    return this.#status;
  }

  get outbox(): PageOutbox {
    return this.#outbox;
  }

  get state(): PageState {
    if (!this.#hasLooked && !this.#over.signal.aborted) {
      this.#hasLooked = true;
      // Only for who looks at it is the server asked, and listened to.
      this.#client.state(undefined);
      if (this.#asked.raw.server !== "") {
        const again = () => (this.#hasLooked = false);
        later().then((it) => it.keepUp(this.#inside()), again);
      }
    }
    return this.#state!;
  }

  get leader(): Leadership {
    const load = async (face: Leading) => (await later()).lead(this.#inside(), face);
    return (this.#leader ??= new Leading(load, this.#over.signal, this.#report)) as Leadership;
  }

  readonly events: EventLog = {
    subscribe: (
      first: SubscribeOptions | ((event: LoggedEvent) => void),
      second?: (event: LoggedEvent) => void,
    ) => {
      const [options, listener] = typeof first === "function" ? [{}, first] : [first, second!];
      refuseUnknown(options, ["after", "types"]);
      const ending = new AbortController();
      this.#over.signal.addEventListener("abort", () => ending.abort());
      const inside = this.#inside();
      later().then((it) => it.subscribe(inside, options, listener, ending.signal), this.#report);
      return () => ending.abort();
    },
  };

  flush(): Promise<FlushReport> {
    return settled((settle) => this.#client.ask("flush", undefined, undefined, settle));
  }

  record(on: boolean, { bodies = false }: RecordOptions = {}): void {
    const what = on ? (bodies ? "record-bodies" : "record") : "record-end";
    this.#client.ask(what, undefined, undefined, () => {});
  }

  recording(): Promise<Blob> {
    const file = settled<BlobPart>((settle) => this.#client.read("recording", 0, settle));
    return file.then((bytes) => new Blob([bytes]));
  }

  async signOut(options?: SignOutOptions): Promise<void> {
    // What was written before is of whoever was there before.
    this.#state?.leave();
    return (await later()).signOut(this.#inside(), options);
  }

  async wipe(options?: WipeOptions): Promise<WipeReport> {
    return (await later()).wipe(this.#inside(), options);
  }

  async withLock<T>(
    ...how: [name: string, fn: () => T | Promise<T>, options?: LockOptions]
  ): Promise<T> {
    return (await later()).withLock(this.#inside(), ...how);
  }

  async lockMetrics(): Promise<LockMetrics> {
    return (await later()).lockMetrics(this);
  }

  setIdentity(to: Identity): Promise<void> {
    return naming(async () => {
      checkIdentity(to);
      this.#state?.leave();
      const asked = this.#asked;
      const before = { raw: asked.raw, token: asked.token };
      const { user = before.raw.user, session = before.raw.session } = to;
      // A string is one user's, and never shown for another.
      const stays = typeof before.token === "function" || user === before.raw.user;
      const token = to.token ?? (stays ? before.token : undefined);
      const raw = { ...before.raw, user, session, hasToken: token !== undefined };
      // In force before the wasm hears of it, since it may ask for the token at once.
      Object.assign(asked, { raw, token });
      try {
        this.#client.identify(user, session, raw.hasToken ? this.#sink : undefined);
      } catch (cause) {
        if (asked.raw === raw) Object.assign(asked, before);
        throw cause;
      }
    });
  }

  close(): Promise<void> {
    if (!this.#closing) {
      this.#state?.leave();
      const closing = settled<undefined>((settle) => this.#client.close(settle));
      this.#closing = closing.finally(() => {
        this.#over.abort();
        this.#settleReady.reject(closed(KIT));
      });
      this.#onClosing(this.#closing);
    }
    return this.#closing;
  }

  readonly #sink: Sink = (name, detail, source, origin, version) => {
    const told = { name, detail } as Told;
    switch (told.name) {
      case "ready":
        return this.#settleReady.resolve();
      case "status":
        return this.#onStatus(told.detail);
      case "error":
        return this.#fire("error", named(told.detail));
      case "token":
        return this.#onTokenWanted(told.detail);
      case "state":
        return this.#state?.onChange(told.detail, source!, origin!, version!);
      case "clash":
        return this.#state?.onClash(told.detail);
      case "message":
        return this.#log(told.detail);
      default:
        return this.#fire(told.name, told.detail);
    }
  };

  #onStatus(raw: RawStatus): void {
    this.#raw = raw;
    this.#looks.forEach((look) => look());
    const seen = this.#storage + this.#way?.rung + this.#hosts + JSON.stringify({ ...raw, leads: undefined });
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#status = toStatus(raw, this.#storage, this.#way, this.#below !== undefined, this.#hosts);
    this.#fire("status", this.#status);
    this.#lookAround();
  }

  /** There may be no worker to leave anything to. */
  #lookAround(): void {
    const { host, reason } = this.#raw;
    if (this.#isAlone || host !== "starting" || reason === "") return;
    this.#isAlone = true;
    const failed = (fault: Fault) => {
      // The next status tries again.
      this.#isAlone = false;
      this.#report(fault);
    };
    later().then((it) => it.goOnWithoutWorker(this.#inside()), failed);
  }

  /** The pages keep the rows themselves. Where that cannot be had, either, each use tells so. */
  async #descend(inside: Inside, why: string): Promise<void> {
    try {
      const it = await later();
      const below = await it.descend(inside);
      if (!below) return;
      this.#below = { below, why };
      // A worker keeps its rows in a database. Until a page hosts nobody is spoken to.
      this.#client.via(() => {}, () => {});
      this.#storage = below.rung === "storage-mutex" ? "local" : "memory";
      this.#onStatus(this.#raw);
      it.goOnWithoutWorker(inside);
    } catch (cause) {
      this.#report(named(cause));
    }
  }

  readonly #report = (fault: Fault) => this.#sink("error", fault);

  readonly #onStored = (fault: Fault | undefined) => {
    if (!fault) {
      if (this.#hasAskedToStay) return;
      this.#hasAskedToStay = true;
      void this.#stay(true);
    } else if (!this.#below && fault.code !== "store-quota" && fault.code.startsWith("store-")) {
      this.#hasAskedToStay = false;
      this.#storage = "none";
      this.#onStatus(this.#raw);
    }
  };

  /** Finds out what the browser promises for what is stored, and asks it for more once there is something. */
  async #stay(ask: boolean): Promise<void> {
    let stays = false;
    try {
      const { storage } = navigator;
      stays = (await storage.persisted()) || (ask && (await storage.persist()));
    } catch {
      // A browser that does not say promises nothing.
    }
    if (this.#below || (this.#storage === "none" && !this.#hasAskedToStay)) return;
    this.#storage = stays ? "persistent" : "best-effort";
    this.#onStatus(this.#raw);
  }

  #inside(): Inside {
    return {
      page: this,
      client: this.#client,
      asked: this.#asked,
      over: this.#over.signal,
      token: (user, session) => this.#token(user, session),
      below: () => this.#below,
      leads: () => this.#raw.leads,
      watch: (look) => void this.#looks.add(look),
      climbed: (way) => {
        this.#way = way;
        this.#onStatus(this.#raw);
      },
      report: this.#report,
      hosts: (does) => {
        this.#hosts = does;
        this.#onStatus(this.#raw);
      },
      fire: (type, detail) => this.#fire(type, detail),
      stored: this.#onStored,
      kit: KIT,
    };
  }

  #onTokenWanted({ user, session }: Happenings["token"]): void {
    const give = (token?: string) => this.#client.token(user, session, token);
    // A token that cannot be had is none.
    this.#token(user, session).then(give, () => give());
  }

  async #token(user: string, session: string): Promise<string | undefined> {
    const { raw, token } = this.#asked;
    if (typeof token !== "function") return user === raw.user ? token : undefined;
    const given: unknown = await token(user === "" ? { session } : { user, session });
    return text("what the token function gave", given ?? undefined) || undefined;
  }

  #log({ out, name }: Happenings["message"]): void {
    const { debug, raw } = this.#asked;
    if (debug !== false && name.includes(debug)) {
      console.debug(`[bellwether ${raw.channel} ${this.id}] ${out ? "out" : "in"}: ${name}`);
    }
  }

  #fire<K extends keyof BellwetherEventMap>(
    type: K,
    detail: BellwetherEventMap[K]["detail"],
  ): void {
    // Most of what happens in a page that shows the state is heard by nobody, and an event takes as long as a read.
    if (!this.#held && !this.#heard.has(type)) return;
    const event = new CustomEvent(type, { detail });
    if (this.#held) this.#held.push(event);
    else this.dispatchEvent(event);
  }

  #release(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.forEach((event) => this.dispatchEvent(event));
  }
}

// The wasm knows a page that hosts, and not how it was chosen.
function toStatus(
  { reason, leads: _, host, ...facts }: RawStatus,
  storage: Status["storage"],
  way?: Climbed,
  isBelow = false,
  hosting = false,
): Status {
  const why = reason === "" ? [] : reason.split("\n");
  // A worker may have answered before it was known that there is no database.
  const isHosted = host !== "service-worker" || isBelow;
  const reasons = Object.freeze(way && isHosted ? [...why, ...way.reasons] : why);
  const shown = host === "web-locks" ? (way?.rung ?? host) : isHosted ? "starting" : host;
  return Object.freeze({ host: shown, hosting, ...facts, reasons, storage });
}

/** Whether a page that had no worker, or no database, has left something; `later.ts` knows more of it. */
function hasLeft(channel: string): boolean {
  const name = encodeURIComponent(channel);
  const starts = [`bellwether:left:${name}:`, `bellwether:kept:${name}:journal:`];
  try {
    return Object.keys(globalThis.localStorage).some((key) => starts.some((it) => key.startsWith(it)));
  } catch {
    // Storage is refused in this page.
    return false;
  }
}

/** What is said of an opening that will fail again. */
const NO_DATABASE = ["store-unavailable", "store-closed", "store-failed"];

/** What the wasm tells, by its name. */
type Told = { [K in keyof Happenings]: { name: K; detail: Happenings[K] } }[keyof Happenings];

/** Stands until the wasm has told better. */
const STARTING: RawStatus = {
  host: "starting",
  leads: false,
  reason: "",
  epoch: 0,
  connection: "disconnected",
  online: true,
  sync: "synchronizing",
  pages: 1,
  pending: 0,
  dead: 0,
  nextAttemptAt: null,
  paused: false,
  breaker: "closed",
  build: "",
  protocol: 0,
};

const KIT: Kit = {
  PageOutbox,
  appFault,
  checked,
  decode,
  encode,
  named,
  refuseUnknown,
  settled,
  text,
  unfit,
  untilLoaded,
};
