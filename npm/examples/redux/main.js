// Three slices of a store of Redux's, shared by name.

import { combineReducers, legacy_createStore as createStore } from "redux";

import { bellwether } from "bellwether/redux";

import { options } from "../options.js";
import { listen, show, showConnection } from "../page.js";

const slice = (type, initial, reduce) => (state = initial, action) =>
  action.type === type ? reduce(state, action.payload) : state;

const reducer = combineReducers({
  counter: slice("counter/added", 0, (counter) => counter + 1),
  text: slice("text/written", "", (_, text) => text),
  theme: slice("theme/chosen", "light", (_, theme) => theme),
});

const store = createStore(
  reducer,
  bellwether({
    bellwether: options("redux"),
    keys: ["counter", "text", "theme"],
    onConnectionChange: showConnection,
  }),
);

store.subscribe(() => show(store.getState()));
show(store.getState());
listen({
  add: () => store.dispatch({ type: "counter/added" }),
  write: (payload) => store.dispatch({ type: "text/written", payload }),
  choose: (payload) => store.dispatch({ type: "theme/chosen", payload }),
});
