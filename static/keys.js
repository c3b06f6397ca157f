// Keys: what each does stands in the list of keys (#keys), which this reads. The page works without this file.
"use strict";

(() => {
  const STORED = "pagewalk-keys";
  const dialog = document.getElementById("keys");
  if (!dialog) return;
  const acts = new Map([...dialog.querySelectorAll("[data-press]")].map((row) => [row.dataset.press, row.dataset]));
  const box = document.getElementById("keys-on");

  // Single characters that act can be switched off (WCAG 2.1.4): who dictates or types by accident needs that.
  box.checked = localStorage.getItem(STORED) !== "off";
  box.addEventListener("change", () => localStorage.setItem(STORED, box.checked ? "on" : "off"));

  const does = {
    click: (target) => target.click(),
    focus: (target) => {
      target.focus();
      if (target.select) target.select();
    },
    open: (target) => {
      target.open = !target.open;
      const first = target.open ? target.querySelector("input:not([type=hidden]), select, button, a") : target.querySelector("summary");
      if (first) first.focus();
    },
  };

  document.addEventListener("keydown", (event) => {
    // AltGr is how many keyboards write brackets; the browser says so by Ctrl and Alt at once.
    const command = event.metaKey || (event.ctrlKey !== event.altKey);
    if (command || !(event.target instanceof Element) || event.defaultPrevented) return;
    if (event.key === "Escape") return leave(event.target);
    if (event.target.closest("input:not([type=range], [type=checkbox]), select, textarea") || dialog.open) return;
    const act = acts.get(event.key);
    if (!act || !(box.checked || event.key === "?")) return;
    const target = document.getElementById(act.target);
    if (!target || target.disabled || !target.checkVisibility()) return;
    does[act.act](target);
    event.preventDefault();
  });

  function leave(element) {
    const folded = element.closest("details#branches[open]");
    if (folded) does.open(folded);
    else if (element.matches("input, select, textarea")) element.blur();
  }

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("#keys-open")) return;
    event.preventDefault();
    event.stopPropagation();
    dialog.showModal();
  }, true);
})();
