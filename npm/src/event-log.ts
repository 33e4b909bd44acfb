// The session's log as a page reads it. Types only.

/** A place in a session's log. */
export interface Cursor {
  /** Which life of the log: another one after the server's data was lost or put back. */
  readonly epoch: string;
  /** The last event that was seen; 0 for none. */
  readonly offset: number;
}

/** An event as the server has it. */
export interface LoggedEvent {
  /** Its place: subscribe from here to go on with the next. */
  readonly cursor: Cursor;
  /** Its id. */
  readonly id: string;
  /** What happened; `"bellwether.patch"` for a change of the shared state. */
  readonly type: string;
  /** What was sent with it. */
  readonly data: unknown;
  /** Its ordering key. */
  readonly key: string | undefined;
  /** Who made it; `""` for nobody in particular. */
  readonly user: string;
  /** The device that it came from. */
  readonly device: string;
  /** When it was made, by that device's clock, in milliseconds since 1970. */
  readonly at: number;
  /** When the server took it, by its clock. */
  readonly takenAt: number;
}

/** See {@link EventLog.subscribe}. */
export interface SubscribeOptions {
  /** Begins behind this place; `{ epoch: "", offset: 0 }` is the log's beginning. Default: with what comes from now on. */
  after?: Cursor | undefined;
  /** Only events of these types. Default: all. */
  types?: readonly string[] | undefined;
}

/** The session's log at the server: the events of all its devices, in one order. */
export interface EventLog {
  /**
   * Calls `listener` with each event, in the log's order, each once; by a WebSocket, where that cannot be had by
   * server-sent events, else by long polling. It goes on after the connection was lost, from the event that was seen
   * last. Returns what ends that.
   *
   * What cannot be read any more, because the log lives another life or keeps only newer events, fires `"error"` with the
   * code `"log-gap"`, and it goes on with what is there.
   */
  subscribe(listener: (event: LoggedEvent) => void): () => void;
  subscribe(options: SubscribeOptions, listener: (event: LoggedEvent) => void): () => void;
}
