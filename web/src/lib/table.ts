/** Sorting of tables whose columns know the value that they are sorted by. */

export type SortValue = number | string | null;

export interface TableSorting {
  readonly key: string;
  readonly descending: boolean;
}

const COLLATOR = new Intl.Collator();

function compare(left: number | string, right: number | string): number {
  return typeof left === "string" || typeof right === "string"
    ? COLLATOR.compare(String(left), String(right))
    : left - right;
}

/** Sorted copy; what is not known comes last both ways, and equal rows stay as they were. */
export function sortRows<Row>(
  rows: readonly Row[],
  sortValue: (row: Row) => SortValue,
  descending: boolean,
): readonly Row[] {
  const direction = descending ? -1 : 1;
  return rows.toSorted((left, right) => {
    const [first, second] = [sortValue(left), sortValue(right)];
    if (first === null || second === null) {
      return Number(first === null) - Number(second === null);
    }
    return compare(first, second) * direction;
  });
}
