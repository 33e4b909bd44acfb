// Which page has a role that only one can have. Types only.

/** A way to choose one of the pages for a role. */
export interface Election {
  /**
   * Stands for the role until `signal` fires, as often as it takes. While this page is elected `serve` runs, until `held` fires:
   * then the role is lost, or is about to be another's. Once what `serve` has returned is settled the role is let go of, and the
   * page stands again. `epoch` is higher with each election.
   */
  stand(
    signal: AbortSignal,
    serve: (held: AbortSignal, epoch: number) => Promise<unknown>,
  ): Promise<void>;
  /**
   * Takes the role for this page, whoever has it, and runs `serve` likewise: whoever had it is powerless by then.
   */
  take(
    signal: AbortSignal,
    serve: (held: AbortSignal, epoch: number) => Promise<unknown>,
  ): Promise<void>;
}
