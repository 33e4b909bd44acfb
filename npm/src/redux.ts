// A store enhancer for Redux.
//
// What always holds: values from elsewhere come in by one action, `REMOTE_UPDATE`, so that they are seen by devtools and
// reducers like any other; slices that are not named are never touched. Nothing of Redux is imported but types. Not here: how
// a store is kept in sync; `broadcast-sync.ts` does that.

import type { Action, Reducer, StoreEnhancer } from "redux";

import { createBroadcastSync } from "./broadcast-sync.js";
import type { BroadcastSync, BroadcastSyncConfig } from "./broadcast-sync.js";
import { isPage, optionFault } from "./link.js";

export type { BroadcastSync, BroadcastSyncConfig, ConnectionState } from "./broadcast-sync.js";
export type { BellwetherSource, ErrorListener } from "./link.js";

/** How a store of Redux's is kept in sync. */
export interface BellwetherOptions<S extends object> extends Omit<BroadcastSyncConfig<S>, "syncKeys"> {
  /** The slices that are shared, by their names in the root state; at least one. */
  keys: readonly (keyof S & string)[];
  /**
   * Whether it starts by itself when the store is made; else `store.bellwether.start()` does. Default: where there is a page,
   * that is not on a server.
   */
  autoStart?: boolean | undefined;
}

/** The type of the action that brings values from elsewhere. */
export const REMOTE_UPDATE = "bellwether/remote-update";

/** Brings values from elsewhere. */
export interface RemoteUpdate extends Action<typeof REMOTE_UPDATE> {
  /** The slices that have another value, by name. */
  payload: Readonly<Record<string, unknown>>;
}

/** Whether an action brings values from elsewhere. When reducers see it, the slices have them already. */
export function isRemoteUpdate(action: unknown): action is RemoteUpdate {
  return (action as Partial<RemoteUpdate> | undefined)?.type === REMOTE_UPDATE;
}

/**
 * Keeps slices of a store and the shared state alike; the store gets `bellwether` beside `dispatch` and the others.
 *
 * Middleware sees values from elsewhere if it is applied by an enhancer that comes after this one.
 *
 * @param options - see {@link createBroadcastSync} for what else it does and promises
 * @throws {@link BellwetherError} when the store is made, with `code` `"option-invalid"`: an option cannot be used
 *
 * @example
 * const store = createStore(reducer, bellwether<State>({ keys: ["theme"] }));
 * // With Redux Toolkit:
 * configureStore({ reducer, enhancers: (usual) => usual().prepend(bellwether({ keys: ["theme"] })) });
 */
export function bellwether<S extends object = Record<string, unknown>>(
  options: BellwetherOptions<S>,
): StoreEnhancer<{ bellwether: BroadcastSync }> {
  const { autoStart = isPage(), ...config } = options;
  if (!Array.isArray(config.keys) || config.keys.length === 0) {
    throw optionFault("`keys` is missing; give it the names of the slices to share");
  }
  return (createStore) => (reducer, preloaded) => {
    const store = createStore(taking(reducer), preloaded);
    const dispatch = store.dispatch as (action: RemoteUpdate) => unknown;
    const sync = createBroadcastSync<S>(
      {
        getState: () => store.getState() as unknown as S,
        setState: (partial) =>
          dispatch({ type: REMOTE_UPDATE, payload: partial as Record<string, unknown> }),
        subscribe: (listener) => store.subscribe(listener),
      },
      config as BroadcastSyncConfig<S>,
    );
    if (autoStart) void sync.start();
    return {
      ...store,
      bellwether: sync,
      replaceReducer: (next) => store.replaceReducer(taking(next)),
    };
  };
}

// A slice whose value is `undefined` gets its first one of its own reducer.
function taking<S, A extends Action, P>(reducer: Reducer<S, A, P>): Reducer<S, A, P> {
  return (state, action) =>
    reducer(isRemoteUpdate(action) ? ({ ...state, ...action.payload } as S) : state, action);
}
