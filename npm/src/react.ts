// Hooks for React.
//
// What always holds: all of them read through `useSyncExternalStore`, so that one render never shows two versions, and begin
// and end with the component; on a server, and in the first frame after it, they show what is there without a
// Bellwether. Not here: any state of its own; what a hook shows is the shared state.

"use client";

import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
} from "react";
import type { ReactElement, ReactNode } from "react";

import { createBroadcastSync } from "./broadcast-sync.js";
import type { BroadcastSync, BroadcastSyncConfig, SyncStore } from "./broadcast-sync.js";
import { Link, isBellwether, optionFault, or, writeKey } from "./link.js";
import type { BellwetherSource, ErrorListener } from "./link.js";
import type {
  Bellwether,
  Commit,
  EnqueueOptions,
  Leadership,
  NewEvent,
  Receipt,
  Status,
} from "./types.js";

export type { BroadcastSync, BroadcastSyncConfig, ConnectionState, SyncStore } from "./broadcast-sync.js";
export type { BellwetherSource, ErrorListener } from "./link.js";

/** What {@link BellwetherProvider} is given. */
export interface BellwetherProviderProps {
  /**
   * Where the Bellwether comes from; default: `connect` without options. Looked at once, but that another connected
   * Bellwether takes the place of the one before.
   */
  bellwether?: BellwetherSource | undefined;
  /** Is told of what no call waits for. Default: logs it to the console. */
  onError?: ErrorListener | undefined;
  children?: ReactNode;
}

/**
 * Gives the hooks below it their Bellwether, and connects once it is mounted, if need be. Its children are shown meanwhile. It
 * closes nothing when it is unmounted: the channel is the page's.
 */
export function BellwetherProvider(props: BellwetherProviderProps): ReactElement {
  const { bellwether = {}, children } = props;
  const told = useLatest(props.onError);
  const connected = isBellwether(bellwether) ? bellwether : undefined;
  const link = useMemo(
    () => new Link(bellwether, (error) => (told.current ?? logged)(error)),
    // Options and functions are usually made anew for each render, and say nothing by that.
    [connected, told],
  );
  useEffect(() => void link.open().catch(() => {}), [link]);
  return createElement(Provided.Provider, { value: link }, children);
}

/** The Bellwether; `undefined` until there is one. */
export function useBellwether(): Bellwether | undefined {
  const link = useLink("useBellwether");
  const subscribe = useCallback((changed: () => void) => link.follow(() => () => {}, changed), [link]);
  return useSyncExternalStore(subscribe, () => link.bellwether, nothing);
}

/** How things stand; `undefined` until there is a Bellwether. */
export function useStatus(): Status | undefined {
  const link = useLink("useStatus");
  const subscribe = useCallback((changed: () => void) => link.followStatus(changed), [link]);
  return useSyncExternalStore(subscribe, () => link.status, nothing);
}

/**
 * Writes a key: a value, or what a function makes of the one that is there. See {@link SharedState.set} for when the promise
 * resolves, and how it fails; ignoring that is fine, it is told to the provider's `onError`.
 */
export type SetShared<T> = (next: T | ((value: T) => T)) => Promise<Commit>;

/**
 * One key of the shared state, like `useState`. A value is replaced, never changed in place.
 *
 * @param initial - what is shown until somebody has written to the key; never written itself, and the first one counts
 *
 * @example
 * const [count, setCount] = useSharedState("count", 0);
 */
export function useSharedState<T>(key: string): readonly [T | undefined, SetShared<T | undefined>];
export function useSharedState<T>(key: string, initial: T): readonly [T, SetShared<T>];
export function useSharedState<T>(
  key: string,
  initial?: T,
): readonly [T | undefined, SetShared<T | undefined>] {
  const link = useLink("useSharedState");
  const first = useMemo(() => initial, [key]);
  const subscribe = useCallback((changed: () => void) => link.followKey(key, changed), [link, key]);
  const read = () => link.bellwether?.state.get<T>(key);
  const value = or(useSyncExternalStore(subscribe, read, nothing), first);
  const set = useCallback<SetShared<T | undefined>>(
    (next) => writeKey(link, key, first, next),
    [link, key, first],
  );
  return [value, set];
}

/**
 * What a function makes of all keys and values; rendered again only if that has changed.
 *
 * @param isEqual - default `Object.is`; for functions that make a new object each time
 */
export function useSharedSelector<T>(
  select: (values: Readonly<Record<string, unknown>>) => T,
  isEqual: (a: T, b: T) => boolean = Object.is,
): T {
  const link = useLink("useSharedSelector");
  const subscribe = useCallback(
    (changed: () => void) => link.follow(({ state }) => state.subscribe(changed), changed),
    [link],
  );
  const shown = useRef<{ readonly value: T } | undefined>(undefined);
  const read = useMemo(() => {
    // Of this render alone: one that is thrown away leaves nothing behind.
    let last: { values: object; value: T } | undefined;
    return (values: Readonly<Record<string, unknown>>) => {
      if (last?.values === values) return last.value;
      const next = select(values);
      const before = last ?? shown.current;
      const value = before && isEqual(before.value, next) ? before.value : next;
      last = { values, value };
      return value;
    };
  }, [select, isEqual]);
  const value = useSyncExternalStore(
    subscribe,
    () => read(link.bellwether?.state.get() ?? NO_VALUES),
    () => read(NO_VALUES),
  );
  useEffect(() => {
    shown.current = { value };
  }, [value]);
  return value;
}

/** What {@link useOutbox} gives. */
export interface OutboxView {
  /** How many events are stored and not yet delivered; 0 until there is a Bellwether. */
  readonly pending: number;
  /** How many dead letters wait for `retry` or `discard`; 0 until there is a Bellwether. */
  readonly dead: number;
  /** See {@link Status.sync}; `undefined` until there is a Bellwether. */
  readonly sync: Status["sync"] | undefined;
  /** See {@link Status.nextAttemptAt}. */
  readonly nextAttemptAt: number | null;
  /** See {@link Outbox.enqueue}; waits for the Bellwether before. The same function in each render. */
  readonly enqueue: (event: NewEvent, options?: EnqueueOptions) => Promise<Receipt>;
}

/** The queue of events to the server. */
export function useOutbox(): OutboxView {
  const link = useLink("useOutbox");
  const status = useStatus();
  const enqueue = useCallback<OutboxView["enqueue"]>(
    async (event, options) => (link.bellwether ?? (await link.open())).outbox.enqueue(event, options),
    [link],
  );
  const { pending = 0, dead = 0, sync, nextAttemptAt = null } = status ?? {};
  return useMemo(
    () => ({ pending, dead, sync, nextAttemptAt, enqueue }),
    [pending, dead, sync, nextAttemptAt, enqueue],
  );
}

/** What {@link useLeader} gives: one moment of {@link Leadership}. Frozen, and another object on each change. */
export type LeaderView = Pick<Leadership, "isLeader" | "leaderId" | "epoch" | "role">;

/**
 * Which page leads. A page with this hook takes part; until there is a Bellwether nobody is known to lead.
 *
 * @example
 * const { isLeader } = useLeader();
 */
export function useLeader(): LeaderView {
  const link = useLink("useLeader");
  const subscribe = useCallback(
    (changed: () => void) =>
      link.follow(({ leader }) => {
        leader.addEventListener("change", changed);
        return () => leader.removeEventListener("change", changed);
      }, changed),
    [link],
  );
  const read = useMemo(() => {
    let view = NO_LEADER;
    return () => {
      const { isLeader, leaderId, epoch, role } = link.bellwether?.leader ?? NO_LEADER;
      if (leaderId !== view.leaderId || epoch !== view.epoch) view = Object.freeze({ isLeader, leaderId, epoch, role });
      return view;
    };
  }, [link]);
  return useSyncExternalStore(subscribe, read, () => NO_LEADER);
}

/**
 * Keeps a store and the shared state alike from mount to unmount; see {@link createBroadcastSync}. Without `config.bellwether` it is
 * the provider's, if there is one.
 *
 * Of `config` the callbacks of the latest render count, and all else as it was when the store was first given.
 */
export function useBroadcastSync<T extends object>(
  store: SyncStore<T>,
  config: BroadcastSyncConfig<T> = {},
): BroadcastSync {
  const link = useContext(Provided);
  const latest = useLatest(config);
  const sync = useMemo(() => {
    const given: BroadcastSyncConfig<T> = { ...config };
    if (link) given.bellwether ??= link.bellwether ?? (() => link.open());
    return createBroadcastSync(store, {
      ...given,
      onRemoteUpdate: (keys, source) => latest.current.onRemoteUpdate?.(keys, source),
      onConnectionChange: (state) => latest.current.onConnectionChange?.(state),
      onError: (error) => (latest.current.onError ?? logged)(error),
    });
  }, [store, link, latest]);
  useEffect(() => {
    void sync.start();
    return () => sync.stop();
  }, [sync]);
  return sync;
}

function useLink(hook: string): Link {
  const link = useContext(Provided);
  if (!link) throw optionFault(`\`${hook}\` has no <BellwetherProvider> above it`);
  return link;
}

// Written after the render has been taken, since React may throw away one that it has begun.
function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}

function nothing(): undefined {}

function logged(error: unknown): void {
  console.error("[bellwether]", error);
}

const Provided = /* @__PURE__ */ createContext<Link | undefined>(undefined);

const NO_LEADER: LeaderView = Object.freeze({
  isLeader: false,
  leaderId: null,
  epoch: 0,
  role: "starting",
});

const NO_VALUES: Readonly<Record<string, unknown>> = Object.freeze({});
