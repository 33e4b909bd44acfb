// One page's client, as an event target.
//
// What always holds: `status` is frozen, and replaced only by another that differs; what happens
// before the app can listen is kept until it can.

import { appFault, named, naming, settled } from "./errors.js";
import { checkIdentity, text } from "./options.js";
import type { Asked } from "./options.js";
import { PageOutbox } from "./outbox.js";
import type {
  Bellwether,
  BellwetherEventMap,
  FlushReport,
  Identity,
  RecordOptions,
  Status,
} from "./types.js";
import type { Client, ClientClass, Happenings, RawStatus, Sink } from "./wasm.js";

export class Page extends EventTarget implements Bellwether {
  readonly ready: Promise<void>;
  readonly #asked: Asked;
  readonly #onClosing: (over: Promise<void>) => void;
  #client!: Client;
  #outbox!: PageOutbox;
  #status: Status = STARTING;
  #seen = "";
  #held: Event[] | undefined = [];
  #closing: Promise<void> | undefined;
  #settleReady!: { resolve(): void; reject(fault: Error): void };

  /** `asked` is kept up to date; `onClosing` is told once, of a promise for the end of it. */
  static async open(
    clients: ClientClass,
    asked: Asked,
    onClosing: (over: Promise<void>) => void,
  ): Promise<Page> {
    const page = new Page(asked, onClosing);
    await settled((opened) => {
      page.#client = clients.open(asked.raw, page.#sink, () => opened(undefined, undefined));
    });
    page.#outbox = new PageOutbox(page.#client, (fault) => page.#sink("error", fault));
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

  get id(): string {
    return this.#client.id();
  }

  get status(): Status {
    return this.#status;
  }

  get outbox(): PageOutbox {
    return this.#outbox;
  }

  flush(): Promise<FlushReport> {
    return settled((settle) => this.#client.ask("flush", undefined, settle));
  }

  record(on: boolean, { bodies = false }: RecordOptions = {}): void {
    this.#client.record(on, bodies);
  }

  recording(): Promise<Blob> {
    const file = settled<Uint8Array<ArrayBuffer>>((settle) => this.#client.recording(settle));
    return file.then((bytes) => new Blob([bytes]));
  }

  setIdentity(to: Identity): Promise<void> {
    return naming(async () => {
      checkIdentity(to);
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
      const closed = settled<undefined>((settle) => this.#client.close(settle));
      this.#closing = closed.finally(() => {
        this.#settleReady.reject(appFault("closed", "this page was closed; `connect` again"));
      });
      this.#onClosing(this.#closing);
    }
    return this.#closing;
  }

  readonly #sink: Sink = (name, detail) => {
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
      case "message":
        return this.#log(told.detail);
      default:
        return this.#fire(told.name, told.detail);
    }
  };

  #onStatus(raw: RawStatus): void {
    const seen = JSON.stringify(raw);
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#status = toStatus(raw);
    this.#fire("status", this.#status);
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
      console.debug(`[bellwether ${raw.channel}] ${out ? "out" : "in"}: ${name}`);
    }
  }

  #fire<K extends keyof BellwetherEventMap>(
    type: K,
    detail: BellwetherEventMap[K]["detail"],
  ): void {
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

function toStatus({ reason, ...facts }: RawStatus): Status {
  const reasons = Object.freeze(reason === "" ? [] : reason.split("\n"));
  return Object.freeze({ ...facts, reasons });
}

/** What the wasm tells, by its name. */
type Told = { [K in keyof Happenings]: { name: K; detail: Happenings[K] } }[keyof Happenings];

/** Stands until the wasm has told better. */
const STARTING: Status = toStatus({
  host: "starting",
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
  build: "",
  protocol: 0,
});
