// Hooks for each key, in React's strict mode.

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { BellwetherProvider, useSharedState, useStatus } from "bellwether/react";

import { options } from "../options.js";
import { View } from "../view.jsx";

function App() {
  const [counter, setCounter] = useSharedState("counter", 0);
  const [text, setText] = useSharedState("text", "");
  const [theme, setTheme] = useSharedState("theme", "light");
  const status = useStatus();
  return (
    <View
      {...{ name: "React", counter, text, theme, write: setText, choose: setTheme }}
      isConnected={status?.connection === "connected"}
      add={() => setCounter((value) => value + 1)}
    />
  );
}

createRoot(document.getElementById("app")).render(
  <StrictMode>
    <BellwetherProvider bellwether={options("react")}>
      <App />
    </BellwetherProvider>
  </StrictMode>,
);
