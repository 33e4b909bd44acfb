// Work that is asked for more often than it has to be done.

/**
 * Runs `act` soon after a burst of calls.
 *
 * @param {() => void} act
 * @param {number} [afterMs]  a frame by default
 */
export function coalesced(act, afterMs = 16) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    setTimeout(() => {
      isDue = false;
      act();
    }, afterMs);
  };
}

/**
 * Never runs `act` twice at once; calls meanwhile make it run once more.
 *
 * @param {() => Promise<void>} act
 */
export function oneAtATime(act) {
  let isRunning = false;
  let again = false;
  return async () => {
    again = true;
    if (isRunning) return;
    isRunning = true;
    while (again) {
      again = false;
      await act().catch((fault) => console.warn("the queue could not be read:", fault));
    }
    isRunning = false;
  };
}

/**
 * Runs `act` at once, and in a burst of calls at most every so often, with the last of them at the end.
 *
 * @param {() => void} act
 * @param {number} everyMs
 */
export function paced(act, everyMs) {
  let isResting = false;
  let isDue = false;
  const run = () => {
    isResting = true;
    isDue = false;
    act();
    setTimeout(() => {
      isResting = false;
      if (isDue) run();
    }, everyMs);
  };
  return {
    call: () => {
      isDue = true;
      if (!isResting) run();
    },
    /** Whether a call waits for its turn. */
    get isDue() {
      return isDue;
    },
  };
}
