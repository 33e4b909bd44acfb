// A document for tests of what renders, as far as frameworks ask for one.

import { Window } from "happy-dom";

/** Makes the globals of a page; import it before a framework. Gives the window back. */
export function openWindow(url = "https://app.example/") {
  const window = new Window({ url });
  for (const name of NAMES) {
    Object.defineProperty(globalThis, name, { value: window[name], configurable: true, writable: true });
  }
  return window;
}

const NAMES = [
  "window",
  "document",
  "location",
  "navigator",
  "Node",
  "Element",
  "HTMLElement",
  "HTMLInputElement",
  "HTMLSelectElement",
  "HTMLIFrameElement",
  "SVGElement",
  "ShadowRoot",
  "MutationObserver",
];
