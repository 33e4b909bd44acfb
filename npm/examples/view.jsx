// What the two examples in React show.

import { useEffect } from "react";

/** Shows the values and calls back on what the user does. */
export function View({ name, isConnected, counter, text, theme, add, write, choose }) {
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return (
    <>
      <h1>{name}</h1>
      <p role="note" aria-label="Connection">
        {isConnected ? "Connected" : "Starting"}
      </p>
      <p>
        <button type="button" onClick={add}>
          Add one
        </button>
        <output aria-label="Counter">{counter}</output>
      </p>
      <p>
        <label>
          Text <input value={text} onChange={({ target }) => write(target.value)} />
        </label>
      </p>
      <p>
        <label>
          Theme{" "}
          <select value={theme} onChange={({ target }) => choose(target.value)}>
            <option>light</option>
            <option>dark</option>
          </select>
        </label>
      </p>
    </>
  );
}
