// One request to the server, bounded in time and size.

/**
 * Posts `body` to `url`: no cookies, no redirection. The cache mode is left alone: a post is never answered from a
 * cache, and `no-store` would have every one preceded by a preflight.
 *
 * Gives status, content type, `Retry-After` and body. At `timeoutMs`, or when the body goes beyond `bytesMax`, the
 * request is aborted.
 *
 * @param {string} url @param {Record<string, string>} headers
 * @param {Uint8Array<ArrayBuffer>} body the wasm's own memory, read at once
 * @param {number} timeoutMs @param {number} bytesMax
 * @param {boolean} compress whether to, where the browser can
 */
export async function post(url, headers, body, timeoutMs, bytesMax, compress) {
  /** @type {RequestInit} */
  const init = { method: "POST", headers, body, credentials: "omit", redirect: "error" };
  if (compress && "CompressionStream" in globalThis) {
    init.headers = { ...headers, "content-encoding": "gzip" };
    init.body = await gzipped(body);
  }
  const send = (/** @type {AbortSignal} */ signal) => fetch(url, { ...init, signal });
  return exchange(send, timeoutMs, bytesMax);
}

/**
 * Asks `url`: no cookies, no redirection, and nothing from a cache. Gives what `post` gives.
 *
 * @param {string} url @param {Record<string, string>} headers
 * @param {number} timeoutMs @param {number} bytesMax
 */
export function get(url, headers, timeoutMs, bytesMax) {
  /** @type {RequestInit} */
  const init = { headers, credentials: "omit", redirect: "error", cache: "no-store" };
  return exchange((signal) => fetch(url, { ...init, signal }), timeoutMs, bytesMax);
}

/** @param {Uint8Array} bytes the wasm's own memory, of which the blob is a copy */
function gzipped(bytes) {
  const stream = new Blob([/** @type {BlobPart} */ (bytes)]).stream();
  return new Response(stream.pipeThrough(new CompressionStream("gzip"))).blob();
}

/**
 * Sends a plain request that the app has queued, with `key` as its `Idempotency-Key`. The token is shown to nobody but
 * `server`. The app's hooks may change the request, or send it themselves.
 *
 * Gives what `post` gives; status 0 for what is no request.
 *
 * @param {string} json `{ method, url, headers, body?, base64? }`
 * @param {string} key @param {string | undefined} token @param {string} server
 * @param {number} timeoutMs @param {number} bytesMax
 */
export async function replay(json, key, token, server, timeoutMs, bytesMax) {
  /** @type {Request} */
  let made;
  try {
    made = toRequest(JSON.parse(json), key, token, server);
  } catch {
    return [0, null, null, new Uint8Array()];
  }
  const { resolve, deliver } = hooks();
  const send = async (/** @type {AbortSignal} */ signal) => {
    const resolved = (await resolve?.(made)) ?? made;
    // A hook that reads the body and leaves the rest to us has read its own copy.
    return (await deliver?.(resolved.clone(), { signal })) ?? fetch(resolved, { signal });
  };
  return exchange(send, timeoutMs, bytesMax);
}

/** @param {any} asked @param {string} key @param {string | undefined} token @param {string} server */
function toRequest(asked, key, token, server) {
  const { method, url, body, base64, credentials = "same-origin" } = asked;
  const headers = new Headers(asked.headers);
  const add = (/** @type {string} */ name, /** @type {string} */ value) => {
    if (!headers.has(name)) headers.set(name, value);
  };
  add("idempotency-key", key);
  if (token !== undefined && server !== "" && `${url}/`.startsWith(server.replace(/\/?$/, "/"))) {
    add("authorization", `Bearer ${token}`);
  }
  const bytes = base64 ? Uint8Array.from(atob(body), (char) => char.charCodeAt(0)) : body;
  // What is no absolute URL throws.
  return new Request(new URL(url), { method, headers, body: bytes, credentials });
}

/**
 * A token of the app's hook in the worker; rejects with `none` where there is no such hook.
 *
 * @param {string} user @param {string} session
 */
export async function token(user, session) {
  const { token } = hooks();
  if (!token) throw { name: "none", message: "" };
  return token(user === "" ? { session } : { user, session });
}

/**
 * Tells the app's hook of an event that was given up. What goes wrong in it is the app's to see, and changes nothing.
 *
 * @param {string} id @param {string} type @param {string} code @param {string} message @param {number} tries
 */
export async function tellHook(id, type, code, message, tries) {
  try {
    await hooks().onEvent?.({ type: "dead-letter", detail: { id, type, code, message, tries } });
  } catch (fault) {
    reportError(fault);
  }
}

/**
 * Has the app's hook make one of two. Gives its JSON, `undefined` where what stands is to stay; rejects where there is no
 * such hook, or where it throws, or gives nothing in time or what is no JSON.
 *
 * @param {string} key @param {string | undefined} local @param {string | undefined} remote as JSON @param {number} timeoutMs
 */
export async function resolveConflict(key, local, remote, timeoutMs) {
  const { resolveConflict } = hooks();
  if (!resolveConflict) throw { name: "none", message: "" };
  const [mine, theirs] = [local, remote].map((json) => json === undefined ? json : JSON.parse(json));
  const late = new Error(`the hook \`resolveConflict\` gave nothing within ${timeoutMs} ms for "${key}"; it waits`);
  const asked = async () => resolveConflict({ key, local: mine, remote: theirs, strategy: "custom" });
  try {
    const made = await inTime(asked(), timeoutMs, late);
    const json = JSON.stringify(made);
    if (json === undefined && made !== undefined) throw new TypeError(`for "${key}" the hook gave what is no JSON`);
    return json;
  } catch (fault) {
    reportError(fault);
    throw fault;
  }
}

/** What the app gave to `self.bellwether.use`. */
function hooks() {
  return /** @type {any} */ (globalThis).bellwether?.hooks ?? {};
}

/**
 * @param {(signal: AbortSignal) => Promise<Response>} send
 * @param {number} timeoutMs @param {number} bytesMax
 */
async function exchange(send, timeoutMs, bytesMax) {
  const aborting = new AbortController();
  const answered = async () => {
    const response = await send(aborting.signal);
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
    const body = new Uint8Array(length);
    length = 0;
    for (const chunk of chunks) {
      body.set(chunk, length);
      length += chunk.length;
    }
    return [response.status, header("content-type"), header("retry-after"), body];
  };
  try {
    return await inTime(answered(), timeoutMs, { name: "timeout", message: "" });
  } finally {
    // Of what is over nothing is left to abort.
    aborting.abort();
  }
}

/**
 * What comes of `work`; rejects with `late` if that takes longer.
 *
 * @template T @param {Promise<T>} work @param {number} timeoutMs @param {unknown} late @returns {Promise<T>}
 */
async function inTime(work, timeoutMs, late) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(reject, timeoutMs, late);
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
}
