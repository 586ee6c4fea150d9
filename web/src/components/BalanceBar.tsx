import { type Balances, shares } from "../lib/channels";
import { formatShare } from "../lib/format";
import type { BestShare } from "../lib/predictions";
import { Amount } from "./Amount";

interface BalanceBarProps {
  readonly oriented: Balances;
  /** Marked on the bar: the share that the model holds to be best, with its interval. */
  readonly best?: BestShare | null;
}

function percent(share: number): string {
  return `${Math.min(1, Math.max(0, share)) * 100}%`;
}

/** Two balances as one bar, each with its number; what is in flight lies between. */
export function BalanceBar({ oriented, best = null }: BalanceBarProps) {
  const parts = shares(oriented);
  return (
    <div className="min-w-0">
      <div className="relative py-1" aria-hidden="true">
        <div className="flex h-2 w-full overflow-hidden rounded-xs bg-line">
          <div className="bg-local" style={{ width: percent(parts.near) }} />
          <div className="bg-unsettled" style={{ width: percent(parts.unsettled) }} />
          <div className="bg-remote" style={{ width: percent(parts.far) }} />
        </div>
        {best !== null && (
          <>
            <div
              className="absolute top-0 h-px bg-ink-2"
              style={{ left: percent(best.low), width: percent(best.high - best.low) }}
            />
            <div
              className="absolute top-0 h-4 w-0.5 -translate-x-1/2 bg-ink"
              title={`best share ${formatShare(best.share, 0)}`}
              style={{ left: percent(best.share) }}
            />
          </>
        )}
      </div>
      <div className="flex justify-between gap-2 text-12">
        <span className="text-local-ink">
          <Amount msat={oriented.near.balanceMsat} bare />
        </span>
        <span className="text-remote-ink">
          <Amount msat={oriented.far.balanceMsat} bare />
        </span>
      </div>
    </div>
  );
}
