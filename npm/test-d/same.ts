// Says whether two types are the same, for the files beside this one.

/** Whether two types are the same. */
export type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export function holds<_ extends true>(): void {}
