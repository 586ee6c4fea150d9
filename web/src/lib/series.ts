/** Series for the charts: of world time in seconds, ascending. */

import type { ErrorPoint, SuccessSpan } from "../api/learning";
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
    .filter((payment) => payment.kind !== "rebalance")
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

/** Bars and points of the charts of payments: more would be noise. */
const MOST_SPANS = 60;
export const SPAN_MINUTES = 5;

export interface GatheredSpans {
  readonly spans: readonly SuccessSpan[];
  /** Length of each, in minutes of world time. */
  readonly minutes: number;
}

/** Sum spans of five minutes to longer ones of one length, at most {@link MOST_SPANS} of them. */
export function gatherSpans(spans: readonly SuccessSpan[]): GatheredSpans {
  const stepMs = SPAN_MINUTES * 60_000;
  const [first, last] = [spans[0], spans.at(-1)];
  if (first === undefined || last === undefined) {
    return { spans: [], minutes: SPAN_MINUTES };
  }
  const count = (last.world_ms - first.world_ms) / stepMs + 1;
  const lengthMs = Math.ceil(count / MOST_SPANS) * stepMs;
  const sums = new Map<number, SuccessSpan>();
  for (const span of spans) {
    const world_ms = Math.floor(span.world_ms / lengthMs) * lengthMs;
    const sum = sums.get(world_ms) ?? { world_ms, payments: 0, succeeded: 0, volume_msat: 0 };
    sums.set(world_ms, {
      world_ms,
      payments: sum.payments + span.payments,
      succeeded: sum.succeeded + span.succeeded,
      volume_msat: sum.volume_msat + span.volume_msat,
    });
  }
  return { spans: [...sums.values()], minutes: lengthMs / 60_000 };
}

/** Success rate of each span in percent; those in which nothing was paid are left out. */
export function spanSuccess(spans: readonly SuccessSpan[]): SuccessSeries {
  const used = spans.filter((span) => span.payments > 0);
  return {
    times_s: used.map((span) => span.world_ms / 1000),
    percent: used.map((span) => (100 * span.succeeded) / span.payments),
  };
}

export const COMPARED = ["model", "online", "half", "last_value", "baseline"] as const;
export type Compared = (typeof COMPARED)[number];

/** Spans of the chart: more points than this say nothing more on a screen. */
const MOST_POINTS = 120;

export interface ErrorSeries {
  readonly times_s: readonly number[];
  /** Mean absolute error in percentage points; null where nothing was compared. */
  readonly points: Readonly<Record<Compared, readonly (number | null)[]>>;
  /** Over all points, weighted by how many predictions each compares. */
  readonly overall: Readonly<Record<Compared, number | null>>;
  readonly compared: number;
}

function mean(points: readonly ErrorPoint[], key: Compared): number | null {
  let sum = 0;
  let weight = 0;
  for (const point of points) {
    const value = point[key];
    if (value !== null) {
      sum += value * point.compared;
      weight += point.compared;
    }
  }
  return weight === 0 ? null : (100 * sum) / weight;
}

/** Errors over time, gathered to at most {@link MOST_POINTS} points by their weights. */
export function errorSeries(errors: readonly ErrorPoint[], sinceMs: number | null): ErrorSeries {
  const used = errors.filter(
    (point) => point.compared > 0 && (sinceMs === null || point.world_ms >= sinceMs),
  );
  const size = Math.max(1, Math.ceil(used.length / MOST_POINTS));
  const groups: ErrorPoint[][] = [];
  for (let start = 0; start < used.length; start += size) {
    groups.push(used.slice(start, start + size));
  }
  const each = <T>(make: (key: Compared) => T) =>
    Object.fromEntries(COMPARED.map((key) => [key, make(key)])) as Record<Compared, T>;
  return {
    times_s: groups.map((group) => (group.at(-1)?.world_ms ?? 0) / 1000),
    points: each((key) => groups.map((group) => mean(group, key))),
    overall: each((key) => mean(used, key)),
    compared: used.reduce((sum, point) => sum + point.compared, 0),
  };
}
