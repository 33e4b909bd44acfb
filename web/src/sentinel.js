// The device's id, kept once more outside the database.

const CACHE = "bellwether.sentinel";

// A cache is keyed by addresses; this one is never fetched.
/** @param {string} channel */
const address = (channel) => `/bellwether.sentinel/${encodeURIComponent(channel)}`;

/** @param {string} channel */
export async function get(channel) {
  const cache = await self.caches?.open(CACHE);
  return (await cache?.match(address(channel)))?.text();
}

/** @param {string} channel @param {string} device */
export async function put(channel, device) {
  const cache = await self.caches?.open(CACHE);
  await cache?.put(address(channel), new Response(device));
  return !!cache;
}
