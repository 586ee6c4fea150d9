/** What is derived from a channel: who holds what, as seen from where, and whether it adds up. */

import type { Channel, NetworkNode, Policy } from "../api/types";
import { shortKey } from "./text";

/** Two anchor outputs of 330 sat, paid by the opener (BOLT 3). */
export const ANCHORS_SAT = 660;

export interface End {
  readonly nodeId: string;
  readonly balanceMsat: number;
  readonly policy: Policy | null;
}

/** A channel with its ends in reading order: the viewpoint's end, if it has one, comes first. */
export interface OrientedChannel {
  readonly channel: Channel;
  readonly near: End;
  readonly far: End;
}

export function orient(channel: Channel, viewpointId: string | null): OrientedChannel {
  const first: End = {
    nodeId: channel.node1_id,
    balanceMsat: channel.node1_local_msat,
    policy: channel.node1_policy,
  };
  const second: End = {
    nodeId: channel.node2_id,
    balanceMsat: channel.node2_local_msat,
    policy: channel.node2_policy,
  };
  return viewpointId === channel.node2_id
    ? { channel, near: second, far: first }
    : { channel, near: first, far: second };
}

/** The balances of a channel, or of several together. */
export interface Balances {
  readonly near: Pick<End, "balanceMsat">;
  readonly far: Pick<End, "balanceMsat">;
  readonly channel: Pick<Channel, "unsettled_msat">;
}

export interface Shares {
  readonly near: number;
  readonly unsettled: number;
  readonly far: number;
}

/** Parts of what the channel can hold (without commitment fee and anchors), from 0 to 1. */
export function shares({ near, far, channel }: Balances): Shares {
  const total = near.balanceMsat + far.balanceMsat + channel.unsettled_msat;
  if (total <= 0) {
    return { near: 0, unsettled: 0, far: 0 };
  }
  return {
    near: near.balanceMsat / total,
    unsettled: channel.unsettled_msat / total,
    far: far.balanceMsat / total,
  };
}

/** Capacity less everything that is accounted for; 0 msat when the channel adds up exactly. */
export function unexplainedMsat(channel: Channel): number {
  const balances = channel.node1_local_msat + channel.node2_local_msat + channel.unsettled_msat;
  return (channel.capacity_sat - channel.commit_fee_sat - ANCHORS_SAT) * 1000 - balances;
}

export type NameOf = (nodeId: string) => string;

export function namesOf(nodes: ReadonlyMap<string, NetworkNode>): NameOf {
  return (nodeId) => nodes.get(nodeId)?.name ?? shortKey(nodeId);
}

export const SORT_KEYS = ["channel", "capacity", "balance", "best", "fee", "htlcs"] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export interface Sorting {
  readonly key: SortKey;
  readonly descending: boolean;
}

type BestOf = (oriented: OrientedChannel) => number | null;

/** Below every difference of two shares. */
const MISSING = -2;

function sortValue(oriented: OrientedChannel, key: Exclude<SortKey, "channel">, bestOf: BestOf): number {
  switch (key) {
    case "capacity":
      return oriented.channel.capacity_sat;
    case "best": {
      const best = bestOf(oriented);
      return best === null ? MISSING : best - shares(oriented).near;
    }
    case "balance":
      return shares(oriented).near;
    case "fee":
      return oriented.near.policy?.fee_rate_ppm ?? -1;
    case "htlcs":
      return oriented.channel.pending_htlcs;
  }
}

/** Far faster than comparing text by text. */
const COLLATOR = new Intl.Collator();

/** Sorted copy; equal ones stay in the order of their names, so that rows do not jump. */
export function sortChannels(
  rows: readonly OrientedChannel[],
  sorting: Sorting,
  nameOf: NameOf,
  bestOf: BestOf = () => null,
): OrientedChannel[] {
  const direction = sorting.descending ? -1 : 1;
  const keyed = rows.map((row) => ({
    row,
    label: `${nameOf(row.near.nodeId)} ${nameOf(row.far.nodeId)} ${row.channel.channel_id}`,
    value: sorting.key === "channel" ? 0 : sortValue(row, sorting.key, bestOf),
  }));
  keyed.sort((left, right) => {
    const byName = COLLATOR.compare(left.label, right.label);
    if (sorting.key === "channel") {
      return byName * direction;
    }
    const byValue = left.value - right.value;
    return byValue === 0 ? byName : byValue * direction;
  });
  return keyed.map(({ row }) => row);
}

/** Whether a channel's names, keys or id contain every word. */
export function channelMatches(oriented: OrientedChannel, query: string, nameOf: NameOf): boolean {
  const { channel, near, far } = oriented;
  const text = [channel.channel_id, nameOf(near.nodeId), nameOf(far.nodeId), near.nodeId, far.nodeId]
    .join("\n")
    .toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
