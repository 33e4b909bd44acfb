// The shared board: a few controls whose values all pages and devices have, and a list of what came from where.
//
// What always holds: a control shows what the state says, except for what a person has moved or typed and that has not
// left yet.

import { attempt } from "./banner.js";
import { coalesced, paced } from "./bursts.js";
import { button, byId, element, input, select, write } from "./element.js";
import { THEMES } from "./shared.js";

/** @typedef {import("/bellwether/index.js").Bellwether} Bellwether */
/** @typedef {import("/bellwether/index.js").Change} Change */
/** @typedef {{ change: Change, key: string, value: string, at: Date, row: HTMLElement }} Shown */

/** Often enough to look live, seldom enough not to fill the journal. */
const LEVEL_MS = 60;
const REMARK_MS = 150;
/** A burst of changes is told once it is over. */
const SAID_MS = 900;
const CHANGES_MAX = 9;
const HEADS_MAX = 12;

/** @type {Record<string, Record<string, string>>} */
const WORDS = {
  en: {
    locale: "Language and numbers", theme: "Theme", light: "Light", dark: "Dark", level: "Water level",
    birds: "Birds counted", remark: "Remark", plus: "Count one more bird",
    present_one: "One page is open: this one.", present_other: "{n} pages are open.",
  },
  de: {
    locale: "Sprache und Zahlen", theme: "Farben", light: "Hell", dark: "Dunkel", level: "Wasserstand",
    birds: "Gezählte Vögel", remark: "Bemerkung", plus: "Noch einen Vogel zählen",
    present_one: "Eine Seite ist offen: diese.", present_other: "{n} Seiten sind offen.",
  },
  fr: {
    locale: "Langue et nombres", theme: "Thème", light: "Clair", dark: "Sombre", level: "Niveau de l’eau",
    birds: "Oiseaux comptés", remark: "Remarque", plus: "Compter un oiseau de plus",
    present_one: "Une page est ouverte : celle-ci.", present_other: "{n} pages sont ouvertes.",
  },
};

/** @type {Record<Change["origin"], string>} */
const ORIGINS = { local: "this page", page: "another page", server: "another device" };

export class StateBoard {
  /** @type {Bellwether} */ #bw;
  /** @type {Shown[]} */ #shown = [];
  /** @type {string[]} */ #unsaid = [];
  #say = coalesced(() => this.#sayChanges(), SAID_MS);

  /** @param {Bellwether} bw */
  constructor(bw) {
    this.#bw = bw;
    const { state } = bw;
    const level = paced(() => attempt(() => state.set({ level: input("level").valueAsNumber })), LEVEL_MS);
    const remark = paced(() => attempt(() => state.set({ remark: field().value })), REMARK_MS);
    const draw = () => this.#draw(level.isDue, remark.isDue);

    input("level").addEventListener("input", () => {
      level.call();
      draw();
    });
    field().addEventListener("input", remark.call);
    select("locale").addEventListener("change", () => {
      void attempt(() => state.set({ locale: select("locale").value }));
    });
    select("theme-of-all").addEventListener("change", () => {
      const detail = select("theme-of-all").value;
      for (const name of ["theme-shared", "theme-chosen"]) document.dispatchEvent(new CustomEvent(name, { detail }));
    });
    button("plus").addEventListener("click", () => {
      void attempt(() => countOne(state));
    });

    state.subscribe((change) => {
      draw();
      this.#list(change);
    });
    bw.addEventListener("status", draw);
    document.addEventListener("theme-shared", draw);
    document.addEventListener("theme-chosen", draw);
    /** @type {HTMLFieldSetElement} */ (byId("controls")).disabled = false;
    draw();
  }

  /** @param {boolean} isMoving @param {boolean} isTyping */
  #draw(isMoving, isTyping) {
    const { state, status } = this.#bw;
    const locale = String(state.get("locale"));
    const words = WORDS[locale] ?? WORDS.en ?? {};
    for (const id of ["controls", "present"]) byId(id).lang = locale;
    for (const it of document.querySelectorAll("[data-word]")) {
      write(it, words[/** @type {HTMLElement} */ (it).dataset.word ?? ""] ?? "");
    }
    button("plus").setAttribute("aria-label", words.plus ?? "");
    select("locale").value = locale;
    select("theme-of-all").value = document.documentElement.dataset.theme ?? THEMES[0] ?? "";
    if (!isMoving) input("level").value = String(state.get("level"));
    const metres = input("level").valueAsNumber / 100;
    write(byId("level-said"), new Intl.NumberFormat(locale, { style: "unit", unit: "meter", minimumFractionDigits: 2 }).format(metres));
    write(byId("birds"), new Intl.NumberFormat(locale).format(Number(state.get("birds"))));
    const remark = String(state.get("remark") ?? "");
    if (!isTyping && field().value !== remark) replace(remark);
    const form = status.pages === 1 ? "present_one" : "present_other";
    write(byId("present"), (words[form] ?? "").replace("{n}", new Intl.NumberFormat(locale).format(status.pages)));
    const heads = Math.min(status.pages, HEADS_MAX);
    if (byId("heads").childElementCount !== heads) {
      byId("heads").replaceChildren(...Array.from({ length: heads }, () => element("i")));
    }
  }

  /** @param {Change} change */
  #list(change) {
    for (const key of change.keys) {
      const value = asText(this.#bw.state.get(key));
      const newest = this.#shown[0];
      // A slider that moves is one change to the eye.
      const goesOn = newest && newest.key === key && newest.change.source === change.source && newest.change.origin === change.origin;
      if (goesOn) this.#shown.shift()?.row.remove();
      const at = new Date();
      const row = rowOf(change, key, value, at);
      this.#shown.unshift({ change, key, value, at, row });
      byId("changes").prepend(row);
      if (change.origin !== "local") this.#unsaid.push(`${key} is ${value}, from ${ORIGINS[change.origin]}`);
    }
    for (const old of this.#shown.splice(CHANGES_MAX)) old.row.remove();
    byId("changes-empty").hidden = this.#shown.length > 0;
    if (this.#unsaid.length > 0) this.#say();
  }

  #sayChanges() {
    write(byId("changes-said"), this.#unsaid.at(-1) ?? "");
    this.#unsaid = [];
  }
}

/** Counts until it counts: `update` itself gives up when others were faster a few times. @param {Bellwether["state"]} state */
async function countOne(state) {
  const more = (/** @type {number | undefined} */ birds) => (birds ?? 0) + 1;
  while ((await state.update("birds", more)).conflict);
}

/** @param {Change} change @param {string} key @param {string} value @param {Date} at */
function rowOf({ origin, version }, key, value, at) {
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return element(
    "tr",
    {},
    element("td", {}, time),
    element("td", {}, key),
    element("td", {}, value),
    element("td", {}, element("span", { class: "tone", "data-origin": origin }, ORIGINS[origin])),
    element("td", {}, version === 0 ? "–" : String(version)),
  );
}

function field() {
  return /** @type {HTMLTextAreaElement} */ (byId("remark"));
}

/** Replaces the text, and leaves the caret where it was. @param {string} text */
function replace(text) {
  const it = field();
  const [from, to] = [it.selectionStart, it.selectionEnd];
  it.value = text;
  if (document.activeElement === it) it.setSelectionRange(from, to);
}

/** A value in one line; of an object what its members hold. @param {unknown} value */
function asText(value) {
  const members = typeof value === "object" && value !== null ? Object.values(value).join(", ") : undefined;
  const text = members ?? (value === undefined ? "(deleted)" : String(value));
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
