// The types of `bellwether/react`, as promised: compiled, not run.

import type { Bellwether, Commit, Receipt, Role, Status } from "bellwether";
import {
  BellwetherProvider,
  useBellwether,
  useBroadcastSync,
  useLeader,
  useOutbox,
  useSharedSelector,
  useSharedState,
  useStatus,
} from "bellwether/react";
import type { BroadcastSync, LeaderView, SetShared, SyncStore } from "bellwether/react";
import { createElement } from "react";

import { holds } from "./same.js";
import type { Same } from "./same.js";

function provider(bw: Bellwether): void {
  createElement(BellwetherProvider, { bellwether: bw }, "text");
  createElement(BellwetherProvider, { bellwether: { channel: "notes" } });
  createElement(BellwetherProvider, { bellwether: async () => bw, onError: ({ code }) => code });
  createElement(BellwetherProvider, null, createElement("p"));
  // @ts-expect-error: that is no source
  createElement(BellwetherProvider, { bellwether: 7 });
}

function Component(store: SyncStore<{ text: string }>): void {
  const [count, setCount] = useSharedState("count", 0);
  holds<Same<typeof count, number>>();
  holds<Same<typeof setCount, SetShared<number>>>();
  holds<Same<ReturnType<typeof setCount>, Promise<Commit>>>();
  void setCount(1);
  void setCount((value) => value + 1);
  // @ts-expect-error: it is a number
  void setCount("1");

  const [text, setText] = useSharedState<string>("text");
  holds<Same<typeof text, string | undefined>>();
  void setText(undefined);

  const both = useSharedSelector(({ text, count }) => [text, count] as const, (a, b) => a[0] === b[0]);
  holds<Same<typeof both, readonly [unknown, unknown]>>();

  holds<Same<ReturnType<typeof useBellwether>, Bellwether | undefined>>();
  holds<Same<ReturnType<typeof useStatus>, Status | undefined>>();
  const { pending, dead, sync, nextAttemptAt, enqueue } = useOutbox();
  holds<Same<[typeof pending, typeof dead], [number, number]>>();
  holds<Same<typeof sync, Status["sync"] | undefined>>();
  holds<Same<typeof nextAttemptAt, number | null>>();
  holds<Same<ReturnType<typeof enqueue>, Promise<Receipt>>>();
  // @ts-expect-error: an event has a type
  void enqueue({ data: 1 });

  const view = useLeader();
  holds<Same<typeof view, LeaderView>>();
  holds<Same<[typeof view.isLeader, typeof view.leaderId, typeof view.role], [boolean, string | null, Role]>>();
  // @ts-expect-error: it is told, not set
  view.epoch = 1;

  holds<Same<ReturnType<typeof useBroadcastSync>, BroadcastSync>>();
  useBroadcastSync(store);
  useBroadcastSync(store, { keys: ["text"], throttleMs: 5 });
  // @ts-expect-error: the store has no such key
  useBroadcastSync(store, { keys: ["title"] });
}
