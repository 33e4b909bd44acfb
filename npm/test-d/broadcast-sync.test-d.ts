// The types of `bellwether/broadcast-sync`, as promised: compiled, not run.

import type { Bellwether } from "bellwether";
import { createBroadcastSync } from "bellwether/broadcast-sync";
import type { BroadcastSync, BroadcastSyncConfig, SyncStore } from "bellwether/broadcast-sync";
import { createStore } from "zustand/vanilla";

import { holds } from "./same.js";
import type { Same } from "./same.js";

interface Notes {
  text: string;
  count: number;
  add(): void;
}

function make(store: SyncStore<Notes>, bw: Bellwether): void {
  holds<Same<ReturnType<typeof createBroadcastSync<Notes>>, BroadcastSync>>();
  createBroadcastSync(store);
  createBroadcastSync(store, { bellwether: bw, keys: ["text", "count"], excludeKeys: ["count"] });
  createBroadcastSync(store, { bellwether: Promise.resolve(bw), syncKeys: ["text"] });
  createBroadcastSync(store, { bellwether: () => bw });
  createBroadcastSync(store, { bellwether: async () => bw });
  const config: BroadcastSyncConfig<Notes> = {
    bellwether: { channel: "notes", server: "https://sync.example" },
    throttleMs: 100,
    debounceMs: 5,
    conflictStrategy: "merge",
    keyStrategies: { count: "custom" },
    customResolver: ({ key, base, local, remote }) => (key === "count" ? local : (remote ?? base)),
    shouldSync: (previous, next) => previous["text"] !== next["text"],
    validate: (key, value) => key !== "count" || typeof value === "number",
    onRemoteUpdate: (keys, source) => holds<Same<[typeof keys, typeof source], [string[], string]>>(),
    onConnectionChange: (state) =>
      holds<Same<typeof state, "connected" | "disconnected" | "leader" | "follower">>(),
    onError: (error) => error.code === "store-quota",
    debug: true,
  };
  createBroadcastSync(store, config);
  // A store of Zustand's is one as it is.
  createBroadcastSync(createStore<Notes>(() => ({ text: "", count: 0, add() {} })), { keys: ["text"] });

  // @ts-expect-error: the store has no such key
  createBroadcastSync(store, { keys: ["title"] });
  // @ts-expect-error: nor here
  createBroadcastSync(store, { keyStrategies: { title: "merge" } });
  // @ts-expect-error: no such option
  createBroadcastSync(store, { kyes: ["text"] });
  // @ts-expect-error: no such strategy
  createBroadcastSync(store, { conflictStrategy: "mine" });
  // @ts-expect-error: it has to be possible to subscribe
  createBroadcastSync({ getState: () => ({}), setState: () => {} });
}

async function use(sync: BroadcastSync): Promise<void> {
  holds<Same<ReturnType<BroadcastSync["start"]>, Promise<void>>>();
  holds<Same<ReturnType<BroadcastSync["stop"]>, void>>();
  holds<Same<ReturnType<BroadcastSync["isActive"]>, boolean>>();
  holds<Same<ReturnType<BroadcastSync["isLeader"]>, boolean>>();
  holds<Same<ReturnType<BroadcastSync["getTabId"]>, string>>();
  holds<Same<ReturnType<BroadcastSync["getConnectedTabs"]>, number>>();
  await sync.requestState();
  await sync.broadcastState();
  await sync.broadcastState(["text"]);
  await sync.forceLeader();
}
