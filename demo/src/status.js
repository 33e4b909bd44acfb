// The status line and the way of a note, in numbers.

import { button, byId, icon, write } from "./element.js";

/** @typedef {import("/bellwether/index.js").Status} Status */
/** @typedef {import("./notes.js").Note} Note */

/**
 * Shows what the runtime says of itself.
 *
 * @param {Status} status
 */
export function showStatus(status) {
  document.documentElement.dataset.sync = status.sync;
  write(byId("sync"), status.sync);
  byId("sync").title = status.blocked ? `Because: ${status.blocked}` : "";
  write(byId("pending"), status.pending);
  write(byId("dead"), status.dead);
  byId("dead").dataset.some = String(status.dead > 0);
  write(byId("pages"), status.pages);
  write(byId("host"), status.host);
  byId("host").title = (status.reasons ?? []).map(String).join("; ");
  write(byId("epoch"), status.epoch || "–");
  write(byId("build"), (status.build ?? "").slice(0, 8) || "–");
  byId("build").title = `build ${status.build}, protocol ${status.protocol}`;
  showPaused(status.paused);
  showNextAttempt(status);
  // The app's icon carries the number of waiting notes where the system can show it.
  void navigator.setAppBadge?.(status.pending).catch(() => {});
}

/**
 * Shows how long it is until the next attempt; to be called every second.
 *
 * @param {Status} status
 */
export function showNextAttempt({ nextAttemptAt, paused, pending }) {
  const leftMs = nextAttemptAt && pending > 0 ? nextAttemptAt - Date.now() : undefined;
  const words = paused ? "paused" : leftMs === undefined ? "–" : leftMs <= 0 ? "now" : `in ${Math.ceil(leftMs / 1000)} s`;
  write(byId("next"), words);
}

/**
 * Whether what was tried without success waits for the next attempt.
 *
 * @param {Status} status
 */
export function waits({ pending, paused, sync, nextAttemptAt }) {
  return pending > 0 && (paused || sync === "offline" || (nextAttemptAt ?? 0) > Date.now() + 200);
}

/**
 * Shows how many notes are at each station.
 *
 * @param {Note[]} notes
 * @param {{ head: number, others: number, isLogKnown: boolean, isWaiting: boolean }} of  the last offset of
 *   the server's log, how much of it are no notes, whether it was ever read, and whether what was tried waits
 */
export function showWay(notes, { head, others, isLogKnown, isWaiting }) {
  const count = (/** @type {string} */ way) => notes.filter((note) => note.way === way).length;
  const sending = isWaiting ? 0 : count("sending");
  // What is on the way is on disk all the same.
  write(byId("way-durable"), count("durable") + count("sending"));
  write(byId("way-sending"), sending);
  const last = notes.reduce((last, note) => Math.max(last, note.offset ?? 0), head);
  const delivered = Math.max(0, last - others);
  write(byId("way-delivered"), isLogKnown || delivered ? delivered : "–");
  byId("way").dataset.moving = String(sending > 0);
}

/** @param {boolean} paused */
function showPaused(paused) {
  const it = button("pause");
  if (it.dataset.paused === String(paused)) return;
  it.dataset.paused = String(paused);
  it.replaceChildren(icon(paused ? "play" : "pause"), paused ? "Resume" : "Pause");
}
