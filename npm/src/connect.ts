// Opening channels: one client per channel and page.
//
// What always holds: while a channel is open every `connect` gives the same client, and a channel
// that is closing is opened anew only once it has let go of everything.

import { appFault } from "./errors.js";
import { difference, readOptions } from "./options.js";
import type { Asked } from "./options.js";
import { Page } from "./page.js";
import type { Bellwether, ConnectOptions } from "./types.js";
import type { ClientClass } from "./wasm.js";

/** A channel of this page, from `connect` until it is closed. */
interface Channel {
  asked: Asked;
  page: Promise<Page>;
  closing?: Promise<unknown>;
}

/** Makes `connect`, of the page's build id and what starts the wasm. */
export function connector(
  build: string,
  load: (wasm: Asked["wasm"]) => Promise<ClientClass>,
): (options?: ConnectOptions) => Promise<Bellwether> {
  const channels = new Map<string, Channel>();

  function open(asked: Asked): Promise<Page> {
    const name = asked.raw.channel;
    const forget = () => channels.delete(name);
    const page = load(asked.wasm).then((clients) =>
      Page.open(clients, asked, (over) => {
        channel.closing = over.then(forget, forget);
      }),
    );
    const channel: Channel = { asked, page };
    channels.set(name, channel);
    page.catch(forget);
    return page;
  }

  return async (options = {}) => {
    const asked = readOptions(options, build);
    const name = asked.raw.channel;
    for (;;) {
      const channel = channels.get(name);
      if (!channel) return open(asked);
      if (!channel.closing) {
        refuseOther(channel.asked, asked);
        return channel.page;
      }
      await channel.closing;
    }
  };
}

function refuseOther(open: Asked, asked: Asked): void {
  const name = difference(open, asked);
  if (name === undefined) return;
  throw appFault(
    "channel-open",
    `channel "${asked.raw.channel}" is open in this page with another \`${name}\`: close it ` +
      "first, or use `setIdentity` for user, session and token",
  );
}
