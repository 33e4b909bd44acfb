// The name a tab writes under, so that notes of two tabs can be told apart.

const NAMES = [
  "Avocet", "Bittern", "Chough", "Dipper", "Eider", "Fulmar", "Gannet", "Heron", "Jackdaw", "Kestrel", "Lapwing",
  "Martin", "Nuthatch", "Osprey", "Plover", "Rail", "Siskin", "Teal", "Wagtail", "Wren", "Yaffle", "Curlew",
];
const KEPT = "field-notes:tab";

/** Kept for the life of the tab, reloads included. */
export function tabName() {
  try {
    const kept = sessionStorage.getItem(KEPT);
    if (kept) return kept;
    const chosen = choose();
    sessionStorage.setItem(KEPT, chosen);
    return chosen;
  } catch {
    return choose();
  }
}

function choose() {
  return /** @type {string} */ (NAMES[Math.floor(Math.random() * NAMES.length)]);
}
