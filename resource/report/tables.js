// Tables: a click on a heading sorts, buttons below save them as CSV or JSON; nothing is asked of a network. The live
// page uses it as well. Cells say in data-value what is saved, where that is not their text; headings the same in
// data-key; a heading with data-picture has a column that is only looked at.
"use strict";

function cellValue(cell) {
  const text = (cell.dataset.value ?? cell.textContent.trim()).replace(/^−/, "-");
  if (["", "–", "-", "None"].includes(text)) return null;
  // Whole numbers that are too long for JavaScript's are text.
  const number = /^[+-]?((0|[1-9]\d{0,14})|\d+\.\d+|\d+(\.\d+)?e[+-]?\d+)$/i.test(text);
  return number ? Number(text) : text;
}

class DataTable {
  constructor(table) {
    this.table = table;
    this.body = table.tBodies[0];
    this.rows = [...this.body.rows];
    this.heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
    this.by = null;
    if (!table.classList.contains("plain")) this.heads.forEach((head, column) => this.makeSortable(head, column));
    this.offer();
  }

  makeSortable(head, column) {
    if ("picture" in head.dataset) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    button.addEventListener("click", () => this.sort(column));
    head.append(button);
  }

  // Up, down, and as it was.
  sort(column) {
    const before = this.by?.column === column ? this.by.order : null;
    const order = { ascending: "descending", descending: null }[before] ?? (before ? null : "ascending");
    this.by = order && { column, order };
    this.heads.forEach((head, i) => {
      if (order && i === column) head.setAttribute("aria-sort", order);
      else head.removeAttribute("aria-sort");
    });
    this.arrange();
    say(order ? `sorted by ${this.heads[column].textContent}, ${order}` : "in the first order");
  }

  // New rows in place of those that were.
  fill(rows) {
    this.rows = rows;
    this.arrange();
  }

  arrange() {
    const rows = [...this.rows];
    if (this.by) {
      const { column, order } = this.by;
      const sign = order === "ascending" ? 1 : -1;
      const values = new Map(rows.map((row) => [row, cellValue(row.cells[column])]));
      const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      rows.sort((one, other) => {
        const [a, b] = [values.get(one), values.get(other)];
        // What is not known is last in either order.
        return a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b);
      });
    }
    this.body.replaceChildren(...rows);
  }

  offer() {
    const line = document.createElement("p");
    line.className = "export";
    line.append("save as");
    const name = this.table.dataset.title ?? this.table.id;
    for (const [kind, type, write] of [["CSV", "text/csv", toCsv], ["JSON", "application/json", toJson]]) {
      const button = line.appendChild(document.createElement("button"));
      button.type = "button";
      button.textContent = kind;
      button.setAttribute("aria-label", `save the table ${name} as ${kind}`);
      button.addEventListener("click", () => save(`${this.table.id}.${kind.toLowerCase()}`, type, write(this.content())));
    }
    (this.table.closest(".scroll") ?? this.table).after(line);
  }

  // Headings, and the values of each row as it is shown.
  content() {
    const columns = [...(this.body.rows[0]?.cells ?? [])].map((_, i) => i).filter((i) => !("picture" in (this.heads[i]?.dataset ?? {})));
    const names = columns.map((i) => this.heads[i]?.dataset.key ?? this.heads[i]?.textContent ?? ["name", "value"][i]);
    return { names, rows: [...this.body.rows].map((row) => columns.map((i) => cellValue(row.cells[i]))) };
  }
}

function toCsv({ names, rows }) {
  const field = (value) => {
    // A name that a spreadsheet would take for a formula gets a quote before it: runs may be a stranger's.
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows].map((row) => row.map(field).join(",")).join("\r\n") + "\r\n";
}

function toJson({ names, rows }) {
  return JSON.stringify(rows.map((row) => Object.fromEntries(row.map((value, i) => [names[i], value]))), null, 2) + "\n";
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
