// Driving a machine that stands for a role: it is told what happens, and what it wants is done (LEAD-2, LEAD-8, HOST-4).
//
// What always holds:
// - a role that is lost is told before anything is written or said that lets another have it;
// - while this page does not stand there is no timer: what it could not let go of is not tried again;
// - a page that is frozen, or goes out of sight, tells its machine before.
//
// Not here: what is decided; that is the machine's (`shared/src/lead`).

import type { Election, Serve } from "./election.js";
import type { Line } from "./line.js";
import type { SharedRow } from "./row.js";
import { takeOnce } from "./taking.js";

/** Who stands, and for what. */
export interface Candidate {
  readonly channel: string;
  readonly role: string;
  readonly me: string;
  readonly build: string;
  /** The page is closed. */
  readonly over: AbortSignal;
  /** The newest epoch that this page has heard of. */
  heard(): number;
}

/** A machine of a lease or of a vote, in the wasm. Times are milliseconds. */
export interface Machine {
  handle(mono: number, wall: number, fact: Fact, row?: Uint8Array): void;
  /** A word of another page; a lease has none. */
  hear?(mono: number, wall: number, message: Uint8Array): void;
  /** Whoever led under this epoch says that it is gone; a vote hears of that by itself. */
  gone?(mono: number, wall: number, epoch: number): void;
  poll(): Deed | undefined;
  /** When it wants to be woken, by `performance.now()`; infinite if it does not. */
  timeout(): number;
}

/** What the wasm is told; `runtime-lead` has the same numbers. */
const enum Fact {
  Read,
  Swapped,
  Differed,
  Failed,
  Hint,
  Visible,
  Hidden,
  Leaving,
  Returned,
  Resign,
  Claim,
  Timeout,
}

/** What it wants, likewise. */
const enum What {
  Read,
  Swap,
  Gained,
  Lost,
  Say,
}

type Deed =
  | [What.Read]
  | [What.Swap, Uint8Array | undefined, Uint8Array]
  | [What.Gained, number]
  | [What.Lost]
  | [What.Say, Uint8Array];

export class Campaign implements Election {
  readonly #make: (mono: number, wall: number) => Machine;
  readonly #row: SharedRow | undefined;
  readonly #open: ((hear: (data: unknown) => void) => Line) | undefined;
  #machine: Machine | undefined;
  #line: Line | undefined;
  /** While it stands. */
  #serve: Serve | undefined;
  #held: AbortController | undefined;
  #serving: Promise<unknown> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    make: (mono: number, wall: number) => Machine,
    row: SharedRow | undefined,
    open?: (hear: (data: unknown) => void) => Line,
  ) {
    this.#make = make;
    this.#row = row;
    this.#open = open;
  }

  stand(signal: AbortSignal, serve: Serve): Promise<void> {
    return this.#run(signal, serve, false);
  }

  take(signal: AbortSignal, serve: Serve): Promise<void> {
    return takeOnce(signal, serve, (signal, serve) => this.#run(signal, serve, true));
  }

  async #run(signal: AbortSignal, serve: Serve, claims: boolean): Promise<void> {
    if (signal.aborted) return;
    this.#serve = serve;
    const line = (this.#line = this.#open?.((data) => {
      if (data instanceof Uint8Array) {
        this.#machine?.hear?.(performance.now(), Date.now(), data);
        this.#pump();
      }
    }));
    if (this.#machine) this.#tell(Fact.Returned);
    else {
      this.#machine = this.#make(performance.now(), Date.now());
      this.#tell(Fact.Timeout);
    }
    this.#see();
    if (claims) this.#tell(Fact.Claim);
    document.addEventListener("visibilitychange", this.#see, { signal });
    this.#row?.watch?.(() => this.#tell(Fact.Hint), signal);
    await new Promise((resolve) => {
      const leave = () => {
        this.#serve = undefined;
        this.#tell(Fact.Leaving);
        line?.close();
        // Not what a later turn serves.
        resolve(this.#serving);
      };
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  hint(gone?: number): void {
    if (gone === undefined) this.#tell(Fact.Hint);
    else {
      this.#machine?.gone?.(performance.now(), Date.now(), gone);
      this.#pump();
    }
  }

  readonly #see = () => {
    this.#tell(document.visibilityState === "hidden" ? Fact.Hidden : Fact.Visible);
  };

  #tell(fact: Fact, row?: Uint8Array): void {
    this.#machine?.handle(performance.now(), Date.now(), fact, row);
    this.#pump();
  }

  #pump(): void {
    const machine = this.#machine;
    if (!machine) return;
    for (let deed = machine.poll(); deed; deed = machine.poll()) this.#do(deed);
    clearTimeout(this.#timer);
    const at = machine.timeout();
    if (at === Infinity || !this.#serve) return;
    const delay = Math.max(0, Math.ceil(at - performance.now()));
    this.#timer = setTimeout(() => this.#tell(Fact.Timeout), delay);
  }

  #do(deed: Deed): void {
    const failed = () => this.#tell(Fact.Failed);
    switch (deed[0]) {
      case What.Read:
        this.#row!.read().then((found) => this.#tell(Fact.Read, found), failed);
        break;
      case What.Swap:
        this.#row!.swap(deed[1], deed[2]).then(
          (swap) => (swap.isMade ? this.#tell(Fact.Swapped) : this.#tell(Fact.Differed, swap.found)),
          failed,
        );
        break;
      case What.Gained:
        this.#gain(deed[1]);
        break;
      case What.Lost:
        this.#held?.abort();
        this.#held = undefined;
        break;
      case What.Say:
        this.#line?.post(deed[1]);
    }
  }

  #gain(epoch: number): void {
    const held = (this.#held = new AbortController());
    const serve = this.#serve!;
    const over = () => {
      if (this.#held === held) this.#tell(Fact.Resign);
    };
    // Not before all that is wanted at once is done, which may be that it is lost.
    const begin = () => (held.signal.aborted ? undefined : serve(held.signal, epoch));
    this.#serving = Promise.resolve().then(begin).then(over, over);
  }
}
