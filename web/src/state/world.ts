/** What the page knows of the network, as a pure function of the messages received. */

import type { Channel, Hello, Network, NetworkNode, Payment, Stats, Update } from "../api/types";

/** Payments kept on the page; the service keeps them all. */
export const PAYMENTS_KEPT = 500;

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
  };
}
