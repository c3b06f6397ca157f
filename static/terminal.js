// The terminal's line: the arrow keys bring back what was typed before, in this tab. The page works without this file.
"use strict";

(() => {
  const KEY = "terminal-lines";
  const MOST = 100;
  let at = null;
  const typed = () => JSON.parse(sessionStorage.getItem(KEY) || "[]");
  const field = (element) => element instanceof HTMLInputElement && element.id === "f-term";

  document.addEventListener("submit", (event) => {
    const input = event.target.querySelector("#f-term");
    const line = input && input.value.trim();
    at = null;
    if (!line) return;
    const lines = typed().filter((other) => other !== line);
    sessionStorage.setItem(KEY, JSON.stringify([...lines, line].slice(-MOST)));
  }, true);

  document.addEventListener("input", (event) => { if (field(event.target)) at = null; });

  document.addEventListener("keydown", (event) => {
    if (!field(event.target) || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const lines = typed();
    if (!lines.length) return;
    event.preventDefault();
    const last = lines[lines.length - 1] === event.target.value ? lines.length - 1 : lines.length;
    at = Math.min(Math.max((at ?? last) + (event.key === "ArrowUp" ? -1 : 1), 0), lines.length);
    event.target.value = lines[at] ?? "";
  });
})();
