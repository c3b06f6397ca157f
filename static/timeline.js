// Time: stepping through the events of a command and through splits and merges, and playing. The page works without this
// file: then commands are stepped through by buttons, ticks and a number.
"use strict";

(() => {
  const by = (id) => document.getElementById(id);
  const PACES = [2000, 1000, 500, 250];
  let pace = matchMedia("(prefers-reduced-motion: reduce)").matches ? PACES[0] : PACES[1];
  let playing = null; // what is played: "commands", "events", or a stepper's name
  let timer = 0;
  const place = {}; // where each stepper stands

  // --- a stepper: a box with things to step through, a slider, buttons, and a line that says where one is --------------

  const boxes = () => [...document.querySelectorAll("[data-stepper]")];
  const box = (name) => document.querySelector(`[data-stepper="${name}"]`);
  const items = (of) => [...of.querySelectorAll("[data-event]")];

  function show(name, to, { focus = true } = {}) {
    const of = box(name);
    if (!of) return;
    const all = items(of);
    const at = Math.max(0, Math.min(to, all.length));
    place[name] = at;
    for (const item of of.querySelectorAll("[data-event][aria-current]")) item.removeAttribute("aria-current");
    const item = all[at - 1];
    if (item) {
      item.setAttribute("aria-current", "step");
      if (focus) reveal(item);
    }
    draw(of, at);
    say(of, at, all.length, item);
    hold(item && focus ? item : null);
    if (name === "events" && item) follow(Number(item.dataset.event));
  }

  function reveal(item) {
    for (let folded = item.parentElement.closest("details"); folded; folded = folded.parentElement.closest("details")) {
      if (!(item.parentElement === folded && item.matches("summary"))) folded.open = true;
    }
    item.scrollIntoView({ block: "nearest" });
  }

  // What a picture shows at each step: its parts say from which step on and until which they are there.
  function draw(of, at) {
    for (const part of of.querySelectorAll("[data-from], [data-until]")) {
      const there = at >= Number(part.dataset.from || 0) && at < Number(part.dataset.until || Infinity);
      part.classList.toggle("off", !there);
    }
  }

  function say(of, at, total, item) {
    const slider = of.querySelector("[data-at]");
    const said = of.querySelector("[data-said]");
    const words = item ? item.innerText.trim().replace(/\s+/g, " ") : "";
    if (slider) {
      slider.max = total;
      slider.value = at;
      slider.setAttribute("aria-valuetext", item ? `${at} / ${total}: ${words}` : `${at} / ${total}`);
    }
    if (said) said.textContent = item && item.title ? `${at} / ${total} · ${item.title}` : `${at} / ${total}`;
    const told = of.querySelector("[data-told]");
    if (told) told.textContent = words;
    for (const button of of.querySelectorAll("[data-move]")) {
      button.disabled = Number(button.dataset.move) < 0 ? at === 0 : at === total;
    }
  }

  // The event that is looked at stays lit while nothing else is pointed at: pagewalk.js asks for it.
  function hold(item) {
    window.pagewalkHeld = item;
    lightElement(item);
  }

  // Where an event is one of the splits and merges, their picture goes along.
  function follow(seq) {
    const blocks = box("blocks");
    if (!blocks) return;
    const before = items(blocks).filter((item) => Number(item.dataset.event) <= seq).length;
    show("blocks", before, { focus: false });
  }

  // --- playing: by itself, until the end, at a pace that is chosen; any key or press of one's own pauses it ------------

  function play(what) {
    pause();
    playing = what;
    if (what in place && place[what] >= items(box(what)).length && what !== "events") show(what, 0);
    later();
    mark();
  }

  function pause() {
    clearTimeout(timer);
    playing = null;
    mark();
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(turn, pace);
  }

  function turn() {
    if (!playing || document.hidden) return pause();
    const of = playing === "commands" ? null : box(playing);
    if (of && (place[playing] || 0) < items(of).length) {
      show(playing, (place[playing] || 0) + 1);
      return later();
    }
    if (playing !== "commands" && playing !== "events") return pause();
    const next = by("step-next");
    if (!next || next.disabled) return pause();
    next.click(); // what comes back goes on: see settled()
  }

  function mark() {
    for (const button of document.querySelectorAll("[data-play]")) {
      const on = playing !== null && (button.dataset.play === playing || (button.id === "play" && playing === "events"));
      button.setAttribute("aria-pressed", String(on));
      button.querySelector("[data-sign]").textContent = on ? "❚❚" : "▶";
    }
  }

  // --- what one does ---------------------------------------------------------------------------------------------------

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const button = event.target.closest("[data-play], [data-move]");
    if (!button) {
      if (event.isTrusted && playing) pause();
      return;
    }
    if (button.dataset.play) {
      const chosen = by("play-what");
      const what = button.id === "play" && chosen ? chosen.value : button.dataset.play;
      return playing ? pause() : play(what);
    }
    if (event.isTrusted) pause();
    const name = button.closest("[data-stepper]").dataset.stepper;
    show(name, (place[name] || 0) + Number(button.dataset.move));
  });

  document.addEventListener("input", (event) => {
    if (!(event.target instanceof Element)) return;
    if (event.target.matches("[data-at]")) {
      pause();
      show(event.target.closest("[data-stepper]").dataset.stepper, Number(event.target.value));
    } else if (event.target.id === "pace") {
      pace = Number(event.target.value);
    }
  });

  document.addEventListener("keydown", (event) => {
    if (playing && event.isTrusted && event.key === "Escape") pause();
  });
  document.addEventListener("visibilitychange", () => document.hidden && pause());
  document.addEventListener("htmx:error", pause);

  // --- after each change -------------------------------------------------------------------------------------------------

  let seen = "";

  function settled() {
    for (const element of document.querySelectorAll("[data-script]")) element.hidden = false;
    const chosen = by("pace");
    if (chosen) chosen.value = String(pace);
    const now = by("events") ? by("events").dataset.command : "";
    if (now !== seen) {
      seen = now;
      for (const name of Object.keys(place)) delete place[name];
      hold(null);
    }
    for (const of of boxes()) {
      const name = of.dataset.stepper;
      const last = name === "events" ? 0 : items(of).length;
      show(name, name in place ? place[name] : last, { focus: name === "events" && place[name] > 0 });
    }
    mark();
    if (playing) later();
  }

  document.addEventListener("htmx:after:swap", settled);
  settled();
})();
