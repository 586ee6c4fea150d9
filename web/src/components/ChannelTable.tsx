import { type MouseEvent, useMemo, useState } from "react";
import {
  type NameOf,
  namesOf,
  type OrientedChannel,
  orient,
  type Sorting,
  type SortKey,
  sortChannels,
} from "../lib/channels";
import { formatInteger } from "../lib/format";
import { ROOMY, useMediaQuery } from "../lib/hooks";
import { useDashboard, useStores } from "../state/context";
import { BalanceBar } from "./BalanceBar";
import { Scrollable } from "./Scrollable";
import { Empty, Section } from "./Section";

/** Rows drawn; a network with more is narrowed by choosing a node. */
const MOST_ROWS = 200;

interface Column {
  readonly key: SortKey;
  readonly label: string;
  readonly title: string;
  readonly className: string;
}

const COLUMNS: readonly Column[] = [
  {
    key: "channel",
    label: "Channel",
    title: "The two nodes, and the short channel id",
    className: "text-left",
  },
  {
    key: "balance",
    label: "Balance",
    title: "What each end holds; sorted by the first-named end's share",
    className: "w-[38%] text-left",
  },
  {
    key: "fee",
    label: "ppm",
    title: "Fee rate in parts per million: first-named to second-named, and back",
    className: "w-20 text-right",
  },
  {
    key: "htlcs",
    label: "HTLCs",
    title: "Payments in flight over this channel",
    className: "w-16 text-right",
  },
];

function ppm(rate: number | undefined): string {
  return rate === undefined ? "–" : formatInteger(rate);
}

interface RowProps {
  readonly oriented: OrientedChannel;
  readonly nameOf: NameOf;
  readonly isSelected: boolean;
  readonly onOpen: (channelId: string, byKeyboard: boolean) => void;
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

function Row(props: RowProps) {
  const { oriented, isSelected, onOpen } = props;
  const cell = "border-b border-line px-3 py-1 align-top";
  return (
    <tr
      className={`cursor-pointer ${isSelected ? "bg-raised" : "hover:bg-raised"}`}
      onClick={() => onOpen(oriented.channel.channel_id, false)}
    >
      <td className={cell}>
        <Identity {...props} />
      </td>
      <td className={`${cell} pt-2`}>
        <BalanceBar oriented={oriented} />
      </td>
      <td className={`${cell} text-right`}>
        <Fees oriented={oriented} />
      </td>
      <td className={`${cell} text-right`}>{formatInteger(oriented.channel.pending_htlcs)}</td>
    </tr>
  );
}

function Card(props: RowProps) {
  const { oriented, isSelected, onOpen } = props;
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
          <Fees oriented={oriented} />
        </div>
      </div>
      <BalanceBar oriented={oriented} />
    </li>
  );
}

interface HeadProps {
  readonly sorting: Sorting;
  readonly onSort: (sorting: Sorting) => void;
}

function Head({ sorting, onSort }: HeadProps) {
  return (
    <thead className="sticky top-0 z-10 bg-surface">
      <tr>
        {COLUMNS.map((column) => {
          const isSorted = sorting.key === column.key;
          const arrow = isSorted ? (sorting.descending ? "↓" : "↑") : "";
          return (
            <th
              key={column.key}
              scope="col"
              aria-sort={isSorted ? (sorting.descending ? "descending" : "ascending") : "none"}
              className={`border-b border-line px-3 py-1 text-12 font-medium text-ink-2 ${column.className}`}
            >
              <button
                type="button"
                title={column.title}
                className="hover:text-ink"
                onClick={() => onSort({ key: column.key, descending: isSorted && !sorting.descending })}
              >
                {column.label} <span aria-hidden="true">{arrow}</span>
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function useRows(sorting: Sorting): { rows: readonly OrientedChannel[]; nameOf: NameOf } {
  const nodes = useDashboard((state) => state.world?.nodes);
  const channels = useDashboard((state) => state.world?.channels);
  const viewpointId = useDashboard((state) => state.selection.viewpointId);
  const nameOf = useMemo(() => namesOf(nodes ?? new Map()), [nodes]);
  const rows = useMemo(() => {
    const seen = [...(channels?.values() ?? [])].filter(
      (channel) =>
        viewpointId === null || channel.node1_id === viewpointId || channel.node2_id === viewpointId,
    );
    return sortChannels(
      seen.map((channel) => orient(channel, viewpointId)),
      sorting,
      nameOf,
    );
  }, [channels, viewpointId, sorting, nameOf]);
  return { rows, nameOf };
}

function Count({ shown, total }: { readonly shown: number; readonly total: number }) {
  return (
    <span className="text-12 text-ink-3">
      {shown === total
        ? formatInteger(total)
        : `first ${formatInteger(shown)} of ${formatInteger(total)}; choose a node under “seen from” for fewer`}
    </span>
  );
}

export function ChannelTable({ className }: { readonly className: string }) {
  const { dashboard } = useStores();
  const [sorting, setSorting] = useState<Sorting>({ key: "channel", descending: false });
  const isRoomy = useMediaQuery(ROOMY);
  const selectedId = useDashboard((state) => state.selection.channelId);
  const isLoaded = useDashboard((state) => state.world !== null);
  const { rows, nameOf } = useRows(sorting);
  const shown = rows.slice(0, MOST_ROWS);

  const open = (channelId: string, byKeyboard: boolean) => {
    dashboard.select({ channelId });
    if (byKeyboard) {
      requestAnimationFrame(() => document.getElementById("channel-panel-title")?.focus());
    }
  };
  const items = shown.map((oriented) => ({
    oriented,
    nameOf,
    isSelected: oriented.channel.channel_id === selectedId,
    onOpen: open,
  }));
  return (
    <Section
      id="channels"
      title="Channels"
      className={className}
      aside={isLoaded && <Count shown={shown.length} total={rows.length} />}
    >
      {rows.length === 0 ? (
        <Empty>
          {isLoaded
            ? "No channels here yet. They appear as soon as the network opens them; or choose another node under “seen from”."
            : "Waiting for the network…"}
        </Empty>
      ) : isRoomy ? (
        <Scrollable label="Channel rows">
          <table className="w-full table-fixed border-separate border-spacing-0" data-testid="channels">
            <Head sorting={sorting} onSort={setSorting} />
            <tbody>
              {items.map((item) => (
                <Row key={item.oriented.channel.channel_id} {...item} />
              ))}
            </tbody>
          </table>
        </Scrollable>
      ) : (
        <ul data-testid="channels">
          {items.map((item) => (
            <Card key={item.oriented.channel.channel_id} {...item} />
          ))}
        </ul>
      )}
    </Section>
  );
}
