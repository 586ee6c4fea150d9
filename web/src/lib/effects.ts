/** What rebalances were expected to bring and what they brought. */

import type { Effect } from "../api/learning";
import { useDashboard } from "../state/context";
import { type Resource, useResource } from "./service";

const REFRESH_MS = 15_000;
const NEWEST = 200;

/** Read the newest effects; again when a rebalance has ended. */
export function useEffects(): Resource<readonly Effect[]> {
  const rebalances = useDashboard((state) => state.world?.rebalances);
  return useResource<readonly Effect[]>(
    "/effects",
    { limit: NEWEST },
    { version: rebalances, everyMs: REFRESH_MS },
  );
}

export interface EffectTotals {
  readonly count: number;
  readonly moved: number;
  readonly feeMsat: number;
  /** Sums over those where both are known, so that they can be compared. */
  readonly compared: number;
  readonly predictedMsat: number;
  readonly realisedMsat: number;
  /** How many realised gains lay inside their 80 % interval. */
  readonly inside: number;
}

export function effectTotals(effects: readonly Effect[]): EffectTotals {
  const known = effects.filter((one) => one.realised_gain_msat !== null && one.predicted_gain_msat !== null);
  const sum = (values: readonly (number | null)[]) =>
    values.reduce<number>((total, one) => total + (one ?? 0), 0);
  const isInside = (one: Effect) =>
    one.realised_gain_msat !== null &&
    one.predicted_low_msat !== null &&
    one.predicted_high_msat !== null &&
    one.realised_gain_msat >= one.predicted_low_msat &&
    one.realised_gain_msat <= one.predicted_high_msat;
  return {
    count: effects.length,
    moved: effects.filter((one) => one.status === "succeeded").length,
    feeMsat: sum(effects.map((one) => one.fee_msat)),
    compared: known.length,
    predictedMsat: sum(known.map((one) => one.predicted_gain_msat)),
    realisedMsat: sum(known.map((one) => one.realised_gain_msat)),
    inside: known.filter(isInside).length,
  };
}
