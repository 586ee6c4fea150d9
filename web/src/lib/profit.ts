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

/** The book is read every few minutes; what is older than this is behind. */
const CURRENT_MS = 3_600_000;

/** Until when forwards are known, where that is well before the end of the range: 0 for never; otherwise null. */
export function behindSinceMs(
  report: Pick<ProfitReport<unknown>, "to_ms" | "forwards_known_until_ms">,
): number | null {
  const knownUntilMs = report.forwards_known_until_ms ?? 0;
  return report.to_ms - knownUntilMs > CURRENT_MS ? knownUntilMs : null;
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
