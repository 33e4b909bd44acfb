// One page's client, as an event target.
//
// What always holds: `status` is frozen, and replaced only by another that differs; what happens
// before the app can listen is kept until it can.

import { BellwetherError, appFault, named, naming } from "./errors.js";
import type { Culprit, ErrorCode } from "./errors.js";
import { checkIdentity, text } from "./options.js";
import type { Asked } from "./options.js";
import { PageOutbox } from "./outbox.js";
import type { Bellwether, BellwetherEventMap, FlushReport, Identity, Status } from "./types.js";
import type { Client, ClientClass, Sink } from "./wasm.js";

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
    page.#client = await naming(() => clients.open(asked.raw, page.#sink()));
    page.#outbox = new PageOutbox(page.#client, (fault) => page.#fire("error", named(fault)));
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
    return naming(async () => this.#client.flush());
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
        await this.#client.identify(user, session, raw.hasToken);
      } catch (cause) {
        if (asked.raw === raw) Object.assign(asked, before);
        throw cause;
      }
    });
  }

  close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = naming(() => this.#client.close()).finally(() => {
        this.#settleReady.reject(appFault("closed", "this page was closed; `connect` again"));
      });
      this.#onClosing(this.#closing);
    }
    return this.#closing;
  }

  #sink(): Sink {
    return {
      fault: (code, culprit, message, cause) =>
        new BellwetherError(code as ErrorCode, culprit as Culprit, message, { cause }),
      status: (...facts) => this.#onStatus(facts),
      ready: () => this.#settleReady.resolve(),
      deadLetter: (id, type, code, message, tries) =>
        this.#fire("dead-letter", { id, type, code, message, tries }),
      stateLost: (what, from, to) => this.#fire("state-lost", { what, from, to }),
      reloadNeeded: (build, message) => this.#fire("reload-needed", { build, message }),
      error: (error) => this.#fire("error", named(error)),
      token: (user, session) => this.#token(user, session),
      log: (direction, line) => this.#log(direction, line),
    };
  }

  #onStatus(facts: Parameters<Sink["status"]>): void {
    const seen = JSON.stringify(facts);
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#status = toStatus(facts);
    this.#fire("status", this.#status);
  }

  async #token(user: string, session: string): Promise<string | undefined> {
    const { raw, token } = this.#asked;
    if (typeof token !== "function") return user === raw.user ? token : undefined;
    const given: unknown = await token(user === "" ? { session } : { user, session });
    return text("what the token function gave", given ?? undefined) || undefined;
  }

  #log(direction: "in" | "out" | "note", line: string): void {
    const { debug, raw } = this.#asked;
    if (debug !== false && line.includes(debug)) {
      console.debug(`[bellwether ${raw.channel}] ${direction}: ${line}`);
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

function toStatus(facts: Parameters<Sink["status"]>): Status {
  const [host, reason, epoch, sync, blocked, connection, online] = facts;
  const [, , , , , , , pages, pending, dead, dueAt, paused, build, protocol] = facts;
  return Object.freeze({
    host: host as Status["host"],
    reasons: Object.freeze(reason === "" ? [] : reason.split("\n")),
    epoch,
    connection: connection as Status["connection"],
    online,
    sync: sync as Status["sync"],
    ...(blocked !== "" && { blocked }),
    pages,
    pending,
    dead,
    nextAttemptAt: dueAt > 0 ? dueAt : null,
    paused,
    build,
    protocol,
  });
}

/** Stands until the wasm has told better. */
const STARTING: Status = toStatus([
  "starting",
  "",
  0,
  "synchronizing",
  "",
  "disconnected",
  true,
  1,
  0,
  0,
  0,
  false,
  "",
  0,
]);
