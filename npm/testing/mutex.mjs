// The machine of a lock, as the page's wasm has it: the same steps, numbers and times, without the randomness.
//
// Not here: what happens when pages are slow; `tests/suites/explore_mutex.rs` plays that with the machine itself.

const SETTLE_MS = 50;
const EXPIRY_MS = 10_000;
const RENEW_MS = 2_500;

const STEPS = ["ReadX", "ReadY", "WriteX", "WriteY", "EraseY", "Pause", "Held", "GaveUp", "Lost", "Released"];

let owners = 0;

export class FakeMutex {
  #owner = (owners += 1);
  #mark = 0;
  #watched = 0;
  #since = 0;
  #steps;
  #isLeaving = false;

  begin(now, timeout, interval, retries) {
    this.#isLeaving = false;
    this.#steps = this.#ask(now + timeout, interval, retries);
    this.#steps.next();
  }

  leave() {
    this.#isLeaving = true;
  }

  next(now, seen) {
    const { value = this.last } = this.#steps.next({ now, seen });
    this.last = value;
    const [name, about = 0] = value;
    return STEPS.indexOf(name) + 16 * about;
  }

  *#ask(until, interval, retries) {
    let told = yield;
    for (let looks = 0; ; looks += 1) {
      if (this.#isLeaving) return ["GaveUp"];
      told = yield ["ReadY"];
      if (this.#isFree(told)) {
        this.#sign();
        yield ["WriteX", this.#mark];
        told = yield ["ReadY"];
        if (this.#isFree(told)) {
          yield ["WriteY", this.#mark];
          yield ["Pause", SETTLE_MS];
          told = yield ["ReadX"];
          if (told.seen !== this.#mark) yield ["Pause", SETTLE_MS];
          told = yield ["ReadY"];
          if (told.seen === this.#mark) break;
        }
      }
      if (this.#isLeaving || looks === retries || told.now >= until) return ["GaveUp"];
      yield ["Pause", Math.min(interval, until - told.now)];
    }
    yield ["Held"];
    while (!this.#isLeaving) {
      yield ["Pause", RENEW_MS];
      if (this.#isLeaving) break;
      told = yield ["ReadY"];
      if (told.seen !== this.#mark) return ["Lost"];
      this.#sign();
      yield ["WriteY", this.#mark];
    }
    told = yield ["ReadY"];
    if (told.seen !== this.#mark) return ["Lost"];
    yield ["EraseY"];
    return ["Released"];
  }

  #isFree({ now, seen }) {
    if (seen !== this.#watched) [this.#watched, this.#since] = [seen, now];
    return seen === 0 || now - this.#since >= EXPIRY_MS;
  }

  #sign() {
    this.#mark = this.#owner * 65_536 + ((this.#mark + 1) % 65_536);
  }
}
