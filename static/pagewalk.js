// Linking, keyboard and the thread between the layers. The page works without this file; with it, it is quicker.
"use strict";

const byId = (id) => document.getElementById(id);
const typing = (element) => element.closest("input, select, textarea") !== null;

// --- linked highlighting: a thing lights up with whatever names it, and with whatever it names ---------------------

function keysOf(element) {
  const own = element.dataset.key;
  const named = (element.dataset.keys || "").split(" ").filter(Boolean);
  return { own, all: own ? [own, ...named] : named };
}

function light(element) {
  unlight();
  if (!element) return;
  const { own, all } = keysOf(element);
  const selectors = all.map((key) => `[data-key="${key}"]`);
  if (own) selectors.push(`[data-keys~="${own}"]`);
  if (!selectors.length) return;
  for (const found of document.querySelectorAll(selectors.join(","))) found.classList.add("lit");
}

function unlight() {
  for (const found of document.querySelectorAll(".lit")) found.classList.remove("lit");
}

const linked = (target) => (target instanceof Element ? target.closest("[data-key], [data-keys]") : null);
document.addEventListener("mouseover", (event) => light(linked(event.target)));
document.addEventListener("focusin", (event) => light(linked(event.target)));
document.addEventListener("focusout", unlight);

// --- a row of things is one stop of the Tab key; arrows move within it ------------------------------------------------

const stops = (row) => [...row.querySelectorAll("a, button")];

function rove() {
  for (const row of document.querySelectorAll("[data-rove]")) {
    const all = stops(row);
    const first = all.find((stop) => stop.hasAttribute("aria-current")) || all[0];
    for (const stop of all) stop.tabIndex = stop === first ? 0 : -1;
  }
}

function moveWithin(event) {
  const row = event.target.closest("[data-rove]");
  if (!row) return false;
  const all = stops(row);
  const at = all.indexOf(event.target);
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined || !all[to]) return false;
  all[at].tabIndex = -1;
  all[to].tabIndex = 0;
  all[to].focus();
  return true;
}

// --- keys --------------------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof Element)) return;
  if (event.key === "Escape" && typing(event.target)) return event.target.blur();
  if (typing(event.target)) return;
  const button = { "[": "step-back", "]": "step-next" }[event.key];
  if (event.key === "/" && byId("f-words")) {
    byId("f-words").focus();
    byId("f-words").select();
  } else if (button && byId(button)) {
    byId(button).click();
  } else if (!moveWithin(event)) {
    return;
  }
  event.preventDefault();
});

// --- a cell of physical memory: the form beside it does the same for the keyboard ------------------------------------

document.addEventListener("click", (event) => {
  const cell = event.target instanceof Element ? event.target.closest("[data-frame]") : null;
  if (!cell) return;
  byId("f-frame").value = cell.dataset.frame;
  byId("frame-form").requestSubmit();
});

// --- the thread: from the chosen thing of each layer to that of the next ----------------------------------------------

const ANCHORS = [".chunk.selected", ".region.selected", ".k-linear", ".k-frame", ".chosen-ring"];

function thread() {
  const svg = byId("thread");
  if (!svg) return;
  const origin = svg.getBoundingClientRect();
  const boxes = ANCHORS.map((anchor) => document.querySelector(`#bands ${anchor}`))
    .filter(Boolean)
    .map((element) => element.getBoundingClientRect());
  let path = "";
  for (let at = 0; at + 1 < boxes.length; at += 1) {
    const [from, to] = [boxes[at], boxes[at + 1]];
    if (to.top <= from.bottom) continue;
    const [x1, y1] = [from.left + from.width / 2 - origin.left, from.bottom - origin.top + 3];
    const [x2, y2] = [to.left + to.width / 2 - origin.left, to.top - origin.top - 3];
    const middle = y1 + Math.min(24, (y2 - y1) / 2);
    path += `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`;
  }
  svg.firstElementChild.setAttribute("d", path);
}

// --- when the server fails: what is on the page stays ------------------------------------------------------------------

function complain(words) {
  const trouble = byId("trouble");
  if (!trouble) return;
  trouble.textContent = words;
  trouble.hidden = false;
}

document.addEventListener("htmx:before:response", (event) => {
  const { status } = event.detail.ctx.response;
  if (status < 400 || status === 404 || status === 422) return;
  event.preventDefault();
  complain(`The server answered ${status}. Reload the page to see where the machine stands.`);
});
document.addEventListener("htmx:error", () => complain("The server does not answer. Is it running?"));

// --- after each change -----------------------------------------------------------------------------------------------

function settle() {
  rove();
  thread();
  const now = document.querySelector(".ticks .now");
  if (now) now.parentElement.scrollLeft = now.offsetLeft - now.parentElement.clientWidth / 2;
}

// What is typed while a command is under way stays: the field is emptied when it is sent, not when the answer comes.
document.addEventListener("htmx:config:request", (event) => {
  if (event.target instanceof Element && event.target.matches("form.words")) byId("f-words").value = "";
});

function settled() {
  settle();
  for (const field of document.querySelectorAll("[data-suggest]")) field.value = field.defaultValue;
  const wrong = document.querySelector("[aria-invalid]");
  if (!wrong) return;
  if (!wrong.value) wrong.value = wrong.defaultValue;
  wrong.focus();
}

document.addEventListener("htmx:after:swap", settled);
document.addEventListener("toggle", thread, true);
window.addEventListener("resize", thread);
settle();
