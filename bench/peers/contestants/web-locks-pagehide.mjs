// The same, let go of by hand when the page is left: what the browser allows a page that is closed.
export const meta = { title: 'raw Web Locks, let go of in pagehide', kind: 'limit', pkgs: [], order: 9 };
export async function leader({ name }, tell) {
  const left = new Promise((res) => addEventListener('pagehide', res));
  navigator.locks.request(name, () => { tell(); return left; });
}
