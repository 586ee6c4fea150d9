/** Success over time, computed from the payments on the page. */

import type { Payment } from "../api/types";

/** Payments in each point of the success rate. */
export const WINDOW = 50;

export interface SuccessSeries {
  /** World time in seconds, ascending. */
  readonly times_s: readonly number[];
  /** Percentage of the last {@link WINDOW} payments that succeeded. */
  readonly percent: readonly number[];
}

/** Rolling success rate; starts once a fifth of the window is filled, as fewer say nothing. */
export function successSeries(payments: readonly Payment[]): SuccessSeries {
  const ended = payments
    .filter((payment) => payment.kind === "payment")
    .map((payment) => ({ at: payment.started_ms + payment.duration_ms, ok: payment.succeeded }))
    .sort((left, right) => left.at - right.at);
  const times_s: number[] = [];
  const percent: number[] = [];
  let succeeded = 0;
  ended.forEach((payment, index) => {
    succeeded += payment.ok ? 1 : 0;
    const leaving = ended[index - WINDOW];
    if (leaving?.ok) {
      succeeded -= 1;
    }
    const seen = Math.min(index + 1, WINDOW);
    if (seen >= WINDOW / 5) {
      times_s.push(payment.at / 1000);
      percent.push((100 * succeeded) / seen);
    }
  });
  return { times_s, percent };
}
