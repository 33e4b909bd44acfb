// localStorage that pages share, as one page has it.
//
// What always holds: what one writes the others read at once; nobody is told of it.

export class FakeStorage {
  /** After so many more writes the page dies: what it writes then is not written, and throws. */
  lives = Infinity;
  #died;

  constructor(items = new Map(), died = () => {}) {
    this.items = items;
    this.#died = died;
  }

  get length() {
    return this.items.size;
  }

  /** How many characters all pages may have here together. */
  get room() {
    return this.items.room ?? Infinity;
  }

  set room(room) {
    this.items.room = room;
  }

  get used() {
    return [...this.items].reduce((sum, [item, text]) => sum + item.length + text.length, 0);
  }

  key(at) {
    return [...this.items.keys()][at] ?? null;
  }

  getItem(item) {
    return this.items.get(item) ?? null;
  }

  setItem(item, text) {
    this.#live();
    const before = this.items.has(item) ? item.length + this.items.get(item).length : 0;
    if (this.room < Infinity && this.used - before + item.length + text.length > this.room) throw new DOMException("there is no room", "QuotaExceededError");
    this.items.set(item, text);
  }

  removeItem(item) {
    this.#live();
    this.items.delete(item);
  }

  #live() {
    this.lives -= 1;
    if (this.lives >= 0) return;
    this.#died();
    throw new Error("dead");
  }
}
