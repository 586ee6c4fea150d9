/** Why a payment failed, in words. Codes are LND's. */

import type { Attempt, Payment } from "../api/types";
import type { NameOf } from "./channels";

const OUTCOMES: Readonly<Record<string, string>> = {
  IN_FLIGHT: "still on its way",
  NO_ROUTE: "no known route could carry this amount",
  INSUFFICIENT_BALANCE: "the sender's own channels hold too little",
  TIMEOUT: "time ran out before an attempt succeeded",
  INCORRECT_PAYMENT_DETAILS: "the receiver refused the payment details",
  FAILED_ON_ROUTE: "a node on the route refused it",
  ERROR: "the sending node reported an internal error",
};

const CODES: Readonly<Record<string, string>> = {
  INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS: "the receiver does not know this payment",
  EXPIRY_TOO_SOON: "the time lock is too close to expiry",
  AMOUNT_BELOW_MINIMUM: "the amount is below the channel's minimum",
  FEE_INSUFFICIENT: "the fee offered was below the channel's policy",
  INCORRECT_CLTV_EXPIRY: "the time lock does not match the channel's policy",
  CHANNEL_DISABLED: "the channel is disabled in this direction",
  TEMPORARY_CHANNEL_FAILURE: "the channel could not carry it at that moment",
  UNKNOWN_NEXT_PEER: "the next node is unknown or offline",
  TEMPORARY_NODE_FAILURE: "the node had a temporary problem",
  PERMANENT_CHANNEL_FAILURE: "the channel is closed or failed for good",
  EXPIRY_TOO_FAR: "the time lock is too far in the future",
};

const DETAILS: Readonly<Record<string, string>> = {
  LINK_NOT_ELIGIBLE: "the channel is not ready to forward",
  HTLC_EXCEEDS_MAX: "the amount is above the channel's maximum",
  INSUFFICIENT_BALANCE: "too little balance",
  HTLC_ADD_FAILED: "no free HTLC slot, or the reserve would be touched",
  CIRCULAR_ROUTE: "the route would come back over the same channel",
};

/** Turn a code this page does not know into something readable. */
function humanise(code: string): string {
  return code.toLowerCase().replaceAll("_", " ");
}

/** What became of a forward; its peers stand beside it, so no hop is named. */
function describeForward({ outcome, failure }: Payment): string {
  return outcome === "REFUSED_HERE"
    ? `refused here: ${failure?.detail ?? "unclear"}`
    : "failed further down the route";
}

function reason(payment: Payment): string {
  const { failure } = payment;
  if (failure !== null) {
    return DETAILS[failure.detail] ?? CODES[failure.code] ?? humanise(failure.code);
  }
  return OUTCOMES[payment.outcome] ?? humanise(payment.outcome);
}

/** Why an attempt failed and where, if that is known. */
export function describeAttempt(attempt: Attempt, nameOf: NameOf): string {
  const why = DETAILS[attempt.detail] ?? CODES[attempt.code] ?? humanise(attempt.code);
  const from = attempt.failed_hop === null ? undefined : attempt.route_node_ids[attempt.failed_hop];
  const to = attempt.failed_hop === null ? undefined : attempt.route_node_ids[attempt.failed_hop + 1];
  return from === undefined || to === undefined ? why : `${why}: ${nameOf(from)} → ${nameOf(to)}`;
}

/** Index of the channel on the route where the payment stopped; null if it never left or is unknown. */
export function failedHop(payment: Payment): number | null {
  const channelId = payment.failure?.channel_id ?? null;
  const hop = channelId === null ? -1 : payment.route_channel_ids.indexOf(channelId);
  return hop === -1 ? null : hop;
}

/** Why it failed and, if that is known, on which hop. */
export function describeFailure(payment: Payment, nameOf: NameOf): string {
  if (payment.kind === "forward") {
    return describeForward(payment);
  }
  const hop = failedHop(payment);
  const from = hop === null ? undefined : payment.route_node_ids[hop];
  const to = hop === null ? undefined : payment.route_node_ids[hop + 1];
  if (from !== undefined && to !== undefined) {
    return `${reason(payment)}: ${nameOf(from)} → ${nameOf(to)}`;
  }
  const channelId = payment.failure?.channel_id ?? null;
  return channelId === null ? reason(payment) : `${reason(payment)}: channel ${channelId}`;
}
