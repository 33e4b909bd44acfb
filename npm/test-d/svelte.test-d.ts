// The types of `bellwether/svelte`, as promised: compiled, not run.

import type { Bellwether, Status } from "bellwether";
import { createBellwether } from "bellwether/svelte";
import { derived, get } from "svelte/store";
import type { Readable, Writable } from "svelte/store";

import { holds } from "./same.js";
import type { Same } from "./same.js";

function stores(bw: Bellwether): void {
  createBellwether();
  createBellwether({ channel: "notes" }, { onError: ({ code }) => code });
  const { sharedState, status, client } = createBellwether(bw);

  // Each is what Svelte takes for a store.
  const count: Writable<number> = sharedState("count", 0);
  const text: Writable<string | undefined> = sharedState<string>("text");
  const shown: Readable<Status | undefined> = status;
  holds<Same<ReturnType<typeof get<Bellwether | undefined>>, Bellwether | undefined>>();
  get(client)?.close();
  const sum = derived([count, text, shown], ([count, text]) => count + (text?.length ?? 0));
  holds<Same<typeof sum, Readable<number>>>();

  // @ts-expect-error: it is a number
  void sharedState("count", 0).set("1");
  // @ts-expect-error: the status is not the app's to write
  status.set(undefined);
  // @ts-expect-error: that is no source
  createBellwether("notes");
}
