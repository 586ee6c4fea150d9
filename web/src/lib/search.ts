/** Search and filter over the payments on the page. */

import type { Payment } from "../api/types";
import type { NameOf } from "./channels";
import { describeFailure } from "./failure";

export const PAYMENT_FILTERS = ["all", "succeeded", "failed", "rebalances"] as const;
export type PaymentFilter = (typeof PAYMENT_FILTERS)[number];

function passes(payment: Payment, filter: PaymentFilter): boolean {
  switch (filter) {
    case "all":
      return true;
    case "succeeded":
      return payment.succeeded;
    case "failed":
      return !payment.succeeded;
    case "rebalances":
      return payment.kind === "rebalance";
  }
}

function haystack(payment: Payment, nameOf: NameOf): string {
  return [
    payment.sender_name,
    payment.receiver_name,
    payment.description,
    payment.kind,
    payment.outcome,
    payment.succeeded ? "succeeded" : `failed ${describeFailure(payment, nameOf)}`,
    payment.failure?.code ?? "",
    payment.failure?.detail ?? "",
    String(Math.floor(payment.amount_msat / 1000)),
    String(payment.payment_id),
    payment.sender_id,
    payment.receiver_id,
    ...payment.route_channel_ids,
    ...payment.route_node_ids.map(nameOf),
  ]
    .join("\n")
    .toLowerCase();
}

/** Payments that pass the filter and contain every word of the query, the newest first. */
export function findPayments(
  payments: readonly Payment[],
  filter: PaymentFilter,
  query: string,
  nameOf: NameOf,
): Payment[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = payments.filter((payment) => {
    if (!passes(payment, filter)) {
      return false;
    }
    if (words.length === 0) {
      return true;
    }
    const text = haystack(payment, nameOf);
    return words.every((word) => text.includes(word));
  });
  return found.reverse();
}
