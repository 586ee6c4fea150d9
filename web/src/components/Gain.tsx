import { formatGain, formatProbability } from "../lib/format";
import { usePreferences } from "../state/context";

interface GainProps {
  readonly msat: number;
  /** Show millisatoshi. */
  readonly precise?: boolean;
  readonly bare?: boolean;
}

/** A gain with its sign, in the reader's unit. */
export function Gain({ msat, precise = true, bare = false }: GainProps) {
  const { unit } = usePreferences();
  const quantity = formatGain(msat, unit, precise);
  return (
    <span className="whitespace-nowrap" title={quantity.exact}>
      {quantity.value}
      {!bare && quantity.unit !== "" && (
        <span className="text-12 text-ink-3">{`\u202f${quantity.unit}`}</span>
      )}
    </span>
  );
}

interface ExpectedProps {
  readonly gainMsat: number;
  readonly lowMsat: number;
  readonly highMsat: number;
  readonly confidence: number | null;
}

/** An expected gain with its 80 % interval and the probability that there is any. */
export function Expected({ gainMsat, lowMsat, highMsat, confidence }: ExpectedProps) {
  return (
    <span>
      <Gain msat={gainMsat} />{" "}
      <span className="text-12 text-ink-2">
        (80{"\u202f"}%: <Gain msat={lowMsat} bare /> … <Gain msat={highMsat} bare />
        {confidence !== null && <>, P(gain) {formatProbability(confidence)}</>})
      </span>
    </span>
  );
}
