import { shares } from "../lib/channels";
import { formatInteger, formatShare } from "../lib/format";
import { balances, capacitySat, feeRates, type Holding, pendingHtlcs, presence } from "../lib/holdings";
import { categoryWords, costMsat } from "../lib/profit";
import { useDashboard, useStores } from "../state/context";
import { Amount } from "./Amount";
import { BalanceBar } from "./BalanceBar";
import type { DataColumn } from "./DataTable";
import { Gain } from "./Gain";

const PRESENCE = {
  online: { mark: "●", words: "online", colour: "text-success" },
  partly: { mark: "◐", words: "some channels are offline", colour: "text-warning" },
  offline: { mark: "○", words: "offline", colour: "text-warning" },
  closed: { mark: "×", words: "closed", colour: "text-ink-3" },
} as const;

/** The name, which opens the details of a single channel. */
function Name({ holding }: { readonly holding: Holding }) {
  const { dashboard } = useStores();
  const selectedId = useDashboard((state) => state.selection.channelId);
  const { mark, words, colour } = PRESENCE[presence(holding)];
  const [channel] = holding.channels;
  const isSingle = channel?.channel_id === holding.key;
  const open = (byKeyboard: boolean) => {
    dashboard.select({ channelId: holding.key });
    if (byKeyboard) {
      requestAnimationFrame(() => document.getElementById("channel-panel-title")?.focus());
    }
  };
  return (
    <>
      <span className="flex items-baseline gap-1">
        <span className={`text-12 ${colour}`} title={words}>
          <span aria-hidden="true">{mark}</span>
          <span className="sr-only">{words}:</span>
        </span>
        {isSingle ? (
          <button
            type="button"
            data-row=""
            data-channel-row={holding.key}
            aria-expanded={holding.key === selectedId}
            className="truncate text-left font-medium"
            onClick={(event) => open(event.detail === 0)}
          >
            {holding.name}
            <span className="sr-only">, channel {holding.key}: details</span>
          </button>
        ) : (
          <span className="truncate font-medium">{holding.name}</span>
        )}
      </span>
      <span className="block truncate text-12 text-ink-3">
        {isSingle || holding.channels.length === 0
          ? holding.key
          : holding.channels.map(({ channel_id }) => channel_id).join(", ")}
      </span>
    </>
  );
}

function rates(range: readonly [number, number] | null): string {
  if (range === null) {
    return "–";
  }
  const [low, high] = range.map(formatInteger);
  return low === high ? `${low}` : `${low}–${high}`;
}

const NAME: DataColumn<Holding> = {
  key: "name",
  label: "Peer",
  title: "The peer, whether it is there, and the short channel id",
  className: "w-40",
  value: ({ name }) => name,
  show: (holding) => <Name holding={holding} />,
};
const BALANCE: DataColumn<Holding> = {
  key: "balance",
  label: "Local – remote",
  title: "What the node holds and what its peer holds; sorted by the node's share",
  origin: "observed",
  value: (holding) => (holding.channels.length === 0 ? null : shares(balances(holding)).near),
  show: (holding) =>
    holding.channels.length === 0 ? (
      <span className="text-ink-3">closed</span>
    ) : (
      <BalanceBar oriented={balances(holding)} />
    ),
};
const FEES: DataColumn<Holding> = {
  key: "fee",
  label: "ppm",
  title: "Fee rate in parts per million: what the node asks for, and what its peer asks for",
  isRight: true,
  className: "w-20",
  value: (holding) => feeRates(holding, 1)?.[0] ?? null,
  show: (holding) => (
    <>
      <span className="text-ink-3">→ </span>
      {rates(feeRates(holding, 1))}
      <span className="block text-12">
        <span className="text-ink-3">← </span>
        {rates(feeRates(holding, 2))}
      </span>
    </>
  ),
};
const CAPACITY: DataColumn<Holding> = {
  key: "capacity",
  label: "Capacity",
  title: "What the channels were opened with",
  isRight: true,
  className: "w-32",
  value: capacitySat,
  show: (holding) => {
    const sat = capacitySat(holding);
    return sat === null ? "–" : <Amount msat={sat * 1_000} />;
  },
};
const HTLCS: DataColumn<Holding> = {
  key: "htlcs",
  label: "HTLCs",
  title: "In flight now",
  isRight: true,
  className: "w-18",
  value: pendingHtlcs,
  show: (holding) => formatInteger(pendingHtlcs(holding)),
};

/** Left out where nothing is known of profit and loss at all. */
export const PROFIT: readonly DataColumn<Holding>[] = [
  {
    key: "forwards",
    label: "Forwards",
    title: "How many went out over it, and how many came in by it",
    isRight: true,
    className: "w-28",
    origin: "observed",
    value: ({ standing }) => (standing === null ? null : standing.forwards_out + standing.forwards_in),
    show: ({ standing }) =>
      standing === null ? (
        "–"
      ) : (
        <>
          <span className="text-ink-3">→ </span>
          {formatInteger(standing.forwards_out)}
          <span className="block text-12">
            <span className="text-ink-3">← </span>
            {formatInteger(standing.forwards_in)}
          </span>
        </>
      ),
  },
  {
    key: "earned",
    label: "Earned",
    title: "Fees of what went out over it; below, half of the fees of what went out and came in",
    isRight: true,
    className: "w-28",
    origin: "observed",
    value: ({ standing }) => standing?.fee_earned_msat ?? null,
    show: ({ standing }) =>
      standing === null ? (
        "–"
      ) : (
        <>
          <Amount msat={standing.fee_earned_msat} />
          <span className="block text-12 text-ink-3">
            halved <Amount msat={standing.fee_split_msat} bare />
          </span>
        </>
      ),
  },
  {
    key: "cost",
    label: "Cost",
    title: "Rebalancing into it, and opening and closing on the chain as far as that is known",
    isRight: true,
    className: "w-28",
    origin: "observed",
    value: ({ standing }) => (standing === null ? null : costMsat(standing)),
    show: ({ standing }) =>
      standing === null ? (
        "–"
      ) : (
        <>
          <Amount msat={costMsat(standing)} />
          {standing.costs_unknown > 0 && <span className="block text-12 text-warning">not all is known</span>}
        </>
      ),
  },
  {
    key: "net",
    label: "Net",
    title: "Earned, less cost",
    isRight: true,
    className: "w-28",
    origin: "observed",
    value: ({ standing }) => standing?.net_msat ?? null,
    show: ({ standing }) =>
      standing === null ? (
        "–"
      ) : (
        <span className={standing.net_msat < 0 ? "text-failure" : ""}>
          <Gain msat={standing.net_msat} precise={false} />
        </span>
      ),
  },
  {
    key: "return",
    label: "Return",
    title: "Net by capacity, for a year; below, how often the capacity turned over",
    isRight: true,
    className: "w-42",
    origin: "estimated",
    value: ({ standing }) => standing?.return_on_capacity_per_year ?? null,
    show: ({ standing }) => (
      <>
        {formatShare(standing?.return_on_capacity_per_year ?? null, 2)}
        <span className="block text-12 text-ink-3">
          turned over {standing?.utilisation == null ? "–" : standing.utilisation.toFixed(2)}
        </span>
      </>
    ),
  },
];
export const SUCCESS: DataColumn<Holding> = {
  key: "success",
  label: "Settles",
  title: "How often payments sent on to this peer settle, with the bounds between which that lies with 80 %",
  isRight: true,
  className: "w-34",
  origin: "estimated",
  value: ({ success }) => success?.rate ?? null,
  show: ({ success }) => (
    <>
      {formatShare(success?.rate ?? null)}
      {success?.rate != null && (
        <span className="block text-12 text-ink-3">
          {formatShare(success.lower)} … {formatShare(success.upper)}
        </span>
      )}
    </>
  ),
};
export const SCORE: DataColumn<Holding> = {
  key: "score",
  label: "Score",
  title: "Documented score, 0 to 100, and the kind of channel",
  isRight: true,
  className: "w-30",
  origin: "estimated",
  value: ({ analysis }) => analysis?.overall_score ?? null,
  show: ({ analysis }) =>
    analysis === null ? (
      "–"
    ) : (
      <span
        title={`profitability ${analysis.profitability_score.toFixed(0)}, activity ${analysis.activity_score.toFixed(0)}, efficiency ${analysis.efficiency_score.toFixed(0)}`}
      >
        {analysis.overall_score.toFixed(0)}
        <span className="block text-12 text-ink-3">{categoryWords(analysis.category)}</span>
      </span>
    ),
};

export const COMPACT: readonly DataColumn<Holding>[] = [NAME, BALANCE, FEES];
export const PLAIN: readonly DataColumn<Holding>[] = [NAME, CAPACITY, BALANCE, FEES, HTLCS];
