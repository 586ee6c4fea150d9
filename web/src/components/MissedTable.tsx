import { type ReactNode, useMemo } from "react";
import type { Opportunity } from "../api/node";
import { formatInteger } from "../lib/format";
import { causeWords, intervalScale, REMEDIES, urgencyColour } from "../lib/missed";
import { Amount } from "./Amount";
import { type DataColumn, DataTable } from "./DataTable";
import { Gain } from "./Gain";
import { IntervalBar } from "./IntervalBar";

export interface Ranked {
  readonly rank: number;
  readonly opportunity: Opportunity;
}

const MSAT_PER_SAT = 1_000;

export function peerName({ peer_alias, peer_pubkey, channel_id }: Opportunity): string {
  return peer_alias || peer_pubkey.slice(0, 12) || channel_id;
}

/** An expected amount, and below it between which bounds it lies. */
export function Estimate(props: {
  readonly low: number;
  readonly value: number;
  readonly high: number;
  readonly children?: ReactNode;
}) {
  return (
    <>
      <Amount msat={props.value} />
      {props.children}
      <span className="block text-12 text-ink-3">
        <Amount msat={props.low} bare /> … <Amount msat={props.high} bare />
      </span>
    </>
  );
}

function Monthly({ opportunity }: { readonly opportunity: Opportunity }) {
  const { monthly_lower_msat: low, monthly_expected_msat: value, monthly_upper_msat: high } = opportunity;
  return low === null || value === null || high === null ? (
    <span className="text-12 text-ink-3">too little observed</span>
  ) : (
    <Estimate low={low} value={value} high={high} />
  );
}

/** Everything but the name, which opens the row. */
function columnsFor(scale: number): readonly DataColumn<Ranked>[] {
  return [
    {
      key: "failures",
      label: "Failures",
      title: "HTLCs that the node itself refused at this channel, and the payments that they are taken for",
      isRight: true,
      className: "w-34",
      origin: "observed",
      value: ({ opportunity }) => opportunity.total_failures,
      show: ({ opportunity }) => (
        <>
          {formatInteger(opportunity.total_failures)}
          <span className="block text-12 text-ink-3">{formatInteger(opportunity.payments)} payments</span>
        </>
      ),
    },
    {
      key: "documented",
      label: "Missed revenue",
      title: "Documented figure: what every refused attempt offered, retries and probes included",
      isRight: true,
      className: "w-40",
      origin: "observed",
      value: ({ opportunity }) => opportunity.missed_revenue_sats,
      show: ({ opportunity }) => <Amount msat={Math.round(opportunity.missed_revenue_sats * MSAT_PER_SAT)} />,
    },
    {
      key: "expected",
      label: "Expected",
      title: "What would really have been earned, with the bounds between which it lies with 90 %",
      isRight: true,
      className: "w-34",
      origin: "estimated",
      value: ({ opportunity }) => opportunity.expected_msat,
      show: ({ opportunity: { lower_msat, expected_msat, upper_msat } }) => (
        <Estimate low={lower_msat} value={expected_msat} high={upper_msat}>
          <IntervalBar low={lower_msat} value={expected_msat} high={upper_msat} scale={scale} />
        </Estimate>
      ),
    },
    {
      key: "monthly",
      label: "Per month",
      title: "The same for 720 hours; not said below 6 hours of observation",
      isRight: true,
      className: "w-32",
      origin: "estimated",
      value: ({ opportunity }) => opportunity.monthly_expected_msat,
      show: ({ opportunity }) => <Monthly opportunity={opportunity} />,
    },
    {
      key: "cause",
      label: "Cause",
      title: "The most frequent reason of the refusals",
      className: "w-24",
      value: ({ opportunity }) => opportunity.main_cause,
      show: ({ opportunity }) => (
        <span title={causeWords(opportunity.main_cause)}>{opportunity.main_cause}</span>
      ),
    },
    {
      key: "urgency",
      label: "Urgency",
      title:
        "Documented figure, 0 to 100: up to 40 for revenue, 30 for frequency, 30 for the rate of failure",
      isRight: true,
      className: "w-24",
      origin: "estimated",
      value: ({ opportunity }) => opportunity.urgency_score,
      show: ({ opportunity }) => (
        <span className={`font-semibold ${urgencyColour(opportunity.urgency_score)}`}>
          {opportunity.urgency_score.toFixed(0)}
        </span>
      ),
    },
    {
      key: "remedy",
      label: "Remedy",
      title: "The cheapest remedy",
      value: ({ opportunity }) => opportunity.recommendation_type,
      show: ({ opportunity }) => (
        <>
          <span className="font-medium">{REMEDIES[opportunity.recommendation_type]}</span>
          <span className="block text-12 text-ink-2">{opportunity.recommended_action}</span>
        </>
      ),
    },
    {
      key: "cost",
      label: "Cost",
      title: "What the remedy costs in this window",
      isRight: true,
      className: "w-28",
      origin: "estimated",
      value: ({ opportunity }) => opportunity.cost_msat,
      show: ({ opportunity }) => <Amount msat={opportunity.cost_msat} />,
    },
    {
      key: "net",
      label: "Net",
      title: "Expected, less the cost of the remedy",
      isRight: true,
      className: "w-30",
      origin: "estimated",
      value: ({ opportunity }) => opportunity.net_msat,
      show: ({ opportunity }) => (
        <span className={opportunity.net_msat < 0 ? "text-ink-2" : "text-success"}>
          <Gain msat={opportunity.net_msat} precise={false} />
        </span>
      ),
    },
  ];
}

function Name({ ranked, isOpen, onToggle }: NameProps) {
  const { channel_id } = ranked.opportunity;
  return (
    <div className="flex items-baseline gap-2">
      <span className="w-5 shrink-0 text-right text-ink-3">{formatInteger(ranked.rank)}</span>
      <div className="min-w-0">
        <button
          type="button"
          data-row=""
          data-missed-row={channel_id}
          aria-expanded={isOpen}
          title="Show what was refused here, one by one"
          className="block max-w-full truncate text-left font-medium"
          onClick={() => onToggle(channel_id)}
        >
          <span className="text-ink-3" aria-hidden="true">
            {isOpen ? "▾ " : "▸ "}
          </span>
          {peerName(ranked.opportunity)}
          <span className="sr-only">, channel {channel_id}: refused attempts</span>
        </button>
        <span className="block truncate text-12 text-ink-3">{channel_id}</span>
      </div>
    </div>
  );
}

interface NameProps {
  readonly ranked: Ranked;
  readonly isOpen: boolean;
  readonly onToggle: (channelId: string) => void;
}

interface MissedTableProps {
  readonly opportunities: readonly Opportunity[];
  readonly openId: string | null;
  readonly onToggle: (channelId: string) => void;
  readonly detail: (channelId: string) => ReactNode;
}

/** Channels by what they failed to earn, the most urgent first. */
export function MissedTable({ opportunities, openId, onToggle, detail }: MissedTableProps) {
  const rows = useMemo(
    () => opportunities.map((opportunity, index): Ranked => ({ rank: index + 1, opportunity })),
    [opportunities],
  );
  const columns = useMemo(
    (): readonly DataColumn<Ranked>[] => [
      {
        key: "rank",
        label: "# Channel",
        title: "Rank by urgency; sorts by rank",
        className: "w-40",
        value: ({ rank }) => rank,
        show: (ranked) => (
          <Name ranked={ranked} isOpen={ranked.opportunity.channel_id === openId} onToggle={onToggle} />
        ),
      },
      ...columnsFor(intervalScale(opportunities)),
    ],
    [opportunities, openId, onToggle],
  );
  return (
    <DataTable
      label="Missed opportunities"
      testId="missed"
      columns={columns}
      rows={rows}
      keyOf={({ opportunity }) => opportunity.channel_id}
      initial={{ key: "rank", descending: false }}
      className="min-w-280"
      isMarked={({ opportunity }) => opportunity.channel_id === openId}
      detail={({ opportunity }) =>
        opportunity.channel_id === openId ? detail(opportunity.channel_id) : null
      }
    />
  );
}
