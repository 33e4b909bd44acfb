// CBOR (RFC 8949), as much of it as rows and farewells are made of.
//
// What always holds: no bytes make this recurse or allocate out of proportion; what is not whole, or of a
// kind that is not used here, throws. Not here: what the fields mean; `listing.ts` and `farewell.ts` say.

/** What can be read. Maps have whole numbers as keys. */
export type Cbor = number | string | boolean | null | Uint8Array | Cbor[] | Map<number, Cbor>;

/** What can be written. */
export type Written = number | string | Uint8Array | readonly Written[];

/** Reads the one value that `bytes` are. */
export function read(bytes: Uint8Array): Cbor {
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw new RangeError("cut off");
    return bytes.subarray(at, (at += length));
  };
  const head = (): [kind: number, size: number] => {
    const [first = 0] = take(1);
    const short = first & 31;
    if (short > 27) throw new RangeError("of no length");
    if (short < 24) return [first >> 5, short];
    return [first >> 5, take(2 ** (short - 24)).reduce((sum, byte) => sum * 256 + byte, 0)];
  };
  const value = (depth: number): Cbor => {
    if (depth > DEPTH_MAX) throw new RangeError("too deep");
    const [kind, size] = head();
    // An item is a byte at least.
    const items = (each: number) => {
      if (size * each > bytes.length - at) throw new RangeError("cut off");
      return Array.from({ length: size * each }, () => value(depth + 1));
    };
    switch (kind) {
      case 0:
        return size;
      case 1:
        return -1 - size;
      case 2:
        return take(size);
      case 3:
        return TEXT.decode(take(size));
      case 4:
        return items(1);
      case 5: {
        const pairs = items(2);
        const fields = new Map<number, Cbor>();
        for (let pair = 0; pair < pairs.length; pair += 2) {
          fields.set(pairs[pair] as number, pairs[pair + 1]!);
        }
        return fields;
      }
      default:
        if (kind !== 7 || size < 20 || size > 23) throw new RangeError("of no kind");
        return size > 21 ? null : size === 21;
    }
  };
  const whole = value(0);
  if (at !== bytes.length) throw new RangeError("more than one");
  return whole;
}

/** The bytes of `value`. Numbers are whole and not negative. */
export function write(value: Written): Uint8Array<ArrayBuffer> {
  const parts: (Uint8Array | number[])[] = [];
  const head = (kind: number, size: number) => {
    if (size < 24) return void parts.push([(kind << 5) | size]);
    const width = size < 2 ** 8 ? 0 : size < 2 ** 16 ? 1 : size < 2 ** 32 ? 2 : 3;
    const digits = Array.from({ length: 2 ** width }, (_, place) => Math.floor(size / 256 ** place) % 256);
    parts.push([(kind << 5) | (24 + width), ...digits.reverse()]);
  };
  const put = (value: Written): void => {
    if (typeof value === "number") return head(0, value);
    const isText = typeof value === "string";
    const bytes = isText ? new TextEncoder().encode(value) : value;
    head(isText ? 3 : bytes instanceof Uint8Array ? 2 : 4, bytes.length);
    if (bytes instanceof Uint8Array) parts.push(bytes);
    else bytes.forEach(put);
  };
  put(value);
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const DEPTH_MAX = 8;
const TEXT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
