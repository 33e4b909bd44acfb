// What pages say to one another, with and without a BroadcastChannel.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openLine } from "../build/js/line.js";

/** Pages of a browser that share a storage; each hears of the changes of the others when `quiet` delivers them. */
class Browser {
  items = new Map();
  changes = [];
  pages = [];
  /** What is thrown by writing. */
  fault;
  #t;

  constructor(t, channel) {
    this.#t = t;
    this.replace("BroadcastChannel", channel);
  }

  page() {
    const page = { events: new EventTarget(), heard: [] };
    const change = (key, newValue) => {
      const oldValue = this.items.get(key) ?? null;
      if (newValue === oldValue) return;
      if (newValue === null) this.items.delete(key);
      else this.items.set(key, newValue);
      this.changes.push({ page, key, newValue });
    };
    const { items } = this;
    page.storage = {
      get length() {
        return items.size;
      },
      setItem: (key, text) => {
        if (this.fault) throw this.fault;
        change(key, text);
      },
      removeItem: (key) => change(key, null),
    };
    page.open = (name) => this.as(page, () => openLine(name, (data) => page.heard.push(data)));
    this.pages.push(page);
    return page;
  }

  /** Runs something as a page. */
  as({ events, storage }, act) {
    this.replace("localStorage", storage);
    this.replace("addEventListener", events.addEventListener.bind(events));
    this.replace("removeEventListener", events.removeEventListener.bind(events));
    return act();
  }

  close(page, line) {
    this.as(page, () => line.close());
  }

  quiet() {
    for (const { page, key, newValue } of this.changes.splice(0)) {
      for (const other of this.pages) if (other !== page) this.tell(other, { key, newValue });
    }
  }

  tell(page, { storageArea = page.storage, ...change }) {
    page.events.dispatchEvent(Object.assign(new Event("storage"), { storageArea, ...change }));
  }

  replace(name, value) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
    this.#t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
  }
}

/** Values as they may be posted. */
const WORDS = [
  "text",
  "",
  0,
  -1.5,
  false,
  null,
  [1, [2, "three"], []],
  { to: "", from: "page-1", word: "here", deep: { er: [{ and: true }] } },
  Uint8Array.of(0, 127, 128, 255),
  new Uint8Array(),
  { to: "host", m: Uint8Array.of(1, 2), rows: [Uint8Array.of(3), { row: Uint8Array.of(4) }] },
];

test("a line is a channel of its name, where there is such a thing", (t) => {
  const channels = [];
  class Channel {
    posted = [];
    constructor(name) {
      this.name = name;
      channels.push(this);
    }
    postMessage(data) {
      this.posted.push(data);
    }
    close() {
      this.isClosed = true;
    }
  }
  const browser = new Browser(t, Channel);
  const page = browser.page();
  const line = page.open("a");
  const [channel] = channels;
  assert.equal(channel.name, "a");
  const data = { m: Uint8Array.of(1) };
  line.post(data);
  assert.equal(channel.posted[0], data);
  channel.onmessage({ data });
  assert.deepEqual(page.heard, [data]);
  line.close();
  assert.equal(channel.isClosed, true);
  assert.deepEqual([channels.length, browser.items.size, browser.changes], [1, 0, []], "the storage is left alone");
});

for (const [shows, channel] of [
  ["there is no channel", undefined],
  ["channels are refused", class { constructor() { throw new DOMException("not here", "SecurityError"); } }],
]) {
  test(`where ${shows} all that is posted comes in its order, by what the storage tells`, (t) => {
    const browser = new Browser(t, channel);
    const [first, second, third, other] = [1, 2, 3, 4].map(() => browser.page());
    const lines = [first, second, third].map((page) => page.open("a"));
    other.open("another");
    browser.quiet();
    for (const data of WORDS) lines[0].post(data);
    lines[1].post("from the second");
    browser.quiet();
    assert.deepEqual(first.heard, ["from the second"], "its own it does not hear");
    assert.deepEqual(second.heard, WORDS);
    assert.deepEqual(third.heard, [...WORDS, "from the second"]);
    assert.deepEqual(other.heard, []);
    assert.equal(browser.items.size, 0, "nothing is left behind");
  });
}

test("twice the same is said twice", (t) => {
  const browser = new Browser(t);
  const [first, second] = [browser.page(), browser.page()];
  const line = first.open("a");
  second.open("a");
  first.storage.removeItem = () => {};
  line.post("again");
  line.post("again");
  browser.quiet();
  assert.deepEqual(second.heard, ["again", "again"]);
});

test("a line that is closed hears nothing, and one beside it does", (t) => {
  const browser = new Browser(t);
  const [first, second] = [browser.page(), browser.page()];
  const line = first.open("a");
  const closed = second.open("a");
  second.open("b");
  line.post("before");
  browser.quiet();
  line.post("on its way");
  browser.close(second, closed);
  browser.quiet();
  assert.deepEqual(second.heard, ["before"]);
});

test("what is in the storage and none of ours is left alone", (t) => {
  const browser = new Browser(t);
  const page = browser.page();
  page.open("a");
  const [key, newValue] = ["a:line", JSON.stringify({ data: "heard" })];
  for (const change of [
    { key: "a", newValue },
    { key: "a:line:", newValue },
    { key: null, newValue: null },
    { key, newValue: null },
    { key, newValue: "" },
    { key, newValue: "no JSON" },
    { key, newValue: "null" },
    { key, newValue: JSON.stringify({ data: { "bellwether:bytes": "§" } }) },
    { key, newValue, storageArea: {} },
  ]) {
    browser.tell(page, change);
    assert.deepEqual(page.heard, [], JSON.stringify(change));
  }
  browser.tell(page, { key, newValue });
  assert.deepEqual(page.heard, ["heard"]);
});

test("what hears is not shielded from its own faults", (t) => {
  const browser = new Browser(t);
  const page = browser.page();
  const fault = new Error("in the page");
  const faults = [];
  page.events.addEventListener = (_, heard) => (page.tell = heard);
  browser.as(page, () => openLine("a", () => { throw fault; }));
  try {
    page.tell({ key: "a:line", newValue: JSON.stringify({ data: 1 }), storageArea: page.storage });
  } catch (cause) {
    faults.push(cause);
  }
  assert.deepEqual(faults, [fault]);
});

test("a page that opens a line while the storage is full hears the others, and says something once there is room", (t) => {
  const browser = new Browser(t, undefined);
  const [ann, ben] = [browser.page(), browser.page()];
  const line = ann.open("a");
  browser.items.set("of the app", "all there is room for");
  browser.fault = new DOMException("full", "QuotaExceededError");
  const other = ben.open("a");
  other.post(1);
  browser.fault = undefined;
  line.post(2);
  other.post(3);
  browser.quiet();
  assert.deepEqual([ann.heard, ben.heard], [[3], [2]]);
});

test("what a full storage does not take is lost, and the next is said", (t) => {
  const browser = new Browser(t);
  const [first, second] = [browser.page(), browser.page()];
  const line = first.open("a");
  second.open("a");
  browser.fault = new DOMException("full", "QuotaExceededError");
  line.post("lost");
  browser.fault = undefined;
  line.post("said");
  browser.quiet();
  assert.deepEqual(second.heard, ["said"]);
});

test("where neither works there is no line", (t) => {
  const browser = new Browser(t);
  const page = browser.page();
  browser.fault = new DOMException("full", "QuotaExceededError");
  assert.equal(page.open("a"), undefined);
  browser.replace("localStorage", undefined);
  assert.equal(openLine("a", () => {}), undefined);
  Object.defineProperty(globalThis, "localStorage", { configurable: true, get: () => { throw browser.fault; } });
  assert.equal(openLine("a", () => {}), undefined);
});
