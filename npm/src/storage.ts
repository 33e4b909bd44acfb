// Whether a page has `localStorage`.

/** Whether it can be written to is only known by doing it; throws what it throws. */
export function usableStorage(): Storage {
  const { localStorage } = globalThis;
  localStorage.setItem(TRY, "");
  localStorage.removeItem(TRY);
  return localStorage;
}

const TRY = "bellwether:try";
