// One leading page among those of a channel: what an app sees of it. Types only.
//
// What always holds: times are milliseconds, and every failure is a `BellwetherError`. Not here: where the coordinator runs; that
// is `status.host`, and has nothing to do with who leads.

import type { TypedTarget } from "./listening.js";

/** How this page takes part in leading. */
export interface LeaderOptions {
  /**
   * Whether this page may lead. Where it may not, it is told who does, and handles and delegates tasks like the others, but
   * nothing that it gives to `runExclusive` is run here. Default `true`.
   */
  enabled?: boolean | undefined;
}

/**
 * What this page is: `"leader"`; `"follower"`, another page is known to lead; or `"starting"`, nobody is known to lead: this
 * page has just come, or a leader has let go and the next one is being elected.
 */
export type Role = "leader" | "follower" | "starting";

/** Told by `"change"`. */
export interface LeadershipChange {
  readonly isLeader: boolean;
  readonly leaderId: string | null;
  readonly epoch: number;
}

/** Something that only the leading page runs. */
export type ExclusiveFunction = (signal: AbortSignal) => Promise<void>;

/** Does one kind of task, for this page or another. */
export type TaskHandler = (input: unknown, signal: AbortSignal) => Promise<unknown>;

/** How a task is given to a page. */
export interface DelegateOptions {
  /** The id of the page that is to do it, as {@link Bellwether.id} has it. Default: any that can, another than this one first. */
  to?: string | undefined;
  /** How long to wait for the result, in milliseconds, whoever it is given to meanwhile; above 0. Default 30 000. */
  timeoutMs?: number | undefined;
}

/**
 * Exactly one of the pages of a channel leads, of those that have looked at `bw.leader`: a page that never does takes no part.
 * It is one of those that are elected in the same way: all pages, unless one may use the browser's locks or its database, and
 * another may not. Such pages know of each other, and end each other's time: after 5 s at first, in the end once a minute.
 *
 * Pages in sight go first: a leader that has been out of sight for 5 s, while another page was in sight, lets go. A page that is
 * left, frozen or closed lets go at once, and stands again when it comes back.
 *
 * A page that hangs may go on with what it runs after another has taken the lead. So give each thing that must not be done twice
 * the `epoch`, as a fencing token, with an id of the device: what is written under a lower epoch than the last one of that device
 * is to be refused. See {@link Leadership.epoch} for what it promises.
 *
 * Fires `"change"`, a `CustomEvent` with a frozen {@link LeadershipChange}, whenever `isLeader`, `leaderId` or `epoch` is
 * another. If a file of the package cannot be loaded, `"error"` of the page says `"module-unavailable"`, once. It is tried again, at
 * once when the network is back, and by each call that is waited for; what was given to `runExclusive` and `handle` is there then.
 */
export interface Leadership extends TypedTarget<{ change: CustomEvent<LeadershipChange> }> {
  /** Whether this page leads. `false` before the signals of what it runs fire. */
  readonly isLeader: boolean;
  /** The page that has last said that it leads; `null` if there is none, or it has let go. */
  readonly leaderId: string | null;
  /**
   * Higher with each election in this browser, however it ends; 0 until one is known.
   *
   * The count lies in the database, and so begins anew when the site's data is cleared. Other devices and browsers count apart.
   * So do pages that have no database, in `localStorage`. Where there is neither, pages that vote count in memory, and begin again
   * at 1 when all are closed; and one that cannot hear others, either, counts alone.
   */
  readonly epoch: number;
  readonly role: Role;

  /**
   * Makes this page the leader, in or out of sight. The page that leads is asked to let go: it fires its signals, and what it
   * runs has a second to end. If it has not answered within a second the lead is taken, whatever it does. Resolves when this
   * page leads; at once if it does.
   *
   * @throws {@link BellwetherError} with `code`
   *   - `"leader-unavailable"`: the page is left or frozen, or the lead was lost again in the same moment: call again; or the
   *     browser's storage refused it, or did not answer, for 15 s: make room, and call again
   *   - `"not-supported"`: `leader.enabled` is `false`
   *   - `"module-unavailable"`: a file of the package cannot be loaded
   *   - `"closed"`: this page was closed
   */
  forceLeader(): Promise<void>;

  /**
   * Lets go of the lead, if this page has it, so that others go first: it stands again once another leads, or if none has
   * for 5 s, and does not ask a hidden page for it before it has come into sight anew. The signals of what it runs fire; that has a second to end. Resolves when the lead is let go of.
   *
   * @throws {@link BellwetherError} with `code`
   *   - `"module-unavailable"`: a file of the package cannot be loaded
   *   - `"closed"`: this page was closed
   */
  resign(): Promise<void>;

  /**
   * Runs `fn` whenever this page leads: at once if it does, and again each time it has become the leader anew.
   *
   * `signal` fires before the lead is let go of, so before another page runs `fn`. What has not ended a second later is left
   * behind: another page may then run it, too. (Out of sight, the browser may make a minute of that second.) A page that is
   * left or frozen, or was silent, does not even wait that long. What must not happen twice takes `epoch` as a fencing token.
   *
   * Of two calls with the same name in one page the later one waits, until the earlier one is stopped. What `fn` throws fires
   * `"error"` with `"exclusive-failed"`, and `fn` is run again only when this page leads the next time; so it is when it returns.
   *
   * @param name - at most 200 letters
   * @returns what ends it: fires `signal`, and `fn` is run no more
   * @throws {@link BellwetherError} at once, with `code` `"option-invalid"`
   *
   * @example
   * const stop = bw.leader.runExclusive("prices", async (signal) => {
   *   const socket = new WebSocket(`wss://example.org/prices?epoch=${bw.leader.epoch}`);
   *   socket.onmessage = ({ data }) => bw.state.set({ prices: JSON.parse(data) });
   *   await new Promise((resolve) => signal.addEventListener("abort", resolve));
   *   socket.close();
   * });
   */
  runExclusive(name: string, fn: ExclusiveFunction): () => void;

  /**
   * Says that this page can do a kind of task. A later call with the same name takes the place of the one before.
   *
   * `fn` gets a copy of the task's input. What it gives is the result, and what it throws rejects the call of `delegate`.
   * `signal` fires when nobody waits for the result any more: at the timeout, when the page that delegated it has gone or
   * has given it to another, and when this page is left.
   *
   * @param task - at most 200 letters
   * @returns what ends it; what is being done goes on
   * @throws {@link BellwetherError} at once, with `code` `"option-invalid"`
   */
  handle(task: string, fn: TaskHandler): () => void;

  /**
   * Gives a task to one page that can do it, and gives its result. Any page may, leading or not. The first that answers gets
   * it; this page itself only if no other has answered within 200 ms.
   *
   * **At least once**: a page that goes, or is silent for 3 s of this page's awake time, loses the task, and it is given to
   * another that can do it; the one before may have done it all the same.
   *
   * @param input - texts, numbers, flags, `null`, `undefined`, `Uint8Array`s, arrays and plain objects of these; about
   *   4 MiB, at two bytes per letter and eight per value. So is the result. Not to be changed before it resolves
   * @throws {@link BellwetherError} with `code`
   *   - `"option-invalid"`: an argument cannot be used, or the input is too large; nothing was done
   *   - `"tasks-full"`: this page waits for 100 tasks; try again when one is done
   *   - `"task-unknown"`: no page has said within a second that it can do it; if one had, it has gone
   *   - `"task-failed"`: the handler has thrown, and `message` has its words; or its result cannot be sent
   *   - `"task-timeout"`: there was no result in time; it may have been done
   *   - `"module-unavailable"`: a file of the package cannot be loaded
   *   - `"closed"`: this page was closed; it may have been done
   */
  delegate(task: string, input: unknown, options?: DelegateOptions): Promise<unknown>;
}
