// One request to the server, bounded in time and size.

/**
 * Posts `body` to `url`: no cookies, no redirection. The cache mode is left alone: a post is never answered from a
 * cache, and `no-store` would have every one preceded by a preflight.
 *
 * Gives status, content type, `Retry-After` and body. At `timeoutMs`, or when the body goes beyond `bytesMax`, the
 * request is aborted.
 *
 * @param {string} url @param {Record<string, string>} headers @param {Uint8Array} body
 * @param {number} timeoutMs @param {number} bytesMax
 */
export async function post(url, headers, body, timeoutMs, bytesMax) {
  const aborting = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject({ name: "timeout", message: "" }), timeoutMs);
  });
  const exchange = async () => {
    // The body is the wasm's own memory, and read at once.
    const response = await fetch(url, {
      method: "POST",
      headers,
      body,
      credentials: "omit",
      redirect: "error",
      signal: aborting.signal,
    });
    const header = (/** @type {string} */ name) => response.headers.get(name);
    const chunks = [];
    const reader = response.body?.getReader();
    let length = 0;
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > bytesMax) throw { name: "too-large", message: "" };
      chunks.push(value);
    }
    const read = new Uint8Array(await new Blob(chunks).arrayBuffer());
    return [response.status, header("content-type"), header("retry-after"), read];
  };
  try {
    return await Promise.race([exchange(), late]);
  } finally {
    clearTimeout(timer);
    // Of what is over nothing is left to abort.
    aborting.abort();
  }
}
