import { formatInteger, formatShare } from "../lib/format";
import { useMissed } from "../lib/missed";
import { RECENT_HOURS, useRecording } from "../lib/recording";
import { useDashboard } from "../state/context";
import { Amount } from "./Amount";
import { Figure } from "./Metrics";

/** Key figures of a watched node, in one line: since the service started, but for the last two. */
export function NodeFigures({ className = "" }: { readonly className?: string }) {
  const stats = useDashboard((state) => state.world?.stats);
  const recording = useRecording(RECENT_HOURS).value;
  const missed = useMissed(RECENT_HOURS).value;
  if (stats === undefined) {
    return null;
  }
  return (
    <section
      aria-label="Key figures of the node"
      data-testid="figures"
      className={`rounded-sm border border-line bg-surface ${className}`}
    >
      <dl className="grid grid-cols-2 divide-line md:grid-cols-4 lg:grid-cols-8 lg:divide-x">
        <Figure label="Forwarded">
          {formatInteger(stats.succeeded)}
          <span className="text-12 text-ink-3"> of {formatInteger(stats.payments)}</span>
        </Figure>
        <Figure label="Refused here">{recording === null ? "–" : formatInteger(recording.refused)}</Figure>
        <Figure label="Failed further down">
          {recording === null ? "–" : formatInteger(recording.failed_downstream)}
        </Figure>
        <Figure label="Volume">
          <Amount msat={stats.volume_msat} />
        </Figure>
        <Figure label="Fees earned">
          <Amount msat={stats.fees_msat} precise />
        </Figure>
        <Figure label="In flight">{recording === null ? "–" : formatInteger(recording.in_flight)}</Figure>
        <Figure label="Missed, last 24 h" origin="estimated">
          {missed === null ? "–" : <Amount msat={missed.total_expected_msat} />}
        </Figure>
        <Figure label="Seen of last 24 h">{formatShare(recording?.coverage ?? null)}</Figure>
      </dl>
    </section>
  );
}
