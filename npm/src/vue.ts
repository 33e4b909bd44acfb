// Composables for Vue.
//
// What always holds: each follows the shared state as long as the scope that it is called in, and writes nothing by itself. On a
// server it shows what is there without a Bellwether.

import { customRef, getCurrentScope, hasInjectionContext, inject, onScopeDispose } from "vue";
import type { InjectionKey, Plugin, Ref } from "vue";

import { Link, optionFault, or } from "./link.js";
import type { BellwetherSource, ErrorListener } from "./link.js";
import type { Bellwether, Status } from "./types.js";

export type { BellwetherSource, ErrorListener } from "./link.js";

/**
 * Makes a plugin that gives the composables their Bellwether, and connects when it is installed, if need be.
 *
 * @param source - default: `connect` without options
 * @param options.onError - is told of what no call waits for, and of writes that were refused. Default: logs it to the
 *   console
 *
 * @example
 * createApp(App).use(createBellwether({ channel: "notes" })).mount("#app");
 */
export function createBellwether(
  source?: BellwetherSource,
  options: { onError?: ErrorListener | undefined } = {},
): Plugin {
  const link = new Link(source, options.onError);
  return {
    install(app) {
      app.provide(PROVIDED, link);
      // Who follows is what asks for it; on a server nobody does.
      const end = link.follow(() => () => {}, () => {});
      app.onUnmount?.(end);
    },
  };
}

/** Where a composable gets its Bellwether from, if not from the plugin. */
export interface ComposableOptions {
  /** For use outside of components, such as in a store; default: the plugin's. */
  bellwether?: BellwetherSource | undefined;
  /** Is told of what goes wrong with that one. Default: logs it to the console. */
  onError?: ErrorListener | undefined;
}

/**
 * One key of the shared state, as a ref; ends with the scope it is called in.
 *
 * A value is replaced, never changed in place: `todos.value = [...todos.value, todo]`. A write that is refused is rolled back
 * and told to `onError`.
 *
 * @param initial - what it holds until somebody has written to the key; never written itself
 *
 * @example
 * const count = useSharedState("count", 0);
 */
export function useSharedState<T>(key: string): Ref<T | undefined>;
export function useSharedState<T>(key: string, initial: T, options?: ComposableOptions): Ref<T>;
export function useSharedState<T>(
  key: string,
  initial?: T,
  options?: ComposableOptions,
): Ref<T | undefined> {
  const link = linkOf("useSharedState", options);
  return followed(
    () => or(link.bellwether?.state.get<T>(key), initial),
    (changed) => link.followKey(key, changed),
    (value) => void link.write((state) => state.set({ [key]: value })),
  );
}

/** The Bellwether; `undefined` until there is one. */
export function useBellwether(options?: ComposableOptions): Readonly<Ref<Bellwether | undefined>> {
  const link = linkOf("useBellwether", options);
  return followed(
    () => link.bellwether,
    (changed) => link.follow(() => () => {}, changed),
    readOnly,
  );
}

/** How things stand; `undefined` until there is a Bellwether. */
export function useStatus(options?: ComposableOptions): Readonly<Ref<Status | undefined>> {
  const link = linkOf("useStatus", options);
  return followed(
    () => link.status,
    (changed) => link.followStatus(changed),
    readOnly,
  );
}

function followed<T>(
  read: () => T,
  follow: (changed: () => void) => () => void,
  write: (value: T) => void,
): Ref<T> {
  return customRef((track, trigger) => {
    const end = follow(trigger);
    if (getCurrentScope()) onScopeDispose(end);
    return {
      get() {
        track();
        return read();
      },
      set: write,
    };
  });
}

function linkOf(composable: string, options: ComposableOptions = {}): Link {
  if (options.bellwether) return new Link(options.bellwether, options.onError);
  const link = hasInjectionContext() ? inject(PROVIDED, undefined) : undefined;
  if (link) return link;
  throw optionFault(
    `\`${composable}\` finds no Bellwether: install the plugin of \`createBellwether\`, or give the option \`bellwether\``,
  );
}

function readOnly(): never {
  throw optionFault("this ref can only be read");
}

const PROVIDED: InjectionKey<Link> = /* @__PURE__ */ Symbol("bellwether");
