import type { RecordedGap, RecordingStatus } from "../api/node";
import { formatClock, formatInteger, formatShare, formatSpan } from "../lib/format";
import { gapParts, gapReason } from "../lib/recording";
import { Provenance } from "./Provenance";

const HOUR_MS = 3_600_000;

function when(ms: number): string {
  const { date, time } = formatClock(ms);
  return `${date} ${time}`;
}

function GapLine({ gap }: { readonly gap: RecordedGap }) {
  return (
    <li className="wrap-anywhere">
      <span className="text-warning">{formatSpan(gap.to_ms - gap.from_ms)}</span>, {when(gap.from_ms)} to{" "}
      {when(gap.to_ms)} UTC: {gapReason(gap.reason)}
      {gap.lost !== null && `, ${formatInteger(gap.lost)} events lost`}
      {gap.detail !== "" && <span className="text-ink-3"> ({gap.detail})</span>}
    </li>
  );
}

/** The window as a bar, in which what was not seen is left out. */
function Bar({ status }: { readonly status: RecordingStatus }) {
  const fromMs = status.now_ms - status.window_hours * HOUR_MS;
  const unknownBefore = 1 - status.coverage;
  const gaps = gapParts(status.gaps, fromMs, status.now_ms);
  const inGaps = gaps.reduce((sum, gap) => sum + gap.length, 0);
  const before = Math.max(0, unknownBefore - inGaps);
  return (
    <div className="relative h-2 min-w-24 flex-1 overflow-hidden rounded-xs bg-success" aria-hidden="true">
      <div className="absolute inset-y-0 left-0 bg-line" style={{ width: `${before * 100}%` }} />
      {gaps.map((gap) => (
        <div
          key={gap.start}
          className="absolute inset-y-0 min-w-px bg-warning"
          style={{ left: `${gap.start * 100}%`, width: `${gap.length * 100}%` }}
        />
      ))}
    </div>
  );
}

/** How much of a window was seen, and of which times events are missing. */
export function Coverage({ status }: { readonly status: RecordingStatus }) {
  const windowMs = status.window_hours * HOUR_MS;
  const isWhole = status.coverage > 0.9995;
  return (
    <div className="px-3 py-2" data-testid="coverage">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span>
          seen: <span className="font-semibold">{formatShare(status.coverage)}</span> of the last{" "}
          {formatSpan(windowMs)}
          <Provenance />
          {!isWhole && (
            <span className="text-ink-2">
              {" "}
              ({formatSpan(windowMs * (1 - status.coverage))} not seen: refusals of that time are in no
              figure)
            </span>
          )}
        </span>
        <Bar status={status} />
      </div>
      {status.gaps.length > 0 ? (
        <details className="text-12 text-ink-2">
          <summary className="cursor-pointer hover:text-ink">
            {formatInteger(status.gaps.length)} {status.gaps.length === 1 ? "gap" : "gaps"}, and why
          </summary>
          <ul className="mt-1 max-h-40 overflow-auto pl-3">
            {status.gaps.map((gap) => (
              <GapLine key={`${gap.from_ms} ${gap.reason}`} gap={gap} />
            ))}
          </ul>
        </details>
      ) : (
        !isWhole && (
          <p className="text-12 text-ink-3">
            No gap is known: the rest is from before the recording began, or is being written.
          </p>
        )
      )}
    </div>
  );
}
