/** What a watched node failed to earn: words for causes and remedies, and which refusals are one payment. */

import type { MissedReport, Opportunity, Recommendation, RefusedAttempt } from "../api/node";
import { useIsRecorded } from "./mode";
import { type Resource, useResource } from "./service";

const REFRESH_MS = 30_000;

export interface Thresholds {
  readonly min_failures: number;
  readonly min_missed_sats: number;
}

/** Below these the service leaves a channel out, as documented. */
export const WORTHWHILE: Thresholds = { min_failures: 3, min_missed_sats: 100 };
export const EVERYTHING: Thresholds = { min_failures: 1, min_missed_sats: 0 };

/** What was missed in the last hours by the watched node, or by a node of a lab; otherwise reads nothing. */
export function useMissed(
  hours: number,
  thresholds: Thresholds = WORTHWHILE,
  labNodeId: string | null = null,
): Resource<MissedReport> {
  const isRecorded = useIsRecorded();
  return useResource<MissedReport>(
    isRecorded || labNodeId !== null ? "/missed" : null,
    { hours, ...thresholds, node: labNodeId },
    { everyMs: REFRESH_MS },
  );
}

export const REMEDIES: Readonly<Record<Recommendation, string>> = {
  rebalance_inbound: "send out over it",
  rebalance_outbound: "bring liquidity to it",
  lower_fees: "lower its fee",
  increase_capacity: "more capacity",
  investigate: "look into it",
};

const CAUSES: Readonly<Record<string, string>> = {
  liquidity: "No channel with the peer had enough to send",
  "own max_htlc": "Above the max_htlc that the node itself announced, though the liquidity was there",
  "too large": "Above the node's max_htlc, and above what could have been sent",
  "slots or fee buffer": "No free HTLC slot, too much in flight, or the fee buffer",
  fee: "Less than the node asks for: a sender with an old policy, or one who tries",
  "fee, policy still spreading": "Less than the node asks for since a short while ago",
  "peer offline": "The peer was not there",
  "below min_htlc": "The amount was below the channel's minimum",
  expiry: "The time lock did not fit the channel's policy, or was too near",
  "refused by policy": "Back over the channel that it came by, or the node forwards nothing",
  unclear: "Refused for dust, or by an interceptor: LND gives both the same code",
  "unknown channel": "Sent on to a channel that the node does not have",
  unreadable: "The HTLC itself could not be read",
};

/** What a cause means, in a sentence; empty for one that this page does not know. */
export function causeWords(cause: string): string {
  return CAUSES[cause] ?? "";
}

/** From these on the command line colours an urgency, too. */
const VERY_URGENT = 70;
const URGENT = 40;

export function urgencyColour(score: number): string {
  return score > VERY_URGENT ? "text-failure" : score > URGENT ? "text-warning" : "text-ink";
}

/** The largest upper bound: what intervals of one table are drawn against. */
export function intervalScale(opportunities: readonly Opportunity[]): number {
  return opportunities.reduce((most, one) => Math.max(most, one.upper_msat), 0);
}

/** By payment, how many of these attempts are taken for it; only where it is more than one. */
export function retries(attempts: readonly RefusedAttempt[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const { payment } of attempts) {
    if (payment !== 0) {
      counts.set(payment, (counts.get(payment) ?? 0) + 1);
    }
  }
  return new Map([...counts].filter(([, count]) => count > 1));
}

/** What there was too little of to send an attempt on; null where that was not looked at, or was not it. */
export function shortfallMsat(attempt: RefusedAttempt): number | null {
  const spendable = attempt.outgoing_spendable_msat;
  return spendable === null || spendable >= attempt.amount_msat ? null : attempt.amount_msat - spendable;
}
