/** Tables as CSV files (RFC 4180), safe to open in a spreadsheet. */

export type Cell = string | number | boolean | null;

/** A spreadsheet would run what begins so; numbers of ours are written as numbers, not as text. */
const FORMULA = /^[=+\-@\t\r]/;

function cellText(cell: Cell): string {
  if (cell === null) {
    return "";
  }
  if (typeof cell !== "string") {
    return String(cell);
  }
  const text = FORMULA.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvText(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [head, ...rows].map((row) => `${row.map(cellText).join(",")}\r\n`).join("");
}

/** Let the browser save a table under a name. */
export function saveCsv(name: string, head: readonly string[], rows: readonly (readonly Cell[])[]): void {
  // The mark tells spreadsheets that the text is UTF-8.
  const file = new Blob(["\ufeff", csvText(head, rows)], { type: "text/csv;charset=utf-8" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${name}.csv`;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
