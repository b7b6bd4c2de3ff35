// Tables that can be sorted by a column and filtered by method or by any text.

const NAMED = ["method", "family", "training", "model"];
const FILTER_FROM = 6; // lines; fewer are read as they are

// What a cell is sorted by: of "own + shared = whole" the whole, else its first number.
function sortValue(text) {
  const end = text.includes("=") ? text.split("=").at(-1) : text;
  const found = end.match(/^\s*[+-]?\d+(\.\d+)?(e[+-]?\d+)?/i);
  return found ? Number(found[0]) : null;
}

function compareCells(a, b, numeric) {
  if (!numeric) return a.localeCompare(b, "en", { numeric: true });
  const [x, y] = [sortValue(a), sortValue(b)];
  return x - y;
}

function sortRows(rows, column, direction) {
  const text = (row) => row.cells[column].textContent;
  const known = (row) => !["?", "-", ""].includes(text(row).trim());
  const numeric = rows.filter(known).every((row) => sortValue(text(row)) !== null);
  // What is not known is last, whichever way.
  return [...rows].sort((a, b) => {
    if (known(a) !== known(b)) return known(a) ? -1 : 1;
    return known(a) ? direction * compareCells(text(a), text(b), numeric) : 0;
  });
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const press = element("button", { type: "button" }, ...head.childNodes);
    press.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      const now = { ascending: "descending", descending: null }[was];
      const order = was === null ? "ascending" : now;
      if (order) head.setAttribute("aria-sort", order);
      const direction = order === "descending" ? -1 : 1;
      body.append(...(order ? sortRows(original, column, direction) : original));
    });
    head.append(press);
  });
}

const methodOf = (row) => row.cells[0].textContent.trim().split(" ")[0];

function makeFilter(table) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < FILTER_FROM) return null;
  const count = element("span", { class: "count", role: "status" });
  const text = element("input", { type: "search", placeholder: "any text" });
  let method = "";
  const apply = () => {
    const wanted = text.value.trim().toLowerCase();
    rows.forEach((row) => {
      const cells = [...row.cells].map((cell) => cell.textContent).join(" ");
      const fits = cells.toLowerCase().includes(wanted);
      row.hidden = !(fits && (!method || methodOf(row) === method));
    });
    const shown = rows.filter((row) => !row.hidden).length;
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  text.addEventListener("input", apply);
  const bar = element("div", { class: "filter" });
  if (NAMED.includes(table.tHead.rows[0].cells[0].textContent)) {
    const methods = [...new Set(rows.map(methodOf))];
    const options = [["", "all"], ...methods.map((one) => [one, one])];
    const choose = (value) => {
      method = value;
      apply();
    };
    bar.append(chooser("method", options, "", choose));
  }
  const label = element("label", { class: "choose" }, element("span", {}, "filter"), text);
  bar.append(label, count);
  apply();
  return bar;
}

function enhanceTables() {
  for (const table of document.querySelectorAll(".wide > table")) {
    const filter = makeFilter(table);
    makeSortable(table);
    if (filter) table.parentElement.before(filter);
  }
}
