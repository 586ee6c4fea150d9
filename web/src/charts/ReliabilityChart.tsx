import type { Reliability } from "../api/learning";
import { formatInteger, formatShare, THIN } from "../lib/format";

const SIZE = 200;
const LEFT = 40;
const BOTTOM = 32;
const TOP = 8;

function x(probability: number): number {
  return LEFT + probability * SIZE;
}

function y(share: number): number {
  return TOP + (1 - share) * SIZE;
}

/** Said confidence against what happened; on the diagonal it means what it says. */
export function ReliabilityChart({ reliability }: { readonly reliability: Reliability }) {
  const bins = reliability.bins.filter((bin) => bin.count > 0);
  const most = Math.max(1, ...bins.map((bin) => bin.count));
  const ticks = [0, 0.5, 1];
  const words = bins
    .map(
      (bin) =>
        `said ${bin.mean_confidence.toFixed(2)}, gained ${bin.share_gained.toFixed(2)} of ${bin.count}`,
    )
    .join("; ");
  return (
    <svg
      role="img"
      aria-label={`Reliability of the confidence: ${words}`}
      data-testid="reliability-chart"
      viewBox={`0 0 ${LEFT + SIZE + 12} ${TOP + SIZE + BOTTOM}`}
      className="w-full max-w-80 text-12"
    >
      {ticks.map((tick) => (
        <g key={tick} className="fill-ink-2">
          <line x1={x(0)} x2={x(1)} y1={y(tick)} y2={y(tick)} className="stroke-line" />
          <line y1={y(0)} y2={y(1)} x1={x(tick)} x2={x(tick)} className="stroke-line" />
          <text x={LEFT - 6} y={y(tick) + 4} textAnchor="end">
            {tick}
          </text>
          <text x={x(tick)} y={y(0) + 14} textAnchor="middle">
            {tick}
          </text>
        </g>
      ))}
      <text x={x(0.5)} y={TOP + SIZE + 28} textAnchor="middle" className="fill-ink-2">
        confidence said
      </text>
      <text transform={`translate(10 ${y(0.5)}) rotate(-90)`} textAnchor="middle" className="fill-ink-2">
        share that gained
      </text>
      <line x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} className="stroke-ink-3" strokeDasharray="4 4" />
      {bins.map((bin) => (
        <g key={bin.low}>
          <line
            x1={x(bin.mean_confidence)}
            x2={x(bin.mean_confidence)}
            y1={y(bin.mean_confidence)}
            y2={y(bin.share_gained)}
            className="stroke-accent"
            strokeOpacity="0.5"
          />
          <circle
            cx={x(bin.mean_confidence)}
            cy={y(bin.share_gained)}
            r={3 + 6 * Math.sqrt(bin.count / most)}
            className="fill-accent"
            fillOpacity="0.7"
          >
            <title>
              {`said ${bin.low.toFixed(2)} to ${bin.high.toFixed(2)} (mean ${bin.mean_confidence.toFixed(2)}): ${formatShare(bin.share_gained)} of ${formatInteger(bin.count)} gained`}
            </title>
          </circle>
        </g>
      ))}
    </svg>
  );
}

/** The same in numbers. */
export function ReliabilityWords({ reliability }: { readonly reliability: Reliability }) {
  const skill = 1 - reliability.brier / reliability.brier_of_base_rate;
  return (
    <dl className="grid grid-cols-[minmax(0,1fr)_auto] gap-x-3">
      <dt className="text-ink-2">Brier score (0 is perfect)</dt>
      <dd className="text-right">{reliability.brier.toFixed(4)}</dd>
      <dt className="text-ink-2">always saying the average</dt>
      <dd className="text-right">{reliability.brier_of_base_rate.toFixed(4)}</dd>
      {reliability.brier_of_base_rate > 0 && (
        <>
          <dt className="text-ink-2">better than that by</dt>
          <dd className="text-right">{formatShare(skill)}</dd>
        </>
      )}
      <dt className="text-ink-2">gains inside their 80{THIN}% interval</dt>
      <dd className="text-right">{formatShare(reliability.interval_coverage)}</dd>
    </dl>
  );
}
