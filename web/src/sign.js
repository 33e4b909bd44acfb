// The device's key pair and its signatures (OUT-12). The private key cannot be read by any script, ours included.

// https://w3c.github.io/webcrypto/#algorithm-dictionary; one object serves for generating and for signing: each
// takes the members it knows. Kinds are numbered as on the wire.
const ALGORITHMS = [
  undefined,
  { name: "Ed25519" },
  { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
];

/**
 * A key pair, the raw public key, and its kind: the first of `kinds` that the browser has; `undefined` if it has none.
 *
 * @param {Uint8Array} kinds
 */
export async function generate(kinds) {
  const { subtle } = crypto;
  let refused;
  for (const kind of subtle ? [...kinds] : []) {
    try {
      const pair = await subtle.generateKey(ALGORITHMS[kind], false, ["sign", "verify"]);
      return [pair, new Uint8Array(await subtle.exportKey("raw", pair.publicKey)), kind];
    } catch (why) {
      if (why.name !== "NotSupportedError") refused = why;
    }
  }
  // Not to have WebCrypto is one thing, and part of the protocol; a failure of it is another.
  if (refused) throw refused;
}

/** @param {CryptoKeyPair} pair @param {number} kind @param {Uint8Array} bytes */
export async function sign(pair, kind, bytes) {
  return new Uint8Array(await crypto.subtle.sign(ALGORITHMS[kind], pair.privateKey, bytes));
}
