// The outbox for those who asked for more: encryption, plain requests, a cap on what is pending.
//
// What always holds: events are appended in the order of the calls, however long sealing or reading one
// takes; a call's data are read before it returns.

import type { Inside } from "./inside.js";
import { SEALED } from "./listing.js";
import type { PageOutbox } from "./outbox.js";
import { parts } from "./requests.js";
import type { EnqueueOptions, NewEvent, Outbox, Receipt } from "./types.js";
import type { Client } from "./wasm.js";

/** An outbox as the options want it. */
export function furnished(inside: Inside): PageOutbox {
  const { asked, kit, report } = inside;
  const { encrypt } = asked;
  const { maxPending, requests } = asked.raw;

  class Furnished extends kit.PageOutbox {
    #last: Promise<unknown> = Promise.resolve();

    override enqueue(event: NewEvent, options?: EnqueueOptions): Promise<Receipt> {
      return this.#enqueue(event, options);
    }

    override post(event: NewEvent, options?: EnqueueOptions): string {
      if (requests) throw onlyRequests();
      if (!encrypt) return super.post(event, options);
      const id = kit.checked(event).id ?? uuid();
      const own = { ...event, id };
      // What cannot be encoded is told at once.
      const json = event.data === undefined ? undefined : kit.encode(event.data);
      this.#sealed(own, json, (it) => super.enqueue(it, options)).catch(report);
      return id;
    }

    override request(...[request, options = {}]: Parameters<Outbox["request"]>): Promise<Receipt> {
      if (!requests) return super.request(request, options);
      const { type, keepCredentials, ...rest } = options;
      const { key, id, correlationId, after, onPrerequisiteFailed, collapse, ...how } = rest;
      const about = { key, id, correlationId, after, onPrerequisiteFailed, collapse };
      const reading = parts(kit, request, keepCredentials);
      return this.#inTurn(reading, (data) =>
        super.enqueue({ ...about, type: type ?? data.method, data }, how, 32),
      );
    }

    override async replace(id: string, event: NewEvent): Promise<void> {
      return this.#change(id, event, (it) => super.replace(id, it));
    }

    override async edit(id: string, event: NewEvent): Promise<void> {
      return this.#change(id, event, (it) => super.edit(id, it));
    }

    async #enqueue(event: NewEvent, options?: EnqueueOptions): Promise<Receipt> {
      if (requests) throw onlyRequests();
      if (!encrypt) return super.enqueue(event, options);
      const own = { ...kit.checked(event), id: event.id ?? uuid() };
      const json = event.data === undefined ? undefined : kit.encode(event.data);
      return this.#sealed(own, json, (it) => super.enqueue(it, options));
    }

    #change(id: string, event: NewEvent, change: (event: NewEvent) => Promise<void>) {
      if (requests) throw onlyRequests();
      if (!encrypt || kit.checked(event).data === undefined) return change(event);
      return this.#sealed({ ...event, id }, kit.encode(event.data), change);
    }

    #sealed<T>(
      event: NewEvent & { id: string },
      json: string | undefined,
      append: (event: NewEvent) => Promise<T>,
    ): Promise<T> {
      if (json === undefined) return this.#inTurn(Promise.resolve(event), append);
      const { id, type } = event;
      const sealing = (async () => {
        try {
          const sealed: unknown = await encrypt!.seal(json, { id, type });
          if (typeof sealed !== "string") throw new TypeError(`it gave ${typeof sealed}, no string`);
          return { ...event, data: { [SEALED]: sealed } };
        } catch (cause) {
          const message = `event ${id} could not be sealed by \`encrypt.seal\` (${cause}); nothing was stored`;
          throw kit.appFault("seal-failed", message, { cause });
        }
      })();
      return this.#inTurn(sealing, append);
    }

    // The disk is not waited for here: events that are appended while it works share a transaction.
    async #inTurn<P, T>(preparing: Promise<P>, append: (prepared: P) => Promise<T>): Promise<T> {
      preparing.catch(() => {});
      const appending = this.#last.then(async () => ({ appended: append(await preparing) }));
      this.#last = appending.catch(() => {});
      return (await appending).appended;
    }
  }

  const onlyRequests = () =>
    kit.appFault(
      "not-supported",
      'this channel sends plain requests: use `request`, or leave `deliver: "requests"` out',
    );
  return new Furnished(maxPending ? { ...inside, client: capped(inside, maxPending) } : inside);
}

/** A client that refuses what goes beyond the cap. */
function capped({ client, kit, page }: Inside, maxPending: number): Client {
  // Handed over, and neither durable nor refused.
  let waiting = 0;
  const append: Client["append"] = (...event) => {
    const how = event[8];
    const settle = event[9];
    if (how >= 64) return client.append(...event);
    if (page.status.pending + waiting >= maxPending) {
      const message = `${maxPending} events are pending, as many as \`maxPending\` allows; nothing was stored`;
      throw kit.appFault("outbox-full", message);
    }
    waiting += 1;
    event[9] = (position, fault) => {
      waiting -= 1;
      settle(position, fault);
    };
    try {
      return client.append(...event);
    } catch (cause) {
      waiting -= 1;
      throw cause;
    }
  };
  return Object.create(client, { append: { value: append } });
}

/** A UUIDv7 (RFC 9562): in the order of time. */
function uuid(): string {
  const random = crypto.getRandomValues(new Uint8Array(10));
  random[0] = (random[0]! & 0x0f) | 0x70;
  random[2] = (random[2]! & 0x3f) | 0x80;
  const digits = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const hex = Date.now().toString(16).padStart(12, "0") + digits;
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
