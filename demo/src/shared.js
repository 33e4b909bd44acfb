// What the demo's pages share, and how two writes to the same key are told apart.
//
// What always holds: all pages of the channel connect with these very options. How conflicts end is the writer's to say,
// so pages that do not agree on it would surprise one another.

import { connect } from "/bellwether/index.js";

/** @typedef {import("/bellwether/index.js").Bellwether} Bellwether */
/** @typedef {import("/bellwether/index.js").StateOptions} StateOptions */
/** @typedef {import("/bellwether/index.js").Conflict} Conflict */
/** @typedef {import("/bellwether/index.js").ConflictStrategy} Strategy */
/** @typedef {{ herons: number, place: string, weather: string }} Sighting */

export const SESSION = "field-notes";

export const THEMES = ["light", "dark"];
export const LOCALES = ["en", "de", "fr"];
/** What the water can stand at, in centimetres. */
export const LEVEL_MAX = 400;

/** The lab's keys, one for each strategy. @type {Readonly<Record<Strategy, string>>} */
export const LAB = {
  "last-write-wins": "lab-lww",
  merge: "lab-merge",
  "first-write-wins": "lab-fww",
  custom: "lab-custom",
};

/** @type {StateOptions} */
const STATE = {
  keyStrategies: {
    // Who adds one to a number must know the number: what is built on another is refused, and done again.
    birds: "first-write-wins",
    ...Object.fromEntries(Object.entries(LAB).map(([strategy, key]) => [key, /** @type {Strategy} */ (strategy)])),
  },
  customResolver: bothCounted,
  validate: isFit,
  initial: {
    locale: LOCALES.find((it) => navigator.language.startsWith(it)) ?? "en",
    level: 120,
    birds: 0,
    remark: "",
  },
};

/**
 * Joins the channel of the demo's pages; another channel is another device, with a disk of its own.
 *
 * @param {string} [channel]
 * @returns {Promise<Bellwether>}
 */
export function join(channel) {
  return connect({ channel, server: location.origin, session: SESSION, worker: "/sw.js", state: STATE });
}

/**
 * Asks the server what other devices have written. One that is away is asked again soon.
 *
 * @param {Bellwether} bw
 */
export async function hearOthers(bw) {
  await bw.state.request().catch(() => {});
}

/** The sighting in a value from anywhere; `undefined` if there is none. @param {unknown} value */
export function sightingIn(value) {
  if (typeof value !== "object" || value === null) return undefined;
  const { herons, place, weather } = /** @type {Partial<Sighting>} */ (value);
  return { herons: Number(herons ?? 0), place: String(place ?? ""), weather: String(weather ?? "") };
}

/**
 * The resolver of `"custom"`: herons that both have counted add up; the rest is whose who changed it.
 *
 * @param {Conflict} conflict
 * @returns {Sighting}
 */
function bothCounted({ base, local, remote }) {
  const nothing = { herons: 0, place: "", weather: "" };
  const [before, mine, theirs] = [base, local, remote].map((it) => sightingIn(it) ?? nothing);
  if (!before || !mine || !theirs) return nothing;
  /** @param {"place" | "weather"} name */
  const changed = (name) => (theirs[name] === before[name] ? mine[name] : theirs[name]);
  return { herons: mine.herons + theirs.herons - before.herons, place: changed("place"), weather: changed("weather") };
}

/** Whether a value from elsewhere is one that these pages can show. @param {string} key @param {unknown} value */
function isFit(key, value) {
  if (key === "theme") return THEMES.includes(/** @type {string} */ (value));
  if (key === "locale") return LOCALES.includes(/** @type {string} */ (value));
  if (key === "level") return typeof value === "number" && value >= 0 && value <= LEVEL_MAX;
  if (key === "birds") return Number.isSafeInteger(value);
  if (key === "remark") return typeof value === "string";
  return true;
}
