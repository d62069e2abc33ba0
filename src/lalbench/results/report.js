"use strict";
// Tables are sorted by the headings of their columns: up, down, and back to the order of the study.
// Without this script they are read as they stand.
(() => {
  const beginning = /^\[?([<>]?)\s?([+−-]?)(\d+(?:\.\d+)?|∞)(?![\w.])/;
  const collator = new Intl.Collator("en", { numeric: true });

  // The number that a cell begins with; null where it has none, which is last in both directions.
  function number(text) {
    if (text.startsWith("> budget")) return Infinity;
    const found = beginning.exec(text);
    if (!found) return null;
    const size = found[3] === "∞" ? Infinity : Number(found[3]);
    const beside = { "<": -1e-12, ">": 1e-12 }[found[1]] || 0;
    return (found[2] === "−" || found[2] === "-" ? -size : size) + beside;
  }

  function compare(one, other, direction) {
    if (one === null || other === null) return (one === null) - (other === null);
    if (typeof one === "string") return direction * collator.compare(one, other);
    return one === other ? 0 : one < other ? -direction : direction;
  }

  function sort(heading) {
    const table = heading.closest("table");
    const body = table.tBodies[0];
    const rows = originals.get(body) || Array.from(body.rows);
    originals.set(body, rows);
    const next = { ascending: "descending", descending: "" };
    const order = next[heading.getAttribute("aria-sort")] ?? "ascending";
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    let sorted = rows;
    if (order) {
      heading.setAttribute("aria-sort", order);
      const column = Number(heading.dataset.column);
      const read = heading.dataset.kind === "number" ? number : (text) => text || null;
      const keyed = rows.map((row) => [read(row.cells[column].textContent.trim()), row]);
      const direction = order === "ascending" ? 1 : -1;
      keyed.sort((one, other) => compare(one[0], other[0], direction));
      sorted = keyed.map((pair) => pair[1]);
    }
    body.append(...sorted);
  }

  const originals = new WeakMap();
  for (const heading of document.querySelectorAll("th[data-column]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading));
    heading.append(button);
  }
  for (const note of document.querySelectorAll(".needs-script")) note.hidden = false;
})();
