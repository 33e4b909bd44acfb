// Taking a role, whoever has it, with a bound.
//
// What always holds: it is served once, or given up and told so within 15 s; nothing of it stays behind. Not here: how a role is
// taken; that is each election's.

import type { Serve } from "./election.js";
import { following } from "./within.js";

/** Takes a role by `take`, which ends with the signal that it is given. */
export async function takeOnce(
  signal: AbortSignal,
  serve: Serve,
  take: (signal: AbortSignal, serve: Serve) => Promise<void>,
): Promise<void> {
  const taking = following(signal);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject({ code: "leader-unavailable", culprit: "browser", message: LATE });
      taking.end();
    }, TAKE_MS_MAX);
  });
  const serveOnce: Serve = async (held, epoch) => {
    clearTimeout(timer);
    try {
      await serve(held, epoch);
    } finally {
      taking.end();
    }
  };
  try {
    await Promise.race([take(taking.signal, serveOnce), late]);
  } finally {
    clearTimeout(timer);
    taking.end();
  }
}

const LATE = "the role could not be had within 15 s: the storage is full, or it or the other pages do not answer; make room, and try again";
/** Longer than others wait for a page that died while it wrote to `localStorage`. */
const TAKE_MS_MAX = 15_000;
