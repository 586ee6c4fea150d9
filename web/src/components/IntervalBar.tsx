interface IntervalBarProps {
  readonly low: number;
  readonly value: number;
  readonly high: number;
  /** Value at the right end; bars that stand below one another share it. */
  readonly scale: number;
}

function percent(value: number, scale: number): string {
  return `${scale > 0 ? Math.min(1, Math.max(0, value / scale)) * 100 : 0}%`;
}

/** An estimate with its interval, drawn from 0; the numbers beside it say the same. */
export function IntervalBar({ low, value, high, scale }: IntervalBarProps) {
  return (
    <div className="relative my-1 h-2 rounded-xs bg-line" aria-hidden="true">
      <div
        className="absolute inset-y-0 rounded-xs bg-ink-3 opacity-60"
        style={{ left: percent(low, scale), width: percent(high - low, scale) }}
      />
      <div
        className="absolute -inset-y-0.5 w-0.5 -translate-x-1/2 bg-ink"
        style={{ left: percent(value, scale) }}
      />
    </div>
  );
}
