// Following a session's log at the server: by a WebSocket, by server-sent events, or by asking again and again.
//
// What always holds:
// - events are told in the log's order, each once: what a reader is too far behind for is read page by page;
// - whoever was let in comes again when the server has said, everybody at another time; whoever was not waits longer
//   each time, and tries the next way;
// - nothing is open while the browser says that it is offline.

import type { Cursor, LoggedEvent } from "./event-log.js";
import type { Inside } from "./inside.js";

/** What is told of the log. */
export interface Hear {
  /** How far it goes. */
  head?(head: number): void;
  /** An event; without this there is nothing told but the head. */
  event?(event: LoggedEvent): void;
  /** What lies between cannot be had. */
  gap?(): void;
}

interface Message {
  event: string;
  data: any;
}

/** What one connection has come to: how long to wait, if it was one. */
type Ended = number | undefined;
type Way = (line: Line) => Promise<Ended>;

/** Follows the log from behind `from`, or from now on. Ends with `signal`. */
export async function follow(
  inside: Inside,
  from: Cursor | undefined,
  hear: Hear,
  signal: AbortSignal,
): Promise<void> {
  const line = new Line(inside, from, hear, signal);
  let failures = 0;
  for (let way = 0; !signal.aborted; ) {
    if (!navigator.onLine) await once(globalThis, "online", signal);
    const waitMs = await WAYS[way]!(line).catch(() => undefined);
    failures = waitMs === undefined ? failures + 1 : 0;
    if (failures > 0 && failures % TRIES === 0) way = (way + 1) % WAYS.length;
    const backoffMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures, 10));
    await pause(waitMs ?? backoffMs * (0.75 + Math.random() / 2), signal);
  }
}

/** Tells the coordinator what is new for the shared state, as long as this page leads. */
export function keepUp(inside: Inside): void {
  const { client, over } = inside;
  let following = new AbortController();
  let whose = "";
  let [heard, told, asking] = [0, 0, false];
  const pull = () => {
    if (asking || heard <= told) return;
    [told, asking] = [heard, true];
    client.ask("pull", `${heard}`, undefined, () => {
      asking = false;
      pull();
    });
  };
  const head = (head: number) => {
    heard = Math.max(heard, head);
    pull();
  };
  const look = () => {
    const { server, session, user, requests } = inside.asked.raw;
    const follows = inside.leads() && server !== "" && !requests && !over.aborted;
    const now = follows ? JSON.stringify([session, user]) : "";
    if (now === whose) return;
    following.abort();
    [whose, heard, told] = [now, 0, 0];
    if (!follows) return;
    following = new AbortController();
    void follow(inside, undefined, { head }, following.signal);
  };
  inside.watch(look);
  over.addEventListener("abort", look);
  look();
}

/** What all ways have in common: whose log it is, how far it was told, and how what comes is told. */
class Line {
  retryMs = RETRY_MS_MIN;
  readonly #inside: Inside;
  readonly #hear: Hear;
  readonly signal: AbortSignal;
  at: Cursor | undefined;
  #told: Promise<void> = Promise.resolve();

  constructor(inside: Inside, at: Cursor | undefined, hear: Hear, signal: AbortSignal) {
    this.#inside = inside;
    this.at = at;
    this.#hear = hear;
    this.signal = signal;
  }

  /** An address at the server, from behind what was told. */
  url(path: string, more: Record<string, string> = {}): URL {
    const { server, session } = this.#inside.asked.raw;
    const url = new URL(server.replace(/\/*$/, path));
    const { epoch = "", offset } = this.at ?? {};
    const after = offset === undefined ? {} : { after: `${offset}` };
    const known = epoch === "" ? {} : { epoch };
    for (const [name, value] of Object.entries({ session, ...known, ...after, ...more })) {
      url.searchParams.set(name, value);
    }
    return url;
  }

  token(): Promise<string | undefined> {
    const { user, session } = this.#inside.asked.raw;
    return this.#inside.token(user, session);
  }

  async get(url: URL, accept: string, signal = this.signal): Promise<Response> {
    const token = await this.token();
    const headers: Record<string, string> = { accept };
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    return fetch(url, { headers, signal, credentials: "omit", cache: "no-store" });
  }

  /** One after the other, since some have to be read first. */
  hear(message: Message): Promise<void> {
    this.#told = this.#told.then(() => this.#take(message)).catch(() => {});
    return this.#told;
  }

  /** A page of the log behind what was told; whether there is more. */
  async page(more: Record<string, string> = {}): Promise<boolean> {
    const answer = await this.get(this.url("/v1/events", more), "application/json");
    if (answer.status === 409) {
      this.begin({ epoch: "", offset: 0 });
      return true;
    }
    if (answer.status === 410) {
      this.begin({ epoch: this.at?.epoch ?? "", offset: (await answer.json()).floor });
      return true;
    }
    if (!answer.ok) throw new Error(`${answer.status}`);
    const { epoch, events, head, floor, more: goesOn } = await answer.json();
    if (this.at && floor > this.at.offset) this.begin({ epoch, offset: floor });
    this.at ??= { epoch, offset: head };
    events.forEach((event: any) => this.tell(epoch, event));
    this.#hear.head?.(head);
    return goesOn;
  }

  /** What lies between is not there any more. */
  begin(at: Cursor): void {
    this.at = at;
    this.#hear.gap?.();
  }

  tell(epoch: string, raw: any): void {
    const { offset, id, type, data, key, user, device, at, taken_at: takenAt } = raw;
    if (this.at && offset <= this.at.offset) return;
    const cursor = { epoch, offset };
    this.at = cursor;
    this.#hear.event?.({ cursor, id, type, data, key: key ?? undefined, user, device, at, takenAt });
  }

  async #take({ event, data }: Message): Promise<void> {
    if (event === "welcome") {
      this.retryMs = data.retry_ms;
      this.at ??= { epoch: data.epoch, offset: data.after };
      if (this.at.epoch === "") this.at = { ...this.at, epoch: data.epoch };
    } else if (event === "event") {
      this.tell(this.at!.epoch, data);
    } else if (event === "hint") {
      if (!this.#hear.event) this.at = { epoch: data.epoch, offset: data.head };
      while (this.at!.offset < data.head && (await this.page())) {}
    } else if (event === "end") {
      this.begin({ epoch: "", offset: 0 });
    }
    const head = event === "event" ? data.offset : data.head;
    if (head !== undefined) this.#hear.head?.(head);
  }
}

const bySocket: Way = async (line) => {
  const token = await line.token();
  const url = line.url("/v1/live");
  url.protocol = url.protocol.replace("http", "ws");
  const bearer = token === undefined ? [] : [`bearer.${token}`];
  const socket = new WebSocket(url, ["bellwether.v1.json", ...bearer]);
  let waitMs: Ended;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    void line.hear(message).then(() => (waitMs = message.event === "welcome" ? line.retryMs : waitMs));
  };
  const end = () => socket.close();
  line.signal.addEventListener("abort", end);
  await once(socket, "close", undefined);
  line.signal.removeEventListener("abort", end);
  return waitMs;
};

const byEvents: Way = async (line) => {
  const answer = await line.get(line.url("/v1/live"), "text/event-stream");
  if (answer.status === 409) line.begin({ epoch: "", offset: 0 });
  if (!answer.ok || !answer.body) throw new Error(`${answer.status}`);
  const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let [rest, waitMs]: [string, Ended] = ["", undefined];
  for (;;) {
    const { done, value } = await text.read().catch(() => ({ done: true, value: "" }));
    if (done) return waitMs;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop()!;
    for (const block of blocks) {
      const fields = new Map(block.split(/\r?\n/).map((line) => field(line)));
      const [event, data] = [fields.get("event"), fields.get("data")];
      if (event === undefined || data === undefined) continue;
      await line.hear({ event, data: JSON.parse(data) });
      waitMs = line.retryMs;
    }
  }
};

const byAsking: Way = async (line) => {
  while (!line.signal.aborted) {
    const isFirst = line.at === undefined;
    const goesOn = await line.page(isFirst ? { limit: "1" } : { wait: `${WAIT_MS}` });
    if (isFirst || !goesOn) await pause(RETRY_MS_MIN, line.signal);
  }
  return 0;
};

const WAYS = [bySocket, byEvents, byAsking] as const;

function field(line: string): [string, string] {
  const at = line.indexOf(":");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1).replace(/^ /, "")];
}

/** Waits for an event of `target`, or for the end of `signal`. */
function once(target: EventTarget, kind: string, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    target.addEventListener(kind, () => resolve(), { once: true, ...(signal && { signal }) });
    signal?.addEventListener("abort", () => resolve());
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const TRIES = 2;
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;
const WAIT_MS = 25_000;
