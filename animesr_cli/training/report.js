"use strict";
for (const versions of document.querySelectorAll(".versions")) {
  const toggle = () => versions.classList.toggle("large");
  versions.addEventListener("click", toggle);
  versions.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
}
