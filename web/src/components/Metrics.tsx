import { type ReactNode, useMemo } from "react";
import { formatInteger, formatShare } from "../lib/format";
import { successSeries, WINDOW } from "../lib/series";
import { useDashboard } from "../state/context";
import { Amount } from "./Amount";
import { Empty, Section } from "./Section";
import { SuccessChart } from "./SuccessChart";

function Figure({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="truncate text-12 text-ink-2">{label}</dt>
      <dd className="truncate text-15">{children}</dd>
    </div>
  );
}

function Figures() {
  const stats = useDashboard((state) => state.world?.stats);
  if (stats === undefined) {
    return null;
  }
  return (
    <dl className="grid grid-cols-2 gap-x-4 gap-y-2 px-3 py-2 md:grid-cols-3">
      <Figure label="Payments succeeded">
        {formatInteger(stats.succeeded)}
        <span className="text-12 text-ink-3"> of {formatInteger(stats.payments)}</span>
      </Figure>
      <Figure label="Delivered">
        <Amount msat={stats.volume_msat} />
      </Figure>
      <Figure label="Routing fees paid">
        <Amount msat={stats.fees_msat} precise />
      </Figure>
      <Figure label="Rebalances">{formatInteger(stats.rebalances)}</Figure>
      <Figure label="Moved by them">
        <Amount msat={stats.rebalanced_msat} />
      </Figure>
      <Figure label="At the cost of">
        <Amount msat={stats.rebalance_cost_msat} precise />
      </Figure>
    </dl>
  );
}

/** Figures since the start, and the success rate as it moves. */
export function Metrics({ className }: { readonly className: string }) {
  const payments = useDashboard((state) => state.world?.payments);
  const baseline = useDashboard((state) => state.world?.stats.success_rate ?? null);
  const series = useMemo(() => successSeries(payments ?? []), [payments]);
  return (
    <Section id="metrics" title="Since the start" className={className}>
      <Figures />
      <p className="flex flex-wrap gap-x-4 border-t border-line px-3 pt-2 text-12 text-ink-2">
        <span>Success rate</span>
        <span>
          <span aria-hidden="true">━ </span>last {WINDOW} payments
        </span>
        <span>
          <span aria-hidden="true">╌ </span>all, {formatShare(baseline)}
        </span>
      </p>
      <div className="relative m-2 min-h-24 flex-1">
        {series.times_s.length < 2 ? (
          <Empty>The line starts after {WINDOW / 5} payments.</Empty>
        ) : (
          <SuccessChart series={series} baseline={baseline} />
        )}
      </div>
    </Section>
  );
}
