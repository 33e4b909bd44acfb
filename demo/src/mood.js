// The server's mood, as a choice in the status line.

import { attempt } from "./banner.js";
import { byId, select } from "./element.js";

/**
 * Orders a mood of the server.
 *
 * @param {{ mode: string, delay_ms?: number, refuse_types?: string[] }} mood
 */
export async function orderMood(mood) {
  const answer = await fetch("/dev/mood", { method: "POST", body: JSON.stringify(mood) });
  if (!answer.ok) throw new Error("this server takes no orders; start it with --dev-faults");
}

/** Lets a person choose it in `#mood`, within `#mood-field`, if this server takes orders. */
export async function offerMood() {
  const it = select("mood");
  it.addEventListener("change", () => void attempt(() => orderMood({ mode: it.value, delay_ms: 2000 })));
  await showMood();
}

/** Shows it as it is: other pages may have changed it. */
export async function showMood() {
  const it = select("mood");
  if (document.activeElement === it) return;
  try {
    const answer = await fetch("/dev/mood", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    byId("mood-field").hidden = !answer.ok;
    if (!answer.ok) return;
    const { mode } = await answer.json();
    if ([...it.options].some(({ value }) => value === mode)) it.value = mode;
  } catch {
    // It cannot be reached; the status line says so.
  }
}
