#!/usr/bin/env node
// Builds the examples into `dist/<name>/`, of the package as it is built in `../dist`: each folder is a site by itself.
//
// What always holds: an example imports the package by its name, as an app does, and `dist` holds what this run has made.

import { copyFile, mkdir, readdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = new URL("./", import.meta.url);
const built = new URL("../dist/", import.meta.url);

/** Each example, and the module that it begins with. */
export const EXAMPLES = {
  "broadcast-sync": "main.js",
  react: "main.jsx",
  redux: "main.js",
  svelte: "main.js",
  vue: "main.js",
  zustand: "main.jsx",
};

/** What esbuild is told for one of them, but where to write. */
export function settings(name) {
  return {
    entryPoints: { main: fileURLToPath(new URL(`${name}/${EXAMPLES[name]}`, here)) },
    bundle: true,
    // What the package loads later stays a file of its own.
    splitting: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    minify: true,
    logLevel: "warning",
    define: {
      "process.env.NODE_ENV": '"production"',
      __VUE_OPTIONS_API__: "false",
      __VUE_PROD_DEVTOOLS__: "false",
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
    },
  };
}

async function main() {
  const files = await readdir(built).catch(() => []);
  // The page's wasm lies beside the module that loads it, the worker and its wasm beside the page.
  const beside = files.filter((name) => name.endsWith(".wasm") || name === "bellwether-sw.js");
  if (beside.length < 3) throw new Error("the package is not built: run `cargo xtask build` first");
  await rm(new URL("dist/", here), { recursive: true, force: true });
  for (const name of Object.keys(EXAMPLES)) {
    const site = new URL(`dist/${name}/`, here);
    await mkdir(site, { recursive: true });
    await build({ ...settings(name), outdir: fileURLToPath(site) });
    await copyFile(new URL(`${name}/index.html`, here), new URL("index.html", site));
    await copyFile(new URL("styles.css", here), new URL("styles.css", site));
    for (const file of beside) await copyFile(new URL(file, built), new URL(file, site));
    console.log(`npm/examples/dist/${name}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
