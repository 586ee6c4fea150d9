import { type ReactNode, useMemo, useState } from "react";
import { namesOf } from "../lib/channels";
import type { Cell } from "../lib/csv";
import { formatInteger } from "../lib/format";
import {
  balances,
  byChannel,
  byPeer,
  capacitySat,
  type Holding,
  holdingMatches,
  pendingHtlcs,
  presence,
} from "../lib/holdings";
import { type By, useProfit } from "../lib/profit";
import { useDashboard } from "../state/context";
import { CsvButton } from "./CsvButton";
import { type DataColumn, DataTable } from "./DataTable";
import { COMPACT, PLAIN, PROFIT, SCORE, SUCCESS } from "./holdingColumns";
import { SearchField } from "./SearchField";
import { Empty, Section } from "./Section";
import { Segmented } from "./Segmented";

const CSV_HEAD = [
  "key",
  "peer",
  "channel_ids",
  "presence",
  "capacity_sat",
  "local_msat",
  "remote_msat",
  "pending_htlcs",
  "forwards_out",
  "forwards_in",
  "fee_earned_msat",
  "fee_sourced_msat",
  "fee_split_msat",
  "rebalance_fee_msat",
  "on_chain_cost_msat",
  "net_msat",
  "return_on_capacity_per_year",
];

function csvRow(holding: Holding): readonly Cell[] {
  const { near, far } = balances(holding);
  const { standing } = holding;
  return [
    holding.key,
    holding.name,
    holding.channels.map(({ channel_id }) => channel_id).join(" "),
    presence(holding),
    capacitySat(holding),
    near.balanceMsat,
    far.balanceMsat,
    pendingHtlcs(holding),
    standing?.forwards_out ?? null,
    standing?.forwards_in ?? null,
    standing?.fee_earned_msat ?? null,
    standing?.fee_sourced_msat ?? null,
    standing?.fee_split_msat ?? null,
    standing?.rebalance_fee_msat ?? null,
    standing?.on_chain_cost_msat ?? null,
    standing?.net_msat ?? null,
    standing?.return_on_capacity_per_year ?? null,
  ];
}

interface HoldingTableProps {
  readonly holdings: readonly Holding[];
  readonly columns: readonly DataColumn<Holding>[];
  readonly aside: ReactNode;
  readonly empty: string;
  readonly className: string;
  readonly minWidth: string;
}

function HoldingTable({ holdings, columns, aside, empty, className, minWidth }: HoldingTableProps) {
  const selectedId = useDashboard((state) => state.selection.channelId);
  const hasWorld = useDashboard((state) => state.world !== null);
  return (
    <Section
      id="channels"
      title="Channels"
      className={className}
      aside={
        <>
          <span className="text-12 text-ink-3">{formatInteger(holdings.length)}</span>
          <div className="ml-auto flex flex-wrap items-center gap-2">
            {aside}
            <CsvButton name="channels" head={CSV_HEAD} rows={() => holdings.map(csvRow)} />
          </div>
        </>
      }
    >
      {holdings.length === 0 ? (
        <Empty>{hasWorld ? empty : "Waiting for the node…"}</Empty>
      ) : (
        <DataTable
          label="Channel rows"
          testId="channels"
          columns={columns}
          rows={holdings}
          keyOf={({ key }) => key}
          initial={{ key: "name", descending: false }}
          className={minWidth}
          isMarked={({ key }) => key === selectedId}
        />
      )}
    </Section>
  );
}

function useOpenChannels() {
  const nodes = useDashboard((state) => state.world?.nodes);
  const channels = useDashboard((state) => state.world?.channels);
  const nameOf = useMemo(() => namesOf(nodes ?? new Map()), [nodes]);
  const open = useMemo(() => [...(channels?.values() ?? [])], [channels]);
  return { open, nameOf };
}

/** The node's channels beside other things. */
export function HoldingsCompact({ className = "" }: { readonly className?: string }) {
  const { open, nameOf } = useOpenChannels();
  const holdings = useMemo(() => byChannel(open, [], nameOf), [open, nameOf]);
  return (
    <HoldingTable
      holdings={holdings}
      columns={COMPACT}
      aside={null}
      empty="The node has no open channel."
      className={className}
      minWidth=""
    />
  );
}

const BY_OPTIONS = [
  { value: "channel", label: "by channel" },
  { value: "peer", label: "by peer" },
] as const;

/** The node's channels or peers with what they earned and cost, where that is known. */
export function Holdings({ className = "" }: { readonly className?: string }) {
  const { open, nameOf } = useOpenChannels();
  const [by, setBy] = useState<By>("channel");
  const [query, setQuery] = useState("");
  const channelProfit = useProfit("channel").value;
  const peerProfit = useProfit("peer").value;
  const holdings = useMemo(() => {
    const all =
      by === "channel"
        ? byChannel(open, channelProfit?.rows ?? [], nameOf)
        : byPeer(open, peerProfit?.rows ?? [], nameOf);
    return query.trim() === "" ? all : all.filter((holding) => holdingMatches(holding, query.trim()));
  }, [by, open, channelProfit, peerProfit, nameOf, query]);
  const hasProfit = (by === "channel" ? channelProfit : peerProfit) !== null;
  const columns = !hasProfit
    ? PLAIN
    : by === "channel"
      ? [...PLAIN, ...PROFIT, SCORE]
      : [...PLAIN, ...PROFIT, SUCCESS];
  return (
    <HoldingTable
      holdings={holdings}
      columns={columns}
      aside={
        <>
          <Segmented legend="Rows" name="by" options={BY_OPTIONS} value={by} onChange={setBy} />
          <SearchField label="Search channels" value={query} onChange={setQuery} />
        </>
      }
      empty={
        query.trim() === ""
          ? "The node has no open channel."
          : "No channel has these letters in its peer's name or key, or in its id."
      }
      className={className}
      minWidth={hasProfit ? "min-w-280" : "min-w-180"}
    />
  );
}
