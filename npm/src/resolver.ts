// Making one value of two, for keys whose strategy is "custom" (STATE-4).
//
// What always holds: a write that has lost stays on this device until somebody has made one of it and of what it lost
// against; of the pages that can, one at a time does. What a resolver throws, or does not give in time, leaves it.

import type { Inside } from "./inside.js";
import { withLock } from "./lock.js";
import type { Commit, Conflict } from "./shared-state.js";
import type { Loser } from "./wasm.js";

/** What the resolver needs of the state. */
export interface Resolvable {
  value(key: string): unknown;
  /** What was confirmed of a key before, if this page has seen it. */
  base(key: string): unknown;
  write(key: string, value: unknown): Promise<Commit>;
  isCustom(key: string): boolean;
}

/** Looks after the writes that have lost, now and whenever it is called. */
export function resolver(
  inside: Inside,
  state: Resolvable,
  resolve: (conflict: Conflict) => unknown,
): () => void {
  const rounds = new Map<string, number>();
  const busy = new Set<string>();
  const look = () => {
    if (inside.over.aborted) return;
    for (const loser of inside.client.state(null)) {
      const [id, page] = loser;
      if (busy.has(id)) continue;
      busy.add(id);
      const mend = () => settle(loser).catch(inside.report).finally(() => busy.delete(id));
      const { locks } = navigator as Partial<Navigator>;
      const name = `bellwether:resolve:${inside.asked.raw.channel}:${id}`;
      if (locks) void locks.request(name, { ifAvailable: true }, (lock) => lock && mend()).then(() => busy.delete(id));
      else void inTurn(id, mend, page === inside.page.id).finally(() => busy.delete(id));
    }
  };
  // Where the browser has no locks pages take turns; where they cannot, whoever wrote it is the one.
  const inTurn = async (id: string, mend: () => Promise<void>, isOwn: boolean) => {
    const waits = () => inside.client.state(null).some(([it]) => it === id);
    try {
      await withLock(inside, "bellwether:resolve", async () => waits() && (await mend()));
    } catch (cause) {
      if (isOwn && inside.kit.named(cause).code === "lock-unavailable") await mend();
    }
  };
  const settle = async ([id, , writes]: Loser): Promise<void> => {
    const { kit, client, fire } = inside;
    // It is another page's affair, which shares these keys or names another strategy.
    if (!writes.some(([key]) => state.isCustom(key))) return;
    for (const [key, json] of writes) {
      if (!state.isCustom(key)) continue;
      const local = kit.decode(json);
      const round = (rounds.get(key) ?? 0) + 1;
      if (round > ROUNDS_MAX) return;
      rounds.set(key, round);
      const [base, remote] = [state.base(key), state.value(key)];
      const told = { key, base, local, remote, strategy: "custom" as const };
      const result = await given(resolve, { ...told, result: undefined }).catch((cause: unknown) => {
        const message = `\`customResolver\` made nothing of the conflict over "${key}" (${cause}); it waits`;
        throw kit.appFault("resolver-failed", message, { cause });
      });
      const { conflict } = await state.write(key, result);
      // What was made of both has lost in its turn, and is what waits now.
      if (!conflict) {
        rounds.delete(key);
        fire("conflict", { ...told, result });
      }
    }
    await kit.settled((done) => client.ask("resolved", id, undefined, done));
  };
  look();
  return look;
}

async function given(resolve: (conflict: Conflict) => unknown, conflict: Conflict): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${RESOLVER_MS_MAX} ms`)), RESOLVER_MS_MAX);
  });
  try {
    return await Promise.race([(async () => resolve(conflict))(), late]);
  } finally {
    clearTimeout(timer);
  }
}

const ROUNDS_MAX = 5;
const RESOLVER_MS_MAX = 5_000;
