// Rows as the core writes them, for tests.

/** A row of the journal; `sealed` for bytes of its own. */
export function journalRow(event, { session = "s", user = "", lane = 1, sealed } = {}) {
  const fields = [1, session, user, lane, sealed ?? eventOf(event), 9_000, 0];
  return map(fields.entries());
}

/** A dead letter; without an event it is one that could not be read. */
export function deadRow(event, { session = "s", user = "", lane = 1, buriedAt = 0, code = "forbidden" }) {
  const sealed = event ? eventOf(event) : new Uint8Array([0xff]);
  return map([1, session, user, lane, sealed, [code, "not yours"], 2, buriedAt].entries());
}

/** A batch of journal rows from and through each position, and the one behind it. */
export function flightRow(spans, ahead) {
  const own = [
    [0, 1],
    [7, [0, [spans]]],
  ];
  return map(ahead ? [...own, [15, new Map([[0, 1], [1, ahead]])]] : own);
}

/** Outcomes of one batch, each `[id, outcome, offset, result, code, message]`; older builds do not say whose. */
export function doneRow(entries, { session, user = "" } = {}) {
  return map([1, 9_000, entries, ...(session === undefined ? [] : [session, user])].entries());
}

/** How far a session's log is known. */
export function cursorRow(session) {
  return map([1, session, new Uint8Array(16), 7].entries());
}

/** The row of the device. */
export function deviceRow(id) {
  return map([1, id].entries());
}

function eventOf({ id, type, key, data, at = 1, correlation, after }) {
  const body = data === undefined ? undefined : new TextEncoder().encode(data);
  const fields = [id, 0, type, key, body, 0, 0, new Uint8Array(16), at, correlation, after];
  return map([...fields.entries()].filter(([, value]) => value !== undefined));
}

function map(fields) {
  return Uint8Array.from(bytesOf(new Map(fields)));
}

function bytesOf(value) {
  if (value === undefined) return [0xf6];
  if (typeof value === "number") return head(0, value);
  if (value instanceof Uint8Array) return [...head(2, value.length), ...value];
  if (typeof value === "string") {
    const text = new TextEncoder().encode(value);
    return [...head(3, text.length), ...text];
  }
  const [kind, items] = value instanceof Map ? [5, [...value].flat(1)] : [4, value];
  return [...head(kind, value.size ?? value.length), ...items.flatMap(bytesOf)];
}

function head(kind, size) {
  if (size < 24) return [(kind << 5) | size];
  const bytes = [0, 8, 16, 24].map((bits) => (size >>> bits) & 255).reverse();
  return [(kind << 5) | 26, ...bytes];
}
