// The desk: words that fit are offered while one types. The page works without this file.
"use strict";

(() => {
  const DELAY = 120;
  const list = () => document.getElementById("candidates");
  const editor = (element) => element instanceof HTMLTextAreaElement && element.matches("[data-complete]");
  let timer = 0;
  let asked = 0;
  let place = null;

  function lineAt(field) {
    const before = field.value.slice(0, field.selectionStart);
    const start = before.lastIndexOf("\n") + 1;
    const end = field.value.indexOf("\n", start);
    return { start, line: field.value.slice(start, end < 0 ? undefined : end), column: before.length - start, above: before.slice(0, start) };
  }

  function close(field) {
    const shown = list();
    if (shown) shown.hidden = true;
    if (field) field.removeAttribute("aria-activedescendant");
    place = null;
  }

  async function offer(field) {
    const { start, line, column, above } = lineAt(field);
    if (!line.slice(0, column).trim()) return close(field);
    const number = ++asked;
    const query = new URLSearchParams({ line: line.slice(0, 900), column, before: above.slice(-3900), lang: document.documentElement.lang });
    const answer = await fetch(`/api/v1/completions?${query}`).catch(() => null);
    if (!answer || !answer.ok || number !== asked || document.activeElement !== field) return;
    const found = await answer.json();
    if (!found.candidates.length) return close(field);
    place = { from: start + found.start, to: start + found.end };
    const shown = list();
    shown.replaceChildren(...found.candidates.map(item));
    shown.hidden = false;
    choose(field, 0);
  }

  function item({ text, what }, number) {
    const row = document.createElement("li");
    row.id = `candidate-${number}`;
    row.setAttribute("role", "option");
    row.dataset.text = text;
    const word = document.createElement("b");
    word.textContent = text;
    const meaning = document.createElement("span");
    meaning.textContent = what;
    row.append(word, meaning);
    return row;
  }

  const rows = () => [...list().children];
  const chosen = () => rows().findIndex((row) => row.getAttribute("aria-selected") === "true");

  function choose(field, number) {
    const all = rows();
    const at = (number + all.length) % all.length;
    all.forEach((row, index) => row.setAttribute("aria-selected", String(index === at)));
    all[at].scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", all[at].id);
  }

  function take(field, row) {
    field.setRangeText(row.dataset.text, place.from, place.to, "end");
    close(field);
  }

  document.addEventListener("input", (event) => {
    if (!editor(event.target)) return;
    clearTimeout(timer);
    timer = setTimeout(() => offer(event.target), DELAY);
  });

  document.addEventListener("keydown", (event) => {
    const field = event.target;
    if (editor(field)) {
      if ((event.ctrlKey || event.metaKey) && event.key === " ") {
        offer(field);
      } else if (!place) {
        return;
      } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        choose(field, chosen() + (event.key === "ArrowDown" ? 1 : -1));
      } else if (event.key === "Tab" && !event.shiftKey) {
        take(field, rows()[chosen()]);
      } else if (event.key === "Escape") {
        close(field);
        event.stopImmediatePropagation();
      } else {
        return;
      }
      event.preventDefault();
      return;
    }
  }, true);

  document.addEventListener("mousedown", (event) => {
    const row = event.target instanceof Element ? event.target.closest("#candidates li") : null;
    const field = document.querySelector("[data-complete]");
    if (!row || !place) return close(field);
    event.preventDefault();
    take(field, row);
  });
  document.addEventListener("focusout", (event) => {
    if (editor(event.target)) close(event.target);
  });
  document.addEventListener("focusin", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.matches("[data-select]")) event.target.select();
  });

  // What the editor's own buttons answer replaces what was typed; any other answer leaves it alone.
  let ours = false;
  document.addEventListener("htmx:config:request", (event) => {
    ours = event.target instanceof Element && event.target.matches("form.editor");
  });
  document.addEventListener("htmx:after:swap", () => {
    const field = document.querySelector("[data-complete]");
    if (!field || !ours) return;
    ours = false;
    if (field.value !== field.defaultValue) field.value = field.defaultValue;
    const details = document.getElementById("program");
    if (field.value) details.open = true;
    const next = document.querySelector(".listing [aria-current]");
    if (next) next.scrollIntoView({ block: "nearest" });
  });
})();
