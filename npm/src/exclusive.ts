// What runs only in the leading page.
//
// What always holds:
// - under one name one function runs at a time in this page, unless one has not ended a second after its signal fired;
// - each is begun once per time in which this page leads.
//
// Not here: when this page leads (`leader.ts`).

import type { Inside } from "./inside.js";
import type { ExclusiveFunction } from "./leadership.js";
import { within } from "./within.js";

interface Job {
  readonly fn: ExclusiveFunction;
  readonly stopped: AbortSignal;
  /** Since when it was last begun: the signal of that time. */
  begun?: AbortSignal;
}

export class Exclusives {
  readonly #inside: Inside;
  /** By name. The first is run, the others wait until it is stopped. */
  readonly #jobs = new Map<string, Job[]>();
  /** What has begun and not ended. None of it rejects. */
  readonly #runs = new Map<string, Promise<void>>();
  #leading: AbortSignal | undefined;

  constructor(inside: Inside) {
    this.#inside = inside;
  }

  add(name: string, fn: ExclusiveFunction, stopped: AbortSignal): void {
    if (stopped.aborted) return;
    const job: Job = { fn, stopped };
    this.#jobs.set(name, [...(this.#jobs.get(name) ?? []), job]);
    const remove = () => {
      const others = this.#jobs.get(name)!.filter((it) => it !== job);
      if (others.length > 0) this.#jobs.set(name, others);
      else this.#jobs.delete(name);
      this.#begin(name);
    };
    stopped.addEventListener("abort", remove, { once: true });
    this.#begin(name);
  }

  /** This page leads until `leading` fires. */
  begin(leading: AbortSignal): void {
    this.#leading = leading;
    for (const name of [...this.#jobs.keys()]) this.#begin(name);
  }

  /** Resolves once nothing runs any more. */
  ended(): Promise<unknown> {
    return Promise.all(this.#runs.values());
  }

  #begin(name: string): void {
    const leading = this.#leading;
    const job = this.#jobs.get(name)?.[0];
    if (!job || !leading || leading.aborted || job.begun === leading) return;
    job.begun = leading;
    const before = this.#runs.get(name);
    const run = this.#run(name, job, leading, before).then(() => {
      if (this.#runs.get(name) === run) this.#runs.delete(name);
    });
    this.#runs.set(name, run);
  }

  async #run(
    name: string,
    { fn, stopped }: Job,
    leading: AbortSignal,
    before: Promise<void> | undefined,
  ): Promise<void> {
    const { kit, report } = this.#inside;
    const ending = new AbortController();
    const end = () => ending.abort();
    for (const it of [leading, stopped]) it.addEventListener("abort", end);
    try {
      if (before) await within(GRACE_MS, ending.signal, before);
      if (!ending.signal.aborted) await fn(ending.signal);
    } catch (cause) {
      // Who is told to end may end so.
      if (ending.signal.aborted && (cause as Partial<Error> | null)?.name === "AbortError") return;
      const message = `\`${name}\` has failed (${cause}); it is run again when this page leads the next time`;
      report(kit.appFault("exclusive-failed", message, { cause }));
    } finally {
      for (const it of [leading, stopped]) it.removeEventListener("abort", end);
    }
  }
}

/** How long what is told to end is waited for. */
export const GRACE_MS = 1_000;
