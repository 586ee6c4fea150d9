/** A watched node's channels, one by one or gathered by peer, with what they earned where that is known. */

import type { ChannelAnalysis, ChannelProfit, PeerProfit, Standing } from "../api/profit";
import type { Channel } from "../api/types";
import type { Balances, NameOf } from "./channels";

export interface Holding {
  /** The channel's id, or the peer's. */
  readonly key: string;
  readonly name: string;
  /** The open ones; none where all are closed. The node is the first end of each. */
  readonly channels: readonly Channel[];
  readonly standing: Standing | null;
  /** Of single channels only. */
  readonly analysis: ChannelAnalysis | null;
  /** Of peers only. */
  readonly success: PeerProfit["success"];
}

function sum(channels: readonly Channel[], of: (channel: Channel) => number): number {
  return channels.reduce((total, channel) => total + of(channel), 0);
}

export function capacitySat({ channels }: Holding): number | null {
  return channels.length === 0 ? null : sum(channels, (channel) => channel.capacity_sat);
}

export function pendingHtlcs({ channels }: Holding): number {
  return sum(channels, (channel) => channel.pending_htlcs);
}

/** What the node holds, what the peer holds, and what is in flight; the node is the near end. */
export function balances({ channels }: Holding): Balances {
  return {
    near: { balanceMsat: sum(channels, (channel) => channel.node1_local_msat) },
    far: { balanceMsat: sum(channels, (channel) => channel.node2_local_msat) },
    channel: { unsettled_msat: sum(channels, (channel) => channel.unsettled_msat) },
  };
}

export type Presence = "online" | "partly" | "offline" | "closed";

/** Whether the peer is there, as far as is known. */
export function presence({ channels }: Holding): Presence {
  const there = channels.filter(({ active }) => active !== false).length;
  if (channels.length === 0) {
    return "closed";
  }
  return there === channels.length ? "online" : there > 0 ? "partly" : "offline";
}

/** Lowest and highest fee rate that one side asks for over these channels; null where none was announced. */
export function feeRates({ channels }: Holding, end: 1 | 2): readonly [number, number] | null {
  const rates = channels
    .map((channel) => (end === 1 ? channel.node1_policy : channel.node2_policy)?.fee_rate_ppm)
    .filter((rate) => rate !== undefined);
  return rates.length === 0 ? null : [Math.min(...rates), Math.max(...rates)];
}

/** Each open channel, and closed ones that still have a part in what was earned. */
export function byChannel(
  channels: Iterable<Channel>,
  profits: readonly ChannelProfit[],
  nameOf: NameOf,
): readonly Holding[] {
  const known = new Map(profits.map((profit) => [profit.channel_id, profit]));
  const open = [...channels].map((channel): Holding => {
    const profit = known.get(channel.channel_id);
    return {
      key: channel.channel_id,
      name: nameOf(channel.node2_id),
      channels: [channel],
      standing: profit ?? null,
      analysis: profit?.analysis ?? null,
      success: null,
    };
  });
  const shown = new Set(open.map(({ key }) => key));
  const closed = profits
    .filter(({ channel_id }) => !shown.has(channel_id))
    .map(
      (profit): Holding => ({
        key: profit.channel_id,
        name: profit.peer_alias || (profit.peer_id === null ? profit.channel_id : nameOf(profit.peer_id)),
        channels: [],
        standing: profit,
        analysis: profit.analysis,
        success: null,
      }),
    );
  return [...open, ...closed];
}

/** The same by peer; a peer without a channel is there for what it earned. */
export function byPeer(
  channels: Iterable<Channel>,
  profits: readonly PeerProfit[],
  nameOf: NameOf,
): readonly Holding[] {
  const groups = new Map<string, Channel[]>();
  for (const channel of channels) {
    groups.set(channel.node2_id, [...(groups.get(channel.node2_id) ?? []), channel]);
  }
  const known = new Map(profits.map((profit) => [profit.peer_id, profit]));
  const open = [...groups].map(
    ([peerId, own]): Holding => ({
      key: peerId,
      name: nameOf(peerId),
      channels: own,
      standing: known.get(peerId) ?? null,
      analysis: null,
      success: known.get(peerId)?.success ?? null,
    }),
  );
  const gone = profits
    .filter(({ peer_id }) => peer_id === null || !groups.has(peer_id))
    .map(
      (profit): Holding => ({
        key: profit.peer_id ?? profit.channel_ids.join(" "),
        name:
          profit.peer_alias ||
          (profit.peer_id === null ? profit.channel_ids.join(", ") : nameOf(profit.peer_id)),
        channels: [],
        standing: profit,
        analysis: null,
        success: profit.success,
      }),
    );
  return [...open, ...gone];
}

/** Whether a holding's name, key or channel ids contain every word. */
export function holdingMatches(holding: Holding, query: string): boolean {
  const text = [
    holding.name,
    holding.key,
    ...holding.channels.flatMap((channel) => [channel.channel_id, channel.node2_id]),
  ]
    .join("\n")
    .toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
