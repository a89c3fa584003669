// Tables sort by a click on a head, again for the other way, again for the order as written; rows
// without a value stay last. Longer tables get a box that shows the rows with some words only.
"use strict";

const collator = new Intl.Collator("en", { numeric: true });

function compare(a, b, numeric) {
  return numeric ? a - b : collator.compare(a, b);
}

function key(row, column, numeric) {
  const cell = row.cells[column];
  const text = cell.dataset.v ?? cell.textContent;
  return numeric && text ? Number(text.replaceAll(",", "").replace("inf", "Infinity")) : text;
}

function sort(table, rows, heads, column) {
  const next = { none: "ascending", ascending: "descending", descending: "none" };
  const order = next[heads[column].getAttribute("aria-sort")];
  heads.forEach((head, k) => head.setAttribute("aria-sort", k === column ? order : "none"));
  const numeric = table.classList.contains(`n${column + 1}`);
  const keyed = rows.map((row) => [key(row, column, numeric), row]);
  if (order !== "none") {
    const sign = order === "ascending" ? 1 : -1;
    keyed.sort(([a], [b]) =>
      a === "" || b === "" ? (a === "") - (b === "") : sign * compare(a, b, numeric));
  }
  table.tBodies[0].append(...keyed.map(([, row]) => row));
}

function filter(rows, words, told) {
  const wanted = words.toLowerCase().split(/\s+/);
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !wanted.every((word) => text.includes(word));
  }
  const shown = rows.filter((row) => !row.hidden).length;
  told.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, rows, heads, column));
    head.append(button);
    head.setAttribute("aria-sort", "none");
  });
  if (rows.length > 8) {
    const box = document.createElement("p");
    box.className = "filter";
    box.innerHTML = '<label>Only rows with <input type="search"></label> <output></output>';
    const [input, told] = [box.querySelector("input"), box.querySelector("output")];
    input.addEventListener("input", () => filter(rows, input.value.trim(), told));
    table.closest(".scroll").before(box);
  }
}

// On paper, nothing stays folded.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((details) => { details.open = true; });
});
addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));
