// One lock that is held for good, and nothing else.
export const meta = { title: 'raw Web Locks', kind: 'limit', pkgs: [], order: 8 };
export async function leader({ name }, tell) {
  navigator.locks.request(name, () => { tell(); return new Promise(() => {}); });
}
