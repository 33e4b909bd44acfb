// Stores for Svelte, by its store contract; so they need nothing of Svelte, and work in any version of it.
//
// What always holds: a store calls who subscribes at once, follows the shared state from its first subscriber to its last, and
// writes nothing by itself. On a server it shows what is there without a Bellwether.

import { Link, or, writeKey } from "./link.js";
import type { BellwetherSource, ErrorListener } from "./link.js";
import type { Bellwether, Commit, Status } from "./types.js";

export type { BellwetherSource, ErrorListener } from "./link.js";

/** A store that can be read, as Svelte's `Readable`. */
export interface SharedReadable<T> {
  /** Calls `run` with the value at once and after each change; returns what ends that. */
  subscribe(run: (value: T) => void): () => void;
}

/**
 * A store that can be written to, as Svelte's `Writable`. A value is replaced, never changed in place: `$todos = [...$todos, todo]`.
 *
 * See {@link SharedState.set} for when the promises resolve, and how they fail; ignoring that is fine, it is told to `onError`.
 */
export interface SharedWritable<T> extends SharedReadable<T> {
  set(value: T): Promise<Commit>;
  update(make: (value: T) => T): Promise<Commit>;
}

/** What {@link createBellwether} gives. */
export interface SvelteBellwether {
  /**
   * The store of one key.
   *
   * @param initial - what it holds until somebody has written to the key; never written itself
   */
  sharedState<T>(key: string): SharedWritable<T | undefined>;
  sharedState<T>(key: string, initial: T): SharedWritable<T>;
  /** How things stand; `undefined` until there is a Bellwether. */
  readonly status: SharedReadable<Status | undefined>;
  /** The Bellwether; `undefined` until there is one. */
  readonly client: SharedReadable<Bellwether | undefined>;
}

/**
 * Makes what gives stores. It connects with the first subscriber, or the first write.
 *
 * @param source - default: `connect` without options
 * @param options.onError - is told of what no call waits for. Default: logs it to the console
 *
 * @example
 * export const { sharedState, status } = createBellwether({ channel: "notes" });
 * const count = sharedState("count", 0); // in a component: {$count}
 */
export function createBellwether(
  source?: BellwetherSource,
  options: { onError?: ErrorListener | undefined } = {},
): SvelteBellwether {
  const link = new Link(source, options.onError);
  return {
    sharedState<T>(key: string, initial?: T): SharedWritable<T | undefined> {
      return {
        ...readable(
          () => or(link.bellwether?.state.get<T>(key), initial),
          (changed) => link.followKey(key, changed),
        ),
        set: (value) => link.write((state) => state.set({ [key]: value })),
        update: (make) => writeKey(link, key, initial, make),
      };
    },
    status: readable(
      () => link.status,
      (changed) => link.followStatus(changed),
    ),
    client: readable(
      () => link.bellwether,
      (changed) => link.follow(() => () => {}, changed),
    ),
  };
}

function readable<T>(read: () => T, follow: (changed: () => void) => () => void): SharedReadable<T> {
  const runs = new Set<{ run: (value: T) => void }>();
  let end: (() => void) | undefined;
  return {
    subscribe(run) {
      const subscriber = { run };
      runs.add(subscriber);
      end ??= follow(() => {
        for (const { run } of [...runs]) run(read());
      });
      run(read());
      return () => {
        runs.delete(subscriber);
        if (runs.size > 0) return;
        end?.();
        end = undefined;
      };
    },
  };
}
