// The package's entry, for the modules that are made to lie beside it: `connect` does what the test says, and needs no wasm.
//
// Import this before a face of the package, and the face by `await import`. Where examples are under test, the package's names
// lead to what was compiled, too.

import { register } from "node:module";

/** What `connect` does; a test puts its own in its place. */
export const entry = { connect: async () => Promise.reject(new Error("this test connects nothing")) };

globalThis.bellwetherEntry = entry;

const here = (path) => new URL(path, import.meta.url).href;

const STAND_IN = `
  export { BellwetherError } from ${JSON.stringify(here("../build/js/errors.js"))};
  export const connect = (options) => globalThis.bellwetherEntry.connect(options);
`;

const HOOKS = `
  const INDEX = ${JSON.stringify(here("../build/js/index.js"))};
  export async function load(url, context, next) {
    if (url !== INDEX) return next(url, context);
    return { format: "module", shortCircuit: true, source: ${JSON.stringify(STAND_IN)} };
  }
  export async function resolve(name, context, next) {
    const [own, face = "index"] = name.split("/");
    if (own !== "bellwether") return next(name, context);
    return { url: new URL(face + ".js", INDEX).href, shortCircuit: true };
  }
`;

register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);
