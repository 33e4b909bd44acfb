// Refs for each key, with Vue's render function.

import { computed, createApp, h, watchEffect } from "vue";

import { createBellwether, useSharedState, useStatus } from "bellwether/vue";

import { options } from "../options.js";

const App = {
  setup() {
    const counter = useSharedState("counter", 0);
    const text = useSharedState("text", "");
    const theme = useSharedState("theme", "light");
    const status = useStatus();
    const connection = computed(() => (status.value?.connection === "connected" ? "Connected" : "Starting"));
    watchEffect(() => (document.documentElement.dataset.theme = theme.value));
    return () => [
      h("h1", "Vue"),
      h("p", { role: "note", "aria-label": "Connection" }, connection.value),
      h("p", [
        h("button", { type: "button", onClick: () => counter.value++ }, "Add one"),
        h("output", { "aria-label": "Counter" }, counter.value),
      ]),
      h("p", [
        h("label", [
          "Text ",
          h("input", { value: text.value, onInput: ({ target }) => (text.value = target.value) }),
        ]),
      ]),
      h("p", [
        h("label", [
          "Theme ",
          h(
            "select",
            { value: theme.value, onChange: ({ target }) => (theme.value = target.value) },
            ["light", "dark"].map((name) => h("option", name)),
          ),
        ]),
      ]),
    ];
  },
};

createApp(App).use(createBellwether(options("vue"))).mount("#app");
