/* A click on a picture shows the command of its factor; the copy button copies it. */
const commands = JSON.parse(document.getElementById("commands").textContent);
const command = document.getElementById("command"), copy = document.getElementById("copy");
function choose(factor) {
  for (const each of document.querySelectorAll("[data-factor]")) {
    each.classList.toggle("chosen", each.dataset.factor === factor);
    each.setAttribute("aria-pressed", String(each.dataset.factor === factor));
  }
  command.textContent = commands[factor];
  copy.hidden = false;
  copy.textContent = "Copy";
}
for (const each of document.querySelectorAll("[data-factor]"))
  each.addEventListener("click", () => choose(each.dataset.factor));
copy.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(command.textContent);
    copy.textContent = "Copied";
  } catch (error) {  // not allowed here: what is marked can be copied by hand
    getSelection().selectAllChildren(command);
    copy.textContent = "Press Ctrl+C";
  }
});
const order = document.getElementById("order");
/* The elements themselves move, so that the keyboard goes the way that the eye does. */
order.addEventListener("click", () => {
  const ranked = order.getAttribute("aria-pressed") !== "true";
  const number = (cell) => Number(cell.style.getPropertyValue(ranked ? "--rank" : "--place"));
  for (const row of document.querySelectorAll(".pictures"))
    row.append(...[...row.children].sort((one, other) => number(one) - number(other)));
  order.setAttribute("aria-pressed", String(ranked));
});
