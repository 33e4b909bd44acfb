// The theme, light or dark: the system's until a person chooses.
//
// A classic script in the head, so that the first paint is already right: it goes by what this device wore last.
// `shared-theme.js` shares what is chosen, and tells what was chosen elsewhere.

(() => {
  const KEPT = "field-notes:theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  /** Where storage is forbidden it lasts as long as the page. @type {string | null} */
  let chosen = null;

  const kept = () => {
    try {
      return localStorage.getItem(KEPT) ?? chosen;
    } catch {
      return chosen;
    }
  };

  const isDark = () => (kept() ?? (system.matches ? "dark" : "light")) === "dark";

  const show = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    document.getElementById("theme")?.setAttribute("aria-pressed", String(isDark()));
  };

  /** @param {string} theme */
  const wear = (theme) => {
    chosen = theme;
    try {
      if (localStorage.getItem(KEPT) !== theme) localStorage.setItem(KEPT, theme);
    } catch {
      // It is worn all the same.
    }
    show();
  };

  show();
  system.addEventListener("change", show);
  addEventListener("storage", (event) => event.key === KEPT && show());
  document.addEventListener("theme-shared", (event) => wear(/** @type {CustomEvent<string>} */ (event).detail));
  addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme")?.addEventListener("click", () => {
      const detail = isDark() ? "light" : "dark";
      wear(detail);
      document.dispatchEvent(new CustomEvent("theme-chosen", { detail }));
    });
  });
})();
