// Waiting for what becomes of an event: the page reads it from disk, where the coordinator has put it.
//
// What always holds: the outcome of an event delivered yesterday is found like that of one delivered now; of several
// of one event the newest counts, since it may have been refused, mended and taken.

import type { Cbor } from "./cbor.js";
import { closed } from "./closed.js";
import type { Inside } from "./inside.js";
import { fields, rows } from "./listing.js";
import type { Delivery } from "./types.js";
import type { Client, Row } from "./wasm.js";

/** See {@link Outbox.delivered}. */
export function delivered(inside: Inside, id: string): Promise<Delivery> {
  const { client, kit, over } = inside;
  if (!/^[!-~]{1,64}$/.test(id)) {
    throw kit.appFault("event-invalid", "this is no event's id: 1 to 64 visible ASCII characters");
  }
  if (over.aborted) throw closed(inside.kit);
  let outcomes = all.get(client);
  if (!outcomes) all.set(client, (outcomes = new Outcomes(inside)));
  return outcomes.wait(id);
}

class Outcomes {
  readonly #inside: Inside;
  readonly #awaited = new Map<string, Waiting[]>();
  /** The newest outcome that everybody who waits has been compared with. */
  #through = 0;

  constructor(inside: Inside) {
    this.#inside = inside;
    inside.watch(() => void this.#look());
    inside.over.addEventListener("abort", () => {
      const waiting = [...this.#awaited.values()].flat();
      this.#awaited.clear();
      waiting.forEach(({ reject }) => reject(closed(inside.kit)));
    });
  }

  wait(id: string): Promise<Delivery> {
    const waiting = this.#awaited.get(id) ?? [];
    this.#awaited.set(id, waiting);
    const outcome = new Promise<Delivery>((resolve, reject) => waiting.push({ resolve, reject }));
    // The outcome may be an old one.
    this.#through = 0;
    void this.#look();
    return outcome;
  }

  async #look(): Promise<void> {
    const from = this.#through;
    if (this.#awaited.size === 0) return;
    // What cannot be read now is looked for again with the next news.
    const found = await rows(this.#inside, "done", from).catch((): Row[] => []);
    for (const [, row] of found.reverse()) {
      for (const entry of (fields(row)?.get(2) as Cbor[][] | undefined) ?? []) {
        const id = entry[0] as string;
        this.#awaited.get(id)?.forEach(({ resolve }) => resolve(toDelivery(this.#inside, entry)));
        this.#awaited.delete(id);
      }
    }
    const last = found[0]?.[0];
    // Somebody who came meanwhile has set it back, and is looked after next.
    if (typeof last === "number" && this.#through >= from) this.#through = last;
  }
}

interface Waiting {
  resolve(delivery: Delivery): void;
  reject(cause: Error): void;
}

function toDelivery({ kit }: Inside, entry: Cbor[]): Delivery {
  const [id, outcome, offset, result, code, message] = entry;
  const delivery: Delivery = {
    id: id as string,
    status: STATUSES[outcome as number] ?? "refused",
  };
  if (typeof offset === "number") delivery.offset = offset;
  if (result instanceof Uint8Array) delivery.result = kit.decode(new TextDecoder().decode(result));
  if (typeof code === "string") delivery.error = { code, message: `${message ?? ""}` };
  return delivery;
}

const all = new WeakMap<Client, Outcomes>();
const STATUSES = ["accepted", "duplicate", "refused"] as const;
