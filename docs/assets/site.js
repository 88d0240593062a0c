// Tables are sorted by a click on a column's head: by number where cells begin with one, else by text.
document.addEventListener("DOMContentLoaded", () => {
  const number = (text) => {
    const found = text.replace(/[\u2212]/g, "-").replace(/,/g, "").match(/^[^\w-]*(-?\d+(\.\d+)?(e-?\d+)?)/i);
    return found ? Number(found[1]) : null;
  };
  for (const table of document.querySelectorAll(".md-typeset table:not([class])")) {
    const body = table.tBodies[0];
    if (!body || body.rows.length < 2) continue;
    table.querySelectorAll("thead th").forEach((head, column) => {
      head.tabIndex = 0;
      const sort = () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...body.rows].map((row) => {
          const text = row.cells[column] ? row.cells[column].innerText.trim() : "";
          return { row, text, value: number(text) };
        });
        const numeric = rows.some((r) => r.value !== null);
        rows.sort((a, b) => {
          if (!numeric) return (up ? 1 : -1) * a.text.localeCompare(b.text);
          if (a.value === null || b.value === null) return (a.value === null) - (b.value === null); // dashes stay last
          return (up ? 1 : -1) * (a.value - b.value);
        });
        body.append(...rows.map((r) => r.row));
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => {
        if (event.key === "Enter") sort();
      });
    });
  }
});
