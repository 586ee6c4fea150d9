import { type ReactNode, useMemo, useState } from "react";
import { ROOMY, useMediaQuery } from "../lib/hooks";
import { type SortValue, sortRows, type TableSorting } from "../lib/table";
import { Provenance } from "./Provenance";
import { Scrollable } from "./Scrollable";

export interface DataColumn<Row> {
  readonly key: string;
  readonly label: string;
  readonly title: string;
  readonly isRight?: boolean;
  /** Its width. */
  readonly className?: string;
  readonly origin?: "observed" | "estimated";
  readonly value: (row: Row) => SortValue;
  readonly show: (row: Row) => ReactNode;
}

interface DataTableProps<Row> {
  readonly label: string;
  readonly testId: string;
  /** The first one names the row; on a phone it heads the card. */
  readonly columns: readonly DataColumn<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  /** Null: as the rows are given. */
  readonly initial?: TableSorting | null;
  /** Narrower than this it scrolls. */
  readonly className?: string;
  readonly isMarked?: (row: Row) => boolean;
  /** Stands below an open row; null for one that is closed. */
  readonly detail?: (row: Row) => ReactNode;
}

interface HeadProps<Row> {
  readonly columns: readonly DataColumn<Row>[];
  readonly sorting: TableSorting | null;
  readonly onSort: (sorting: TableSorting) => void;
}

function Head<Row>({ columns, sorting, onSort }: HeadProps<Row>) {
  return (
    <thead className="sticky top-0 z-10 bg-surface">
      <tr>
        {columns.map((column) => {
          const isSorted = sorting?.key === column.key;
          const isDescending = isSorted && sorting.descending;
          return (
            <th
              key={column.key}
              scope="col"
              aria-sort={isSorted ? (isDescending ? "descending" : "ascending") : "none"}
              className={`border-b border-line px-2 py-1 align-bottom text-12 font-medium text-ink-2 ${column.isRight ? "text-right" : "text-left"} ${column.className ?? ""}`}
            >
              <button
                type="button"
                title={column.title}
                className={`hover:text-ink ${column.isRight ? "text-right" : "text-left"}`}
                onClick={() =>
                  onSort({
                    key: column.key,
                    descending: isSorted ? !isDescending : column.isRight === true,
                  })
                }
              >
                {column.label} <span aria-hidden="true">{isSorted ? (isDescending ? "↓" : "↑") : ""}</span>
              </button>
              {column.origin !== undefined && <Provenance of={column.origin} />}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function Card<Row>({ columns, row }: { readonly columns: readonly DataColumn<Row>[]; readonly row: Row }) {
  const [head, ...rest] = columns;
  return (
    <>
      {head?.show(row)}
      <dl className="mt-1 grid grid-cols-[minmax(0,2fr)_minmax(0,3fr)] gap-x-3">
        {rest.map((column) => (
          <div key={column.key} className="contents">
            <dt className="text-12 text-ink-2">
              {column.label}
              {column.origin !== undefined && <Provenance of={column.origin} />}
            </dt>
            <dd className={column.isRight ? "text-right" : "wrap-anywhere"}>{column.show(row)}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

/** A table that sorts by each of its columns; on a phone a card for each row. */
export function DataTable<Row>(props: DataTableProps<Row>) {
  const { label, testId, columns, rows, keyOf, initial = null, className = "", isMarked, detail } = props;
  const [sorting, setSorting] = useState<TableSorting | null>(initial);
  const isRoomy = useMediaQuery(ROOMY);
  const sorted = useMemo(() => {
    const column = columns.find(({ key }) => key === sorting?.key);
    return column === undefined ? rows : sortRows(rows, column.value, sorting?.descending === true);
  }, [columns, rows, sorting]);
  const colour = (row: Row) => (isMarked?.(row) ? "bg-raised" : "");
  if (!isRoomy) {
    return (
      <Scrollable label={label}>
        <ul data-testid={testId} data-list="">
          {sorted.map((row) => (
            <li key={keyOf(row)} className={`border-b border-line px-3 py-2 ${colour(row)}`}>
              <Card columns={columns} row={row} />
              {detail?.(row)}
            </li>
          ))}
        </ul>
      </Scrollable>
    );
  }
  return (
    <Scrollable label={label}>
      <table
        className={`w-full table-fixed border-separate border-spacing-0 ${className}`}
        data-testid={testId}
        data-list=""
      >
        <Head columns={columns} sorting={sorting} onSort={setSorting} />
        {sorted.map((row) => {
          const below = detail?.(row) ?? null;
          return (
            <tbody key={keyOf(row)}>
              <tr className={colour(row) || "hover:bg-raised"}>
                {columns.map((column) => (
                  <td
                    key={column.key}
                    className={`border-b border-line px-2 py-1 align-top wrap-anywhere ${column.isRight ? "text-right" : ""}`}
                  >
                    {column.show(row)}
                  </td>
                ))}
              </tr>
              {below !== null && (
                <tr className="bg-raised">
                  <td colSpan={columns.length} className="border-b border-line px-3 py-2">
                    {below}
                  </td>
                </tr>
              )}
            </tbody>
          );
        })}
      </table>
    </Scrollable>
  );
}
