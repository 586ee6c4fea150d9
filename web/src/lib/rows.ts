/** Moving through the rows of a list by keyboard. */

/** The list that has the focus; otherwise the first of the place. */
function currentList(): Element | null {
  return document.activeElement?.closest("[data-list]") ?? document.querySelector("[data-list]");
}

/** Focus the next or previous row; if a channel's details are open, they follow. */
export function moveRow(step: 1 | -1, selectedId: string | null, follow: (channelId: string) => void): void {
  const rows = [...(currentList()?.querySelectorAll<HTMLButtonElement>("[data-row]") ?? [])];
  const focused = rows.findIndex((row) => row.matches(":focus"));
  const selected = rows.findIndex((row) => selectedId !== null && row.dataset.channelRow === selectedId);
  const current = focused === -1 ? selected : focused;
  const next = rows[current === -1 ? 0 : Math.min(rows.length - 1, Math.max(0, current + step))];
  next?.focus();
  if (selectedId !== null && next?.dataset.channelRow !== undefined) {
    follow(next.dataset.channelRow);
  }
}
