/** What the model says of a channel and of a rebalance, turned to the side that is looked at. */

import type { Prediction, SuggestedChange } from "../api/learning";
import type { Channel } from "../api/types";
import { predictionKey } from "../state/world";
import type { OrientedChannel } from "./channels";

/** The best share of a channel's near end, 0 to 1, with the bounds of its interval. */
export interface BestShare {
  readonly share: number;
  readonly low: number;
  readonly high: number;
  readonly prediction: Prediction;
}

/** The near end's own prediction; without one, the far end's turned round. */
export function bestShare(
  oriented: OrientedChannel,
  predictions: ReadonlyMap<string, Prediction>,
): BestShare | null {
  const id = oriented.channel.channel_id;
  const own = predictions.get(predictionKey(id, oriented.near.nodeId));
  if (own !== undefined) {
    return { share: own.share, low: own.low_share, high: own.high_share, prediction: own };
  }
  const other = predictions.get(predictionKey(id, oriented.far.nodeId));
  return other === undefined
    ? null
    : { share: 1 - other.share, low: 1 - other.high_share, high: 1 - other.low_share, prediction: other };
}

export interface PlannedBalance {
  readonly channelId: string;
  readonly peer: string;
  readonly beforeMsat: number;
  readonly afterMsat: number;
  readonly totalMsat: number;
}

export interface SuggestionPlan {
  readonly outgoing: PlannedBalance | null;
  readonly incoming: PlannedBalance | null;
}

function localMsat(channel: Channel, nodeId: string): number | null {
  if (nodeId === channel.node1_id) {
    return channel.node1_local_msat;
  }
  return nodeId === channel.node2_id ? channel.node2_local_msat : null;
}

function planned(
  channel: Channel | undefined,
  nodeId: string,
  peer: string,
  changeMsat: number,
): PlannedBalance | null {
  const beforeMsat = channel === undefined ? null : localMsat(channel, nodeId);
  return channel === undefined || beforeMsat === null
    ? null
    : {
        channelId: channel.channel_id,
        peer,
        beforeMsat,
        afterMsat: beforeMsat + changeMsat,
        totalMsat: channel.node1_local_msat + channel.node2_local_msat + channel.unsettled_msat,
      };
}

/** What a suggestion would change, old to new; the fee leaves by the outgoing channel and is left out. */
export function planOf(suggestion: SuggestedChange, channels: ReadonlyMap<string, Channel>): SuggestionPlan {
  const amountMsat = suggestion.amount_sat * 1000;
  const { node_id, to_node, back_from_node, outgoing_channel_id, incoming_channel_id } = suggestion;
  return {
    outgoing: planned(channels.get(outgoing_channel_id), node_id, to_node, -amountMsat),
    incoming: planned(channels.get(incoming_channel_id), node_id, back_from_node, amountMsat),
  };
}
