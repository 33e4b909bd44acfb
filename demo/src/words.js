// Numbers and quotations in words.

/**
 * "1 note", "2 notes".
 *
 * @param {number} count
 * @param {string} noun
 */
export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/**
 * "12 ms", "1.5 s".
 *
 * @param {number} ms
 */
export const duration = (ms) => (ms < 1000 ? `${Math.max(1, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`);

/**
 * A note's text, between quotation marks and not too long.
 *
 * @param {string} text
 */
export const quoted = (text) => `“${text.length > 60 ? `${text.slice(0, 59)}…` : text}”`;
