/* Buttons with data-zoom: at 100 % one pixel of an image is one of the screen, at any density. */
"use strict";
let zoom = 1;
const zoomButtons = [...document.querySelectorAll("[data-zoom]")];
function resize() {
  for (const image of document.querySelectorAll("img[data-width]"))
    image.style.width = image.dataset.width * zoom / devicePixelRatio + "px";
  for (const each of zoomButtons)
    each.setAttribute("aria-pressed", String(Number(each.dataset.zoom) === zoom));
}
for (const each of zoomButtons)
  each.addEventListener("click", () => { zoom = Number(each.dataset.zoom); resize(); });
addEventListener("resize", resize);
resize();
