// The takeover lab: breaks whatever hosts, on a rung of choice, and shows who goes on and how long that took.
//
// What always holds: each rung has a channel of its own, so that tabs on different rungs do not meet; only `status` and
// `bw.leader` tell how things stand, as they would tell any app.
//
// The theme is worn, but not shared from here: a second channel would take part in what is broken.

import { connect } from "/bellwether/index.js";
import { attempt, inWords, showBanner, showNotStarted } from "./banner.js";
import { button, byId, element, write } from "./element.js";
import { tabName } from "./tab.js";
import { Circle, SILENT_MS } from "./takeover-circle.js";
import { Moves } from "./takeover-moves.js";
import { RUNGS, rungAsked } from "./takeover-rungs.js";
import { counted, duration } from "./words.js";

/** @typedef {import("/bellwether/index.js").Bellwether} Bellwether */
/** @typedef {import("./takeover-circle.js").Order} Order */

const HANG_MS = 20_000;
const DEAF_MS = 30_000;
/** Whoever was asked to be silent is so by then. */
const ASK_MS = 500;

const WORKER = "/sw.js";
const rung = rungAsked();
/** Two tabs may have chosen the same one; then the end of the page's id tells them apart. */
let name = tabName();

write(byId("who"), name);
showRungs();
// `noopener` gives the new tab a name and, most often, a process of its own: one that hangs does not take it along.
button("open-tab").addEventListener("click", () => window.open(location.href, "_blank", "noopener"));

const connectedAt = performance.now();
try {
  follow(
    await connect({
      channel: `takeover-${rung.name}`,
      server: location.origin,
      worker: WORKER,
      hosts: rung.name === "service-worker" ? undefined : [rung.name],
    }),
  );
} catch (fault) {
  showNotStarted("The lab cannot be joined in this browser just now", fault);
}

/** @param {Bellwether} bw */
function follow(bw) {
  Object.assign(window, { bw });
  const { leader } = bw;
  name = `${name} ${bw.id.slice(-2)}`;
  write(byId("who"), name);
  const circle = new Circle(`takeover-lab:${rung.name}`, () => ({
    id: bw.id,
    name,
    hosting: bw.status.hosting,
    leads: leader.isLeader,
    epoch: bw.status.epoch,
    inSight: document.visibilityState === "visible",
  }));

  // 1. What is shown.
  const show = () => {
    showStatus(bw);
    showTabs(bw, circle);
    showHost(bw, circle);
    showLeader(bw, circle);
  };
  for (const [target, type] of /** @type {const} */ ([[bw, "status"], [leader, "change"], [document, "visibilitychange"]])) {
    target.addEventListener(type, () => {
      // The others are to know as soon as this tab does.
      circle.tell();
      show();
    });
  }
  circle.addEventListener("change", show);
  bw.addEventListener("error", ({ detail }) => showBanner("error", inWords(detail)));
  bw.addEventListener("reload-needed", () => {
    showBanner("reload-needed", "A newer version of this demo is running. Reload to go on.", {
      label: "Reload",
      act: () => location.reload(),
    });
  });
  new Moves(bw, circle, connectedAt);

  // 2. What a person does. A host that says nothing is found out only by asking it for something.
  const ask = () => void attempt(() => bw.outbox.enqueue({ type: "takeover.asked" }, { priority: "critical", immediate: true }));
  for (const what of /** @type {const} */ (["close", "hang"])) {
    button(what).addEventListener("click", () => {
      const { host } = circle;
      if (!host) return;
      circle.order(what, host.id);
      if (what === "hang") setTimeout(ask, ASK_MS);
    });
  }
  circle.addEventListener("order", (event) => {
    const { what, to } = /** @type {CustomEvent<Order>} */ (event).detail;
    if (to !== bw.id) return;
    if (what === "close") closeThis();
    else if (what === "hang") hangThis(circle);
  });
  click("deaf", async () => {
    const { active } = await registration();
    if (!active) throw new Error("the worker is not active yet; try again in a moment");
    circle.order("deaf");
    active.postMessage({ takeoverLab: "deaf", forMs: DEAF_MS });
    setTimeout(ask, ASK_MS);
  });
  click("unregister", async () => {
    const it = await registration();
    circle.order("unregister");
    if (!(await it.unregister())) throw new Error("the browser did not unregister it");
  });
  for (const what of /** @type {const} */ (["force", "resign"])) {
    click(what, async () => {
      const from = performance.now();
      write(byId("leader-said"), what === "force" ? "Asking for the lead…" : "Letting go…");
      circle.order(what);
      try {
        await (what === "force" ? leader.forceLeader() : leader.resign());
      } catch (fault) {
        write(byId("leader-said"), "");
        throw fault;
      }
      const took = duration(performance.now() - from);
      write(byId("leader-said"), what === "force" ? `This tab leads after ${took}.` : `The lead was let go of after ${took}.`);
    });
  }
  show();
}

/** The cards of the rungs: links, so that one can be opened in another tab, too. */
function showRungs() {
  for (const { name: it, is } of RUNGS) {
    const isThis = it === rung.name;
    const here = { class: "rung", href: `?rung=${it}`, "aria-current": isThis ? "page" : null, "data-testid": `rung-${it}` };
    const card = element("a", here, element("b", {}, it), element("span", {}, is));
    // In place of this one: a browser closes a tab for a script only if it has been nowhere else.
    card.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      location.replace(card.href);
    });
    byId("rungs").append(element("li", {}, card));
  }
  write(byId("keeps"), rung.keeps);
  write(byId("passes-on"), rung.passesOn);
}

/** @param {Bellwether} bw */
function showStatus({ status }) {
  const { sync, blocked, host, hosting, epoch, storage, pages, pending, reasons } = status;
  document.documentElement.dataset.sync = sync;
  write(byId("sync"), blocked ? `${sync}: ${blocked}` : sync);
  write(byId("host"), host);
  write(byId("hosting"), hosting ? "yes" : "no");
  byId("hosting").dataset.does = String(hosting);
  write(byId("epoch"), epoch || "–");
  write(byId("storage"), storage);
  write(byId("pages"), pages);
  write(byId("pending"), pending);
  const list = byId("reasons");
  if (list.dataset.shown !== String(reasons)) {
    list.dataset.shown = String(reasons);
    list.replaceChildren(...reasons.map((reason) => element("li", {}, reason)));
  }
  byId("reasons-empty").hidden = reasons.length > 0;
}

/** @param {Bellwether} bw @param {Circle} circle */
function showTabs(bw, circle) {
  const { hosting } = bw.status;
  const inSight = document.visibilityState === "visible";
  const others = [...circle.peers.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  const rows = [
    [`${name} (this tab)`, hosting, bw.leader.isLeader, inSight, "–"],
    ...others.map(({ name, hosting, leads, inSight, heardAt, hangs }) => {
      const silentMs = performance.now() - heardAt;
      const heard = silentMs < SILENT_MS ? "just now" : `${Math.round(silentMs / 1000)} s ago`;
      return [name, hosting, leads, inSight, hangs ? `${heard}; it hangs` : heard];
    }),
  ];
  const body = byId("tabs");
  while (body.children.length > rows.length) body.lastElementChild?.remove();
  rows.forEach((row, at) => {
    const cells = row.map((cell) => (typeof cell === "boolean" ? (cell ? "yes" : "no") : cell));
    if (!body.children[at]) {
      body.append(element("tr", {}, element("th", { scope: "row" }), ...cells.slice(1).map(() => element("td"))));
    }
    cells.forEach((cell, column) => {
      const into = /** @type {HTMLElement | undefined} */ (body.children[at]?.children[column]);
      if (!into) return;
      write(into, cell);
      into.dataset.does = String(row[column]);
    });
  });
  byId("alone").hidden = others.length > 0;
}

/** Who hosts, and so what can be done to it. @param {Bellwether} bw @param {Circle} circle */
function showHost({ status, id }, circle) {
  const { host } = circle;
  const others = circle.peers.size;
  const isWorker = status.host === "service-worker";
  const canEnd = rung.name !== "solo" && !isWorker && host !== undefined && others > 0;
  for (const it of ["close", "hang"]) button(it).disabled = !canEnd;
  for (const it of ["deaf", "unregister"]) button(it).disabled = !isWorker;
  byId("of-worker").hidden = rung.name !== "service-worker";
  write(byId("host-said"), hostInWords(isWorker, host && { name: host.name, isThis: host.id === id }, others, status.host));
}

/**
 * @param {boolean} isWorker
 * @param {{ name: string, isThis: boolean } | undefined} host
 * @param {number} others
 * @param {string} kind
 */
function hostInWords(isWorker, host, others, kind) {
  if (rung.name === "solo") return "Each tab hosts for itself. When one is closed nobody goes on with its work.";
  if (isWorker) return "The worker hosts, so there is no tab to close for this. Silence the worker first, and a tab will host.";
  if (kind === "starting") return "Nobody hosts yet, or the former host is gone and the next one is not known yet.";
  if (!host) return "One of the tabs hosts; it has not said so here.";
  const which = host.isThis ? "This tab hosts" : `${host.name} hosts`;
  return others > 0 ? `${which}. It is what the buttons act on.` : `${which}, and is the only one: open another tab first.`;
}

/** @param {Bellwether} bw @param {Circle} circle */
function showLeader({ leader }, circle) {
  write(byId("role"), leader.role);
  write(byId("leader"), leader.leaderId === null ? "nobody" : circle.nameOf(leader.leaderId));
  write(byId("leader-epoch"), leader.epoch || "–");
  button("force").disabled = leader.isLeader;
  button("resign").disabled = !leader.isLeader;
}

/** Closes this tab; a goodbye is said as it goes. */
function closeThis() {
  window.close();
  // Where the browser lets no script close it.
  if (!window.closed) location.replace("about:blank");
}

/** Does nothing else for a while, once the others were told. @param {Circle} circle */
function hangThis(circle) {
  showBanner("hangs", `This tab hangs for ${counted(HANG_MS / 1000, "second")}, as it was asked to.`);
  circle.tellHang();
  setTimeout(() => {
    const end = performance.now() + HANG_MS;
    while (performance.now() < end);
    document.querySelector("[data-banner=hangs]")?.remove();
  }, 100);
}

async function registration() {
  const found = await navigator.serviceWorker?.getRegistration(WORKER);
  if (!found) throw new Error("there is no worker here");
  return found;
}

/** @param {string} id @param {() => Promise<unknown>} act */
function click(id, act) {
  button(id).addEventListener("click", () => void attempt(act));
}
