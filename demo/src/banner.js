// Banners: the few things that a person must know or decide.

import { byId, element, write } from "./element.js";

/**
 * Shows a banner, once per name.
 *
 * @param {string} name
 * @param {string} words
 * @param {{ label: string, act: () => void }} [offer]  a button; without one the banner can be put away
 */
export function showBanner(name, words, offer) {
  document.querySelector(`[data-banner="${name}"]`)?.remove();
  const act = element("button", { type: "button", class: "small" }, offer?.label ?? "Put away");
  const banner = element("div", { class: "banner", "data-banner": name, "data-testid": `banner-${name}` }, element("p", {}, words), act);
  act.addEventListener("click", () => (offer ? offer.act() : banner.remove()));
  byId("banners").append(banner);
}

/**
 * Shows that the page could not join, and offers to try again.
 *
 * @param {string} words
 * @param {unknown} fault
 */
export function showNotStarted(words, fault) {
  showBanner("start", `${words}: ${inWords(fault)}`, { label: "Try again", act: () => location.reload() });
  write(byId("sync"), "not started");
  document.documentElement.dataset.sync = "blocked";
}

/**
 * Does what was asked; a failure is shown in words.
 *
 * @param {() => Promise<unknown>} act
 */
export async function attempt(act) {
  try {
    await act();
  } catch (fault) {
    showBanner("refused", `That did not work: ${inWords(fault)}`);
  }
}

/**
 * The words of whatever was thrown, with its code for those who want to look it up.
 *
 * @param {unknown} fault
 */
export function inWords(fault) {
  if (!(fault instanceof Error)) return String(fault);
  const code = /** @type {{ code?: unknown }} */ (fault).code;
  return typeof code === "string" ? `${fault.message} (${code})` : fault.message;
}
