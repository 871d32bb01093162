"""The stage of a comparison page: its HTML, CSS and JavaScript, without a word of content.

Two layers lie on each other, cut along one line. The script moves pictures from the store into
them, so that each is in the file once and stays decoded. Zoom is in pixels of the screen: at 100 %
one pixel of a picture is one of the screen's. Keys, pointers (one moves the divider or a zoomed
picture, two zoom) and controls all change ``view``, which is then shown.
"""

from __future__ import annotations

from typing import Final

STYLE: Final = """
body { padding: 20px 32px 40px; }
header { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: baseline;
  margin-bottom: 14px; }
header p { color: var(--quiet); font-variant-numeric: tabular-nums; }
.viewer { background: var(--panel); border: 1px solid var(--line); border-radius: 12px;
  overflow: hidden; display: flex; flex-direction: column; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; padding: 10px; }
.pair { display: flex; align-items: center; gap: 6px; flex: 1 1 330px; min-width: 0; }
.pair select { flex: 1 1 0; min-width: 0; max-width: 230px; text-overflow: ellipsis; }
.group { display: inline-flex; }
.group button { border-radius: 0; margin-left: -1px; padding: 0 10px;
  font-variant-numeric: tabular-nums; }
.group button:first-child { border-radius: 7px 0 0 7px; margin-left: 0; }
.group button:last-child { border-radius: 0 7px 7px 0; }
.icon { padding: 0; width: 36px; flex: none; display: inline-grid; place-items: center; }
.icon[hidden] { display: none; }
.icon svg { fill: none; stroke: currentColor; stroke-width: 1.7; stroke-linecap: round;
  stroke-linejoin: round; }
#stage { position: relative; overflow: hidden; background: var(--stage); user-select: none;
  -webkit-user-select: none; touch-action: pan-y; cursor: ew-resize; isolation: isolate; }
#stage.zoomed { touch-action: none; cursor: grab; }
#stage.panning { cursor: grabbing; }
.layer { position: absolute; inset: 0; }
.layer img { position: absolute; left: 0; top: 0; max-width: none; pointer-events: none;
  width: var(--w); height: var(--h); transform: translate(var(--x), var(--y)); }
#stage.crisp .layer img { image-rendering: pixelated; }
#left { clip-path: inset(0 calc(100% - var(--split)) 0 0); }
#right { clip-path: inset(0 0 0 var(--split)); }
#stage.peek #left { visibility: hidden; }
#stage.peek #right { clip-path: none; }
#stage.peek #divider, #stage.peek .tag.left { visibility: hidden; }
#divider { position: absolute; top: 0; bottom: 0; left: var(--split); width: 44px;
  margin-left: -22px; cursor: ew-resize; touch-action: none; outline: none; }
#divider::before { content: ""; position: absolute; left: 21px; top: 0; bottom: 0; width: 2px;
  background: #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / .45); }
.grip { position: absolute; left: 50%; top: 50%; width: 34px; height: 34px; margin: -17px;
  border-radius: 50%; background: #fff; box-shadow: 0 1px 5px rgb(0 0 0 / .5);
  display: grid; place-items: center; color: #17191c; }
#divider:focus-visible .grip { outline: 3px solid var(--accent); outline-offset: 2px; }
.tag { position: absolute; top: 10px; max-width: 44%; padding: 3px 9px; border-radius: 6px;
  background: rgb(14 16 19 / .74); color: #fff; font-size: 13px; pointer-events: none;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.tag.left { left: 10px; } .tag.right { right: 10px; }
.strip { display: flex; gap: 8px; padding: 10px; overflow-x: auto; }
.strip button { flex: none; padding: 3px; min-height: 0; border-radius: 8px; line-height: 1;
  display: grid; gap: 4px; justify-items: center; background: none; }
.strip button[aria-pressed="true"] { background: none; color: var(--ink);
  box-shadow: 0 0 0 1px var(--accent); }
.strip img { display: block; height: 64px; width: auto; border-radius: 5px; }
.strip span { font-size: 12px; padding-bottom: 3px; font-variant-numeric: tabular-nums; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 12px;
  margin-top: 18px; padding: 14px 16px; }
.head { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center;
  justify-content: space-between; margin-bottom: 8px; }
.scroll { overflow-x: auto; margin: 0 -16px; padding: 0 16px; }
table { border-collapse: collapse; min-width: min(100%, 560px);
  font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 7px 12px; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
tr:last-child > * { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th { font-weight: 500; color: var(--quiet); font-size: 13px; vertical-align: bottom; }
thead small { display: block; font-size: 11px; }
table.full { width: 100%; }
tbody th { font-weight: 600; position: sticky; left: -16px; background: var(--panel); }
tbody th small { display: block; font-weight: 400; color: var(--quiet); font-size: 12px;
  max-width: 34ch; overflow: hidden; text-overflow: ellipsis; }
td.best { font-weight: 700; color: var(--accent); }
td.none { color: var(--quiet); }
.note { color: var(--quiet); font-size: 13px; margin-top: 10px; max-width: 90ch; }
details { margin-top: 18px; color: var(--quiet); font-size: 14px; }
summary { cursor: pointer; color: var(--ink); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 10px 0 0; }
dt, dd { margin: 0; }
kbd { border: 1px solid var(--line); border-bottom-width: 2px; border-radius: 5px;
  padding: 0 6px; background: var(--panel); color: var(--ink); }
#store { display: none; }
.viewer:fullscreen { border: 0; border-radius: 0; }
@media (max-width: 900px) { body { padding: 16px 12px 32px; } }
@media (max-width: 560px) {
  .strip img { height: 48px; }
  .grip { width: 40px; height: 40px; margin: -20px; }
}
"""

BODY: Final = """
<header><h1>{title}</h1><p>{facts}</p></header>
<main>
<section class="viewer" id="viewer" aria-label="Two results, divided">
  <div class="bar">
    <div class="pair">
      <select id="choose-left" aria-label="Left result">{options}</select>
      <button class="icon" id="swap" title="Swap (S)" aria-label="Swap left and right"><svg
        width="18" height="16" viewBox="0 0 18 16"><path d="M2 5h13M11 1l4 4-4 4M16 11H3M7 7l-4
        4 4 4"/></svg></button>
      <select id="choose-right" aria-label="Right result">{options}</select>
    </div>
    <div class="group" role="group" aria-label="Zoom">
      <button data-zoom="fit" aria-pressed="true">Fit</button>
      <button data-zoom="1" aria-pressed="false">100&#8239;%</button>
      <button data-zoom="2" aria-pressed="false">200&#8239;%</button>
      <button data-zoom="4" aria-pressed="false">400&#8239;%</button>
    </div>
    <button class="icon" id="full" title="Full screen (F)" aria-label="Full screen"><svg
      width="16" height="16" viewBox="0 0 16 16"><path d="M1 5V1h4M11 1h4v4M15 11v4h-4M5
      15H1v-4"/></svg></button>
  </div>
  <div id="stage">
    <div class="layer" id="right"></div>
    <div class="layer" id="left"></div>
    <span class="tag left" id="tag-left"></span><span class="tag right" id="tag-right"></span>
    <div id="divider" role="slider" tabindex="0" aria-label="Divider between the two results"
      aria-orientation="horizontal" aria-valuemin="0" aria-valuemax="100" aria-valuenow="50">
      <span class="grip" aria-hidden="true"><svg width="18" height="12" viewBox="0 0 18 12"><path
      d="M6 1 1 6l5 5M12 1l5 5-5 5" fill="none" stroke="currentColor" stroke-width="2"
      stroke-linecap="round" stroke-linejoin="round"/></svg></span>
    </div>
  </div>
  <div class="strip" role="group" aria-label="Pictures">{strip}</div>
</section>
<section class="card" aria-label="Measured">
  <div class="head"><h2>Measured</h2>{switch}</div>
  <div class="scroll">{tables}</div>
  <p class="note">{note}</p>
</section>
<details><summary>Keys and gestures</summary><dl>
  <dt><kbd>&larr;</kbd> <kbd>&rarr;</kbd></dt><dd>move the divider; with <kbd>Shift</kbd> faster;
    <kbd>Home</kbd> and <kbd>End</kbd> to the edges</dd>
  <dt><kbd>Space</kbd></dt><dd>hold to see the right result whole</dd>
  <dt><kbd>P</kbd> <kbd>N</kbd></dt><dd>previous and next picture</dd>
  <dt><kbd>+</kbd> <kbd>-</kbd> <kbd>0</kbd></dt><dd>zoom in, out, fit; <kbd>Ctrl</kbd> and the
    wheel, or two fingers; a zoomed picture is moved by dragging</dd>
  <dt><kbd>S</kbd></dt><dd>swap left and right</dd>
  <dt><kbd>1</kbd>&hellip;<kbd>9</kbd></dt><dd>right result; with <kbd>Shift</kbd> the left
    one</dd>
  <dt><kbd>F</kbd></dt><dd>full screen</dd>
</dl></details>
<noscript><p class="note">The slider needs JavaScript.</p></noscript>
</main>
<div id="store">{store}</div>
<script type="application/json" id="data">{data}</script>
"""

SCRIPT: Final = """
"use strict";
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const stage = $("stage"), divider = $("divider"), viewer = $("viewer");
const pictures = [...$("store").children];
const view = { left: 0, right: 1, moment: 0, split: 50, zoom: "fit", x: 0.5, y: 0.5 };
const zoomButtons = [...document.querySelectorAll("[data-zoom]")];
const momentButtons = [...document.querySelectorAll("[data-moment]")];
const STEPS = [0.25, 0.5, 1, 2, 4, 8];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function picture(moment, candidate) { return pictures[moment * data.names.length + candidate]; }

/* Size of the picture in CSS pixels: at 100 % one of its pixels is one of the screen's. */
function fitScale() {
  return Math.min(stage.clientWidth / data.width, stage.clientHeight / data.height);
}
function scale() {
  return view.zoom === "fit" ? fitScale() : view.zoom / (window.devicePixelRatio || 1);
}
function layOut() {
  const height = document.fullscreenElement ? null
    : Math.min(viewer.clientWidth * data.height / data.width,
               Math.max(window.innerHeight * 0.7, 240));
  stage.style.height = height === null ? "" : height + "px";
  stage.style.flex = height === null ? "1" : "";
  const factor = scale(), w = data.width * factor, h = data.height * factor;
  const place = (outer, inner, at) =>
    inner <= outer ? (outer - inner) / 2 : clamp(outer / 2 - at * inner, outer - inner, 0);
  /* Stage and picture lie on whole pixels of the screen: else everything would be blurred. */
  const ratio = window.devicePixelRatio || 1;
  stage.style.marginTop = "0";
  const top = stage.getBoundingClientRect().top + window.scrollY;
  stage.style.marginTop = Math.ceil(top * ratio - 0.01) / ratio - top + "px";
  const snap = (offset) => Math.round(offset * ratio) / ratio;
  const x = snap(place(stage.clientWidth, w, view.x));
  const y = snap(place(stage.clientHeight, h, view.y));
  if (w > stage.clientWidth) view.x = (stage.clientWidth / 2 - x) / w;
  if (h > stage.clientHeight) view.y = (stage.clientHeight / 2 - y) / h;
  const larger = w > stage.clientWidth + 0.5 || h > stage.clientHeight + 0.5;
  stage.classList.toggle("zoomed", larger);
  stage.classList.toggle("crisp", factor * (window.devicePixelRatio || 1) >= 2);
  for (const [name, value] of [["--w", w], ["--h", h], ["--x", x], ["--y", y]])
    stage.style.setProperty(name, value + "px");
  for (const button of zoomButtons)
    button.setAttribute("aria-pressed", String(button.dataset.zoom === String(view.zoom)));
}
function showSplit() {
  stage.style.setProperty("--split", view.split + "%");
  divider.setAttribute("aria-valuenow", String(Math.round(view.split)));
  divider.setAttribute("aria-valuetext",
    `${Math.round(view.split)} % ${data.names[view.left]}, the rest ${data.names[view.right]}`);
}
/* What is on the stage stays there until the next two are decoded: nothing flashes. */
let asked = 0;
async function showPictures() {
  const wanted = [["left", view.left], ["right", view.right]]
    .map(([id, candidate]) => [$(id), picture(view.moment, candidate)]);
  const number = ++asked;
  stage.setAttribute("aria-busy", "true");
  showChoice();
  await Promise.all(wanted.map(([, image]) => image.decode().catch(() => {})));
  if (number !== asked) return;
  for (const [layer, image] of wanted) {
    if (layer.firstChild === image) continue;
    while (layer.firstChild) $("store").append(layer.firstChild);
    layer.append(image);
  }
  $("tag-left").textContent = data.names[view.left];
  $("tag-right").textContent = data.names[view.right];
  stage.setAttribute("aria-busy", "false");
}
function showChoice() {
  $("choose-left").value = String(view.left);
  $("choose-right").value = String(view.right);
  momentButtons.forEach((button, number) =>
    button.setAttribute("aria-pressed", String(number === view.moment)));
  showTable();
  showSplit();
}
function showTable() {
  const one = $("scope-one"), single = one && one.getAttribute("aria-pressed") === "true";
  for (const table of document.querySelectorAll("tbody"))
    table.hidden = table.dataset.scope !== (single ? String(view.moment) : "mean");
}
function choose(side, candidate) {
  const other = side === "left" ? "right" : "left";
  if (view[other] === candidate) view[other] = view[side];
  view[side] = candidate;
  showPictures();
}
function swap() {
  [view.left, view.right] = [view.right, view.left];
  showPictures();
}
function showMoment(number) {
  view.moment = (number + data.moments) % data.moments;
  showPictures();
  const button = momentButtons[view.moment], strip = button.parentElement;
  strip.scrollLeft = clamp(strip.scrollLeft,
    button.offsetLeft + button.offsetWidth - strip.offsetLeft - strip.clientWidth + 10,
    Math.max(button.offsetLeft - strip.offsetLeft - 10, 0));
}
/* Zoom so that what lies at a place of the stage stays there. */
function zoomTo(zoom, atX = stage.clientWidth / 2, atY = stage.clientHeight / 2) {
  const before = scale(), x = parseFloat(stage.style.getPropertyValue("--x")),
        y = parseFloat(stage.style.getPropertyValue("--y"));
  const pointX = (atX - x) / before, pointY = (atY - y) / before;
  view.zoom = zoom;
  const factor = scale();
  view.x = clamp((pointX + (stage.clientWidth / 2 - atX) / factor) / data.width, 0, 1);
  view.y = clamp((pointY + (stage.clientHeight / 2 - atY) / factor) / data.height, 0, 1);
  layOut();
}
function zoomStep(direction, atX, atY) {
  const now = scale() * (window.devicePixelRatio || 1);
  const next = direction > 0 ? STEPS.find((step) => step > now * 1.01)
    : [...STEPS].reverse().find((step) => step < now * 0.99);
  const fit = fitScale() * (window.devicePixelRatio || 1);
  if (next !== undefined) zoomTo(direction < 0 && next < fit ? "fit" : next, atX, atY);
}
function setSplit(percent) { view.split = clamp(percent, 0, 100); showSplit(); }

/* One pointer moves the divider, or a zoomed picture; two zoom. */
const pointers = new Map();
let gesture = null;
function local(event) {
  const box = stage.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}
stage.addEventListener("pointerdown", (event) => {
  if (event.button > 0) return;
  const at = local(event);
  pointers.set(event.pointerId, at);
  stage.setPointerCapture(event.pointerId);
  if (pointers.size === 2) {
    const [one, two] = [...pointers.values()];
    gesture = { kind: "pinch", apart: Math.hypot(one.x - two.x, one.y - two.y), scale: scale() };
  } else if (divider.contains(event.target) || !stage.classList.contains("zoomed")) {
    gesture = { kind: "split" };
    divider.focus({ preventScroll: true });
    setSplit(100 * at.x / stage.clientWidth);
  } else {
    gesture = { kind: "pan", at };
    stage.classList.add("panning");
  }
});
stage.addEventListener("pointermove", (event) => {
  if (!pointers.has(event.pointerId) || !gesture) return;
  const at = local(event), before = pointers.get(event.pointerId);
  pointers.set(event.pointerId, at);
  if (gesture.kind === "split") setSplit(100 * at.x / stage.clientWidth);
  if (gesture.kind === "pan") {
    const factor = scale();
    view.x = clamp(view.x - (at.x - before.x) / (data.width * factor), 0, 1);
    view.y = clamp(view.y - (at.y - before.y) / (data.height * factor), 0, 1);
    layOut();
  }
  if (gesture.kind === "pinch" && pointers.size === 2) {
    const [one, two] = [...pointers.values()];
    const grown = Math.hypot(one.x - two.x, one.y - two.y) / Math.max(gesture.apart, 1);
    const wanted = Math.max(gesture.scale * grown, fitScale());
    const zoom = wanted <= fitScale() ? "fit"
      : Math.min(wanted * (window.devicePixelRatio || 1), STEPS[STEPS.length - 1]);
    zoomTo(zoom, (one.x + two.x) / 2, (one.y + two.y) / 2);
  }
});
for (const kind of ["pointerup", "pointercancel"])
  stage.addEventListener(kind, (event) => {
    pointers.delete(event.pointerId);
    if (pointers.size === 0) gesture = null;
    stage.classList.remove("panning");
  });
stage.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const at = local(event);
  zoomStep(event.deltaY < 0 ? 1 : -1, at.x, at.y);
}, { passive: false });
stage.addEventListener("dblclick", (event) => {
  const at = local(event);
  zoomTo(view.zoom === "fit" ? 2 : "fit", at.x, at.y);
});
stage.addEventListener("dragstart", (event) => event.preventDefault());

for (const button of zoomButtons)
  button.addEventListener("click", () =>
    zoomTo(button.dataset.zoom === "fit" ? "fit" : Number(button.dataset.zoom)));
momentButtons.forEach((button, number) => button.addEventListener("click",
  () => showMoment(number)));
$("choose-left").addEventListener("change", (event) => choose("left", +event.target.value));
$("choose-right").addEventListener("change", (event) => choose("right", +event.target.value));
$("swap").addEventListener("click", swap);
for (const button of document.querySelectorAll("[data-scope-button]"))
  button.addEventListener("click", () => {
    for (const each of document.querySelectorAll("[data-scope-button]"))
      each.setAttribute("aria-pressed", String(each === button));
    showTable();
  });
function toggleFull() {
  if (document.fullscreenElement) document.exitFullscreen();
  else viewer.requestFullscreen().catch(() => {});
}
$("full").hidden = !document.fullscreenEnabled;
$("full").addEventListener("click", toggleFull);

const KEYS = {
  ArrowLeft: (event) => setSplit(view.split - (event.shiftKey ? 10 : 1)),
  ArrowRight: (event) => setSplit(view.split + (event.shiftKey ? 10 : 1)),
  n: () => showMoment(view.moment + 1),
  p: () => showMoment(view.moment - 1),
  "+": () => zoomStep(1), "=": () => zoomStep(1), "-": () => zoomStep(-1),
  "0": () => zoomTo("fit"), s: swap, f: toggleFull,
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const onDivider = document.activeElement === divider;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const digit = /^Digit([1-9])$/.exec(event.code);
  if (digit && +digit[1] <= data.names.length) {
    choose(event.shiftKey ? "left" : "right", +digit[1] - 1);
  } else if (key === " " && event.target.tagName !== "BUTTON"
             && event.target.tagName !== "SUMMARY") {
    stage.classList.add("peek");
  } else if (onDivider && (key === "Home" || key === "End")) {
    setSplit(key === "Home" ? 0 : 100);
  } else if (onDivider && (key === "PageUp" || key === "PageDown")) {
    setSplit(view.split + (key === "PageUp" ? 10 : -10));
  } else if (KEYS[key]) {
    KEYS[key](event);
  } else {
    return;
  }
  event.preventDefault();
});
document.addEventListener("keyup", (event) => {
  if (event.key === " ") stage.classList.remove("peek");
});
window.addEventListener("blur", () => stage.classList.remove("peek"));
window.addEventListener("resize", layOut);
document.addEventListener("fullscreenchange", layOut);
layOut();
showPictures();
"""
