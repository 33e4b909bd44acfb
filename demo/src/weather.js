// The weather at the server: its mood, set through the development server's own endpoint.
//
// Other tabs may change it too, so it is asked for again now and then. Where the server has no
// such endpoint, the panel says what is needed.

import { byId, element, icon, input, select, write } from "./element.js";
import { RUMOUR } from "./notes.js";

/**
 * @typedef {object} Mood
 * @property {string} mode
 * @property {number} [delay_ms]
 * @property {number} [rate]   the share of pushes it befalls
 * @property {number | null} [count]  how many it befalls before all is well again
 * @property {string[]} [refuse_types]  events of these types are refused for good
 * @property {string[]} [poison_types]  batches that hold one of these types fail as a whole
 */

/**
 * mode, icon, name, what it does, what to say when it begins
 * @type {[string, string, string, string, string][]}
 */
const MOODS = [
  ["well", "well", "Fair", "answers at once", "The server is well again."],
  ["slow", "slow", "Fog", "answers late", "The server answers late from now on. Watch notes stay on the way: still on disk until the answer is here."],
  ["down", "down", "Gone", "does not answer", "The server is gone. Write something: it will wait on disk."],
  ["cut", "cut", "Lightning", "cuts the line midway", "The server cuts connections midway. Nobody can know what arrived, so the same bytes are sent again."],
  ["lose-answers", "lose-answers", "Lost answers", "takes notes, never says so", "The server takes notes but its answers are lost. Watch the log count go up once per note, not once per try."],
  ["error-500", "error", "Error 500", "fails on everything", "The server answers 500 to everything. That costs no note a try; it waits and asks again."],
  ["error-429", "error", "Too busy 429", "asks for patience", "The server says it is too busy. The runtime waits as long as it is told to."],
  ["error-400", "error", "Error 400", "calls every batch bad", "The server calls every batch bad. The runtime halves them to find the note at fault; if a note fails alone once too often, it is set aside, and you can try it again."],
  ["not-ours-404", "not-ours-404", "A stranger", "a foreign 404 page", "A stranger answers, like the log-in page of a hotel. An answer that is not the server’s decides nothing: notes wait."],
];

/** @type {Record<string, Pick<Mood, "rate" | "count">>} */
const OFTEN = { always: {}, half: { rate: 0.5 }, fifth: { rate: 0.2 }, once: { count: 1 }, thrice: { count: 3 } };

/** Fires "mood" with a sentence when this tab has changed the mood. */
export class Weather extends EventTarget {
  #isSetting = false;

  constructor() {
    super();
    byId("moods").append(...MOODS.map(choice));
    const form = byId("weather-form");
    form.addEventListener("change", (event) => {
      const isMode = /** @type {HTMLInputElement} */ (event.target).name === "mood";
      void this.#set(isMode);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Asks for the present mood and shows it. */
  async ask() {
    if (this.#isSetting) return;
    try {
      const answer = await fetch("/dev/mood", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (this.#isSetting) return;
      if (answer.status === 404 || answer.status === 405) return this.#showFault(NEEDS_DEVELOPMENT, false);
      if (!answer.ok) return this.#showFault(`The server answered ${answer.status} when asked for its mood.`, true);
      this.#show(await answer.json());
    } catch {
      this.#showFault("It cannot be reached at all, so its weather is out of our hands. Notes wait on disk until it is back.", true);
      showAtServer("down", "cannot be reached just now");
    }
  }

  /** @param {boolean} isNewMode */
  async #set(isNewMode) {
    const mode = /** @type {HTMLInputElement | null} */ (document.querySelector("input[name=mood]:checked"))?.value ?? "well";
    this.#isSetting = true;
    /** @type {Mood} */
    const mood = {
      mode,
      ...(mode === "well" ? {} : OFTEN[select("often").value]),
      ...(mode === "slow" ? { delay_ms: Number(select("delay").value) } : {}),
      refuse_types: input("refuse-rumours").checked ? [RUMOUR] : [],
      ...(input("poison-rumours").checked ? { poison_types: [RUMOUR] } : {}),
    };
    try {
      const answer = await fetch("/dev/mood", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(mood),
      });
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      this.#showMode(mode);
      const words = MOODS.find(([name]) => name === mode)?.[4];
      if (isNewMode && words) this.dispatchEvent(new CustomEvent("mood", { detail: words }));
      this.#isSetting = false;
      await this.ask();
    } catch (fault) {
      this.#showFault(`The weather did not change: ${fault instanceof Error ? fault.message : fault}.`, true);
    } finally {
      this.#isSetting = false;
    }
  }

  /** @param {Mood & { counters?: { pushes?: number, affected?: number } }} mood */
  #show(mood) {
    byId("weather-form").hidden = false;
    byId("weather-fault").hidden = true;
    write(byId("weather-lead"), "Make it misbehave, and watch what happens to your notes.");
    this.#showMode(mood.count === 0 ? "well" : mood.mode);
    const often = Object.entries(OFTEN).find(([, { rate, count }]) => count === undefined && (rate ?? 1) === (mood.rate ?? 1));
    if (often && mood.count == null) select("often").value = often[0];
    if (Array.isArray(mood.refuse_types)) input("refuse-rumours").checked = mood.refuse_types.includes(RUMOUR);
    if (Array.isArray(mood.poison_types)) input("poison-rumours").checked = mood.poison_types.includes(RUMOUR);
    if (mood.delay_ms && mood.mode === "slow") select("delay").value = String(mood.delay_ms);
    showCounters({ "batches seen": mood.counters?.pushes, "hit by weather": mood.counters?.affected });
  }

  /** @param {string} mode */
  #showMode(mode) {
    const chosen = document.querySelector(`input[name=mood][value="${CSS.escape(mode)}"]`);
    if (chosen) /** @type {HTMLInputElement} */ (chosen).checked = true;
    byId("delay-field").hidden = mode !== "slow";
    byId("often-field").hidden = mode === "well";
    const known = MOODS.find(([name]) => name === mode);
    if (mode === "well") showAtServer("server", "in order, each one once");
    else showAtServer(known?.[1] ?? "server", known ? `${known[2]}: ${known[3]}` : mode);
  }

  /**
   * @param {string} words
   * @param {boolean} keepForm
   */
  #showFault(words, keepForm) {
    byId("weather-fault").hidden = false;
    write(byId("weather-fault"), words);
    if (keepForm) return;
    showAtServer("server", "in order, each one once");
    byId("weather-form").hidden = true;
    byId("counters").hidden = true;
    write(byId("weather-lead"), "Here you could make the server misbehave.");
  }
}

/**
 * Shows at the last station of the way how the server is.
 *
 * @param {string} picture  the name of an icon; "server" if all is well
 * @param {string} words
 */
function showAtServer(picture, words) {
  byId("way-weather-icon").setAttribute("href", `#i-${picture}`);
  write(byId("way-weather"), words);
  byId("way").dataset.trouble = String(picture !== "server");
}

const NEEDS_DEVELOPMENT =
  "This server has no weather to set: that needs the development server. You can still stop your server, cut your network, or stop the worker by hand.";

/** @param {[string, string, string, string, string]} mood */
function choice([mode, picture, name, does]) {
  return element(
    "label",
    { class: "mood", "data-mode": mode },
    element("input", { type: "radio", name: "mood", value: mode, "data-testid": `mood-${mode}`, checked: mode === "well" }),
    icon(picture),
    element("span", {}, element("b", {}, name), element("small", {}, does)),
  );
}

/** @param {Record<string, number | undefined>} counters */
function showCounters(counters) {
  const rows = Object.entries(counters).filter(([, count]) => typeof count === "number");
  byId("counters").hidden = rows.length === 0;
  byId("counters").replaceChildren(
    ...rows.map(([name, count]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, String(count))),
    ),
  );
}
