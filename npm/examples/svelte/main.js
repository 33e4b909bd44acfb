// Stores by Svelte's contract; in a component `$counter += 1` and `bind:value={$text}` do what is spelt out here.

import { derived } from "svelte/store";

import { createBellwether } from "bellwether/svelte";

import { options } from "../options.js";
import { listen, show, showConnection } from "../page.js";

const { sharedState, status } = createBellwether(options("svelte"));
const counter = sharedState("counter", 0);
const text = sharedState("text", "");
const theme = sharedState("theme", "light");

derived([counter, text, theme], ([counter, text, theme]) => ({ counter, text, theme })).subscribe(show);
status.subscribe((status) => showConnection(status?.connection));
listen({
  add: () => counter.update((value) => value + 1),
  write: text.set,
  choose: theme.set,
});
