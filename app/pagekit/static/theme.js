// Before anything is painted: the colours that were chosen, or the system's.
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const kept = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // a frame on another site may be refused its storage
    }
  };
  const apply = () => {
    const chosen = kept();
    root.dataset.bsTheme = chosen || (dark.matches ? "dark" : "light");
    root.dataset.themeChoice = chosen || "auto";
  };
  apply();
  dark.addEventListener("change", apply);
  window.applyTheme = apply;
})();
