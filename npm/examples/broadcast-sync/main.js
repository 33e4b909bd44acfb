// A store of the app's own, a dozen lines long, kept in sync.

import { createBroadcastSync } from "bellwether/broadcast-sync";

import { options } from "../options.js";
import { listen, show, showConnection } from "../page.js";

const store = createStore({ counter: 0, text: "", theme: "light" });

const sync = createBroadcastSync(store, {
  bellwether: options("broadcast-sync"),
  keys: ["counter", "text", "theme"],
  onConnectionChange: showConnection,
});
sync.start();

store.subscribe(() => show(store.getState()));
show(store.getState());
listen({
  add: () => store.setState({ counter: store.getState().counter + 1 }),
  write: (text) => store.setState({ text }),
  choose: (theme) => store.setState({ theme }),
});

function createStore(state) {
  const listeners = new Set();
  return {
    getState: () => state,
    setState(partial) {
      state = { ...state, ...partial };
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
