#!/usr/bin/env node
// Puts the worker's script and its wasm into a folder of an app.
//
// What always holds: the script is written last, so a server never has a script without its wasm;
// and only files that an earlier run has put there are removed.

import { copyFileSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const SCRIPT = "bellwether-sw.js";

const HELP = `Puts Bellwether's worker where the browser looks for it.

  bellwether-place-worker <folder>

<folder> is the one that is served as the root of the site, often public/ or static/. It gets
  ${SCRIPT}           the worker's script, always under this name
  bellwether-sw.<hash>.wasm   its wasm, named after its content
and loses the wasm of earlier versions. Run it before each build, for example as "prebuild".

  --help    show this
`;

class Refusal extends Error {}

try {
  main();
} catch (cause) {
  const isExpected = cause instanceof Refusal || cause.code?.startsWith?.("ERR_PARSE_ARGS");
  console.error(`bellwether-place-worker: ${isExpected ? cause.message : told(cause)}`);
  process.exitCode = 1;
}

function main() {
  const options = { help: { type: "boolean", short: "h" } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help) return void process.stdout.write(HELP);
  if (positionals.length !== 1) {
    throw new Refusal("name one folder, the root of your site; --help tells more");
  }
  const from = fileURLToPath(new URL("../dist/", import.meta.url));
  const wasm = wasmOf(from);
  const to = resolve(positionals[0]);
  mkdirSync(to, { recursive: true });
  place(from, to, wasm);
  place(from, to, SCRIPT);
  const stale = readdirSync(to).filter((name) => isWasm(name) && name !== wasm);
  for (const name of stale) rmSync(join(to, name));
  const removed = stale.length > 0 ? `, removed ${stale.join(", ")}` : "";
  console.log(`${relative(process.cwd(), to) || "."}: ${SCRIPT}, ${wasm}${removed}`);
}

/** The wasm that the script in `folder` asks for. */
function wasmOf(folder) {
  let names;
  let script;
  try {
    names = readdirSync(folder);
    script = readFileSync(join(folder, SCRIPT), "utf8");
  } catch (cause) {
    throw new Refusal(`the package is not whole, install it anew: ${told(cause)}`);
  }
  const wasm = names.find((name) => isWasm(name) && script.includes(name));
  if (wasm) return wasm;
  throw new Refusal(`the package is not whole, install it anew: ${folder} lacks the worker's wasm`);
}

/** Copies a file so that whoever looks finds the old one or the new one, and never a part. */
function place(from, to, name) {
  const part = join(to, `.${name}.part`);
  copyFileSync(join(from, name), part);
  renameSync(part, join(to, name));
}

function isWasm(name) {
  return /^bellwether-sw\.[0-9a-f]+\.wasm$/.test(name);
}

function told(cause) {
  return cause instanceof Error ? cause.message : String(cause);
}
