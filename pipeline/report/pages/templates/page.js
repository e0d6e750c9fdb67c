// Says where a table goes on beyond its edge, and lets a reader sort it. Without scripts the page has all its content.
"use strict";

function markWide() {
  for (const region of document.querySelectorAll(".scroll")) {
    region.classList.toggle("more", region.scrollWidth > region.clientWidth + 1);
  }
}
markWide();
addEventListener("resize", markWide);
document.addEventListener("toggle", markWide, true); // a table that was folded has no width

for (const table of document.querySelectorAll("table")) {
  if (table.tBodies.length === 0 || [...table.tBodies].every((body) => body.rows.length < 2)) continue;
  table.tHead.querySelectorAll("th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => sort(table, heading, column));
  });
}

// Rows stay in their group; a second click turns the order round.
function sort(table, heading, column) {
  const down = heading.getAttribute("aria-sort") !== "descending";
  for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  for (const body of table.tBodies) {
    const rows = [...body.rows].map((row) => [valueOf(row.cells[column]), row]);
    rows.sort(([a], [b]) => (down ? -1 : 1) * compare(a, b));
    body.append(...rows.map(([, row]) => row));
  }
}

function valueOf(cell) {
  const text = cell.firstChild ? cell.firstChild.textContent.trim().replaceAll(",", "") : "";
  const number = Number.parseFloat(text);
  return Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? 1 : -1;
  return a.localeCompare(b);
}
