// Pages of one browser of which one leads, with an election that is the test's.

import { appFault, named } from "../build/js/errors.js";
import { lead } from "../build/js/leader.js";
import { Leading } from "../build/js/leading.js";
import { refuseUnknown, text, unfit } from "../build/js/options.js";
import { Elections } from "./elections.mjs";
import { Browser } from "./pages.mjs";

export class Leaders {
  /** What happened, in its order. */
  log = [];
  #elections;
  /** Those of pages that are elected in another way, and count apart. */
  #others;

  constructor(t) {
    this.browser = new Browser(t);
    this.#elections = new Elections(this.browser);
    this.#others = new Elections(this.browser);
  }

  /** Opens a page that takes part, as the options `leader` say; one that `isOther` is elected in another way. */
  async open({ isInSight = true, isOther = false, leader, open, below } = {}) {
    const begin = (page) => {
      page.document.visibilityState = isInSight ? "visible" : "hidden";
      Object.assign(page.inside, { kit: KIT });
      page.inside.asked.leader = leader;
      page.isAway = false;
      // As a machine it is told once what was heard.
      let heard;
      const election = (isOther ? this.#others : this.#elections).of(page, () => (heard ??= page.leader?.epoch ?? 0));
      const { over, report } = page.inside;
      page.leader = new Leading(async (face) => (page.part = lead(page.inside, election, face, open)), over, report);
      page.changes = [];
      page.leader.addEventListener("change", ({ detail }) => page.changes.push(detail));
    };
    const page = await this.browser.open({ below }, begin);
    page.calls = [];
    return page;
  }

  /** Calls something of the page's, and gives what becomes of it: `undefined` until it settles. */
  async call(page, act) {
    const call = {};
    page.run(() => {
      const settle = (how) => (value) => Object.assign(call, { [how]: value, isSettled: true });
      act(page.leader).then(settle("value"), settle("error"));
    });
    await this.browser.quiet();
    return call;
  }

  /** Runs something exclusive, which ends as soon as it is told to, unless the test says when. */
  async exclusive(page, name = "poll", { ends = () => {}, fails } = {}) {
    const fn = (signal) => {
      this.log.push(`${page.id} begins ${name}`);
      if (fails) throw fails;
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          this.log.push(`${page.id} is told`);
          const end = () => {
            this.log.push(`${page.id} ends ${name}`);
            resolve();
          };
          if (ends === true) end();
          else ends(end);
        });
      });
    };
    const stop = page.run(() => page.leader.runExclusive(name, fn));
    await this.browser.quiet();
    return async () => {
      page.run(stop);
      await this.browser.quiet();
    };
  }

  /** A page dies without a word, and what it held is free. */
  async kill(page) {
    page.hang();
    this.#elections.release(page);
    await this.browser.quiet();
  }

  /** The pages that believe to lead. */
  get leading() {
    return this.browser.pages.filter(({ leader }) => leader.isLeader).map(({ id }) => id);
  }

  /** The page that has the role. */
  get elected() {
    return this.#elections.holder?.page.id;
  }

  /** How many have been elected. */
  get elections() {
    return this.#elections.count + this.#others.count;
  }

  /** Nobody can stand, for this reason. */
  unfit(fault) {
    this.#elections.unfit = fault;
  }

  /** Taking the role is refused, with this. */
  refuse(fault) {
    this.#elections.fault = fault;
  }
}

const KIT = { appFault, named, refuseUnknown, text, unfit };
