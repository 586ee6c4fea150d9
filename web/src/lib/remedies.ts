import type { Remedy } from "../api/node";
import { formatInteger } from "./format";

const MSAT_PER_SAT = 1_000;

function sat(msat: number): string {
  return formatInteger(Math.floor(msat / MSAT_PER_SAT));
}

/** What was done, with its figures. */
export function remedyWords({ kind, before, after }: Remedy): string {
  switch (kind) {
    case "liquidity added":
      return `${sat(after)} sat of liquidity added`;
    case "channel added":
      return `channel of ${formatInteger(after)} sat added`;
    case "max_htlc raised":
      return `max_htlc raised from ${sat(before)} to ${sat(after)} sat`;
    default:
      return `${kind} from ${formatInteger(before)} to ${formatInteger(after)} ppm`;
  }
}
