// An election that is the test's, among the pages of one browser.
//
// What always holds: one page is elected at a time, in the order in which they stand, and each election has a higher epoch than
// the one before, and than its page has heard of; it is told as a task of the page. Who takes the role has it at once, and the
// page that had it learns of that by a task.

export class Elections {
  epoch = 0;
  /** How many pages were elected. */
  count = 0;
  holder;
  /** Why nobody can take the role; or stand for it. */
  fault;
  unfit;
  #waiting = [];

  constructor(browser) {
    this.browser = browser;
  }

  /** How many pages stand and are not elected. */
  get waiting() {
    return this.#waiting.length;
  }

  /** Those of one page, which has `heard` of epochs elsewhere. */
  of(page, heard = () => 0) {
    page.hints = [];
    return {
      hint: (gone) => page.hints.push(gone),
      stand: async (signal, serve) => {
        if (this.unfit) throw this.unfit;
        while (!signal.aborted) await this.#turn({ page, heard }, signal, serve, false);
      },
      take: async (signal, serve) => {
        if (this.fault) throw this.fault;
        if (!signal.aborted) await this.#turn({ page, heard }, signal, serve, true);
      },
    };
  }

  release(page) {
    if (this.holder?.page !== page) return;
    this.holder = undefined;
    this.#elect();
  }

  /** Whoever has the role loses it, and stands again behind the others. */
  async lose() {
    const { holding, page } = this.holder;
    this.browser.task(page, () => holding.abort());
    await this.browser.quiet();
  }

  #turn(who, signal, serve, takes) {
    return new Promise((resolve, reject) => {
      const it = { ...who, resolve, reject, holding: new AbortController(), serve };
      signal.addEventListener("abort", () => {
        it.holding.abort();
        if (!this.#waiting.includes(it)) return;
        this.#waiting = this.#waiting.filter((other) => other !== it);
        resolve();
      });
      if (takes) {
        const robbed = this.holder;
        this.holder = undefined;
        this.#waiting.unshift(it);
        if (robbed) this.browser.task(robbed.page, () => robbed.holding.abort());
      } else this.#waiting.push(it);
      this.#elect();
    });
  }

  #elect() {
    if (this.holder) return;
    const it = (this.holder = this.#waiting.shift());
    if (!it) return;
    this.count += 1;
    const epoch = (this.epoch = Math.max(this.epoch, it.heard()) + 1);
    this.browser.task(it.page, async () => {
      try {
        await it.serve(it.holding.signal, epoch);
        it.resolve();
      } catch (cause) {
        it.reject(cause);
      } finally {
        it.holding.abort();
        if (this.holder === it) {
          this.holder = undefined;
          this.#elect();
        }
      }
    });
  }
}
