// The conflict lab: two devices write to one key, and what each strategy makes of it.
//
// The other device is played by a second channel of this page: a channel has a database of its own, so for the server it is a
// device like any other. What always holds: one tab of this browser plays it at a time; when it is done the channel is
// closed, and delivery goes on as it did before. Where the tab was closed meanwhile, the next one sees to that.

import { inWords } from "./banner.js";
import { coalesced } from "./bursts.js";
import { button, byId, element, input, select, write } from "./element.js";
import { LAB, SESSION, hearOthers, join, sightingIn } from "./shared.js";

/** @typedef {import("/bellwether/index.js").Bellwether} Bellwether */
/** @typedef {import("/bellwether/index.js").Conflict} Conflict */
/** @typedef {import("./shared.js").Sighting} Sighting */
/** @typedef {import("./shared.js").Strategy} Strategy */

const OTHER = "lab-other-device";
const LOCK = "lab";
/** How long another tab may keep the lock before it is said to play. */
const BUSY_MS = 1_000;
/** In `localStorage`, while delivery is paused by the play. */
const PAUSED = "field-notes:lab-paused";
/** The pace of what is played, for eyes to follow. */
const PACE_MS = 500;
const PATIENCE_MS = 10_000;
/** A resolver is asked soon, or not at all. */
const RESOLVED_MS = 2500;
const READ_MS = 200;
const CONFLICTS_MAX = 6;

/** @type {Sighting} */
const BEFORE = { herons: 2, place: "in the reeds", weather: "fair" };
/** @type {Partial<Sighting>} */
const THERE = { herons: 4, place: "at the weir" };
/** @type {Partial<Sighting>} */
const HERE = { herons: 5, weather: "fog" };
/** What the resolver makes of it. @type {Sighting} */
const BOTH = { herons: 7, place: "at the weir", weather: "fog" };

/** strategy, its name, what will happen @type {[Strategy, string, string][]} */
const STRATEGIES = [
  ["last-write-wins", "Last write wins", "The later write counts as a whole, whichever arrives first. What the other device wrote is gone."],
  ["merge", "Merge", "Each member is decided on its own: what only one side changed stays. Where both changed the same one, the later write counts."],
  ["first-write-wins", "First write wins", "Whichever reaches the server first counts. The other is rolled back, and its page is told, so that it can write again."],
  ["custom", "Custom", "Whichever reaches the server first counts, until the app’s own function has made one value of both. Here it adds up what both have counted, and takes the rest from whoever changed it."],
];

export class Lab {
  #here;
  /** While it is played. @type {Bellwether | undefined} */ #other;
  /** What it had in the end. @type {Map<string, unknown>} */ #otherHad = new Map();
  /** What the server has. @type {Map<string, unknown>} */ #atServer = new Map();
  #isServerKnown = false;
  #isReading = false;
  /** @type {HTMLElement | undefined} */ #step;
  #read = coalesced(() => void this.#readServer(), READ_MS);

  /** @param {Bellwether} here */
  constructor(here) {
    this.#here = here;
    byId("strategies").append(...STRATEGIES.map(choice));
    byId("strategies").addEventListener("change", () => this.#choose());
    write(byId("address"), location.href);
    byId("copy").addEventListener("click", () => void this.#copy());
    button("play").addEventListener("click", () => void this.#play());
    byId("write-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#write();
    });
    here.addEventListener("conflict", ({ detail }) => this.#show(detail));
    here.state.subscribe(Object.values(LAB), () => this.#drawSides());
    here.addEventListener("status", this.#read);
    for (const id of ["play", "write"]) button(id).disabled = false;
    this.#choose();
    alone(here, () => goOn(here)).catch((fault) => console.warn("delivery stays paused:", fault));
  }

  /** Shows what the server has by now. */
  look() {
    this.#read();
  }

  get #strategy() {
    const chosen = /** @type {HTMLInputElement | null} */ (document.querySelector("input[name=strategy]:checked"));
    return /** @type {Strategy} */ (chosen?.value ?? "last-write-wins");
  }

  get #key() {
    return LAB[this.#strategy];
  }

  #choose() {
    const strategy = STRATEGIES.find(([name]) => name === this.#strategy);
    write(byId("strategy-says"), strategy?.[2] ?? "");
    write(byId("verdict"), "");
    byId("steps").replaceChildren();
    this.#drawSides();
    this.#read();
  }

  async #copy() {
    // There is no clipboard on an address that is not secure.
    const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    write(byId("verdict"), copied ? "The address is copied." : `The address is ${location.href}.`);
  }

  async #write() {
    const sighting = { herons: input("herons").valueAsNumber, place: input("place").value, weather: select("weather").value };
    const key = this.#key;
    write(byId("verdict"), "Written here, and on its way.");
    try {
      const { conflict } = await this.#here.state.set({ [key]: sighting });
      write(byId("verdict"), conflict ? "Another was first: what was written here is rolled back." : "Written, and on disk.");
    } catch (fault) {
      write(byId("verdict"), `Not written: ${inWords(fault)}`);
    }
  }

  // The play.

  async #play() {
    button("play").disabled = true;
    // One that is chosen meanwhile is the next one's.
    const strategy = this.#strategy;
    byId("steps").replaceChildren();
    this.#step = undefined;
    write(byId("verdict"), "");
    delete byId("verdict").dataset.agreed;
    const wasPaused = this.#here.status.paused;
    try {
      const played = await alone(this.#here, async () => {
        try {
          await this.#begin("The other device joins, with a database of its own.");
          this.#other = await join(OTHER);
          await this.#meet(this.#here, this.#other, LAB[strategy]);
        } finally {
          await goOn(this.#here).catch(() => {});
          if (wasPaused) await this.#here.outbox.pause().catch(() => {});
          await this.#other?.outbox.resume().catch(() => {});
          await this.#other?.close();
          this.#other = undefined;
        }
      });
      if (!played) throw new Error("another tab of this browser plays the other device just now");
      this.#end("done");
    } catch (fault) {
      this.#end("failed");
      write(byId("verdict"), `This did not come to its end: ${inWords(fault)}.`);
    } finally {
      this.#drawSides();
      button("play").disabled = false;
    }
  }

  /** @param {Bellwether} here @param {Bellwether} other @param {string} key */
  async #meet(here, other, key) {
    const [ours, theirs] = [here.state, other.state];

    // 1. Both know the same. One may have been left in the middle of this.
    for (const it of [here, other]) await it.outbox.resume();
    await patient(Promise.all([here.flush(), other.flush()]));
    await this.#begin("Both have the same.");
    await patient(ours.update(key, () => BEFORE));
    await until(() => here.status.pending === 0, () => here.flush());
    await patient(theirs.request());
    await until(() => isSame(theirs.get(key), BEFORE), () => theirs.request());
    this.#drawSides();

    // 2. Neither sends; each writes what it thinks.
    await this.#begin("Delivery is paused on both: neither can hear of the other.");
    keepMark(true);
    await Promise.all([here.outbox.pause(), other.outbox.pause()]);
    await this.#begin("The other device writes: four herons, at the weir.");
    const theirWrite = theirs.set({ [key]: { ...BEFORE, ...THERE } });
    this.#drawSides();
    await this.#begin("This device writes, a moment later: five herons, in the fog.");
    const ourWrite = ours.set({ [key]: { ...BEFORE, ...HERE } });
    // Where the play ends before they do, that is told.
    for (const it of [theirWrite, ourWrite]) it.catch(() => {});

    // 3. The other's arrives first.
    await this.#begin("The other device sends; the server takes it.");
    await other.outbox.resume();
    await patient(Promise.all([theirWrite, until(() => other.status.pending === 0, () => other.flush())]));
    await this.#begin("This device hears of it, and has something else.");
    await patient(ours.request());
    await this.#begin("This device sends.");
    await here.outbox.resume();
    const [{ conflict }] = await patient(Promise.all([ourWrite, until(() => here.status.pending === 0, () => here.flush())]));
    if (conflict) await this.#begin("Its write is refused, and rolled back.");

    // 4. All come to the same.
    await this.#begin("All have the same.");
    const isCustom = key === LAB.custom;
    if (isCustom) await resolved(ours, key);
    await until(
      () => isSame(ours.get(key), theirs.get(key)) && isSame(ours.get(key), this.#atServer.get(key)),
      async () => {
        await Promise.all([hearOthers(here), hearOthers(other)]);
        await this.#readServer();
        this.#drawSides();
      },
    );
    const unresolved = isCustom && !isSame(ours.get(key), BOTH) ? " The function that makes one of both has not been heard." : "";
    write(byId("verdict"), `This device, the other one and the server agree on ${inLine(ours.get(key))}.${unresolved}`);
    byId("verdict").dataset.agreed = "true";
  }

  /** Tells what is done next, a moment after the last. @param {string} words */
  async #begin(words) {
    this.#end("done");
    if (this.#step) await pause(PACE_MS);
    this.#step = element("li", { "data-state": "at-work" }, words);
    byId("steps").append(this.#step);
  }

  /** @param {"done" | "failed"} how */
  #end(how) {
    if (this.#step) this.#step.dataset.state = how;
  }

  // What is shown.

  async #readServer() {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      const answer = await fetch(`/v1/state?session=${SESSION}`, { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(String(answer.status));
      /** @type {{ entries: { key: string, value?: unknown }[] }} */
      const { entries } = await answer.json();
      this.#atServer = new Map(entries.map(({ key, value }) => [key, value]));
      this.#isServerKnown = true;
    } catch {
      this.#isServerKnown = false;
    } finally {
      this.#isReading = false;
    }
    this.#drawSides();
  }

  #drawSides() {
    const key = this.#key;
    const other = this.#other?.state.get(key);
    if (this.#other) this.#otherHad.set(key, other);
    const rows = [
      side("here", "This device", this.#here.state.get(key)),
      side("other", this.#other ? "The other device" : "The other device, when it left", this.#otherHad.get(key)),
      side("server", this.#isServerKnown ? "The server" : "The server (cannot be asked)", this.#atServer.get(key)),
    ];
    byId("sides").replaceChildren(...rows);
  }

  /** @param {Conflict} conflict */
  #show(conflict) {
    if (!Object.values(LAB).includes(conflict.key)) return;
    const table = conflictTable(conflict);
    // One that waited has its result.
    const waiting = byId("conflicts").querySelector(`[data-waits][data-of="${CSS.escape(table.dataset.of ?? "")}"]`);
    waiting?.remove();
    byId("conflicts").prepend(table);
    while (byId("conflicts").childElementCount > CONFLICTS_MAX) byId("conflicts").lastElementChild?.remove();
    byId("conflicts-empty").hidden = true;
    this.#drawSides();
  }
}

/** @param {[Strategy, string, string]} strategy @param {number} at */
function choice([strategy, name], at) {
  return element(
    "label",
    { class: "strategy" },
    element("input", { type: "radio", name: "strategy", value: strategy, "data-testid": LAB[strategy], checked: at === 0 }),
    element("b", {}, name),
    element("code", {}, LAB[strategy]),
  );
}

/** @param {string} id @param {string} name @param {unknown} value */
function side(id, name, value) {
  const cells = MEMBERS.map((member) => element("td", {}, memberOf(value, member)));
  return element("tr", { "data-side": id }, element("th", { scope: "row" }, name), ...cells);
}

/** @param {Conflict} conflict */
function conflictTable({ key, base, local, remote, result, strategy }) {
  const waits = strategy === "custom" && (result === undefined || isSame(result, remote));
  const values = [base, local, remote, result];
  const isSighting = values.every((value) => value === undefined || typeof value === "object");
  const members = isSighting ? MEMBERS : [undefined];
  const rows = members.map((member, place) => {
    const cells = values.map((value, at) => {
      if (at === 3 && waits) return place === 0 ? element("td", { class: "waits", rowspan: members.length }, "waits for a resolver") : "";
      const isChanged = (at === 1 || at === 2) && memberOf(value, member) !== memberOf(base, member);
      return element("td", { class: at === 3 && "result", "data-changed": isChanged && "true" }, memberOf(value, member));
    });
    return element("tr", {}, element("th", { scope: "row" }, member ?? "value"), ...cells);
  });
  const time = new Date().toLocaleTimeString();
  const heads = ["Before", "This device", "The other", "Result"].map((it) => element("th", { scope: "col" }, it));
  return element(
    "div",
    { class: "conflict scroll", "data-key": key, "data-of": JSON.stringify([key, base, local, remote]), "data-waits": waits && "true" },
    element(
      "table",
      {},
      element("caption", {}, element("b", {}, key), `, ${strategy}, ${time}`),
      element("thead", {}, element("tr", {}, element("td"), ...heads)),
      element("tbody", {}, ...rows),
    ),
  );
}

const MEMBERS = /** @type {const} */ (["herons", "place", "weather"]);

/** @param {unknown} value @param {(typeof MEMBERS)[number] | undefined} member */
function memberOf(value, member) {
  if (value === undefined) return "–";
  if (member === undefined) return JSON.stringify(value);
  const sighting = sightingIn(value);
  return sighting ? String(sighting[member]) : JSON.stringify(value);
}

/** @param {unknown} value */
function inLine(value) {
  return MEMBERS.map((member) => memberOf(value, member)).join(", ");
}

/** @param {unknown} one @param {unknown} other */
function isSame(one, other) {
  return MEMBERS.every((member) => memberOf(one, member) === memberOf(other, member));
}

/** Does `act` again and again until it holds. @param {() => boolean} holds @param {() => Promise<unknown>} act */
async function until(holds, act) {
  const end = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error("the server does not answer as it should; set it to “well”, and try again");
    await act().catch(() => {});
    await pause(100);
  }
}

/** Does it while no other tab plays; whether it could. @param {Bellwether} here @param {() => Promise<void>} act */
async function alone(here, act) {
  let isAlone = false;
  const begin = () => {
    isAlone = true;
    return act();
  };
  try {
    await here.withLock(LOCK, begin, { timeout: BUSY_MS, runWithout: true });
  } catch (fault) {
    if (isAlone || /** @type {{ code?: unknown }} */ (fault).code !== "lock-timeout") throw fault;
  }
  return isAlone;
}

/** Ends the pause of a play. @param {Bellwether} here */
async function goOn(here) {
  if (localStorage.getItem(PAUSED) === null) return;
  await here.outbox.resume();
  keepMark(false);
}

/** @param {boolean} isPaused */
function keepMark(isPaused) {
  if (isPaused) localStorage.setItem(PAUSED, "yes");
  else localStorage.removeItem(PAUSED);
}

/** Waits a while for the key's conflict to be resolved. @param {Bellwether["state"]} state @param {string} key */
function resolved(state, key) {
  return new Promise((resolve) => {
    const end = () => {
      stop();
      clearTimeout(timer);
      resolve(undefined);
    };
    const look = () => void (isSame(state.get(key), BOTH) && end());
    const stop = state.subscribe([key], look);
    const timer = setTimeout(end, RESOLVED_MS);
    look();
  });
}

/** @template T @param {Promise<T>} promise @returns {Promise<T>} */
function patient(promise) {
  const late = pause(PATIENCE_MS).then(() => {
    throw new Error("the server does not answer; set it to “well”, and try again");
  });
  return Promise.race([promise, late]);
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
