// The types of `bellwether/vue`, as promised: compiled, not run.

import type { Bellwether, Status } from "bellwether";
import { createBellwether, useBellwether, useSharedState, useStatus } from "bellwether/vue";
import { createApp } from "vue";
import type { Ref } from "vue";

import { holds } from "./same.js";
import type { Same } from "./same.js";

function app(bw: Bellwether): void {
  createApp({}).use(createBellwether());
  createApp({}).use(createBellwether({ channel: "notes" }, { onError: ({ code }) => code }));

  const count = useSharedState("count", 0);
  holds<Same<typeof count, Ref<number>>>();
  count.value = 1;
  const text = useSharedState<string>("text");
  holds<Same<typeof text, Ref<string | undefined>>>();
  useSharedState("count", 0, { bellwether: bw, onError: () => {} });
  holds<Same<ReturnType<typeof useBellwether>["value"], Bellwether | undefined>>();
  holds<Same<ReturnType<typeof useStatus>["value"], Status | undefined>>();

  // @ts-expect-error: it is a number
  count.value = "1";
  // @ts-expect-error: the status is not the app's to write
  useStatus().value = undefined;
  // @ts-expect-error: no such option
  useSharedState("count", 0, { channel: "notes" });
}
