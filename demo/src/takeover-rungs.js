// The rungs of the ladder in words: what each is, what becomes of what is stored, and who goes on when the host is gone.

/** @typedef {import("/bellwether/index.js").HostKind} HostKind */

/** @type {readonly { readonly name: HostKind, readonly is: string, readonly keeps: string, readonly passesOn: string }[]} */
export const RUNGS = [
  {
    name: "service-worker",
    is: "All rungs are allowed, so the best one that works is taken: the service worker does the work for all tabs.",
    keeps: "Events are in IndexedDB, and outlive tabs and browser.",
    passesOn: "It does not live in a tab, so closing tabs changes nothing. When it falls silent a tab takes over within some seconds, and gives the work back once it answers.",
  },
  {
    name: "web-locks",
    is: "One tab hosts: the one that holds a Web Lock.",
    keeps: "Events are in IndexedDB, and outlive tabs and browser.",
    passesOn: "The browser frees the lock with its tab, so the next one hosts at once. From a tab that hangs it is taken after about 8 s.",
  },
  {
    name: "indexeddb-lease",
    is: "One tab hosts: the one that keeps renewing a row in IndexedDB.",
    keeps: "Events are in IndexedDB, and outlive tabs and browser.",
    passesOn: "A tab that goes says so, and the next one hosts at once. If that gets lost, as it may when the tab’s process ends with it, and from a tab that hangs or crashes, the lease passes on within 3 to 6 s.",
  },
  {
    name: "storage-mutex",
    is: "There is no database. One tab hosts: the one that keeps renewing an item in localStorage.",
    keeps: "All tabs have copies of the events, and the host’s outlive the browser in localStorage, up to a few megabytes.",
    passesOn: "At once when the host says that it goes; within 3 to 6 s if that gets lost, or when it hangs or crashes, and up to 10 s later if that was while it renewed.",
  },
  {
    name: "broadcast-vote",
    is: "Nothing can be stored. One tab hosts: the one that the others have voted for.",
    keeps: "Events are in the memory of all tabs, and are gone with the last of them.",
    passesOn: "Within 1 to 6 s, by a new vote. New tabs vote after 6 s.",
  },
  {
    name: "solo",
    is: "Each tab hosts for itself, as where tabs cannot even hear one another.",
    keeps: "Events are in the memory of their tab, and are gone with it.",
    passesOn: "There is nobody to take over.",
  },
];

/** The rung that the address asks for. */
export function rungAsked() {
  const asked = new URLSearchParams(location.search).get("rung");
  return RUNGS.find(({ name }) => name === asked) ?? /** @type {typeof RUNGS[number]} */ (RUNGS[0]);
}
