// A machine that does as the test says, and a row that answers when the test says: what drives machines is under test.
//
// What always holds: what the machine wants is given out in the order in which the test has put it there.

/** Names in the place of the numbers that the wasm is told. */
const FACTS = [
  "Read",
  "Swapped",
  "Differed",
  "Failed",
  "Hint",
  "Visible",
  "Hidden",
  "Leaving",
  "Returned",
  "Resign",
  "Claim",
  "Timeout",
];
const WANTS = ["Read", "Swap", "Gained", "Lost", "Say"];

export class FakeMachine {
  /** What it was told, and what it was asked for, in their order. */
  log = [];
  /** What it wants once it is told this, by the fact's name. */
  wants = {};
  /** When it wants to be woken; once it was, `wakesNext` counts. */
  wakesAt = Infinity;
  wakesNext = Infinity;
  #deeds = [];

  handle(mono, wall, fact, row) {
    this.at = [mono, wall];
    if (FACTS[fact] === "Timeout") this.wakesAt = this.wakesNext;
    this.#hear(row ? [FACTS[fact], ...row] : [FACTS[fact]]);
  }

  hear(mono, wall, message) {
    this.at = [mono, wall];
    this.#hear(["hear", ...message]);
  }

  gone(mono, wall, epoch) {
    this.at = [mono, wall];
    this.#hear(["gone", epoch]);
  }

  poll() {
    const [name, ...about] = this.#deeds.shift() ?? [];
    return name && [WANTS.indexOf(name), ...about];
  }

  timeout() {
    return this.wakesAt;
  }

  #hear(told) {
    this.log.push(told.join(" "));
    const wants = this.wants[told[0]] ?? [];
    delete this.wants[told[0]];
    this.#deeds.push(...wants);
  }
}

/** Notes what it is asked for; the last of it waits for `answer` or `fail`. */
export class FakeRow {
  asked = [];
  /** What to do when it is asked. */
  onAsk = () => {};

  read() {
    return this.#ask(["read"]);
  }

  swap(expected, row) {
    return this.#ask(["swap", expected, row]);
  }

  watch(changed, signal) {
    this.changed = changed;
    this.watching = signal;
  }

  #ask(about) {
    this.asked.push(about);
    this.onAsk();
    return new Promise((resolve, reject) => Object.assign(this, { answer: resolve, fail: reject }));
  }
}
