/** What a watched node's channels and peers earned and cost in the time range of the page. */

import type { ChannelProfit, PeerProfit, ProfitReport, Standing } from "../api/profit";
import { useRoute } from "../state/context";
import { rangeHours } from "../state/route";
import { useIsRecorded } from "./mode";
import { type Resource, useResource } from "./service";

const REFRESH_MS = 60_000;
const HOURS_PER_DAY = 24;

interface RowsBy {
  readonly channel: ChannelProfit;
  readonly peer: PeerProfit;
}
export type By = keyof RowsBy;

/** Reads nothing where no node is watched. */
export function useProfit<B extends By>(by: B): Resource<ProfitReport<RowsBy[B]>> {
  const { range } = useRoute();
  const isRecorded = useIsRecorded();
  return useResource<ProfitReport<RowsBy[B]>>(
    isRecorded ? "/profit" : null,
    { days: rangeHours(range) / HOURS_PER_DAY, by },
    { everyMs: REFRESH_MS },
  );
}

export function costMsat(standing: Standing): number {
  return standing.rebalance_fee_msat + standing.on_chain_cost_msat;
}

const CATEGORIES: Readonly<Record<string, string>> = {
  high_performers: "high performer",
  profitable: "profitable",
  active_unprofitable: "active, unprofitable",
  inactive: "inactive",
  problematic: "problematic",
};

export function categoryWords(category: string): string {
  return CATEGORIES[category] ?? category.replaceAll("_", " ");
}
