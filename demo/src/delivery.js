// The delivery desk: each part of the queue to try by hand, with a channel of its own beside the board's.

import { connect } from "/bellwether/index.js";
import { attempt, inWords, showBanner } from "./banner.js";
import { coalesced, oneAtATime } from "./bursts.js";
import { button, byId, element, input, select, write } from "./element.js";
import { orderMood } from "./mood.js";
import { shareTheme } from "./shared-theme.js";
import { join } from "./shared.js";

/** @typedef {import("/bellwether/index.js").Bellwether} Bellwether */
/** @typedef {import("/bellwether/index.js").QueuedEvent} QueuedEvent */
/** @typedef {import("/bellwether/index.js").DeadLetter} DeadLetter */

const SESSION = "desk";
/** The server is told to refuse this type. */
const REFUSED = "desk.oops";
const GUARD = "bellwether-demo:guard";
const LANES = /** @type {const} */ (["critical", "normal", "bulk"]);

// The theme is the other pages', too.
void shareTheme(join()).catch(() => {});

const server = location.origin;
const worker = "/sw.js";
const guardUnload = localStorage.getItem(GUARD) === "yes";
const bw = await connect({ channel: "desk", session: SESSION, server, worker, guardUnload });
const plain = await connect({
  channel: "desk-requests",
  server,
  worker,
  outbox: { deliver: "requests" },
});
Object.assign(globalThis, { bw, plain });

/** The start of the walk that is under way. @type {string | undefined} */
let walk;

// 1. What is shown.

const redraw = oneAtATime(async () => {
  const [pending, failed] = await Promise.all([bw.outbox.pending(), bw.outbox.failed()]);
  const sorted = LANES.flatMap((lane) => pending.filter((event) => event.priority === lane));
  byId("queue").replaceChildren(...sorted.slice(0, 50).map(queued));
  byId("queue-empty").hidden = pending.length > 0;
  // What is being mended is left alone.
  if (!byId("letters").contains(document.activeElement)) {
    byId("letters").replaceChildren(...failed.map(letter));
  }
  byId("letters-empty").hidden = failed.length > 0;
});
const drawn = coalesced(redraw, 50);

function showStatus() {
  const { sync, blocked, pending, dead, breaker, storage, paused } = bw.status;
  write(byId("sync"), blocked ? `${sync}: ${blocked}` : sync);
  write(byId("pending"), pending);
  write(byId("dead"), dead);
  write(byId("breaker"), breaker);
  write(byId("storage"), storage);
  write(button("pause"), paused ? "Go on" : "Pause");
  button("pause").setAttribute("aria-pressed", String(paused));
  showNext();
  drawn();
}

function showNext() {
  const at = bw.status.nextAttemptAt;
  const left = at === null ? 0 : Math.ceil((at - Date.now()) / 1000);
  write(byId("next"), left > 0 ? `in ${left} s` : "–");
}

/** @param {QueuedEvent} event */
function queued(event) {
  const lane = element("span", { class: "lane", "data-lane": event.priority }, event.priority);
  const user = event.user === "" ? "" : ` (${event.user})`;
  const row = element("li", {}, lane, element("span", { class: "what" }, `${words(event)}${user}`));
  if (event.state === "sending") {
    row.append(element("span", { class: "lane" }, "on the way"));
  } else {
    row.append(
      act("Change", `Change ${words(event)}`, () => {
        const data = { text: `${textOf(event.data)} (changed)` };
        return bw.outbox.replace(event.id, { type: event.type, data });
      }),
      act("Take back", `Take back ${words(event)}`, () => bw.outbox.cancel(event.id)),
    );
  }
  return row;
}

/** @param {DeadLetter} it */
function letter(it) {
  const field = element("input", { type: "text", value: textOf(it.data), "aria-label": "Text" });
  const mend = async () => {
    await bw.outbox.edit(it.id, { type: "desk.note", data: { text: field.value } });
    await bw.outbox.retry(it.id);
  };
  const tries = `${it.tries} ${it.tries === 1 ? "try" : "tries"}`;
  return element(
    "li",
    {},
    element("span", { class: "what" }, it.type),
    field,
    act("Mend and send", `Mend and send ${it.type}`, mend),
    act("Try again", `Try ${it.type} again`, () => bw.outbox.retry(it.id)),
    act("Discard", `Discard ${it.type}`, () => bw.outbox.discard(it.id)),
    element("span", { class: "why" }, `${it.code}: ${it.message}, after ${tries}`),
  );
}

/** @param {string} label @param {string} name @param {() => Promise<unknown>} then */
function act(label, name, then) {
  const made = element("button", { type: "button", class: "small", "aria-label": name }, label);
  made.addEventListener("click", () => {
    made.blur();
    tries(then);
  });
  return made;
}

// 2. What a person does.

byId("event-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const priority = LANES.find((lane) => lane === select("lane").value) ?? "normal";
  const data = { text: input("text").value };
  tries(() => bw.outbox.enqueue({ type: "desk.note", data }, { priority }));
  input("text").value = "";
});

click("pause", () => (bw.status.paused ? bw.outbox.resume() : bw.outbox.pause()));
click("flush", () => Promise.all([bw.flush(), plain.flush()]));

select("mood").addEventListener("change", () => {
  tries(() => order(select("mood").value));
});

click("start", async () => {
  const { id } = await bw.outbox.enqueue({ type: "walk.started", data: { at: Date.now() } });
  walk = id;
  button("end").disabled = false;
  write(byId("pair"), "Started, and on disk. Its number is not known yet.");
  void bw.outbox.delivered(id).then(({ result }) => {
    const { number } = /** @type {{ number?: number }} */ (result ?? {});
    if (walk === id) write(byId("pair"), `The server calls it walk ${number}.`);
  });
});

click("end", async () => {
  if (!walk) return;
  const data = { walk: null, at: Date.now() };
  const binds = { "/walk": "/number" };
  const { id } = await bw.outbox.enqueue({ type: "walk.ended", data, after: walk, binds });
  walk = undefined;
  button("end").disabled = true;
  write(byId("pair"), "Ended, and on disk. It does not know the walk's number.");
  void bw.outbox.delivered(id).then(async ({ status, offset, error }) => {
    if (offset === undefined) return write(byId("pair"), `${status}: ${error?.message ?? ""}`);
    const after = offset - 1;
    const log = await fetch(`/v1/events?session=${SESSION}&after=${after}&limit=1`);
    const [taken] = (await log.json()).events;
    write(byId("pair"), `The server has it as the end of walk ${taken.data.walk}.`);
  });
});

input("slider").addEventListener("input", () => {
  const data = { position: input("slider").valueAsNumber };
  const id = bw.outbox.post({ type: "desk.slider", data, collapse: true }, { priority: "bulk" });
  void bw.outbox.delivered(id).then(({ status, error }) => {
    const became = error ? `${status} (${error.code})` : status;
    write(byId("slider-said"), `Position ${data.position}: ${became}`);
  });
});

click("refused", async () => {
  await order(select("mood").value);
  await bw.outbox.enqueue({ type: REFUSED, data: { text: "a letter with a fault" } });
});

click("audit", () => verify((trail) => trail));
click("forge", () =>
  verify((trail) => {
    const middle = trail.length >> 1;
    trail[middle] = (trail[middle] ?? 0) ^ 1;
    return trail;
  }),
);

byId("request-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = input("body").value;
  input("body").value = "";
  const said = element("span", { class: "lane", role: "status" }, "on disk");
  byId("requests").prepend(element("li", {}, element("span", { class: "what" }, body), said));
  tries(async () => {
    const { id } = await plain.outbox.request({ url: "/dev/echo", method: "POST", body });
    const { status, result, error } = await plain.outbox.delivered(id);
    const { times } = /** @type {{ times?: number }} */ (result ?? {});
    write(said, error ? `${status}: ${error.code}` : `${status}, sent ${times === 1 ? "once" : `${times} times`}`);
  });
});

select("user").addEventListener("change", () => {
  tries(() => bw.setIdentity({ user: select("user").value }).then(showUser));
});
for (const undelivered of /** @type {const} */ (["keep", "discard"])) {
  click(`out-${undelivered}`, async () => {
    await bw.signOut({ undelivered });
    select("user").value = "";
    showUser();
  });
}
input("guard").checked = guardUnload;
input("guard").addEventListener("change", () => {
  localStorage.setItem(GUARD, input("guard").checked ? "yes" : "no");
  location.reload();
});
click("wipe", () => bw.wipe().then(({ removed }) => tellWiped("Outcomes are gone", removed)));
click("wipe-all", () =>
  bw.wipe({ undelivered: true }).then(({ removed }) => tellWiped("Everything is gone", removed)),
);

function showUser() {
  write(byId("user-now"), select("user").value || "nobody");
}

/** @param {string} what @param {number} removed */
function tellWiped(what, removed) {
  write(byId("who-said"), `${what} from this device; ${removed} undelivered with it.`);
}

/**
 * Orders the server's mood, which always refuses one type.
 *
 * @param {string} mode
 */
function order(mode) {
  return orderMood({ mode, delay_ms: 2000, refuse_types: [REFUSED] });
}

/**
 * Reads the trail, and has it checked after `change`.
 *
 * @param {(trail: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>} change
 */
async function verify(change) {
  const answer = await fetch(`/v1/audit?session=${SESSION}`);
  if (!answer.ok) throw new Error("the server has no trail of this session yet");
  const trail = change(new Uint8Array(await answer.arrayBuffer()));
  const checked = await fetch("/dev/verify", { method: "POST", body: trail });
  if (!checked.ok) throw new Error("this server checks nothing; start it with --dev-faults");
  const { sound, finding } = await checked.json();
  const size = `${trail.length.toLocaleString("en")} bytes`;
  write(byId("verdict"), sound ? `Sound: ${size}, every place signed and in order.` : `Not sound: ${finding}`);
}

// 3. Odds and ends.

/** @param {QueuedEvent} event */
function words({ type, data }) {
  return textOf(data) || type;
}

/** @param {unknown} data */
function textOf(data) {
  const { text } = /** @type {{ text?: unknown }} */ (data ?? {});
  return typeof text === "string" ? text : "";
}

/** @param {string} id @param {() => Promise<unknown>} then */
function click(id, then) {
  button(id).addEventListener("click", () => tries(then));
}

/** @param {() => Promise<unknown>} then */
function tries(then) {
  void attempt(then).then(drawn);
}

for (const it of [bw, plain]) {
  it.addEventListener("error", (event) => showBanner("error", inWords(event.detail)));
}
bw.addEventListener("status", showStatus);
setInterval(showNext, 1000);
showStatus();
showUser();
