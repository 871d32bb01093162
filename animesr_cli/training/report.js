"use strict";
const rows = [...document.querySelectorAll(".versions")];
const larger = document.getElementById("larger");
for (const row of rows)
  row.addEventListener("click", () => {
    row.classList.toggle("large");
    larger.setAttribute("aria-pressed", String(rows.every((each) => each.classList.contains("large"))));
  });
larger.addEventListener("click", () => {
  const all = larger.getAttribute("aria-pressed") !== "true";
  for (const row of rows) row.classList.toggle("large", all);
  larger.setAttribute("aria-pressed", String(all));
});
