// Conveniences only: every page works without this file.
(() => {
  const on = (name, selector, act) =>
    document.addEventListener(name, (event) => {
      const target = event.target.closest(selector);
      if (target) act(target, event);
    });

  on("click", "[data-copy]", async (button) => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      const input = button.parentElement.querySelector("input");
      if (!input) return;
      input.select();
      document.execCommand("copy");
    }
    const label = button.querySelector("span") || button;
    const before = label.textContent;
    label.textContent = button.dataset.copied;
    setTimeout(() => (label.textContent = before), 1500);
  });

  // What cannot be taken back easily is asked for once more; some of it wants a word typed.
  on("submit", "form[data-confirm], form[data-typed]", (form, event) => {
    const dialog = document.getElementById("confirm");
    if (!dialog || form.dataset.confirmed) return;
    event.preventDefault();
    const typed = form.dataset.typed;
    const input = dialog.querySelector("input");
    const go = dialog.querySelector("[value=go]");
    dialog.querySelector(".confirm-text").textContent = form.dataset.confirm || "";
    dialog.querySelector(".confirm-word").textContent = typed || "";
    dialog.querySelector(".confirm-typed").hidden = !typed;
    input.value = "";
    go.disabled = Boolean(typed);
    input.oninput = () => (go.disabled = input.value.trim() !== typed);
    dialog.onclose = () => {
      if (dialog.returnValue !== "go") return;
      form.dataset.confirmed = "yes";
      form.requestSubmit();
    };
    dialog.returnValue = "";
    dialog.showModal();
  });

  on("click", "[data-theme]", (button) => {
    const choice = button.dataset.theme;
    try {
      if (choice === "auto") localStorage.removeItem("theme");
      else localStorage.setItem("theme", choice);
      window.applyTheme();
    } catch {
      const light = choice === "light" || (choice === "auto" && !matchMedia("(prefers-color-scheme: dark)").matches);
      document.documentElement.dataset.bsTheme = light ? "light" : "dark"; // not kept, but done
    }
  });

  on("change", "[data-submit]", (field) => field.form.requestSubmit());

  // A form that is on its way is not sent twice.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    const buttons = event.target.querySelectorAll("button[type=submit]");
    setTimeout(() => buttons.forEach((button) => (button.disabled = true)), 0);
  });
  window.addEventListener("pageshow", () =>
    document.querySelectorAll("button[type=submit]").forEach((button) => {
      if (!button.closest("dialog")) button.disabled = false;
    }));

  // "/" goes to the search field of the page, as in many tools.
  document.addEventListener("keydown", (event) => {
    const busy = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (event.key !== "/" || busy || event.ctrlKey || event.metaKey) return;
    const search = document.querySelector("input[type=search]");
    if (!search) return;
    event.preventDefault();
    search.focus();
  });

  // What is going on in the background is shown as it goes.
  // Not under the hands of somebody who types, has typed or is being asked.
  const live = document.querySelector("[data-reload-s]");
  let hasTyped = false;
  document.addEventListener("input", () => (hasTyped = true));
  if (live)
    setInterval(() => {
      const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
      if (!typing && !hasTyped && !document.querySelector("dialog[open]")) location.reload();
    }, 1000 * Number(live.dataset.reloadS));

  on("click", "[data-print]", () => window.print());
})();
