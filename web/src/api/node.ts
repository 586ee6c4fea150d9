/** The part of the contract that only a watched node has: its recording, what it missed, rules tried on the past. */

export interface Coverage {
  readonly from_ms: number;
  readonly to_ms: number;
  /** Part of the window that was seen, 0 to 1. */
  readonly share: number;
  readonly hours: number;
  readonly gaps: number;
}

export type Recommendation =
  | "rebalance_inbound"
  | "rebalance_outbound"
  | "lower_fees"
  | "increase_capacity"
  | "investigate";

/** One channel that could earn more. `_sats` are documented figures, `_msat` are estimates with an 80 % interval. */
export interface Opportunity {
  readonly channel_id: string;
  readonly peer_alias: string;
  readonly peer_pubkey: string;
  readonly total_failures: number;
  readonly missed_revenue_sats: number;
  readonly potential_monthly_revenue_sats: number | null;
  readonly current_outbound_fee_ppm: number;
  readonly recommendation_type: Recommendation;
  readonly recommended_action: string;
  readonly urgency_score: number;
  readonly main_cause: string;
  /** What the refusals that met the node's price are taken for. */
  readonly payments: number;
  readonly lower_msat: number;
  readonly expected_msat: number;
  readonly upper_msat: number;
  /** Null, as the next two, where too little time was seen. */
  readonly monthly_lower_msat: number | null;
  readonly monthly_expected_msat: number | null;
  readonly monthly_upper_msat: number | null;
  readonly cost_msat: number;
  readonly net_msat: number;
}

export interface MissedReport {
  readonly analysis_window_hours: number;
  readonly total_missed_revenue_sats: number;
  readonly total_expected_msat: number;
  readonly coverage: Coverage | null;
  readonly channels: number;
  /** The most urgent first. */
  readonly opportunities: readonly Opportunity[];
}

/** One HTLC that the node refused to send out over a channel. */
export interface RefusedAttempt {
  readonly began_ms: number;
  readonly incoming_channel_id: string;
  readonly incoming_peer: string;
  readonly amount_msat: number;
  /** What it offered. */
  readonly fee_msat: number;
  readonly cause: string;
  /** What the peer's channels together could have sent at that moment; null where nobody looked. */
  readonly outgoing_spendable_msat: number | null;
  readonly incoming_spendable_msat: number | null;
  readonly remaining_blocks: number | null;
  /** Attempts with the same number are taken for one payment; 0: of none. */
  readonly payment: number;
}

export interface RecordedGap {
  readonly from_ms: number;
  readonly to_ms: number;
  readonly reason: string;
  readonly detail: string;
  /** Events that were let go; null where nobody counted. */
  readonly lost: number | null;
}

export interface RecordingStatus {
  readonly now_ms: number;
  /** Taken since the service started, as the next three. */
  readonly events: number;
  readonly settled: number;
  readonly refused: number;
  readonly failed_downstream: number;
  readonly in_flight: number;
  readonly oldest_in_flight_ms: number | null;
  /** Why nothing can be written; empty when all is well. */
  readonly problem: string;
  /** Whether a recorded history is over. */
  readonly ended: boolean;
  readonly window_hours: number;
  readonly coverage: number;
  /** The newest first. */
  readonly gaps: readonly RecordedGap[];
}

export interface SeriesItem {
  readonly name: string;
  readonly unit: string;
  readonly of: string;
  readonly text: string;
}

export interface RuleBook {
  readonly series: readonly SeriesItem[];
}

/** From when until when an alert would have been raised; `to_ms` is null where it still would be. */
export interface TriedSpan {
  readonly subject: string;
  readonly from_ms: number;
  readonly to_ms: number | null;
  readonly value: number;
}

export interface TriedRule {
  readonly rule: string;
  readonly condition: string;
  readonly verdict: string;
  readonly fired: number;
  readonly history_from_ms: number | null;
  /** The oldest first. */
  readonly spans: readonly TriedSpan[];
}

/** Something that was done for a channel, by whomever. */
export interface Remedy {
  readonly at_ms: number;
  readonly channel_id: string;
  readonly kind: string;
  /** A fee rate in ppm, or msat; 0 for what was added. */
  readonly before: number;
  /** The same; of a channel that was added its capacity in sat. */
  readonly after: number;
  readonly cost_msat: number | null;
}

/** A remedy with the channel's days before and after it. */
export interface RemedyEffect extends Remedy {
  readonly days: number;
  readonly earned_before_msat_per_day: number;
  readonly earned_after_msat_per_day: number;
  readonly change_msat_per_day: number;
  readonly lower_msat_per_day: number;
  readonly upper_msat_per_day: number;
  readonly missed_before_msat_per_day: number;
  readonly missed_after_msat_per_day: number;
  readonly others_before_msat_per_day: number;
  readonly others_after_msat_per_day: number;
}

export interface RemedyReport {
  readonly effects: readonly RemedyEffect[];
  readonly too_young: readonly Remedy[];
}
