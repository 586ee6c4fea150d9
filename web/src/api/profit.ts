/** The part of the contract that says what channels and peers earned and cost. Unknown figures are null. */

/** Sums over a range, beside the capital that was bound for them. */
export interface Standing {
  readonly capacity_sat: number | null;
  readonly average_local_msat: number | null;
  /** Of the hours in which somebody looked, in how many the peer was there, 0 to 1. */
  readonly active_share: number | null;
  readonly forwards_in: number;
  readonly forwards_out: number;
  readonly forwarded_in_msat: number;
  readonly forwarded_out_msat: number;
  /** Fees of what went out. */
  readonly fee_earned_msat: number;
  /** Fees of what came in by it; never to be added to the fees earned. */
  readonly fee_sourced_msat: number;
  /** Half of each. */
  readonly fee_split_msat: number;
  readonly rebalance_fee_msat: number;
  readonly on_chain_cost_msat: number;
  /** Openings and closings of which not all is known. */
  readonly costs_unknown: number;
  readonly net_msat: number;
  /** The net if a rebalance's target paid its source for what that gives up. */
  readonly net_after_liquidity_msat: number;
  /** How often the capacity turned over. */
  readonly utilisation: number | null;
  readonly return_on_capacity_per_year: number | null;
  readonly return_on_local_per_year: number | null;
}

/** The documented figures of one channel. */
export interface ChannelAnalysis {
  readonly category: string;
  readonly overall_score: number;
  readonly profitability_score: number;
  readonly activity_score: number;
  readonly efficiency_score: number;
}

export interface ChannelProfit extends Standing {
  readonly channel_id: string;
  readonly peer_id: string | null;
  readonly peer_alias: string;
  readonly is_open: boolean;
  readonly analysis: ChannelAnalysis;
}

export interface PeerProfit extends Standing {
  readonly peer_id: string | null;
  readonly peer_alias: string;
  readonly channel_ids: readonly string[];
  /** How often payments sent on to it settle, with an 80 % interval; null where nobody recorded any. */
  readonly success: {
    readonly rate: number | null;
    readonly lower: number | null;
    readonly upper: number | null;
  } | null;
}

export interface ProfitReport<Row> {
  readonly from_ms: number;
  readonly to_ms: number;
  /** Until when the node's book of forwards was read; null or 0 where it never was. */
  readonly forwards_known_until_ms: number | null;
  /** Null or 0 where no payment was ever read: then rebalancing costs are missing, not zero. */
  readonly self_payments_known_until_ms: number | null;
  readonly node: Standing;
  readonly rows: readonly Row[];
}
