// The theme, light or dark: the system's until the person chooses.
//
// A classic script in the head, so that the first paint is already right.

(() => {
  const KEPT = "field-notes:theme";
  const system = matchMedia("(prefers-color-scheme: dark)");

  /** @returns {string | null} */
  const chosen = () => {
    try {
      return localStorage.getItem(KEPT);
    } catch {
      return null; // Storage is forbidden; the system's theme stays.
    }
  };

  const isDark = () => (chosen() ?? (system.matches ? "dark" : "light")) === "dark";

  const show = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    document.getElementById("theme")?.setAttribute("aria-pressed", String(isDark()));
  };

  show();
  system.addEventListener("change", show);
  addEventListener("storage", (event) => event.key === KEPT && show());
  addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme")?.addEventListener("click", () => {
      const next = isDark() ? "light" : "dark";
      try {
        localStorage.setItem(KEPT, next);
        show();
      } catch {
        document.documentElement.dataset.theme = next;
      }
    });
  });
})();
