// A store of Zustand's, shared but for its actions and for what it knows of the connection.

import { createRoot } from "react-dom/client";
import { create } from "zustand";

import { bellwether } from "bellwether/zustand";

import { options } from "../options.js";
import { View } from "../view.jsx";

const useStore = create(
  bellwether(
    (set) => ({
      counter: 0,
      text: "",
      theme: "light",
      isConnected: false,
      add: () => set(({ counter }) => ({ counter: counter + 1 })),
      write: (text) => set({ text }),
      choose: (theme) => set({ theme }),
    }),
    {
      bellwether: options("zustand"),
      excludeKeys: ["isConnected"],
      onConnectionChange: (state) => useStore.setState({ isConnected: state !== "disconnected" }),
    },
  ),
);

function App() {
  return <View name="Zustand" {...useStore()} />;
}

createRoot(document.getElementById("app")).render(<App />);
