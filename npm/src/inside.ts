// What the parts of the package that are loaded later are given of the page. Types only.

import type { untilLoaded } from "./again.js";
import type { Below } from "./below.js";
import type { appFault, named, settled } from "./errors.js";
import type { Climbed } from "./ladder.js";
import type { Asked, refuseUnknown, text, unfit } from "./options.js";
import type { PageOutbox, checked, decode, encode } from "./outbox.js";
import type { Bellwether, BellwetherEventMap } from "./types.js";
import type { Client, Fault } from "./wasm.js";

/** The inside of one page. */
export interface Inside {
  readonly page: Bellwether;
  readonly client: Client;
  /** As it is now; `setIdentity` changes it. */
  readonly asked: Asked;
  /** Fires once the page is closed. */
  readonly over: AbortSignal;
  /** Where the rows are, if this page has no database; and why it has none. */
  below(): { readonly below: Below; readonly why: string } | undefined;
  /** The token that the app gives for this user and session. */
  token(user: string, session: string): Promise<string | undefined>;
  /** Whether of all pages this is the one that does what one has to do. */
  leads(): boolean;
  /** Calls `look` with each word of the coordinator, after which there may be something new on disk. */
  watch(look: () => void): void;
  /** The pages host the coordinator themselves, and this is how one of them is chosen, if any way works; shown by the status. */
  climbed(way: Climbed): void;
  /** Whether this page hosts the coordinator; shown by the status. */
  hosts(does: boolean): void;
  /** Fires an event of the page. */
  fire<K extends keyof BellwetherEventMap>(type: K, detail: BellwetherEventMap[K]["detail"]): void;
  /** Tells the app of a fault that no call waits for. */
  report(fault: Fault): void;
  /** Takes note of what came of storing an event. */
  stored(fault: Fault | undefined): void;
  readonly kit: Kit;
}

/** What the first module has that the later one uses; two copies of a class would be two classes. */
export interface Kit {
  readonly PageOutbox: typeof PageOutbox;
  readonly appFault: typeof appFault;
  readonly checked: typeof checked;
  readonly decode: typeof decode;
  readonly encode: typeof encode;
  readonly named: typeof named;
  readonly refuseUnknown: typeof refuseUnknown;
  readonly settled: typeof settled;
  readonly text: typeof text;
  readonly unfit: typeof unfit;
  readonly untilLoaded: typeof untilLoaded;
}
