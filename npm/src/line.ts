// What the pages of a channel say to one another: over a BroadcastChannel, else by `storage` events (HOST-9).
//
// What always holds: what is posted is heard by the other pages whose line has the same name, each in its order, and not by
// this one; a line that is closed hears nothing more. What is heard is not believed to be ours: who hears it looks.

import { base64, bytesOf } from "./base64.js";

export interface Line {
  /** Bytes, texts, numbers, flags, arrays and plain objects. */
  post(data: unknown): void;
  close(): void;
}

/** `undefined` where pages cannot hear one another. */
export function openLine(name: string, hear: (data: unknown) => void): Line | undefined {
  try {
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }: MessageEvent<unknown>) => hear(data);
    return { post: (data) => channel.postMessage(data), close: () => channel.close() };
  } catch {
    // There is no such thing, or none for this page.
  }
  try {
    return storageLine(globalThis.localStorage, `${name}:line`, hear);
  } catch {
    return undefined;
  }
}

// An item that changes is told to the other pages, and is of no use afterwards.
function storageLine(storage: Storage, item: string, hear: (data: unknown) => void): Line {
  // Whether it can be written to is only known by doing it. One that holds something is only full, and will not always be.
  try {
    storage.setItem(item, "");
    storage.removeItem(item);
  } catch (cause) {
    if (storage.length === 0) throw cause;
  }
  const onStorage = ({ key, newValue, storageArea }: StorageEvent) => {
    if (key !== item || !newValue || storageArea !== storage) return;
    let data: unknown;
    try {
      data = (JSON.parse(newValue, revive) as { data: unknown }).data;
    } catch {
      return;
    }
    hear(data);
  };
  addEventListener("storage", onStorage);
  let posts = 0;
  return {
    post(data) {
      // Twice the same would be no change.
      posts += 1;
      try {
        storage.setItem(item, JSON.stringify({ data, posts }, replace));
        storage.removeItem(item);
      } catch {
        // The storage is full. What is lost is said again, as anything that is lost.
      }
    },
    close: () => removeEventListener("storage", onStorage),
  };
}

const BYTES = "bellwether:bytes";

function replace(_: string, value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  return { [BYTES]: base64(value) };
}

function revive(_: string, value: unknown): unknown {
  const text = (value as Record<string, unknown> | null)?.[BYTES];
  if (typeof text !== "string") return value;
  return bytesOf(text);
}
