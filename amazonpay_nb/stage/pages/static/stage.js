/* The stage's windows: show what the server says, and tell it what the presenter wants. */
"use strict";
const root = new URL(document.documentElement.dataset.root, location.href);
const place = (id) => document.getElementById(id);
const frame = place("phone");
const opened = new Set();  // codes and panels that the presenter has opened
const PANELS = ["notes", "brand", "diagram", "help", "sizing"];
let scene = null, parts = {}, lastInput = "", seen = { act: "", lines: 0 };

/* One after the other: of two requests at once, the server may hear the later first. The first waits for a scene. */
let ready, sent = new Promise((done) => { ready = done; });
const send = (wish) => (sent = sent.then(() => post(wish)));

async function post(wish) {
  try {
    const answer = await fetch(new URL("do", root), {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(wish),
    });
    const said = answer.ok ? "" : await answer.text();
    const { field, problem } = said.startsWith("{") ? JSON.parse(said) : { problem: said };
    complain(problem, wish, field);
    return !problem;
  } catch {
    return false;  // the stage is gone, and the window says so
  }
}

function complain(text, wish = {}, name = Object.keys(wish)[1]) {
  const field = wish.do === "dress" && place(`b-${name}`);
  const note = place("problem");
  if (field) {
    place("field-problem")?.remove();
    field.removeAttribute("aria-invalid");
    if (text) {
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", "field-problem");
      field.insertAdjacentHTML("afterend", '<span id="field-problem" role="alert"></span>');
      place("field-problem").textContent = text;
    }
  } else if (note) {
    note.textContent = text;
    note.hidden = !text;
  }
}

/* What the server says. */

function replace(id, html) {
  const part = place(id);
  if (!part || parts[id] === html) return;
  parts[id] = html;
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const typed = focused?.matches("input[type=text]") && [focused.value, focused.selectionStart, focused.selectionEnd];
  part.innerHTML = html;
  const again = focused && (place(focused.id) || part.querySelector("button:not(:disabled)"));
  if (again && typed) { again.value = typed[0]; again.setSelectionRange(typed[1], typed[2]); }
  if (again?.disabled) document.body.focus(); else again?.focus({ preventScroll: true });
}

function show(now) {
  const first = !scene;
  scene = now;
  if (first && !now.begun) began(0);
  for (const [id, html] of Object.entries(now.parts)) replace(id, html);
  document.documentElement.lang = now.lang;
  document.body.dataset.state = now.state;
  if (frame) {
    document.title = now.title;
    frame.title = now.phone.title;
    if (frame.dataset.key !== now.phone.key) {
      frame.dataset.key = now.phone.key;
      frame.src = new URL(now.phone.url, root);
    }
    const asked = location.pathname.slice(root.pathname.length).split("/");
    const [story, beat] = now.address.split("/");
    if (first && !now.begun && asked[0] !== story) send({ do: "story", name: asked[0] }).then(() => start(asked[1]));
    else if (first && !now.begun && asked[1] !== beat) start(asked[1]);
    else history.replaceState(null, "", new URL(now.address, root));
    announce();
  }
  for (const id of opened) toggle(id, true);
  tick();
  ready();
}

function start(beat) {
  if (beat > 1) send({ do: "go", beat });
}

/* Lines that are new come in, and are read out. */
function announce() {
  const list = document.querySelector("#server .lines"), lines = list ? [...list.children] : [];
  if (list && list.dataset.act !== seen.act) { seen = { act: list.dataset.act, lines: 0 }; shutCodes(); }
  const fresh = lines.slice(seen.lines);
  fresh.forEach((line) => line.classList.add("new"));
  const means = document.querySelector("#what-if .means, #what-if .card");
  const words = fresh.map((line) => (line.querySelector(".ask") || line).innerText).concat(means ? means.innerText : "");
  if (fresh.length || means) place("news").textContent = words.join(". ").replace(/[✓✗•\s]+/g, " ");
  if (fresh.length) place("server").scrollTop = place("server").scrollHeight;
  seen.lines = lines.length;
}

function shutCodes() {
  for (const id of [...opened]) if (id.startsWith("code-")) opened.delete(id);
}

function toggle(id, open = !opened.has(id)) {
  if (open) opened.add(id); else opened.delete(id);
  const box = place(id);
  if (!box) return;
  box.hidden = !open;
  if (id === "sizing") place("pictures").hidden = open;
  for (const button of document.querySelectorAll(`[data-open="${id}"], [data-code="${id}"]`)) {
    button.setAttribute("aria-expanded", open);
  }
}

function showCode(button) {
  if (!button) return;
  toggle(button.dataset.code);
  if (opened.has(button.dataset.code)) button.closest("li").scrollIntoView({ block: "nearest" });
}

function panel(id) {
  const open = !opened.has(id);
  if (!place(id)) return;
  for (const other of PANELS) if (other !== "sizing" && other !== id) toggle(other, false);
  toggle(id, open);
  const target = open ? place(id).querySelector("input, select") || place(id).querySelector("button") : place(`open-${id}`);
  if (id !== "sizing") target?.focus();
}

/* What the presenter does. */

/* All windows of one stage have one timer; where a browser keeps nothing, this window has its own. */
let own = 0;
const began = (now) => {
  try {
    if (now !== undefined) localStorage.setItem("began", now);
    return Number(localStorage.getItem("began"));
  } catch { return (own = now ?? own); }
};
function clock(reset) {
  if (reset || !began()) began(Date.now());
  tick();
}
function tick() {
  const seconds = began() ? Math.floor((Date.now() - began()) / 1000) : 0;
  const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  for (const timer of document.querySelectorAll("[data-timer]")) timer.textContent = text;
}

const play = (wish) => { sent = sent.then(() => clock()); send(wish); };
const go = (wish) => play({ do: wish });
const beat = (number) => play({ do: "go", beat: number });
const KEYS = {
  " ": () => go("next"), ArrowRight: () => go("next"), PageDown: () => go("next"),
  ArrowLeft: () => go("back"), PageUp: () => go("back"),
  Home: () => beat(1), End: () => beat(document.querySelectorAll(".beats li").length),
  f: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen().catch(() => {})),
  n: () => { if (frame && !open(new URL("speaker", root), "speaker", "width=900,height=700")) panel("notes"); },
  w: () => {  // the first that was not tried yet, also from the speaker's window
    const [, name] = scene?.parts["what-if"].match(/data-do="what-if" data-name="([^"]+)"/) || [];
    if (name) send({ do: "what-if", name }); else place("what-if")?.scrollIntoView();
  },
  c: () => showCode([...document.querySelectorAll("[data-code]")].pop()),
  s: () => panel("sizing"), d: () => panel("diagram"), b: () => panel("brand"), "?": () => panel("help"),
  Escape: () => PANELS.filter((id) => id !== "sizing" && opened.has(id)).forEach(panel),
};

function keys(event) {
  lastInput = event.key;
  const at = event.target, name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const clicker = name === "PageDown" || name === "PageUp";
  const types = at.matches?.("input, select, textarea");
  const presses = at.matches?.("button, a, summary") && name === " ";
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if ((types && !clicker && name !== "Escape") || presses) return;
  const act = /^[1-9]$/.test(name) ? () => beat(Number(name)) : KEYS[name];
  if (!act || (Number(name) > document.querySelectorAll(".beats li").length)) return;
  event.preventDefault();
  if (!event.repeat) act();
}
addEventListener("keydown", keys);

addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (!button) return;
  const { do: wish, key, open: id, code, ...rest } = button.dataset;
  if (wish) {
    if (rest.way === "tab") window.open(new URL(scene.visit, root), "_blank", "noopener");
    (["next", "go"].includes(wish) ? play : send)({ do: wish, ...rest });
  } else if (key) KEYS[key.toLowerCase()]();
  else if (id) panel(id);
  else if (code) showCode(button);
  else if ("reset" in button.dataset) clock(true);
});

/* The brand bar. */
addEventListener("submit", (event) => event.preventDefault());
let typing = 0, typed = {};
addEventListener("input", ({ target }) => {  // a price is none before it is written to its end
  if (!target.matches("#brand [type=text]:not([inputmode]), #brand [type=color]")) return;
  clearTimeout(typing);
  typed[target.name] = target.value;
  typing = setTimeout(() => { send({ do: "dress", ...typed }); typed = {}; }, 300);
});
addEventListener("change", async ({ target: field }) => {
  if (!field.matches("#brand select, #brand [inputmode], #brand [type=file]")) return;
  let { name, value } = field;
  if (field.type === "file") {
    if (!field.files[0]) return;
    if (field.files[0].size > field.dataset.most) { complain(field.dataset.problem, { do: "dress", [field.id.slice(2)]: "" }); return; }
    value = await new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.readAsDataURL(field.files[0]);
    });
    name = field.dataset.name || name;
  }
  await send(["story", "program"].includes(name) ? { do: name, name: value } : { do: "dress", [name]: value });
});

/* The phone: a click in it leaves the keys with the stage, and a clicker works in it as well. */
addEventListener("pointerdown", ({ target, button }) => { lastInput = "pointer"; pressed = !button && target.closest?.("button"); });
addEventListener("focusin", (event) => { if (event.target !== frame) lastInput = ""; });
addEventListener("blur", () => setTimeout(() => {
  if (frame && document.activeElement === frame && lastInput !== "Tab") { frame.blur(); focus(); document.body.focus({ preventScroll: true }); }
}));
addEventListener("message", (event) => {
  if (!frame || event.source !== frame.contentWindow) return;
  if (["PageDown", "PageUp"].includes(event.data?.amazonPayKey)) KEYS[event.data.amazonPayKey]();
  if (event.data?.amazonPayAgain && scene.state === "otherwise") go("next");
});
frame?.addEventListener("load", () => {
  try { frame.contentWindow.addEventListener("keydown", keys); } catch { /* a page of the shop or of Amazon */ }
});
if (frame) {
  new ResizeObserver(([box]) => document.body.style.setProperty("--scale", box.contentRect.width / 350)).observe(frame.parentElement);
}

/* What is new is at the foot of the diagram; an image's load does not bubble. */
place("diagram")?.addEventListener("load", (event) => { event.currentTarget.scrollTop = event.currentTarget.scrollHeight; }, true);

/* A button that goes while it is pressed is never clicked, so what comes meanwhile is shown after the click. */
let pressed = null, later = null;
function catchUp() {
  if (pressed || !later) return;
  const now = later;
  later = null;
  show(now);
}
for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, () => setTimeout(() => { pressed = null; catchUp(); }));
}

/* The wire: a browser connects again by itself. */
const events = new EventSource(new URL("events", root));
const gone = (is) => {
  const note = document.querySelector("#foot .gone");
  document.body.classList.toggle("is-gone", is);
  if (note) note.textContent = is ? note.dataset.gone : "";
};
events.onmessage = (event) => { gone(false); later = JSON.parse(event.data); catchUp(); };
events.onerror = () => gone(true);
events.addEventListener("end", () => gone(true));
setInterval(tick, 1000);
