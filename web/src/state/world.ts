/** What the page knows of the network, as a pure function of the messages received. */

import type {
  Alert,
  ErrorPoint,
  LearnerStatus,
  Prediction,
  RebalanceDone,
  RunSettings,
  SuggestedChange,
} from "../api/learning";
import type { Channel, Hello, Network, NetworkNode, Payment, Stats, Update } from "../api/types";

/** Payments kept on the page; the service keeps them all. */
export const PAYMENTS_KEPT = 500;
const ERRORS_KEPT = 1_000;
const ALERTS_KEPT = 100;
const REBALANCES_KEPT = 50;

export interface World {
  readonly session: string;
  readonly seq: number;
  readonly network: Pick<Network, "name" | "mode">;
  readonly nodes: ReadonlyMap<string, NetworkNode>;
  readonly channels: ReadonlyMap<string, Channel>;
  /** The newest at the end. */
  readonly payments: readonly Payment[];
  /** The last payment that failed in each channel. */
  readonly lastFailures: ReadonlyMap<string, Payment>;
  readonly stats: Stats;
  readonly learner: LearnerStatus | null;
  /** By {@link predictionKey}. */
  readonly predictions: ReadonlyMap<string, Prediction>;
  /** The newest first. */
  readonly suggestions: readonly SuggestedChange[];
  /** The newest at the end. */
  readonly errors: readonly ErrorPoint[];
  /** The newest first: raised, noted and cleared. */
  readonly alerts: readonly Alert[];
  /** The newest first. */
  readonly rebalances: readonly RebalanceDone[];
  readonly settings: RunSettings | null;
}

export function predictionKey(channelId: string, nodeId: string): string {
  return `${channelId} ${nodeId}`;
}

function byKey(predictions: readonly Prediction[]): ReadonlyMap<string, Prediction> {
  return new Map(predictions.map((one) => [predictionKey(one.channel_id, one.node_id), one]));
}

/** Take in news of alerts: each replaces what was known under its id, and comes first. */
export function withAlerts(known: readonly Alert[], news: readonly Alert[]): readonly Alert[] {
  let alerts = known;
  for (const alert of news) {
    const isSeen = alerts.some((other) => other.alert_id === alert.alert_id && other.state === alert.state);
    alerts = isSeen
      ? alerts.map((other) => (other.alert_id === alert.alert_id ? alert : other))
      : [alert, ...alerts.filter((other) => other.alert_id !== alert.alert_id)];
  }
  return alerts.slice(0, ALERTS_KEPT);
}

/** Those that are raised and that nobody has said to have seen. */
export function unseenAlerts(alerts: readonly Alert[]): readonly Alert[] {
  return alerts.filter((alert) => alert.state === "raised" && alert.acknowledged !== true);
}

function withFailures(
  known: ReadonlyMap<string, Payment>,
  payments: readonly Payment[],
): ReadonlyMap<string, Payment> {
  const failed = payments.filter((payment) => payment.failure?.channel_id != null);
  if (failed.length === 0) {
    return known;
  }
  const failures = new Map(known);
  for (const payment of failed) {
    if (payment.failure?.channel_id != null) {
      failures.set(payment.failure.channel_id, payment);
    }
  }
  return failures;
}

export function worldFromHello(hello: Hello): World {
  const { network, payments, stats } = hello.snapshot;
  return {
    session: hello.session,
    seq: hello.seq,
    network: { name: network.name, mode: network.mode },
    nodes: new Map(network.nodes.map((node) => [node.node_id, node])),
    channels: new Map(network.channels.map((channel) => [channel.channel_id, channel])),
    payments: payments.slice(-PAYMENTS_KEPT),
    lastFailures: withFailures(new Map(), payments),
    stats,
    learner: hello.snapshot.learner,
    predictions: byKey(hello.snapshot.predictions),
    suggestions: hello.snapshot.suggestions,
    errors: hello.snapshot.errors.slice(-ERRORS_KEPT),
    alerts: hello.snapshot.alerts,
    rebalances: hello.snapshot.rebalances.toSorted((left, right) => right.world_ms - left.world_ms),
    settings: hello.snapshot.settings,
  };
}

/** Apply the next update; the stream has made sure that it is the next one. */
export function applyUpdate(world: World, update: Update): World {
  let channels = world.channels;
  if (update.channels.length > 0) {
    const changed = new Map(world.channels);
    for (const channel of update.channels) {
      changed.set(channel.channel_id, channel);
    }
    channels = changed;
  }
  const payments =
    update.payments.length > 0
      ? [...world.payments, ...update.payments].slice(-PAYMENTS_KEPT)
      : world.payments;
  return {
    ...world,
    seq: update.seq,
    channels,
    payments,
    lastFailures: withFailures(world.lastFailures, update.payments),
    stats: update.stats,
    learner: update.learner ?? world.learner,
    predictions: update.predictions === undefined ? world.predictions : byKey(update.predictions),
    suggestions: update.suggestions ?? world.suggestions,
    errors:
      update.errors === undefined ? world.errors : [...world.errors, ...update.errors].slice(-ERRORS_KEPT),
    alerts: update.alerts === undefined ? world.alerts : withAlerts(world.alerts, update.alerts),
    rebalances:
      update.rebalances === undefined
        ? world.rebalances
        : [...update.rebalances.toReversed(), ...world.rebalances].slice(0, REBALANCES_KEPT),
    settings: update.settings ?? world.settings,
  };
}
