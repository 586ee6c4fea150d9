import { formatClock, formatInteger, formatShare } from "../lib/format";
import { useIsRecorded } from "../lib/mode";
import { behindSinceMs, useProfit } from "../lib/profit";
import { useRoute } from "../state/context";
import { Amount } from "./Amount";
import { Gain } from "./Gain";
import { Figure } from "./Metrics";

const NOT_FOUND = 404;

function when(ms: number): string {
  const { date, time } = formatClock(ms);
  return `${date} ${time}`;
}

/** What the node earned and cost in the time range, in one line; or why that is not known. */
export function ProfitFigures({ className = "" }: { readonly className?: string }) {
  const { range } = useRoute();
  const { value, problem } = useProfit("channel");
  const isRecorded = useIsRecorded();
  if (!isRecorded) {
    return null;
  }
  const span = range === "all" ? "of all time" : `of the last ${range}`;
  if (value === null) {
    return (
      <p
        data-testid="profit"
        className={`rounded-sm border border-line bg-surface px-3 py-1 text-12 text-ink-2 ${className}`}
      >
        {problem === null
          ? "Adding up profit and loss…"
          : `Profit and loss ${span} are not there: ${problem.status === NOT_FOUND ? "this version of the service does not add them up" : problem.message}.`}
      </p>
    );
  }
  const { node } = value;
  const behindMs = behindSinceMs(value);
  return (
    <section
      aria-label={`Profit and loss ${span}`}
      data-testid="profit"
      className={`rounded-sm border border-line bg-surface ${className}`}
    >
      <dl className="grid grid-cols-2 divide-line md:grid-cols-4 lg:grid-cols-8 lg:divide-x">
        <Figure label={`Earned, ${range}`}>
          <Amount msat={node.fee_earned_msat} />
        </Figure>
        <Figure label="Rebalancing cost">
          {value.self_payments_known_until_ms ? (
            <Amount msat={node.rebalance_fee_msat} />
          ) : (
            <span className="text-ink-3">not known</span>
          )}
        </Figure>
        <Figure label="On-chain cost">
          <Amount msat={node.on_chain_cost_msat} />
          {node.costs_unknown > 0 && <span className="text-12 text-warning"> or more</span>}
        </Figure>
        <Figure label="Net">
          <Gain msat={node.net_msat} precise={false} />
        </Figure>
        <Figure label="Forwards">{formatInteger(node.forwards_out)}</Figure>
        <Figure label="Forwarded">
          <Amount msat={node.forwarded_out_msat} />
        </Figure>
        <Figure label="Turned over" origin="estimated">
          {node.utilisation === null ? "–" : `${node.utilisation.toFixed(2)} ×`}
        </Figure>
        <Figure label="Return, per year" origin="estimated">
          {formatShare(node.return_on_capacity_per_year, 2)}
        </Figure>
      </dl>
      {behindMs !== null && (
        <p className="border-t border-line px-3 py-1 text-12 text-warning" data-testid="profit-behind">
          {behindMs === 0
            ? "▲ The node's book of forwards was not read yet: nothing is in these figures."
            : `▲ The node's book of forwards was read until ${when(behindMs)} UTC: what came later is not in these figures yet.`}
        </p>
      )}
    </section>
  );
}
