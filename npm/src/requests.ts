// Plain requests, taken apart to be stored (OUT-14).
//
// What always holds: what a browser would leave out or forbid when the request is sent is refused when it
// is made, in words; credentials are on the disk only if the app says so.

import { base64 } from "./base64.js";
import type { BellwetherError } from "./errors.js";
import type { Kit } from "./inside.js";
import type { RequestParts } from "./types.js";

/** A request as it is stored. */
export interface Parts {
  method: string;
  url: string;
  headers: Record<string, string>;
  /** Text, or bytes in base64. */
  body?: string;
  base64?: true;
}

/** Takes a request apart. What can be read at once is. */
export async function parts(
  { appFault, unfit }: Kit,
  given: Request | RequestParts,
  keepCredentials?: boolean,
): Promise<Parts> {
  const refuse = (message: string, cause?: unknown): BellwetherError =>
    appFault("request-invalid", `${message}; nothing was stored`, { cause });
  if (typeof given !== "object" || given === null) {
    throw unfit("request", given, "a Request, or an object with a `url`", "request-invalid");
  }
  const headers = headersOf(given.headers, refuse);
  for (const name of headers.keys()) {
    if (name === "idempotency-key") {
      throw refuse("the header `Idempotency-Key` is the event's id: give it as `id`");
    }
    if (CREDENTIALS.includes(name)) {
      if (keepCredentials) continue;
      throw refuse(
        `the header \`${name}\` would lie on the disk: give it when the request is sent, by the option ` +
          "`token` or the worker's hook `resolve`, or allow it by `keepCredentials`",
      );
    }
    if (FORBIDDEN.includes(name) || /^(proxy|sec)-/.test(name)) {
      throw refuse(`the header \`${name}\` is the browser's own: leave it out`);
    }
  }
  if (given instanceof Request && given.bodyUsed) throw refuse("the request's body was read before");
  const { request, url } = normal(given, headers, refuse);
  const { method } = request;
  // The type of a form or a text that the browser has chosen.
  const type = request.headers.get("content-type");
  if (type !== null && !headers.has("content-type")) headers.set("content-type", type);
  const whole: Parts = { method, url, headers: Object.fromEntries(headers) };
  const bytes = await request.arrayBuffer().then(
    (buffer) => new Uint8Array(buffer),
    (cause: unknown) => {
      throw refuse(`the request's body cannot be read (${cause})`, cause);
    },
  );
  if (bytes.length === 0) return whole;
  const text = asText(bytes);
  return text === undefined ? { ...whole, body: base64(bytes), base64: true } : { ...whole, body: text };
}

function normal(
  given: Request | RequestParts,
  headers: Headers,
  refuse: (message: string, cause?: unknown) => BellwetherError,
): { request: Request; url: string } {
  let url: URL;
  try {
    url = new URL(given.url, globalThis.document?.baseURI);
  } catch (cause) {
    throw refuse(`\`${given.url}\` is no URL`, cause);
  }
  if (!/^https?:$/.test(url.protocol)) throw refuse(`\`${url.protocol}\` is no scheme for a request`);
  if (url.username !== "" || url.password !== "") throw refuse("the URL has a password in it");
  url.hash = "";
  try {
    if (given instanceof Request) return { request: given.clone(), url: url.href };
    const { body = null } = given;
    const method = given.method ?? (body === null ? "GET" : "POST");
    if (body instanceof ReadableStream) throw new TypeError("its body is a stream");
    return { request: new Request(url, { method: method.toUpperCase(), headers, body }), url: url.href };
  } catch (cause) {
    throw refuse(`this is no request that can be sent (${cause})`, cause);
  }
}

// By themselves, because those of a request leave out in silence what is forbidden.
function headersOf(
  given: HeadersInit | undefined,
  refuse: (message: string, cause?: unknown) => BellwetherError,
): Headers {
  try {
    return new Headers(given);
  } catch (cause) {
    throw refuse(`the request's headers cannot be sent (${cause})`, cause);
  }
}

function asText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const CREDENTIALS = ["authorization", "proxy-authorization"];

/** https://fetch.spec.whatwg.org/#forbidden-request-header, but for those above. */
const FORBIDDEN = [
  "accept-charset",
  "accept-encoding",
  "access-control-request-headers",
  "access-control-request-method",
  "connection",
  "content-length",
  "cookie",
  "cookie2",
  "date",
  "dnt",
  "expect",
  "host",
  "keep-alive",
  "origin",
  "referer",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
];
