// Which page has a role that only one can have. Types only.

/** What a page does with a role: until `held` fires, under an epoch that is higher each time. */
export type Serve = (held: AbortSignal, epoch: number) => Promise<unknown>;

/** A way to choose one of the pages for a role. */
export interface Election {
  /**
   * Stands for the role until `signal` fires, as often as it takes. While this page is elected `serve` runs, until `held` fires:
   * then the role is lost, or is about to be another's. Once what `serve` has returned is settled the role is let go of, and the
   * page stands again. `epoch` is higher with each election.
   */
  stand(signal: AbortSignal, serve: Serve): Promise<void>;
  /**
   * Takes the role, whoever has it, and serves once: what that one does under its epoch is refused by then. Rejects if the role
   * cannot be had in time.
   */
  take(signal: AbortSignal, serve: Serve): Promise<void>;
  /** There is reason to look: another page says that it has let go; or who led under this epoch, that it is gone. */
  hint?(gone?: number): void;
}
