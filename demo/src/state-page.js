// The page of the shared board: connects, and shows how things stand.

import { attempt, inWords, showBanner, showNotStarted } from "./banner.js";
import { Lab } from "./conflicts.js";
import { button, byId, write } from "./element.js";
import { offerMood, showMood } from "./mood.js";
import { shareTheme } from "./shared-theme.js";
import { hearOthers, join } from "./shared.js";
import { StateBoard } from "./state-board.js";
import { tabName } from "./tab.js";

/** @typedef {import("/bellwether/index.js").Bellwether} Bellwether */

/** How often a visible page asks for what other devices have written, and for the server's mood. */
const LOOK_MS = 4000;

write(byId("who"), tabName());
// `noopener` gives the new tab a name of its own.
button("open-tab").addEventListener("click", () => window.open(location.pathname, "_blank", "noopener"));
void offerMood();
const joining = join();
void shareTheme(joining).catch(() => {});
void joining.then(follow, (fault) => showNotStarted("Nothing can be shared in this browser just now", fault));

/** @param {Bellwether} bw */
function follow(bw) {
  Object.assign(window, { bw });
  new StateBoard(bw);
  const lab = new Lab(bw);

  const showNext = () => {
    const { nextAttemptAt, paused } = bw.status;
    const left = nextAttemptAt === null ? 0 : Math.ceil((nextAttemptAt - Date.now()) / 1000);
    write(byId("next"), paused ? "paused" : left > 0 ? `in ${left} s` : "–");
  };
  const showStatus = () => {
    const { sync, blocked, pending, pages, host, reasons, paused } = bw.status;
    document.documentElement.dataset.sync = sync;
    write(byId("sync"), blocked ? `${sync}: ${blocked}` : sync);
    write(byId("pending"), pending);
    write(byId("pages"), pages);
    write(byId("host"), host);
    byId("host").title = reasons.join("; ");
    write(button("pause"), paused ? "Go on" : "Pause");
    showNext();
  };
  bw.addEventListener("status", showStatus);
  bw.addEventListener("reload-needed", () => {
    showBanner("reload-needed", "A newer version of this app is running. Reload to go on; what you wrote is on disk.", {
      label: "Reload",
      act: () => location.reload(),
    });
  });
  bw.addEventListener("error", ({ detail }) => showBanner("error", inWords(detail)));
  button("pause").addEventListener("click", () => {
    void attempt(() => (bw.status.paused ? bw.outbox.resume() : bw.outbox.pause()));
  });
  button("flush").addEventListener("click", () => void attempt(() => Promise.all([bw.flush(), hearOthers(bw)])));
  for (const id of ["pause", "flush"]) button(id).disabled = false;

  const look = () => {
    if (document.visibilityState !== "visible") return;
    void hearOthers(bw);
    void showMood();
    lab.look();
  };
  setInterval(look, LOOK_MS);
  setInterval(showNext, 1000);
  document.addEventListener("visibilitychange", look);
  showStatus();
}
