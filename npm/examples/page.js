// What the examples without a framework for rendering have in common: their page's elements, and what is shown in them.

const element = (name) => document.getElementById(name);

/** Calls back on what the user does. */
export function listen({ add, write, choose }) {
  element("add").addEventListener("click", add);
  element("text").addEventListener("input", ({ target }) => write(target.value));
  element("theme").addEventListener("change", ({ target }) => choose(target.value));
}

/** Shows the values that are given, and leaves the others. */
export function show({ counter, text, theme }) {
  if (counter !== undefined) element("counter").textContent = String(counter);
  // A field that is given the text it has would lose the cursor.
  if (text !== undefined && element("text").value !== text) element("text").value = text;
  if (theme !== undefined) {
    element("theme").value = theme;
    document.documentElement.dataset.theme = theme;
  }
}

/** Shows whether the coordinator is heard. */
export function showConnection(connection) {
  element("connection").textContent = connection === "disconnected" ? "Starting" : "Connected";
}
