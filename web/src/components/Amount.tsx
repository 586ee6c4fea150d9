import { formatAmount } from "../lib/format";
import { usePreferences } from "../state/context";

interface AmountProps {
  readonly msat: number;
  /** Show millisatoshi, as fees need. */
  readonly precise?: boolean;
  readonly bare?: boolean;
}

/** An amount in the reader's unit; the tooltip has the exact millisatoshi. */
export function Amount({ msat, precise = false, bare = false }: AmountProps) {
  const { unit } = usePreferences();
  const quantity = formatAmount(msat, unit, precise);
  return (
    <span className="whitespace-nowrap" title={quantity.exact}>
      {quantity.value}
      {!bare && quantity.unit !== "" && (
        <span className="text-12 text-ink-3">{`\u202f${quantity.unit}`}</span>
      )}
    </span>
  );
}
