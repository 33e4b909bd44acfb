// The demo's start: connects, and carries facts between the runtime and the parts of the page.

import { attempt, inWords, showBanner, showNotStarted } from "./banner.js";
import { Board } from "./board.js";
import { coalesced, oneAtATime } from "./bursts.js";
import { Compose, offerPlaces, writeHere } from "./compose.js";
import { button, byId, write } from "./element.js";
import { Explain } from "./explain.js";
import { Ledger } from "./ledger.js";
import { Log } from "./log.js";
import { Notes } from "./notes.js";
import { Recorder } from "./recorder.js";
import { shareTheme } from "./shared-theme.js";
import { SESSION, hearOthers, join } from "./shared.js";
import { showNextAttempt, showStatus, showWay, waits } from "./status.js";
import { tabName } from "./tab.js";
import { Weather } from "./weather.js";

/** @typedef {import("/bellwether/index.js").Bellwether} Bellwether */
/** @typedef {import("./compose.js").Written} Written */

/** How often a visible page asks for other devices' notes, what they share, and the weather. */
const LOOK_MS = 4000;

const name = tabName();
const board = new Board();
const explain = new Explain();
const ledger = new Ledger();
const log = new Log(SESSION);
const notes = new Notes();
const weather = new Weather();
/** Whether what was tried waits for the next attempt. */
let isWaiting = false;

write(byId("who"), name);
offerPlaces(board.places);
showPage();
log.restore();
notes.setLog(log.events, log.startedAt);
void look();
void start();

async function start() {
  try {
    const joining = join();
    void shareTheme(joining).catch(() => {});
    const bw = await joining;
    Object.assign(window, { bw });
    follow(bw);
  } catch (fault) {
    showNotStarted("Notes cannot be written in this browser just now", fault);
  }
}

/**
 * From here on the page follows the runtime.
 *
 * @param {Bellwether} bw
 */
function follow(bw) {
  const compose = new Compose(bw.outbox, name);
  const queue = oneAtATime(async () => {
    const pending = await bw.outbox.pending();
    const failed = await bw.outbox.failed();
    notes.setQueue(pending, failed);
  });

  // 1. What the runtime says.
  const onStatus = () => {
    isWaiting = waits(bw.status);
    showStatus(bw.status);
    explain.onStatus(bw.status);
    queue();
  };
  let wasPending = bw.status.pending;
  bw.addEventListener("status", () => {
    onStatus();
    if (bw.status.pending < wasPending) void log.read();
    wasPending = bw.status.pending;
  });
  bw.addEventListener("dead-letter", (event) => {
    explain.onDead(notes.get(event.detail.id)?.text ?? event.detail.type, event.detail);
    queue();
  });
  bw.addEventListener("state-lost", () => {
    showBanner("state-lost", "The server’s log is not the one this device knew. What it lacked and this device still had was sent again under the same ids.");
    void log.read();
  });
  bw.addEventListener("reload-needed", () => {
    showBanner("reload-needed", "A newer version of this app is running. Reload to go on; your notes are on disk.", {
      label: "Reload",
      act: () => location.reload(),
    });
  });
  bw.addEventListener("error", (event) => {
    showBanner("error", inWords(event.detail));
  });

  // 2. What the person does.
  compose.addEventListener("written", (event) => {
    const { notes: written, tookMs } = /** @type {CustomEvent<{ notes: Written[], tookMs: number }>} */ (event).detail;
    explain.onWritten(written, tookMs);
    for (const note of written) {
      ledger.enter(note.id);
      notes.add({ ...note, way: "durable", at: Date.now() });
      void bw.outbox.delivered(note.id).then((delivery) => {
        explain.onDelivery(delivery);
        if (delivery.offset !== undefined) notes.setDelivered(note.id, delivery.offset);
        queue();
      }, () => queue());
    }
    queue();
  });
  compose.addEventListener("refused", (event) => {
    showBanner("refused", `The note was not stored: ${inWords(/** @type {CustomEvent} */ (event).detail)}`);
  });
  board.addEventListener("retry", (event) => {
    attempt(() => bw.outbox.retry(/** @type {CustomEvent<string>} */ (event).detail).then(queue));
  });
  board.addEventListener("discard", (event) => {
    const id = /** @type {CustomEvent<string>} */ (event).detail;
    attempt(() => bw.outbox.discard(id).then(() => notes.setDiscarded(id)).then(queue));
  });
  button("pause").addEventListener("click", () => {
    attempt(() => (bw.status.paused ? bw.outbox.resume() : bw.outbox.pause()));
  });
  button("flush").addEventListener("click", () => attempt(() => bw.flush()));
  for (const id of ["pause", "flush"]) button(id).disabled = false;
  const recorder = new Recorder(bw, attempt);
  recorder.addEventListener("said", (event) => {
    explain.say("record", /** @type {CustomEvent<string>} */ (event).detail);
  });

  // 3. What time does.
  setInterval(() => showNextAttempt(bw.status), 1000);
  setInterval(() => void (document.visibilityState === "visible" && hearOthers(bw)), LOOK_MS);
  addEventListener("online", onStatus);
  onStatus();
}

// The board and the server's log live without the runtime too.
function showPage() {
  const draw = coalesced(() => {
    const all = notes.all();
    board.draw(all, isWaiting);
    showWay(all, { head: log.head, others: notes.others, isLogKnown: log.readAt > 0, isWaiting });
    ledger.draw(notes);
  });
  notes.addEventListener("change", draw);
  log.addEventListener("read", () => {
    notes.setLog(log.events, log.startedAt);
    write(byId("freshness"), "");
  });
  log.addEventListener("anew", () => notes.forgetLog());
  log.addEventListener("away", () => {
    write(byId("freshness"), log.readAt
      ? `The server’s notes as of ${new Date(log.readAt).toLocaleTimeString()}, from this device’s copy`
      : "The server could not be asked for its notes yet");
  });
  board.addEventListener("places", () => offerPlaces(board.places));
  board.addEventListener("write-here", (event) => writeHere(/** @type {CustomEvent<string>} */ (event).detail));
  weather.addEventListener("mood", (event) => explain.onMood(/** @type {CustomEvent<string>} */ (event).detail));

  // `noopener` gives the new tab a name of its own.
  button("open-tab").addEventListener("click", () => window.open(location.pathname, "_blank", "noopener"));
  for (const it of document.querySelectorAll("[data-copy]")) {
    it.addEventListener("click", () => void copy(/** @type {HTMLElement} */ (it)));
  }
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    const install = button("install");
    install.hidden = false;
    install.onclick = () => {
      install.hidden = true;
      void /** @type {Event & { prompt(): Promise<void> }} */ (event).prompt();
    };
  });
  setInterval(() => void (document.visibilityState === "visible" && look()), LOOK_MS);
  document.addEventListener("visibilitychange", () => void (document.visibilityState === "visible" && look()));
}

/** Looks at the server: its log and its weather. */
async function look() {
  await Promise.all([log.read(), weather.ask()]);
}

/** @param {HTMLElement} at */
async function copy(at) {
  const address = at.dataset.copy ?? "";
  try {
    await navigator.clipboard.writeText(address);
    explain.say("copy", `Copied. Paste ${address} into a new tab’s address bar: pages may not link there.`);
  } catch {
    explain.say("copy", `Type ${address} into a new tab’s address bar: pages may not link there.`);
  }
}
