// What one page shows of who leads, and the way to the module that knows.
//
// What always holds: a page that never makes one takes no part; what is registered waits until the module can be loaded. Not here:
// who leads, and what is done about it (`leader.ts`).

import { untilLoaded } from "./again.js";
import { checkFunction, unfit } from "./options.js";
import type { DelegateOptions, ExclusiveFunction, Leadership, Role, TaskHandler } from "./leadership.js";
import type { Fault } from "./wasm.js";

/** One page's part in leading. What is registered ends when `stopped` fires. */
export interface Part {
  forceLeader(): Promise<void>;
  resign(): Promise<void>;
  runExclusive(name: string, fn: ExclusiveFunction, stopped: AbortSignal): void;
  handle(task: string, fn: TaskHandler, stopped: AbortSignal): void;
  delegate(task: string, input: unknown, options?: DelegateOptions): Promise<unknown>;
}

/** See {@link Leadership}. The fields are the module's to write. */
export class Leading extends EventTarget implements Omit<Leadership, keyof EventTarget> {
  isLeader = false;
  leaderId: string | null = null;
  epoch = 0;
  role: Role = "starting";
  readonly #load: (face: Leading) => Promise<Part>;
  #part: Promise<Part> | undefined;
  /** Never rejects. */
  readonly #there: Promise<Part>;
  #arrive!: (part: Part) => void;

  constructor(load: (face: Leading) => Promise<Part>, over: AbortSignal, report: (fault: Fault) => void) {
    super();
    this.#load = load;
    this.#there = new Promise((resolve) => (this.#arrive = resolve));
    void untilLoaded(() => this.#go(() => {}), over, report);
  }

  forceLeader(): Promise<void> {
    return this.#go((part) => part.forceLeader());
  }

  resign(): Promise<void> {
    return this.#go((part) => part.resign());
  }

  delegate(...how: Parameters<Part["delegate"]>): Promise<unknown> {
    return this.#go((part) => part.delegate(...how));
  }

  runExclusive(name: string, fn: ExclusiveFunction): () => void {
    return this.#keep(name, fn, (part, stopped) => part.runExclusive(name, fn, stopped));
  }

  handle(task: string, fn: TaskHandler): () => void {
    return this.#keep(task, fn, (part, stopped) => part.handle(task, fn, stopped));
  }

  /** Each call tries again to load what could not be. */
  #go<T>(act: (part: Part) => T | Promise<T>): Promise<T> {
    this.#part ??= this.#load(this).then(
      (part) => {
        this.#arrive(part);
        return part;
      },
      (cause: unknown) => {
        this.#part = undefined;
        throw cause;
      },
    );
    return this.#part.then(act);
  }

  #keep(name: unknown, fn: unknown, begin: (part: Part, stopped: AbortSignal) => void): () => void {
    checkName(name);
    checkFunction("fn", fn);
    const stopping = new AbortController();
    void this.#there.then((part) => begin(part, stopping.signal));
    return () => stopping.abort();
  }
}

/** Refuses what is no name of a task. */
export function checkName(name: unknown): void {
  if (typeof name !== "string" || name.length > 200) throw unfit("name", name, "at most 200 letters");
}
