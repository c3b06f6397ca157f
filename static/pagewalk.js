// Linking, keyboard and the thread between the layers. The page works without this file; with it, it is quicker.
"use strict";

const byId = (id) => document.getElementById(id);
const typing = (element) => element.closest("input, select, textarea") !== null;

// --- linked highlighting: a thing lights up with whatever names it, and with whatever it names ---------------------

// A name is "chunk:804e198", or "frame:1e60-1e6f" for a run of them: two names meet where their runs do.
function nameOf(word) {
  const run = /^(page|frame):([0-9a-f]+)(?:-([0-9a-f]+))?$/.exec(word);
  return run ? { kind: run[1], low: parseInt(run[2], 16), high: parseInt(run[3] || run[2], 16) } : { word };
}

const namesIn = (words) => (words || "").split(" ").filter(Boolean).map(nameOf);
const meet = (one, other) =>
  one.word ? one.word === other.word : one.kind === other.kind && one.low <= other.high && other.low <= one.high;
const meetAny = (one, others) => others.some((other) => meet(one, other));

// With `mentioned`, what names one of the names lights up, too.
function light(own, named, mentioned = false) {
  unlight();
  const all = own ? [own, ...named] : named;
  if (!all.length) return;
  for (const found of document.querySelectorAll("[data-key], [data-keys]")) {
    const key = found.dataset.key ? nameOf(found.dataset.key) : null;
    const names = own || mentioned ? namesIn(found.dataset.keys) : [];
    const mentions = mentioned && !found.dataset.event && names.some((name) => meetAny(name, all));
    if ((key && meetAny(key, all)) || (own && meetAny(own, names)) || mentions) found.classList.add("lit");
  }
  for (const link of document.querySelectorAll(".facts a[href]")) if (own && meetAny(own, ledTo(link))) link.classList.add("lit");
  for (const map of document.querySelectorAll("svg.cells")) lightCells(map, all.filter((name) => name.kind === map.dataset.kind));
}

// A link that bears no name leads to a thing that has one: an address, a frame, a slot of the swap area.
function ledTo(link) {
  const query = new URLSearchParams((link.getAttribute("href") || "").split("?")[1]);
  const [frame, at] = [query.get("frame"), query.get("at") || ""];
  if (frame) return [nameOf(`frame:${Number(frame).toString(16)}`)];
  if (at.startsWith("swap ")) return [nameOf(`swap:${Number(at.slice(5)).toString(16)}`)];
  if (!at.startsWith("0x")) return [];
  const address = Number(at);
  return ["chunk", "region", "object"].map((kind) => nameOf(`${kind}:${(kind === "chunk" ? address - 8 : address).toString(16)}`))
    .concat(nameOf(`page:${Math.floor(address / 4096).toString(16)}`));
}

const NAMES_MOST = 200;

// An event stands for what follows from it, too, and lights up whatever has to do with what it touched.
function lightElement(element) {
  if (!element) return unlight();
  const told = element.matches("summary[data-event]") ? [...element.parentElement.querySelectorAll("[data-keys]")] : [element];
  const words = new Set(told.flatMap((each) => (each.dataset.keys || "").split(" ")));
  const named = [...words].slice(0, NAMES_MOST).filter(Boolean).map(nameOf);
  if (element.dataset.key) light(nameOf(element.dataset.key), named, "event" in element.dataset);
  else light(null, named.length ? named : ledTo(element), "event" in element.dataset);
}

function unlight() {
  for (const found of document.querySelectorAll(".lit")) found.classList.remove("lit");
  for (const found of document.querySelectorAll("svg.cells .lit-cell")) found.remove();
}

// What timeline.js holds (the event that is looked at) stays lit while nothing else is pointed at.
const held = () => (window.pagewalkHeld && window.pagewalkHeld.isConnected ? window.pagewalkHeld : null);
const LINKED = "[data-key], [data-keys], a[href*='at='], a[href*='frame=']";
const linked = (target) => (target instanceof Element ? target.closest(LINKED) : null) || held();
document.addEventListener("mouseover", (event) => {
  if (!(event.target instanceof Element && event.target.closest("svg.cells"))) lightElement(linked(event.target));
});
document.addEventListener("focusin", (event) => lightElement(linked(event.target)));
document.addEventListener("focusout", () => lightElement(held()));

// --- a picture of frames: its cells are no elements, what is under the pointer is reckoned ------------------------------

const CELL = 12;
const COLUMNS = 64;
const CELLS_LIT = 256;

const cellsOf = (map) => ({ first: Number(map.dataset.first), low: Number(map.dataset.low), per: Number(map.dataset.per), count: Number(map.dataset.cells) });

function lightCells(map, frames) {
  const { first, per, count } = cellsOf(map);
  let left = CELLS_LIT;
  for (const { low, high } of frames) {
    const last = Math.min(count - 1, Math.floor((high - first) / per));
    for (let cell = Math.max(0, Math.floor((low - first) / per)); cell <= last && left > 0; cell += 1, left -= 1) {
      const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const at = { x: (cell % COLUMNS) * CELL, y: Math.floor(cell / COLUMNS) * CELL, width: CELL, height: CELL, class: "lit-cell" };
      for (const [name, value] of Object.entries(at)) box.setAttribute(name, value);
      map.append(box);
    }
  }
}

function cellAt(map, event) {
  const { first, low, per, count } = cellsOf(map);
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
  const [column, row] = [Math.floor(point.x / CELL), Math.floor(point.y / CELL)];
  const cell = row * COLUMNS + column;
  if (column < 0 || column >= COLUMNS || row < 0 || cell >= count) return null;
  return { low: Math.max(low, first + cell * per), high: first + cell * per + per - 1 };
}

const hex = (number) => `0x${number.toString(16).padStart(5, "0")}`;
let pointedAt = "";

document.addEventListener("mousemove", (event) => {
  const map = event.target instanceof Element ? event.target.closest("svg.cells") : null;
  const cell = map && cellAt(map, event);
  const words = cell ? `${map.dataset.kind}:${cell.low.toString(16)}-${cell.high.toString(16)}` : "";
  if (words === pointedAt) return;
  pointedAt = words;
  const said = byId("pointed");
  const { one, run } = said ? said.dataset : {};
  if (said && !(map && map.dataset.kind === "page")) said.textContent = !cell ? "" : (cell.low === cell.high ? one : run).replace("FIRST", hex(cell.low)).replace("LAST", hex(cell.high));
  if (cell) light(nameOf(words), []);
  else if (map) unlight();
});

// A part of a drawing leads to what it shows; the forms beside it do the same for the keyboard.
document.addEventListener("click", (event) => {
  const part = event.target instanceof Element ? event.target.closest("svg [data-go]") : null;
  const [name, value] = part ? part.dataset.go.slice(1).split("=") : [];
  const field = byId(name === "frame" ? "f-frame" : "f-what");
  if (!part || !field) return;
  field.value = value;
  field.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const map = event.target instanceof Element ? event.target.closest("svg.cells") : null;
  const cell = map && cellAt(map, event);
  const field = byId(map && map.dataset.kind === "page" ? "f-what" : "f-frame");
  if (!cell || !field) return;
  field.value = field.id === "f-frame" ? hex(cell.low) : hex(cell.low * 4096);
  field.form.requestSubmit();
});

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

// Here those within a row and a picture; the others are in keys.js, where the list of all of them is.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof Element) || typing(event.target)) return;
  const on = !byId("keys-on") || byId("keys-on").checked;
  const going = { "+": "nearer", "=": "nearer", "-": "farther", 0: "all", "<": "before", ">": "after" }[event.key];
  if ((on && going && zoom(going)) || moveWithin(event)) event.preventDefault();
});

// --- near and far: keys press the links of the picture that one is in, or else of physical memory --------------------------

function zoom(going) {
  const band = document.querySelector(".band:hover, .band:focus-within") || byId("phys");
  const link = band && (band.querySelector(`.zoom [data-go="${going}"]`) || document.querySelector(`#phys .zoom [data-go="${going}"]`));
  if (link) link.click();
  return Boolean(link);
}

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

// --- the page in another language: the page as it stands now, not as it was when it was sent whole --------------------

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest(".languages a") : null;
  if (!link) return;
  const here = new URL(location.href);
  here.searchParams.set("lang", link.hreflang);
  link.href = here;
}, true);

// --- when the server fails: what is on the page stays ------------------------------------------------------------------

function complain(how, status = "") {
  const trouble = byId("trouble");
  if (!trouble) return;
  trouble.textContent = trouble.dataset[how].replace("STATUS", status);
  trouble.hidden = false;
}

document.addEventListener("htmx:before:response", (event) => {
  const { status } = event.detail.ctx.response;
  if (status < 400 || status === 404 || status === 422) return;
  event.preventDefault();
  complain("failed", status);
});
document.addEventListener("htmx:error", () => complain("silent"));

// --- what is asked says what the page shows: the parts that would be the same are not sent ---------------------------

document.addEventListener("htmx:before:request", (event) => {
  const { request } = event.detail.ctx;
  const parts = [...document.querySelectorAll("[data-shows]")].map((part) => `${part.id.slice("part-".length)}=${part.dataset.shows}`);
  if (!parts.length) return;
  request.headers["Pagewalk-Shows"] = parts.join(",");
  request.headers["HX-Current-URL"] = location.href;
});

// A link names only what it changes. In another tab, and in another language, it needs the rest of the address as well.
const KEPT = ["open", "heap", "space", "frames", "term"];
const CHOSEN = ["at", "frame", "pid"];

function complete(link) {
  const given = link.getAttribute("href");
  const other = link.closest(".languages");
  if (!byId("part-top") || (!other && !given.startsWith("?"))) return;
  const [here, wanted] = [new URLSearchParams(location.search), new URLSearchParams(given.slice(given.indexOf("?")))];
  const patch = other || wanted.has("turn") || wanted.has("zoom");
  if (other) for (const name of [...KEPT, ...CHOSEN]) wanted.delete(name);
  for (const name of patch ? [...KEPT, ...CHOSEN] : KEPT) if (here.has(name)) wanted.set(name, here.get(name));
  link.setAttribute("href", `${other ? location.pathname : ""}?${wanted}`);
}

document.addEventListener("mousedown", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (link && (event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey)) complete(link);
});
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest(".languages a") : null;
  if (link) complete(link);
}, true);

// --- after each change -----------------------------------------------------------------------------------------------

// The present step is kept in sight, whatever else at the foot of the page appears and takes room from the ticks.
const room = new ResizeObserver(([{ target }]) => {
  const now = target.querySelector(".now");
  if (now) target.scrollLeft = now.offsetLeft - (target.clientWidth - now.offsetWidth) / 2;
});

function settle() {
  rove();
  thread();
  room.disconnect();
  const ticks = document.querySelector(".ticks");
  if (ticks) room.observe(ticks);
}

// What is typed while a command is under way stays: the field is emptied when it is sent, not when the answer comes.
document.addEventListener("htmx:config:request", (event) => {
  if (event.target instanceof Element && event.target.matches("form.words")) byId("f-words").value = "";
});

function settled() {
  settle();
  lightElement(linked([...document.querySelectorAll(":hover")].at(-1) || null));
  for (const field of document.querySelectorAll("[data-suggest]")) field.value = field.defaultValue;
  const wrong = document.querySelector("[aria-invalid]");
  if (!wrong) return;
  if (!wrong.value) wrong.value = wrong.defaultValue;
  wrong.focus();
}

document.addEventListener("htmx:after:swap", settled);
document.addEventListener("toggle", thread, true);
window.addEventListener("resize", thread);
// On a phone the forms would fill the first screens: they begin folded there, and the machine is in sight sooner.
if (matchMedia("(max-width: 46rem)").matches) {
  for (const group of document.querySelectorAll("details.group")) if (!group.querySelector("[aria-invalid]")) group.open = false;
}
settle();
