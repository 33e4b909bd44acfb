// The examples, each in a document of its own, driven by what `examples/README.md` promises of all of them.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";

import { build } from "esbuild";

import { EXAMPLES, settings } from "../examples/build.mjs";
import { openWindow } from "../testing/dom.mjs";
import { entry } from "../testing/entry.mjs";
import { fakeSession } from "../testing/fake-state.mjs";

const HEADINGS = {
  "broadcast-sync": "Broadcast sync",
  react: "React",
  redux: "Redux",
  svelte: "Svelte",
  vue: "Vue",
  zustand: "Zustand",
};

for (const name of Object.keys(EXAMPLES)) {
  test(`the example for ${name} shares its counter, text and theme`, async () => {
    const session = fakeSession();
    const page = session.page("ann");
    page.show({ host: "starting", connection: "disconnected" });
    const asked = [];
    entry.connect = async (options) => (asked.push(options), page);
    const window = openWindow(`https://app.example/?channel=notes&server=https://sync.example`);
    document.write(await readFile(new URL(`../examples/${name}/index.html`, import.meta.url), "utf8"));
    const module = fileURLToPath(new URL(`../build/examples/${name}.mjs`, import.meta.url));
    // All that is no example's own is the one that other tests have, the package's faces with it.
    const own = { splitting: false, minify: false, packages: "external", outfile: module };
    await build({ ...settings(name), entryPoints: Object.values(settings(name).entryPoints), ...own });
    await import(module);

    const one = (selector) => document.querySelector(selector);
    const labelled = (text, tag) => {
      const labels = [...document.querySelectorAll("label")];
      return labels.find((label) => label.textContent.trim().startsWith(text))?.querySelector(tag);
    };
    const shows = (...wanted) =>
      until(wanted, () => [
        one('output[aria-label="Counter"]')?.textContent,
        one('[aria-label="Connection"]')?.textContent.trim(),
        labelled("Text", "input")?.value,
        labelled("Theme", "select")?.value,
        document.documentElement.dataset.theme,
      ]);

    await shows("0", "Starting", "", "light", "light");
    assert.equal(one("h1").textContent, HEADINGS[name]);
    assert.equal(one("button").textContent.trim(), "Add one");
    const options = { channel: "notes", server: "https://sync.example", worker: "./bellwether-sw.js" };
    await until([options], () => [...new Set(asked)]);

    page.show({ host: "service-worker", connection: "connected" });
    await shows("0", "Connected", "", "light", "light");
    assert.deepEqual(session.values, {}, "what it begins with is not written");

    one("button").click();
    one("button").click();
    enter(window, labelled("Text", "input"), "input", "mine");
    enter(window, labelled("Theme", "select"), "change", "dark");
    await shows("2", "Connected", "mine", "dark", "dark");
    assert.deepEqual(session.values, { counter: 2, text: "mine", theme: "dark" });

    session.server({ counter: 41, text: "theirs", theme: "light" });
    await shows("41", "Connected", "theirs", "light", "light");
    one("button").click();
    await shows("42", "Connected", "theirs", "light", "light");
    assert.deepEqual(session.values, { counter: 42, text: "theirs", theme: "light" });
  });
}

// By the prototype's own setter, as a user's hand does: React watches the one of the element.
function enter(window, element, event, value) {
  const { prototype } = window[element.tagName === "INPUT" ? "HTMLInputElement" : "HTMLSelectElement"];
  Object.getOwnPropertyDescriptor(prototype, "value").set.call(element, value);
  element.dispatchEvent(new window.Event(event, { bubbles: true }));
}

/** Looks until it is as wanted, for five seconds. */
async function until(wanted, look) {
  for (let turn = 0; turn < 500 && !isDeepStrictEqual(look(), wanted); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(look(), wanted);
}
