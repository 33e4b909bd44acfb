// The theme as a part of the shared state: chosen in one page, worn by all pages and devices.
//
// `theme.js` paints before any module runs, from what this device wore last; this keeps that up to date.

import { THEMES } from "./shared.js";

/** @typedef {import("/bellwether/index.js").Bellwether} Bellwether */

/**
 * Shares the theme; what was chosen before there was a connection is written once there is one.
 *
 * @param {Promise<Bellwether>} joining
 */
export async function shareTheme(joining) {
  /** @type {string | undefined} */
  let chosen;
  /** @type {Bellwether | undefined} */
  let bw;
  const write = () => {
    if (!bw || !chosen) return;
    // The page wears it already; if it cannot be stored, that is all there is to it.
    bw.state.set({ theme: chosen }).catch((fault) => console.warn("the theme is not shared:", fault));
  };
  document.addEventListener("theme-chosen", (event) => {
    chosen = /** @type {CustomEvent<string>} */ (event).detail;
    write();
  });

  const state = (bw = await joining).state;
  const wear = () => {
    const detail = state.get("theme");
    if (THEMES.includes(/** @type {string} */ (detail))) {
      document.dispatchEvent(new CustomEvent("theme-shared", { detail }));
    }
  };
  state.subscribe(["theme"], wear);
  if (chosen) write();
  else wear();
}
