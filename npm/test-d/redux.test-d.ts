// The types of `bellwether/redux`, as promised: compiled, not run.

import { REMOTE_UPDATE, bellwether, isRemoteUpdate } from "bellwether/redux";
import type { BroadcastSync, RemoteUpdate } from "bellwether/redux";
import { applyMiddleware, combineReducers, compose, createStore } from "redux";
import type { Action, StoreEnhancer } from "redux";

import { holds } from "./same.js";
import type { Same } from "./same.js";

const theme = (state: "light" | "dark" = "light", _: Action) => state;
const reducer = combineReducers({ theme, count: (state: number = 0, _: Action) => state });
type State = ReturnType<typeof reducer>;

function stores(action: Action): void {
  const store = createStore(reducer, bellwether<State>({ keys: ["theme"], throttleMs: 5 }));
  holds<Same<ReturnType<typeof store.getState>["theme"], "light" | "dark">>();
  holds<Same<typeof store.bellwether, BroadcastSync>>();
  createStore(reducer, { theme: "dark", count: 1 }, bellwether({ keys: ["theme"], autoStart: false }));
  const enhancer: StoreEnhancer<{ bellwether: BroadcastSync }> = bellwether({ keys: ["theme"] });
  createStore(reducer, compose(enhancer, applyMiddleware()) as typeof enhancer);

  holds<Same<typeof REMOTE_UPDATE, "bellwether/remote-update">>();
  if (isRemoteUpdate(action)) holds<Same<typeof action.payload, RemoteUpdate["payload"]>>();

  // @ts-expect-error: which slices has to be said
  bellwether<State>({});
  // @ts-expect-error: no such slice
  bellwether<State>({ keys: ["title"] });
  // @ts-expect-error: there is one name for them here
  bellwether<State>({ keys: ["theme"], syncKeys: ["theme"] });
}
