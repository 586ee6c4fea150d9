import { type MouseEvent, type ReactNode, useMemo, useState } from "react";
import type { Prediction } from "../api/learning";
import {
  channelMatches,
  type NameOf,
  namesOf,
  type OrientedChannel,
  orient,
  type Sorting,
  type SortKey,
  shares,
  sortChannels,
} from "../lib/channels";
import type { Cell } from "../lib/csv";
import { formatInteger, formatShare } from "../lib/format";
import { paceOf, ROOMY, useMediaQuery, useThrottled } from "../lib/hooks";
import { type BestShare, bestShare } from "../lib/predictions";
import { useDashboard, usePreferences, useStores } from "../state/context";
import { Amount } from "./Amount";
import { BalanceBar } from "./BalanceBar";
import { CsvButton } from "./CsvButton";
import { Provenance } from "./Provenance";
import { Scrollable } from "./Scrollable";
import { SearchField } from "./SearchField";
import { Empty, Section } from "./Section";

/** Rows drawn at first, and more at each step; a large network is narrowed by a search or a node. */
const ROWS_STEP = 200;

interface Column {
  readonly key: SortKey;
  readonly label: string;
  readonly title: string;
  readonly className: string;
  readonly origin?: "observed" | "estimated";
  readonly show: (props: RowProps) => ReactNode;
}

interface RowProps {
  readonly oriented: OrientedChannel;
  readonly best: BestShare | null;
  readonly nameOf: NameOf;
  readonly isSelected: boolean;
  readonly onOpen: (channelId: string, byKeyboard: boolean) => void;
}

const COLUMNS: readonly Column[] = [
  {
    key: "channel",
    label: "Channel",
    title: "The two nodes, and the short channel id",
    className: "text-left",
    show: (props) => <Identity {...props} />,
  },
  {
    key: "capacity",
    label: "Capacity",
    title: "What the channel was opened with",
    className: "w-32 text-right",
    show: ({ oriented }) => <Amount msat={oriented.channel.capacity_sat * 1000} />,
  },
  {
    key: "balance",
    label: "Balance",
    title: "What each end holds; sorted by the first-named end's share. The mark is the best share.",
    className: "w-[36%] text-left",
    origin: "observed",
    show: ({ oriented, best }) => <BalanceBar oriented={oriented} best={best} />,
  },
  {
    key: "best",
    label: "Best",
    title: "First-named end's share now, and the one that would fail least volume; sorted by the difference",
    className: "w-24 text-right",
    origin: "estimated",
    show: ({ oriented, best }) => <Best oriented={oriented} best={best} />,
  },
  {
    key: "fee",
    label: "ppm",
    title: "Fee rate in parts per million: first-named to second-named, and back",
    className: "w-20 text-right",
    show: ({ oriented }) => <Fees oriented={oriented} />,
  },
  {
    key: "htlcs",
    label: "HTLCs",
    title: "Payments in flight over this channel",
    className: "w-18 text-right",
    show: ({ oriented }) => formatInteger(oriented.channel.pending_htlcs),
  },
];

/** Beside other things there is room for these only. */
const COMPACT: ReadonlySet<SortKey> = new Set(["channel", "balance", "best"]);

function ppm(rate: number | undefined): string {
  return rate === undefined ? "–" : formatInteger(rate);
}

function Identity({ oriented, nameOf, isSelected, onOpen }: RowProps) {
  const id = oriented.channel.channel_id;
  const open = (event: MouseEvent) => {
    event.stopPropagation();
    onOpen(id, event.detail === 0);
  };
  return (
    <>
      <button
        type="button"
        data-row=""
        data-channel-row={id}
        aria-expanded={isSelected}
        className="block max-w-full truncate text-left font-medium"
        onClick={open}
      >
        {nameOf(oriented.near.nodeId)} <span className="text-ink-3">–</span> {nameOf(oriented.far.nodeId)}
        <span className="sr-only">, channel {id}: details</span>
      </button>
      <span className="block truncate text-12 text-ink-3">{id}</span>
    </>
  );
}

function Best({ oriented, best }: Pick<RowProps, "oriented" | "best">) {
  if (best === null) {
    return <span className="text-ink-3">–</span>;
  }
  return (
    <>
      <span className="block">{formatShare(best.share, 0)}</span>
      <span className="block text-12 text-ink-3">now {formatShare(shares(oriented).near, 0)}</span>
    </>
  );
}

function Fees({ oriented }: { readonly oriented: OrientedChannel }) {
  return (
    <>
      <span className="block">
        <span className="text-ink-3">→ </span>
        {ppm(oriented.near.policy?.fee_rate_ppm)}
      </span>
      <span className="block text-12">
        <span className="text-ink-3">← </span>
        {ppm(oriented.far.policy?.fee_rate_ppm)}
      </span>
    </>
  );
}

function Row({ columns, ...props }: RowProps & { readonly columns: readonly Column[] }) {
  return (
    <tr
      className={`cursor-pointer ${props.isSelected ? "bg-raised" : "hover:bg-raised"}`}
      onClick={() => props.onOpen(props.oriented.channel.channel_id, false)}
    >
      {columns.map((column) => (
        <td
          key={column.key}
          className={`border-b border-line px-3 py-1 align-top ${column.className.includes("text-right") ? "text-right" : ""}`}
        >
          {column.show(props)}
        </td>
      ))}
    </tr>
  );
}

function Card(props: RowProps) {
  const { oriented, best, isSelected, onOpen } = props;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the button in the card is the way for the keyboard
    <li
      className={`border-b border-line px-3 py-2 ${isSelected ? "bg-raised" : ""}`}
      onClick={() => onOpen(oriented.channel.channel_id, false)}
    >
      <div className="mb-1 flex justify-between gap-3">
        <div className="min-w-0">
          <Identity {...props} />
        </div>
        <div className="shrink-0 text-right">
          {best === null ? <Fees oriented={oriented} /> : <Best oriented={oriented} best={best} />}
        </div>
      </div>
      <BalanceBar oriented={oriented} best={best} />
    </li>
  );
}

interface HeadProps {
  readonly columns: readonly Column[];
  readonly sorting: Sorting;
  readonly onSort: (sorting: Sorting) => void;
}

function Head({ columns, sorting, onSort }: HeadProps) {
  return (
    <thead className="sticky top-0 z-10 bg-surface">
      <tr>
        {columns.map((column) => {
          const isSorted = sorting.key === column.key;
          const arrow = isSorted ? (sorting.descending ? "↓" : "↑") : "";
          return (
            <th
              key={column.key}
              scope="col"
              aria-sort={isSorted ? (sorting.descending ? "descending" : "ascending") : "none"}
              className={`border-b border-line px-3 py-1 text-12 font-medium whitespace-nowrap text-ink-2 ${column.className}`}
            >
              <button
                type="button"
                title={column.title}
                className="hover:text-ink"
                onClick={() => onSort({ key: column.key, descending: isSorted && !sorting.descending })}
              >
                {column.label} <span aria-hidden="true">{arrow}</span>
              </button>
              {column.origin !== undefined && <Provenance of={column.origin} />}
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

const NO_PREDICTIONS: ReadonlyMap<string, Prediction> = new Map();

function useRows(sorting: Sorting, query: string) {
  const nodes = useDashboard((state) => state.world?.nodes);
  const latest = useDashboard((state) => state.world?.channels);
  const channels = useThrottled(latest, paceOf(latest?.size ?? 0));
  const predictions = useDashboard((state) => state.world?.predictions ?? NO_PREDICTIONS);
  const viewpointId = useDashboard((state) => state.selection.viewpointId);
  const nameOf = useMemo(() => namesOf(nodes ?? new Map()), [nodes]);
  return useMemo(() => {
    const bestOf = (row: OrientedChannel) => bestShare(row, predictions);
    const seen = [...(channels?.values() ?? [])]
      .filter(
        (channel) =>
          viewpointId === null || channel.node1_id === viewpointId || channel.node2_id === viewpointId,
      )
      .map((channel) => orient(channel, viewpointId))
      .filter((row) => query === "" || channelMatches(row, query, nameOf));
    const rows = sortChannels(seen, sorting, nameOf, (row) => bestOf(row)?.share ?? null);
    return { rows, nameOf, bestOf };
  }, [channels, viewpointId, sorting, nameOf, predictions, query]);
}

const CSV_HEAD = [
  "channel_id",
  "node1_id",
  "node1",
  "node2_id",
  "node2",
  "capacity_sat",
  "node1_local_msat",
  "node2_local_msat",
  "unsettled_msat",
  "pending_htlcs",
  "first_listed",
  "first_share",
  "first_best_share",
  "first_best_low",
  "first_best_high",
];

function csvRow(row: OrientedChannel, best: BestShare | null, nameOf: NameOf): readonly Cell[] {
  const { channel } = row;
  return [
    channel.channel_id,
    channel.node1_id,
    nameOf(channel.node1_id),
    channel.node2_id,
    nameOf(channel.node2_id),
    channel.capacity_sat,
    channel.node1_local_msat,
    channel.node2_local_msat,
    channel.unsettled_msat,
    channel.pending_htlcs,
    nameOf(row.near.nodeId),
    shares(row).near,
    best?.share ?? null,
    best?.low ?? null,
    best?.high ?? null,
  ];
}

function ColumnChooser() {
  const { preferences } = useStores();
  const { hiddenColumns } = usePreferences();
  return (
    <details className="relative">
      <summary className="cursor-pointer rounded-sm border border-line px-2 text-12 leading-6 text-ink-2 hover:text-ink">
        columns
      </summary>
      <fieldset className="absolute right-0 z-20 mt-1 w-40 rounded-sm border border-line bg-raised p-2">
        <legend className="sr-only">Columns shown</legend>
        {COLUMNS.filter(({ key }) => key !== "channel").map(({ key, label }) => (
          <label key={key} className="flex cursor-pointer items-center gap-2">
            <input
              type="checkbox"
              checked={!hiddenColumns.includes(key)}
              onChange={(event) =>
                preferences.set({
                  hiddenColumns: event.target.checked
                    ? hiddenColumns.filter((other) => other !== key)
                    : [...hiddenColumns, key],
                })
              }
            />
            {label}
          </label>
        ))}
      </fieldset>
    </details>
  );
}

interface ChannelTableProps {
  readonly className?: string;
  /** Fewer columns, no search: it stands beside other things. */
  readonly isCompact?: boolean;
}

export function ChannelTable({ className = "", isCompact = false }: ChannelTableProps) {
  const { dashboard } = useStores();
  const { hiddenColumns } = usePreferences();
  const [sorting, setSorting] = useState<Sorting>({ key: "channel", descending: false });
  const [query, setQuery] = useState("");
  const [limit, setLimit] = useState(ROWS_STEP);
  const isRoomy = useMediaQuery(ROOMY);
  const selectedId = useDashboard((state) => state.selection.channelId);
  const isLoaded = useDashboard((state) => state.world !== null);
  const { rows, nameOf, bestOf } = useRows(sorting, query.trim());
  const shown = rows.slice(0, limit);
  const columns = COLUMNS.filter(({ key }) => (isCompact ? COMPACT.has(key) : !hiddenColumns.includes(key)));

  const open = (channelId: string, byKeyboard: boolean) => {
    dashboard.select({ channelId });
    if (byKeyboard) {
      requestAnimationFrame(() => document.getElementById("channel-panel-title")?.focus());
    }
  };
  const items = shown.map((oriented) => ({
    oriented,
    best: bestOf(oriented),
    nameOf,
    isSelected: oriented.channel.channel_id === selectedId,
    onOpen: open,
  }));
  return (
    <Section
      id="channels"
      title="Channels"
      className={className}
      aside={
        <>
          {isLoaded && (
            <span className="text-12 text-ink-3">
              {shown.length === rows.length
                ? formatInteger(rows.length)
                : `${formatInteger(shown.length)} of ${formatInteger(rows.length)}`}
            </span>
          )}
          <div className="ml-auto flex flex-wrap items-center gap-2">
            {!isCompact && (
              <>
                <SearchField label="Search channels" value={query} onChange={setQuery} />
                <ColumnChooser />
              </>
            )}
            <CsvButton
              name="channels"
              head={CSV_HEAD}
              rows={() => rows.map((row) => csvRow(row, bestOf(row), nameOf))}
            />
          </div>
        </>
      }
    >
      {rows.length === 0 ? (
        <Empty>
          {!isLoaded
            ? "Waiting for the network…"
            : query.trim() === ""
              ? "No channels here yet. They appear as soon as the network opens them; or choose another node under “seen from”."
              : "No channel has these letters in its names, keys or id."}
        </Empty>
      ) : isRoomy ? (
        <Scrollable label="Channel rows">
          <table
            className="w-full table-fixed border-separate border-spacing-0"
            data-testid="channels"
            data-list=""
          >
            <Head columns={columns} sorting={sorting} onSort={setSorting} />
            <tbody>
              {items.map((item) => (
                <Row key={item.oriented.channel.channel_id} columns={columns} {...item} />
              ))}
            </tbody>
          </table>
          {shown.length < rows.length && (
            <p className="p-2 text-center">
              <button
                type="button"
                className="rounded-sm border border-line px-2 text-12 leading-6 text-ink-2 hover:text-ink"
                onClick={() => setLimit(limit + ROWS_STEP)}
              >
                show {formatInteger(Math.min(ROWS_STEP, rows.length - shown.length))} more
              </button>
            </p>
          )}
        </Scrollable>
      ) : (
        <ul data-testid="channels" data-list="">
          {items.map((item) => (
            <Card key={item.oriented.channel.channel_id} {...item} />
          ))}
        </ul>
      )}
    </Section>
  );
}
