// The page of `ave annotate`. Boxes are kept in pixels of the video; what is on the screen is placed in per cent.
"use strict";

const SMALLEST_PX = 2;
const STEP_PX = 8; // of an arrow key
const PAUSE_MS = 500; // after typing, before a label is saved
const SAID = { yes: "sounds", no: "silent", unsure: "unsure" };
const FIELDS = { x_px: "Left", y_px: "Top", width_px: "Width", height_px: "Height" };

const $ = (id) => document.getElementById(id);
let frames = [];
let here = 0; // number of the frame that is shown
let chosen = -1; // number of the box that is chosen
let drag = null;
let saving = Promise.resolve(); // answers go one after another: the last one is the one that stays
let waiting = null; // the timer of a label being typed

const frame = () => frames[here];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const round = (value) => Math.round(value * 10) / 10;

function make(tag, properties = {}, ...children) {
  const { data = {}, ...others } = properties;
  const element = Object.assign(document.createElement(tag), others);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

// ---- what the server knows

async function load() {
  try {
    const answer = await fetch("state");
    const state = await answer.json();
    if (!answer.ok) throw new Error(state.problem);
    frames = state.frames;
    $("annotator").textContent = state.annotator;
    $("file").textContent = state.file;
    const open = frames.findIndex((one) => !one.done);
    show(open < 0 ? 0 : open);
  } catch (error) {
    complain(`The frames could not be loaded: ${error.message}`);
  }
}

function save({ leaving = false } = {}) {
  clearTimeout(waiting);
  waiting = null;
  const number = here;
  const body = JSON.stringify({ boxes: frame().boxes, nothing: frame().nothing });
  const send = () => post(number, body, leaving);
  saving = leaving ? send() : saving.then(send);
}

async function post(number, body, leaving) {
  try {
    const answer = await fetch(`answer/${number}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive: leaving,
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.problem);
    Object.assign(frames[number], { done: said.frame.done, problem: "" });
    if (number === here) complain("");
    tell(words(said.frame));
  } catch (error) {
    const lost = error instanceof TypeError ? "Not saved: `ave annotate` does not answer. Is it still running?" : error.message;
    frames[number].problem = lost; // told again whenever the frame is shown
    complain(number === here ? lost : `${number + 1} of ${frames.length}: ${lost}`);
  }
  progress();
}

function words(saved) {
  if (saved.nothing) return "Saved: nothing sounds here.";
  const n = saved.boxes.length;
  return n ? `Saved: ${n} box${n > 1 ? "es" : ""}.` : "Saved: no answer for this frame.";
}

function tell(text) { $("status").textContent = text; }

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
  if (text) tell("");
}

// ---- the frame

function show(number) {
  if (waiting) save();
  here = clamp(number, 0, frames.length - 1);
  chosen = -1;
  const { stimulus, frame: index, time_s, width_px, height_px, anchor } = frame();
  $("place").textContent = `${here + 1} of ${frames.length}: ${stimulus}, frame ${index}, ${time_s.toFixed(2)} s`;
  $("stage").style.setProperty("--shape", width_px / height_px);
  $("picture").src = `picture/${here}.jpg`;
  $("picture").alt = `Frame ${index} of ${stimulus}`;
  const offset = { start: 0, centre: 0.32, end: 0.64 }[anchor]; // where the frame's time lies in its 0.64 s
  $("logmel").src = `logmel/${here}.png`;
  $("logmel").alt = `Log-mel picture of the sound from ${(time_s - offset).toFixed(2)} s to ${(time_s - offset + 0.64).toFixed(2)} s`;
  $("moment").style.left = `${(100 * offset) / 0.64}%`;
  $("from").textContent = `${(time_s - offset).toFixed(2)} s`;
  $("to").textContent = `${(time_s - offset + 0.64).toFixed(2)} s`;
  $("time").textContent = `${time_s.toFixed(2)} s`;
  tell("");
  complain(frame().problem ?? "");
  rebuild();
  progress();
}

function progress() {
  const done = frames.filter((one) => one.done).length;
  $("done").max = frames.length;
  $("done").value = done;
  $("done-words").textContent = `${done} of ${frames.length}`;
  $("previous").disabled = here === 0;
  $("next").disabled = here === frames.length - 1;
}

// ---- boxes, on the picture and in the list

function rebuild() {
  document.querySelectorAll(".box").forEach((element) => element.remove());
  $("list").replaceChildren();
  frame().boxes.forEach((box, number) => {
    $("stage").append(onPicture(number));
    $("list").append(inList(box, number));
    place(number);
  });
  $("no-boxes").hidden = frame().boxes.length > 0 || frame().nothing;
  $("nothing").setAttribute("aria-pressed", String(frame().nothing));
  const labels = new Set(frames.flatMap((one) => one.boxes.map((box) => box.label)).filter(Boolean));
  $("labels").replaceChildren(...[...labels].sort().map((value) => make("option", { value })));
  choose(chosen);
}

function onPicture(number) {
  const corners = ["nw", "ne", "sw", "se"].map((corner) => make("span", { className: "handle", data: { corner } }));
  const element = make("div", { className: "box", tabIndex: 0, data: { number } }, make("span", { className: "name" }), ...corners);
  element.setAttribute("role", "group");
  element.setAttribute("aria-roledescription", "box");
  element.addEventListener("focus", () => choose(number));
  element.addEventListener("keydown", (event) => pressed(event, number));
  return element;
}

function inList(box, number) {
  const label = make("input", { type: "text", value: box.label, maxLength: 60, autocomplete: "off" });
  label.setAttribute("list", "labels");
  label.addEventListener("input", () => {
    box.label = label.value;
    place(number);
    clearTimeout(waiting);
    waiting = setTimeout(save, PAUSE_MS);
  });
  label.addEventListener("change", () => save());
  label.addEventListener("keydown", (event) => { if (event.key === "Enter") boxAt(number).focus(); });
  const states = Object.entries(SAID).map(([value, said]) => {
    const radio = make("input", { type: "radio", name: `sounding-${number}`, value, checked: box.sounding === value });
    radio.addEventListener("change", () => { box.sounding = value; place(number); save(); });
    return make("label", {}, radio, said);
  });
  const remove = make("button", { type: "button", textContent: "Delete" });
  remove.setAttribute("aria-label", `Delete box ${number + 1}`);
  remove.addEventListener("click", () => drop(number));
  const numbers = Object.entries(FIELDS).map(([field, said]) => {
    const input = make("input", { type: "number", step: "any", data: { field } });
    input.addEventListener("change", () => {
      box[field] = input.value === "" ? null : round(Number(input.value)); // the server says what is wrong with it
      place(number);
      save();
    });
    return make("label", {}, `${said}, px`, input);
  });
  const about = make("fieldset", { data: { number } },
    make("legend", { textContent: `Box ${number + 1}` }),
    make("div", { className: "row" }, make("label", { className: "wide" }, "Label", label)),
    make("div", { className: "row" }, ...states, remove),
    make("div", { className: "numbers" }, ...numbers));
  about.addEventListener("focusin", () => choose(number));
  return make("li", {}, about);
}

const boxAt = (number) => document.querySelector(`.box[data-number="${number}"]`);
const fieldsAt = (number) => document.querySelector(`fieldset[data-number="${number}"]`);

function place(number) {
  const box = frame().boxes[number];
  const { width_px, height_px } = frame();
  const element = boxAt(number);
  element.style.left = `${(100 * box.x_px) / width_px}%`;
  element.style.top = `${(100 * box.y_px) / height_px}%`;
  element.style.width = `${(100 * box.width_px) / width_px}%`;
  element.style.height = `${(100 * box.height_px) / height_px}%`;
  element.dataset.sounding = box.sounding;
  element.querySelector(".name").textContent = `${number + 1} ${box.label}`.trim();
  element.setAttribute("aria-label", `Box ${number + 1}${box.label ? `, ${box.label}` : ""}, ${SAID[box.sounding]}. ` +
    `Left ${box.x_px}, top ${box.y_px}, ${box.width_px} wide, ${box.height_px} high.`);
  const fields = fieldsAt(number);
  fields.querySelectorAll("[data-field]").forEach((input) => { input.value = box[input.dataset.field] ?? ""; });
  fields.querySelectorAll("[type=radio]").forEach((radio) => { radio.checked = radio.value === box.sounding; });
}

function choose(number) {
  chosen = number;
  document.querySelectorAll("[data-number]").forEach((element) => {
    element.classList.toggle("chosen", Number(element.dataset.number) === number);
  });
}

function add(box) {
  frame().nothing = false;
  frame().boxes.push({ label: "", sounding: "yes", ...box });
  chosen = frame().boxes.length - 1;
  rebuild();
}

function addInTheMiddle() {
  const { width_px, height_px, boxes } = frame();
  const shift = 6 * boxes.length; // two boxes in one place would be the same box
  const box = { x_px: width_px * 0.375 + shift, y_px: height_px * 0.375 + shift, width_px: width_px / 4, height_px: height_px / 4 };
  add(fitted(box));
  save();
  boxAt(chosen).focus();
}

function drop(number) {
  frame().boxes.splice(number, 1);
  chosen = -1;
  rebuild();
  save();
  (boxAt(Math.min(number, frame().boxes.length - 1)) ?? $("add")).focus();
}

function nothing() {
  if (frame().boxes.length) {
    complain("This frame has boxes. Delete them first; or mark what is silent as silent.");
    return;
  }
  frame().nothing = !frame().nothing;
  rebuild();
  save();
}

function fitted(box) { // moved into the picture, and not larger than it
  const width_px = clamp(round(box.width_px), SMALLEST_PX, frame().width_px);
  const height_px = clamp(round(box.height_px), SMALLEST_PX, frame().height_px);
  return {
    ...box, width_px, height_px,
    x_px: round(clamp(box.x_px, 0, frame().width_px - width_px)),
    y_px: round(clamp(box.y_px, 0, frame().height_px - height_px)),
  };
}

function spanned(one, other) { // the box between two points, cut off at the picture's edge
  const x = [one.x, other.x].map((value) => round(clamp(value, 0, frame().width_px))).sort((a, b) => a - b);
  const y = [one.y, other.y].map((value) => round(clamp(value, 0, frame().height_px))).sort((a, b) => a - b);
  return { x_px: x[0], y_px: y[0], width_px: round(x[1] - x[0]), height_px: round(y[1] - y[0]) };
}

// ---- the mouse, a finger, a pen

function point(event) {
  const shown = $("stage").getBoundingClientRect();
  return {
    x: ((event.clientX - shown.left) / shown.width) * frame().width_px,
    y: ((event.clientY - shown.top) / shown.height) * frame().height_px,
  };
}

function down(event) {
  if (event.button !== 0 || drag || !frames.length) return;
  event.preventDefault();
  const start = point(event);
  const element = event.target.closest(".box");
  const corner = event.target.dataset.corner;
  $("stage").setPointerCapture(event.pointerId);
  if (!element) {
    drag = { kind: "draw", start, number: frame().boxes.length, nothing: frame().nothing, before: null };
    add(spanned(start, start));
    return;
  }
  const number = Number(element.dataset.number);
  const before = { ...frame().boxes[number] };
  element.focus({ preventScroll: true });
  const far = corner && { // the corner that stays
    x: before.x_px + (corner.includes("w") ? before.width_px : 0),
    y: before.y_px + (corner.includes("n") ? before.height_px : 0),
  };
  drag = { kind: corner ? "size" : "move", start, number, before, far };
}

function move(event) {
  if (!drag) return;
  const { kind, start, number, before, far } = drag;
  const now = point(event);
  const changed = kind === "draw" ? spanned(start, now) : kind === "size" ? spanned(far, now)
    : fitted({ ...before, x_px: before.x_px + now.x - start.x, y_px: before.y_px + now.y - start.y });
  Object.assign(frame().boxes[number], changed);
  place(number);
}

function up() {
  if (!drag) return;
  const { kind, number, before } = drag;
  const box = frame().boxes[number];
  if (Math.min(box.width_px, box.height_px) < SMALLEST_PX) { // a click, or a slip
    giveUp();
    return;
  }
  drag = null;
  if (before && Object.keys(FIELDS).every((field) => before[field] === box[field])) return;
  save();
  if (kind === "draw") fieldsAt(number).querySelector("[type=text]").focus({ preventScroll: true });
}

function giveUp() {
  if (!drag) return;
  const { number, before, nothing: said } = drag;
  drag = null;
  if (before) {
    Object.assign(frame().boxes[number], before);
    place(number);
  } else {
    frame().boxes.pop();
    frame().nothing = said;
    chosen = -1;
    rebuild();
  }
}

// ---- keys

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STATES = { y: "yes", x: "no", u: "unsure" };

function pressed(event, number) {
  const box = frame().boxes[number];
  const arrow = ARROWS[event.key];
  if (arrow && !event.altKey && !event.metaKey) {
    const [across, down_] = arrow.map((sign) => sign * (event.ctrlKey ? 1 : STEP_PX));
    const changed = event.shiftKey
      ? spanned({ x: box.x_px, y: box.y_px }, {
        x: Math.max(box.x_px + box.width_px + across, box.x_px + SMALLEST_PX),
        y: Math.max(box.y_px + box.height_px + down_, box.y_px + SMALLEST_PX),
      })
      : fitted({ ...box, x_px: box.x_px + across, y_px: box.y_px + down_ });
    Object.assign(box, changed);
    place(number);
    clearTimeout(waiting);
    waiting = setTimeout(save, PAUSE_MS);
  } else if (event.key === "Delete" || event.key === "Backspace") {
    drop(number);
  } else if (event.key === "Enter") {
    fieldsAt(number).querySelector("[type=text]").focus();
  } else if (STATES[event.key] && $("keys").checked && !event.ctrlKey && !event.metaKey && !event.altKey) {
    box.sounding = STATES[event.key];
    place(number);
    save();
  } else {
    return;
  }
  event.preventDefault();
}

function shortcut(event) {
  if (event.key === "Escape") giveUp();
  const typing = event.target.matches("input:is([type=text], [type=number])");
  if (typing || drag || !frames.length || !$("keys").checked || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = { n: () => show(here + 1), p: () => show(here - 1), b: addInTheMiddle, 0: nothing }[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
}

$("stage").addEventListener("pointerdown", down);
$("stage").addEventListener("pointermove", move);
$("stage").addEventListener("pointerup", up);
$("stage").addEventListener("pointercancel", giveUp);
document.addEventListener("keydown", shortcut);
$("previous").addEventListener("click", () => show(here - 1));
$("next").addEventListener("click", () => show(here + 1));
$("add").addEventListener("click", addInTheMiddle);
$("nothing").addEventListener("click", nothing);
window.addEventListener("pagehide", () => { if (waiting) save({ leaving: true }); });
load();
