// The page itself: its state is the frame shown, the observers shown and the layers shown; everything follows from it.

const at = (id) => document.getElementById(id);
const data = JSON.parse(at("data").textContent);
const times = data.times_s;
const [rows, columns] = data.density.size;
const video = { width: data.width_px, height: data.height_px };
const palette = bytesOf(data.density.palette);
const mapPalette = data.maps ? bytesOf(data.maps.palette) : null;
const firstPicture = at("picture").src; // in the markup alone: there it is seen even without scripts
const boxes = [...document.querySelectorAll("#observers input")];

const state = { frame: 0, playing: false, marked: null, fixations: [], predicted: null };
let clock = silentClock(data.duration_s);

const seconds = (t) => `${t.toFixed(3)} s`;
const isShown = (observer) => boxes[observer].checked;
const shownFixations = () => state.fixations[state.frame].filter((one) => isShown(one.observer));

// -- what is seen ------------------------------------------------------------------------------------------------

function show(frame) {
  state.frame = frame;
  at("stage").dataset.frame = frame;
  at("frame").value = frame;
  at("frame").setAttribute("aria-valuetext", `frame ${frame}, ${seconds(times[frame])}`);
  at("time").textContent = `frame ${frame} of 0 to ${times.length - 1} · ${seconds(times[frame])}`;
  at("link").href = `#frame=${frame}`;
  showPicture(frame);
  showExample(frame);
  showGaze();
}

// The picture of this frame, or where it has none in this page the one before it, and then the page says so.
function showPicture(frame) {
  const { mime, frames, others } = data.pictures;
  const held = frameAt(frames, frame);
  const source = held === 0 ? firstPicture : `data:${mime};base64,${others[held - 1]}`;
  if (Number(at("picture").dataset.frame) !== frames[held]) at("picture").src = source;
  at("picture").dataset.frame = frames[held];
  at("picture").alt = `Frame ${frames[held]} of the video.`;
  at("picture-note").textContent = frames[held] === frame ? "" : `picture of frame ${frames[held]}`;
}

function showGaze() {
  const shown = shownFixations();
  const canvas = at("overlay");
  const scale = fitCanvas(canvas);
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  const map = densityOf(shown, rows, columns, video.height, video.width, data.density.sigma_px);
  if (at("show-density").checked) drawDensity(canvas, map, rows, columns, palette);
  if (state.predicted) showMap(canvas);
  if (at("show-fixations").checked) drawFixations(canvas, scale, shown, video, data.colours, state.marked);
  describeGaze(shown, map);
}

// The model's map of this frame, or where it has none the last one before, and whose it is.
function showMap(canvas) {
  const { frames, maps } = state.predicted;
  const held = frameAt(frames, state.frame);
  const [mapRows, mapColumns] = data.maps.size;
  const isThere = frames.length > 0 && frames[held] <= state.frame;
  at("map-note").textContent = isThere ? `map of frame ${frames[held]}` : "no map yet";
  if (isThere && at("show-map").checked) drawDensity(canvas, maps[held], mapRows, mapColumns, mapPalette);
}

// The same in words: for whoever cannot see the canvas, and for numbers.
function describeGaze(shown, map) {
  const all = state.fixations[state.frame].length;
  at("gaze").textContent = `${shown.length} of ${all} fixations`;
  const peak = map.reduce((best, cell, i) => (cell > map[best] ? i : best), 0);
  const x = (((peak % columns) + 0.5) * video.width) / columns;
  const y = ((Math.floor(peak / columns) + 0.5) * video.height) / rows;
  at("peak").textContent = shown.length ? `density highest near (${x.toFixed(0)}, ${y.toFixed(0)}) px` : "no density";
  at("overlay").setAttribute("aria-label", `${at("gaze").textContent}, ${at("peak").textContent}`);
  if (at("here").open) listGaze(shown);
}

function listGaze(shown) {
  const cells = (one) => [data.observers[one.observer], one.x.toFixed(1), one.y.toFixed(1)];
  const lines = shown.map((one) => {
    const line = document.createElement("tr");
    cells(one).forEach((text) => { line.insertCell().textContent = text; });
    return line;
  });
  at("here-rows").replaceChildren(...lines);
}

// The log-mel example of this frame, framed on the soundtrack's picture.
function showExample(frame) {
  const { hop_s, steps, steps_before, duration_s } = data.logmel;
  const begin = (Math.round(times[frame] / hop_s) - steps_before) * hop_s;
  const inside = (t) => Math.max(0, Math.min(duration_s, t));
  at("example").style.left = `${(100 * inside(begin)) / duration_s}%`;
  at("example").style.width = `${(100 * (inside(begin + steps * hop_s) - inside(begin))) / duration_s}%`;
  showHead(times[frame]);
}

function showHead(t) {
  at("head").style.left = `${(100 * Math.min(t, data.logmel.duration_s)) / data.logmel.duration_s}%`;
}

// -- what moves it -----------------------------------------------------------------------------------------------

function goTo(frame) {
  show(Math.max(0, Math.min(times.length - 1, frame)));
  clock.seek(momentOf(times, state.frame));
}

async function play() {
  if (state.playing) return;
  if (clock.isOver() || state.frame === times.length - 1) goTo(0);
  state.playing = true;
  at("play").textContent = "Pause";
  await clock.play();
  requestAnimationFrame(follow);
}

function pause() {
  state.playing = false;
  at("play").textContent = "Play";
  clock.pause();
}

function follow() {
  if (!state.playing) return;
  const now = clock.now();
  const frame = frameAt(times, now);
  if (frame !== state.frame) show(frame);
  showHead(now);
  if (clock.isOver()) pause();
  else requestAnimationFrame(follow);
}

function step(by) {
  pause();
  goTo(state.frame + by);
}

function toggle() {
  if (state.playing) pause();
  else play().catch((error) => tell(`The sound does not play: ${error.message}.`));
}

function followLink() {
  const frame = frameOfLink(location.hash, times);
  if (frame !== null) goTo(frame);
}

function tell(problem) {
  at("problem").textContent = problem;
  at("problem").hidden = false;
}

// -- wiring ------------------------------------------------------------------------------------------------------

function listenToTransport() {
  at("frame").addEventListener("input", () => goTo(Number(at("frame").value)));
  at("play").addEventListener("click", toggle);
  at("back").addEventListener("click", () => step(-1));
  at("forward").addEventListener("click", () => step(1));
  at("speed").addEventListener("change", () => clock.speed(Number(at("speed").value)));
  window.addEventListener("hashchange", followLink);
  const seek = (event) => {
    if (event.buttons !== 1) return;
    const box = at("logmel").getBoundingClientRect();
    goTo(frameAt(times, ((event.clientX - box.left) / box.width) * data.logmel.duration_s));
  };
  at("heard").addEventListener("pointerdown", seek);
  at("heard").addEventListener("pointermove", seek);
}

// Each key works everywhere but where it already means something: there its element has it.
function listenToKeys() {
  const keys = {
    " ": [toggle, "button, select, summary, input:not([type=range])"],
    ArrowLeft: [() => step(-1), "select, input[type=range], [tabindex]"],
    ArrowRight: [() => step(1), "select, input[type=range], [tabindex]"],
  };
  document.addEventListener("keydown", (event) => {
    const [act, taken] = keys[event.key] || [];
    if (!act || event.target.closest(taken) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
}

function listenToLayers() {
  const checkAll = (checked) => {
    boxes.forEach((box) => { box.checked = checked; });
    showGaze();
  };
  at("all").addEventListener("click", () => checkAll(true));
  at("none").addEventListener("click", () => checkAll(false));
  const layers = ["show-fixations", "show-density", "show-map"].map(at).filter(Boolean);
  for (const box of [...boxes, ...layers]) box.addEventListener("change", showGaze);
  at("here").addEventListener("toggle", showGaze);
  boxes.forEach((box, observer) => {
    const mark = (marked) => () => { state.marked = marked; showGaze(); };
    for (const event of ["pointerenter", "focusin"]) box.parentElement.addEventListener(event, mark(observer));
    for (const event of ["pointerleave", "focusout"]) box.parentElement.addEventListener(event, mark(null));
  });
  new ResizeObserver(showGaze).observe(at("overlay"));
}

function listenToSound() {
  const audio = at("sound");
  if (!audio) return;
  audio.src = URL.createObjectURL(new Blob([bytesOf(data.sound)], { type: "audio/wav" }));
  clock = soundClock(audio);
  audio.addEventListener("error", () => {
    tell("This browser cannot play the sound; the pictures go by the clock, in silence.");
    clock = silentClock(data.duration_s);
    clock.seek(times[state.frame]);
  });
  at("volume").addEventListener("input", () => { audio.volume = Number(at("volume").value); });
}

async function start() {
  state.fixations = await unpackFixations(data.gaze, times.length);
  state.predicted = await unpackMaps(data.maps);
  listenToSound();
  listenToTransport();
  listenToKeys();
  listenToLayers();
  show(frameOfLink(location.hash, times) ?? 0);
  followLink();
  at("controls").disabled = false;
}

start().catch((error) => tell(`This page cannot show itself in this browser: ${error.message}`));
