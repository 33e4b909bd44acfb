// Tasks that one page gives to another.
//
// ```text
// page that delegates        all         the first that can
//   ├─ able? ─────────────────▶                  │
//   │◀──────────────────────────────────── can ──┤
//   ├─ do, input ───────────────────────────────▶│ its handler runs
//   │◀───────────────────────────────────── yes ─┤
//   ├─ still? ─── each second ──────────────────▶│
//   │◀──────────────────────────── yes, or done ─┤
// ```
//
// What always holds: a task is with one page at a time, as far as the page that delegates it knows, so it is done at least once
// or rejected; there is a timer only while one is out or being done here. Not here: who leads; any page may delegate.

import { closed } from "./closed.js";
import type { Inside } from "./inside.js";
import type { DelegateOptions, TaskHandler } from "./leadership.js";
import { copied } from "./parcel.js";
import type { Parcel, Say } from "./parcel.js";
import { within } from "./within.js";

/** A task of this page's that is not done. */
interface Errand {
  readonly n: number;
  readonly task: string;
  readonly input: unknown;
  readonly to: string | undefined;
  /** When it is given up, by this page's clock. */
  readonly due: number;
  /** Fires when nobody waits for it any more; with a fault as the reason, unless it is done. */
  readonly ending: AbortController;
  hear: (parcel: Parcel) => void;
}

/** What came of it: nothing if the page was lost. */
type Answer = Pick<Parcel, "word" | "body"> | undefined;

export class Tasks {
  readonly #inside: Inside;
  readonly #say: Say;
  readonly #handlers = new Map<string, TaskHandler>();
  readonly #out = new Map<number, Errand>();
  /** What is being done here for other pages. */
  readonly #running = new Map<string, { from: string; ending: AbortController }>();
  #count = 0;

  constructor(inside: Inside, say: Say) {
    this.#inside = inside;
    this.#say = say;
  }

  handle(task: string, fn: TaskHandler, stopped: AbortSignal): void {
    if (stopped.aborted) return;
    this.#handlers.set(task, fn);
    const remove = () => this.#handlers.get(task) === fn && this.#handlers.delete(task);
    stopped.addEventListener("abort", remove, { once: true });
  }

  /** See {@link Leadership.delegate}. */
  async delegate(task: string, input: unknown, options: DelegateOptions = {}): Promise<unknown> {
    const { kit, over } = this.#inside;
    const { to, timeoutMs } = this.#checked(task, options);
    const own = this.#carried(input);
    if (this.#out.size >= TASKS_MAX) {
      throw kit.appFault("tasks-full", `this page waits for ${TASKS_MAX} tasks already; try again when one is done`);
    }
    const ending = new AbortController();
    const close = () => ending.abort(closed(kit));
    const late = `the task "${task}" had no result within ${timeoutMs} ms; it may have been done`;
    const timer = setTimeout(() => ending.abort(kit.appFault("task-timeout", late)), timeoutMs);
    over.addEventListener("abort", close);
    const due = performance.now() + timeoutMs;
    const errand: Errand = { n: (this.#count += 1), task, input: own, to, due, ending, hear() {} };
    this.#out.set(errand.n, errand);
    try {
      return await this.#run(errand);
    } finally {
      clearTimeout(timer);
      over.removeEventListener("abort", close);
      this.#out.delete(errand.n);
    }
  }

  hear(parcel: Parcel): void {
    const { from, n, task, word } = parcel;
    const key = `${n} ${from}`;
    switch (word) {
      case "able":
        if (this.#handlers.has(task) && this.#running.size < TASKS_MAX) this.#say({ to: from, word: "can", n });
        return;
      case "do":
        return void this.#serve(key, parcel);
      case "still":
        if (this.#running.has(key)) this.#say({ to: from, word: "yes", n });
        return;
      case "drop":
        return this.#end(key);
      case "bye":
        for (const [key, run] of this.#running) if (run.from === from) this.#end(key);
        for (const errand of [...this.#out.values()]) errand.hear(parcel);
        return;
      default:
        return this.#out.get(n)?.hear(parcel);
    }
  }

  /** This page is left: nothing that is being done here can be answered. */
  leave(): void {
    for (const key of [...this.#running.keys()]) this.#end(key);
  }

  #checked(task: string, options: DelegateOptions): { to: string | undefined; timeoutMs: number } {
    const { kit, over } = this.#inside;
    kit.refuseUnknown(options, ["to", "timeoutMs"]);
    if (typeof task !== "string" || task.length > 200) throw kit.unfit("task", task, "at most 200 letters");
    const { timeoutMs = TIMEOUT_MS } = options;
    if (!(typeof timeoutMs === "number" && timeoutMs > 0 && timeoutMs <= TIMER_MS_MAX)) {
      throw kit.unfit("timeoutMs", timeoutMs, `a number above 0, up to ${TIMER_MS_MAX}`);
    }
    if (over.aborted) throw closed(kit);
    return { to: kit.text("to", options.to), timeoutMs };
  }

  #carried(input: unknown): unknown {
    try {
      return copied(input);
    } catch (cause) {
      const message = `\`input\` cannot be sent: it ${(cause as Error).message}`;
      throw this.#inside.kit.appFault("option-invalid", message);
    }
  }

  /** Gives it to one page after the other, until one has done it. */
  async #run(errand: Errand): Promise<unknown> {
    const { kit, page: me } = this.#inside;
    const { ending, task, to } = errand;
    for (;;) {
      const page = to === me.id ? undefined : await this.#find(errand);
      ending.signal.throwIfAborted();
      const own = to === undefined || to === me.id ? this.#handlers.get(task) : undefined;
      if (page === undefined && !own) {
        const where = to === undefined ? "no page" : `no page "${to}"`;
        throw kit.appFault("task-unknown", `${where} has said that it can do the task "${task}"`);
      }
      const answer = await (page === undefined ? this.#here(errand, own!) : this.#there(errand, page));
      ending.signal.throwIfAborted();
      if (answer?.word === "done") return answer.body;
      if (answer) throw kit.appFault("task-failed", `the task "${task}" has failed: ${answer.body}`);
    }
  }

  /** The first other page that says that it can do it. */
  async #find(errand: Errand): Promise<string | undefined> {
    const { ending, n, task, to } = errand;
    const hasOwn = to === undefined && this.#handlers.has(task);
    let found: string | undefined;
    const heard = new Promise<void>((resolve) => {
      errand.hear = ({ from, word }) => {
        if (word !== "can" || (to !== undefined && from !== to)) return;
        found ??= from;
        resolve();
      };
    });
    this.#say({ to: to ?? "", word: "able", n, task });
    await within(hasOwn ? OTHERS_MS : FIND_MS, ending.signal, heard);
    return found;
  }

  async #here({ ending, input, task }: Errand, fn: TaskHandler): Promise<Answer> {
    const running = new AbortController();
    const over = new Promise<undefined>((resolve) => {
      const end = () => {
        running.abort();
        resolve(undefined);
      };
      ending.signal.addEventListener("abort", end);
    });
    return Promise.race([answered(task, fn, input, running.signal), over]);
  }

  /** Gives nothing if the page has gone, is silent, or nobody waits any more. */
  async #there(errand: Errand, page: string): Promise<Answer> {
    const { due, ending, input, n, task } = errand;
    let answer: Answer;
    let silence = 0;
    let again: ReturnType<typeof setInterval> | undefined;
    await new Promise<void>((resolve) => {
      errand.hear = ({ body, from, word }) => {
        if (from !== page) return;
        if (word === "yes") silence = 0;
        if (word === "done") answer = done(task, body);
        if (word === "failed") answer = failed(body);
        if (answer || word === "bye") resolve();
      };
      // A page that sleeps does not count; its own timer sleeps with it.
      again = setInterval(() => {
        silence += 1;
        if (silence >= SILENCE_MAX) resolve();
        else this.#say({ to: page, word: "still", n });
      }, ASK_MS);
      ending.signal.addEventListener("abort", () => resolve());
      const ms = Math.max(1, Math.ceil(due - performance.now()));
      this.#say({ to: page, word: "do", n, task, ms, body: input });
    });
    clearInterval(again);
    errand.hear = () => {};
    if (!answer) this.#say({ to: page, word: "drop", n });
    return answer;
  }

  /** Does a task for another page. */
  async #serve(key: string, { body, from, ms, n, task }: Parcel): Promise<void> {
    const fn = this.#handlers.get(task);
    if (!fn || this.#running.has(key) || this.#running.size >= TASKS_MAX) return;
    const ending = new AbortController();
    this.#running.set(key, { from, ending });
    this.#say({ to: from, word: "yes", n });
    // Its page may have died, and says nothing then.
    const timer = setTimeout(() => this.#end(key), Math.min(ms, TIMER_MS_MAX));
    const answer = await answered(task, fn, body, ending.signal);
    clearTimeout(timer);
    if (ending.signal.aborted) return;
    this.#running.delete(key);
    this.#say({ to: from, n, ...answer });
  }

  #end(key: string): void {
    const run = this.#running.get(key);
    this.#running.delete(key);
    run?.ending.abort();
  }
}

async function answered(
  task: string,
  fn: TaskHandler,
  input: unknown,
  signal: AbortSignal,
): Promise<NonNullable<Answer>> {
  try {
    return done(task, await fn(copied(input), signal));
  } catch (cause) {
    return failed((cause as Partial<Error> | null)?.message ?? cause);
  }
}

function done(task: string, result: unknown): NonNullable<Answer> {
  try {
    return { word: "done", body: copied(result) };
  } catch (cause) {
    return failed(`the result of "${task}" cannot be sent: it ${(cause as Error).message}`);
  }
}

function failed(words: unknown): NonNullable<Answer> {
  return { word: "failed", body: (typeof words === "string" ? words : typeof words).slice(0, WORDS_MAX) };
}

const TASKS_MAX = 100;
const TIMEOUT_MS = 30_000;
/** Browsers keep a delay in 32 signed bits, and wrap. */
const TIMER_MS_MAX = 2_147_483_647;
/** How long other pages may take to say that they can do it, where this page can, too; and where it cannot. */
const OTHERS_MS = 200;
const FIND_MS = 1_000;
const ASK_MS = 1_000;
/** After so many questions a page that is silent has lost what it was given. */
const SILENCE_MAX = 3;
const WORDS_MAX = 1_000;
