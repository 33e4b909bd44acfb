// What an app may do in the worker, beside the coordinator. Types only.
//
// What always holds: a hook is called within the event that needs it, may be asynchronous, and is
// given copies. Not here: what calls them; the coordinator does.

/** `self.bellwether` in the worker, as soon as the script has run. */
export interface WorkerRegistry {
  /**
   * Takes hooks; those of an earlier call stay where this one names none. Call it in the worker's
   * first turn, right after `importScripts`: the worker is started for one event at a time, and what
   * is registered later may be too late for it.
   *
   * @throws TypeError if there is no hook of that name, or if it is no function
   */
  use(hooks: WorkerHooks): void;
  /** @internal The coordinator looks here each time. */
  readonly hooks: WorkerHooks;
}

/** Functions of the app's, run in the worker. All are optional. */
export interface WorkerHooks {
  /**
   * Gives the token for a user and session, or `undefined` if there is none to be had. Asked before
   * any page is, also while no page is open.
   */
  token?:
    | ((of: { user?: string; session: string }) => string | undefined | Promise<string | undefined>)
    | undefined;
  /**
   * May change a plain request (`outbox.deliver: "requests"`) before it is sent: gives back another,
   * with credentials in its headers, say. It carries the event's id as `Idempotency-Key`, which a
   * `new Request(request, { headers })` has to carry on. What is given back is not stored; `undefined`
   * leaves the request as it is.
   */
  resolve?:
    | ((request: Request) => Request | undefined | Promise<Request | undefined>)
    | undefined;
  /**
   * May send a plain request itself, and gives back the answer; `undefined` leaves that to
   * Bellwether. `signal` is aborted when it has taken too long. A rejection counts as a server that
   * cannot be reached.
   */
  deliver?:
    | ((
        request: Request,
        options: { signal: AbortSignal },
      ) => Response | undefined | Promise<Response | undefined>)
    | undefined;
  /**
   * Makes one value of two, for keys whose strategy is `"custom"`, while no page of the session has a `customResolver`,
   * whichever keys that is for: of what this device wrote and what stands. It is asked about one conflict of a session at a
   * time, once what this user has enqueued before is delivered. Gives the value that is to be written; `undefined` leaves what stands. What it
   * throws, or does not give within 5 seconds, leaves the conflict for the next worker or page that can resolve it. If others
   * are faster it is asked again, 5 times in a row at the most.
   */
  resolveConflict?: ((conflict: WorkerConflict) => unknown) | undefined;
  /** Is told of each push message, within its event, once the coordinator was woken. */
  onPush?: ((event: Event) => unknown) | undefined;
  /**
   * Is told of an event that was given up while no page was there to be told: once at the most, since
   * the browser may stop the worker meanwhile. The dead letter waits for whoever comes.
   */
  onEvent?: ((event: WorkerEvent) => unknown) | undefined;
}

/** Two writes to the same key that did not know of one another. */
export interface WorkerConflict {
  /** The key. */
  readonly key: string;
  /** What this device wrote; `undefined` if it deleted the key. */
  readonly local: unknown;
  /** What stands; `undefined` if there is nothing. */
  readonly remote: unknown;
  /** By which strategy. What was written in the same `set` to a `"first-write-wins"` key is asked about like the others. */
  readonly strategy: "custom";
}

/** What happened in the worker, by its `type`. */
export interface WorkerEvent {
  readonly type: "dead-letter";
  readonly detail: {
    readonly id: string;
    /** The event's type. */
    readonly type: string;
    /** Why it was given up, by name. */
    readonly code: string;
    /** Why it was given up, in words, for developers. */
    readonly message: string;
    /** How many tries it has spent. */
    readonly tries: number;
  };
}
