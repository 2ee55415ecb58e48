// Before anything is painted: the colours that were chosen, or the system's.
(() => {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = localStorage.getItem("theme");
    root.dataset.bsTheme = chosen || (dark.matches ? "dark" : "light");
    root.dataset.themeChoice = chosen || "auto";
  };
  apply();
  dark.addEventListener("change", apply);
  window.applyTheme = apply;
})();
