// The command that places the worker, run as a user would run it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync } from "node:fs";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const NEW = "bellwether-sw.00112233aabbccdd.wasm";
const OLD = "bellwether-sw.ffeeddccbbaa9988.wasm";

/** A package as it is installed, and an app beside it. */
function scene(t, dist = { "bellwether-sw.js": `load("${NEW}")`, [NEW]: "wasm" }) {
  const root = mkdtempSync(join(tmpdir(), "bellwether-"));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "package/dist"), { recursive: true });
  mkdirSync(join(root, "app"));
  cpSync(fileURLToPath(new URL("../bin", import.meta.url)), join(root, "package/bin"), {
    recursive: true,
  });
  for (const [name, content] of Object.entries(dist)) {
    writeFileSync(join(root, "package/dist", name), content);
  }
  const app = join(root, "app");
  const run = (...words) => {
    const program = join(root, "package/bin/place-worker.mjs");
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
      cwd: app,
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  };
  return { app, run };
}

test("script and wasm are put into a folder, which is made where it is missing", (t) => {
  const { app, run } = scene(t);
  const { status, stdout } = run("public/deep");
  assert.equal(status, 0);
  assert.equal(stdout, `${join("public", "deep")}: bellwether-sw.js, ${NEW}\n`);
  assert.deepEqual(readdirSync(join(app, "public/deep")).sort(), [NEW, "bellwether-sw.js"]);
  assert.equal(readFileSync(join(app, "public/deep", NEW), "utf8"), "wasm");
});

test("the wasm of earlier versions goes, and nothing else", (t) => {
  const { app, run } = scene(t);
  const others = ["app.wasm", "bellwether-sw.notes.wasm", "bellwether-sw.js.map", "index.html"];
  for (const name of [OLD, ...others]) writeFileSync(join(app, name), "");
  writeFileSync(join(app, "bellwether-sw.js"), "old");
  const { status, stdout } = run(".");
  assert.equal(status, 0);
  assert.equal(stdout, `.: bellwether-sw.js, ${NEW}, removed ${OLD}\n`);
  const expected = [...others, NEW, "bellwether-sw.js"].sort();
  assert.deepEqual(readdirSync(app).sort(), expected);
  assert.equal(run(".").stdout, `.: bellwether-sw.js, ${NEW}\n`);
});

test("a package that is not whole is refused before anything is touched", (t) => {
  for (const dist of [{}, { "bellwether-sw.js": `load("${NEW}")`, [OLD]: "" }]) {
    const { app, run } = scene(t, dist);
    const { status, stderr } = run("public");
    assert.equal(status, 1);
    assert.match(stderr, /^bellwether-place-worker: the package is not whole, install it anew: /);
    assert.ok(!existsSync(join(app, "public")));
  }
});

test("wrong words are refused, and help is given", (t) => {
  const { run } = scene(t);
  for (const words of [[], ["a", "b"], ["--to", "a"]]) {
    const { status, stderr } = run(...words);
    assert.equal(status, 1);
    assert.match(stderr, /^bellwether-place-worker: /);
    assert.ok(!stderr.includes("    at "), stderr);
  }
  const { status, stdout } = run("--help");
  assert.equal(status, 0);
  assert.match(stdout, /bellwether-place-worker <folder>/);
});

test("a folder that cannot be written to is told in words", (t) => {
  const { app, run } = scene(t);
  writeFileSync(join(app, "public"), "a file");
  const { status, stderr } = run("public");
  assert.equal(status, 1);
  assert.match(stderr, /^bellwether-place-worker: E/);
  assert.ok(!stderr.includes("    at "), stderr);
});
