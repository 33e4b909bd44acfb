// The types of `bellwether/zustand`, as promised: compiled, not run.

import { bellwether } from "bellwether/zustand";
import type { BroadcastSync } from "bellwether/zustand";
import { create } from "zustand";
import { combine, devtools, persist, subscribeWithSelector } from "zustand/middleware";
import { createStore } from "zustand/vanilla";

import { holds } from "./same.js";
import type { Same } from "./same.js";

interface Notes {
  text: string;
  write(text: string): void;
}

function stores(): void {
  const useNotes = create<Notes>()(
    bellwether((set) => ({ text: "", write: (text) => set({ text }) }), {
      bellwether: { channel: "notes" },
      keys: ["text"],
      conflictStrategy: "merge",
      autoStart: false,
    }),
  );
  const text = useNotes((notes) => notes.text);
  holds<Same<typeof text, string>>();
  holds<Same<typeof useNotes.bellwether, BroadcastSync>>();
  void useNotes.bellwether.start();

  // What is inferred stays so, inside and outside of other middleware.
  const inferred = createStore(
    bellwether(combine({ count: 0 }, (set) => ({ add: () => set(({ count }) => ({ count: count + 1 })) }))),
  );
  holds<Same<ReturnType<typeof inferred.getState>["count"], number>>();
  inferred.getState().add();

  const stacked = create<Notes>()(
    devtools(
      subscribeWithSelector(
        bellwether(
          persist((set) => ({ text: "", write: (text) => set({ text }, false) }), { name: "notes" }),
          { keys: ["text"] },
        ),
      ),
    ),
  );
  stacked.subscribe(
    (notes) => notes.text,
    (text) => holds<Same<typeof text, string>>(),
  );
  stacked.persist.clearStorage();
  holds<Same<typeof stacked.bellwether, BroadcastSync>>();

  // @ts-expect-error: the store has no such key
  create<Notes>()(bellwether(() => ({ text: "", write() {} }), { keys: ["title"] }));
  // @ts-expect-error: no such option
  create<Notes>()(bellwether(() => ({ text: "", write() {} }), { kyes: ["text"] }));
  // @ts-expect-error: it is the text's to be text
  create<Notes>()(bellwether(() => ({ text: 7, write() {} })));
}
