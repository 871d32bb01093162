/* The stage of a comparison page.

Two layers lie on each other, cut along one line. Pictures are moved from the store into them, so
that each is in the file once and stays decoded. Zoom is in pixels of the screen: at 100 % one
pixel of a picture is one of the screen's. Keys, pointers (one moves the divider or a zoomed
picture, two zoom) and controls all change `view`, which is then shown. */
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
  if (event.key.startsWith("Arrow") && event.target.closest(".scroll")) return;
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
