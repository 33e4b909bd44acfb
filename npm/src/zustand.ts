// A middleware for Zustand's stores.
//
// What always holds: the store's own type stays as it is inferred, and gets `bellwether` beside it; nothing of Zustand is
// imported but types. Not here: how a store is kept in sync; `broadcast-sync.ts` does that.

import type { StateCreator, StoreApi, StoreMutatorIdentifier } from "zustand/vanilla";

import { createBroadcastSync } from "./broadcast-sync.js";
import type { BroadcastSync, BroadcastSyncConfig } from "./broadcast-sync.js";
import { isPage } from "./link.js";

export type { BroadcastSync, BroadcastSyncConfig, ConnectionState } from "./broadcast-sync.js";
export type { BellwetherSource, ErrorListener } from "./link.js";

/** How a store of Zustand's is kept in sync. */
export interface BellwetherOptions<T extends object> extends BroadcastSyncConfig<T> {
  /**
   * Whether it starts by itself, right after the store was made; else `store.bellwether.start()` does. Default: where there
   * is a page, that is not on a server.
   */
  autoStart?: boolean | undefined;
}

declare module "zustand/vanilla" {
  // The names of the parameters have to be Zustand's.
  interface StoreMutators<S, A> {
    bellwether: Tied<S>;
  }
}

/** A store with its tie to the shared state. */
type Tied<S> = Omit<S, "bellwether"> & { bellwether: BroadcastSync };

type Mutators = [StoreMutatorIdentifier, unknown][];

/**
 * Keeps a store and the shared state alike. Functions of the store, its actions, are never shared.
 *
 * @param options - see {@link createBroadcastSync} for what else it does and promises
 *
 * @example
 * const useNotes = create<Notes>()(
 *   bellwether((set) => ({ text: "", write: (text) => set({ text }) }), { keys: ["text"] }),
 * );
 * useNotes.bellwether.getTabId();
 */
export function bellwether<T extends object, Mps extends Mutators = [], Mcs extends Mutators = []>(
  initializer: StateCreator<T, [...Mps, ["bellwether", never]], Mcs>,
  options: BellwetherOptions<T> = {},
): StateCreator<T, Mps, [["bellwether", never], ...Mcs]> {
  const { autoStart = isPage(), ...config } = options;
  const create: StateCreator<T> = (set, get, api) => {
    const tied = api as StoreApi<T> & { bellwether: BroadcastSync };
    tied.bellwether = createBroadcastSync<T>(
      {
        getState: get,
        // Looked up by each call, since other middleware puts its own in its place.
        setState: (partial) => api.setState(partial),
        subscribe: (listener) => api.subscribe(listener),
      },
      config,
    );
    // Once the store has its first state.
    if (autoStart) queueMicrotask(() => void tied.bellwether.start());
    return (initializer as unknown as StateCreator<T>)(set, get, tied);
  };
  return create as unknown as StateCreator<T, Mps, [["bellwether", never], ...Mcs]>;
}
