/** The part of the contract that is about learning, suggestions and what became of them. */

import type { Network, Payment, Stats } from "./types";

/** The best share of a channel as the model sees it from `node_id`, with an 80 % interval. */
export interface Prediction {
  readonly channel_id: string;
  readonly node_id: string;
  readonly share_now: number;
  readonly share: number;
  readonly low_share: number;
  readonly high_share: number;
  readonly model: string;
  readonly made_ms: number;
  readonly horizon_s: number;
}

export type SuggestionStatus = "open" | "under way" | "done" | "failed" | "refused" | "rejected" | "expired";

/** A rebalance that the learner suggests; gains are net of the cost, with an 80 % interval. */
export interface SuggestedChange {
  readonly suggestion_id: string;
  readonly author: string;
  readonly model: string;
  readonly node_id: string;
  readonly from_node: string;
  /** Peer at the other end of the outgoing channel. */
  readonly to_node: string;
  /** Peer at the other end of the incoming channel. */
  readonly back_from_node: string;
  readonly outgoing_channel_id: string;
  readonly incoming_channel_id: string;
  readonly amount_sat: number;
  readonly max_fee_msat: number;
  /** Probability that the net gain is above 0. */
  readonly confidence: number;
  readonly gain_msat: number;
  readonly low_gain_msat: number;
  readonly high_gain_msat: number;
  readonly reason: string;
  readonly made_ms: number;
  readonly expires_ms: number;
  readonly status: SuggestionStatus;
  readonly outcome: string;
}

/** Mean absolute errors, in shares, of predictions whose outcome became known in a span of world time. */
export interface ErrorPoint {
  readonly world_ms: number;
  readonly compared: number;
  readonly model: number | null;
  readonly online: number | null;
  readonly half: number | null;
  readonly last_value: number | null;
  readonly baseline: number | null;
}

export interface LearnerStatus {
  readonly phase: "off" | "training" | "warming up" | "ready" | "failed";
  readonly missing: readonly string[];
  readonly model: string | null;
  readonly model_trained_on: string;
  readonly horizon_s: number;
  readonly observed_payments: number;
  readonly outcomes_known: number;
  readonly first_outcome_ms: number | null;
  readonly drifts: number;
  readonly last_drift_ms: number | null;
  readonly verdict: string;
}

export interface Alert {
  readonly level: "warning" | "error";
  readonly source: string;
  readonly text: string;
  readonly state: "noted" | "raised" | "cleared";
  readonly alert_id: string;
  readonly channel_id: string | null;
  readonly world_ms: number | null;
  readonly acknowledged?: boolean;
}

export interface RebalanceDone {
  readonly plan_id: string;
  readonly author: string;
  readonly from_node: string;
  readonly to_node: string;
  readonly amount_sat: number;
  readonly confidence: number | null;
  readonly accepted: boolean;
  readonly executed: boolean;
  readonly moved_msat: number;
  readonly fee_msat: number;
  readonly refusal: string | null;
  readonly reason: string;
  readonly world_ms: number;
}

export interface RebalanceReport {
  readonly changes: readonly RebalanceDone[];
  readonly reason: string;
}

export interface RunSettings {
  readonly speed: number;
  readonly paused: boolean;
  readonly automatic: boolean;
  readonly min_confidence: number;
  readonly budget_sat_per_day: number;
}

/** What one node saw on a channel in the last hour of world time. */
export interface Flows {
  readonly window_s: number;
  readonly sent_msat: number;
  readonly sent_count: number;
  readonly received_msat: number;
  readonly received_count: number;
  readonly failed_msat: number;
  readonly failed_count: number;
  readonly earned_msat: number;
}

export interface ChannelDetail {
  readonly flows: { readonly node1: Flows; readonly node2: Flows };
}

export interface PaymentPage {
  readonly payments: readonly Payment[];
  readonly next_before: number | null;
  readonly total?: number | null;
}

export interface ShareErrors {
  readonly rows: number;
  readonly model: number;
  readonly half: number;
  readonly last_value: number;
  readonly baseline: number | null;
}

export interface ReliabilityBin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  readonly mean_confidence: number;
  readonly share_gained: number;
}

export interface Reliability {
  readonly bins: readonly ReliabilityBin[];
  readonly brier: number;
  readonly brier_of_base_rate: number;
  readonly interval_coverage: number;
}

export interface ModelCard {
  readonly version: string;
  readonly trained_on: string;
  readonly rows_trained: number;
  readonly rows_held_out: number;
  readonly reduced: boolean;
  readonly share_errors: ShareErrors;
  readonly verdict: string;
}

export interface SuccessSpan {
  readonly world_ms: number;
  readonly payments: number;
  readonly succeeded: number;
  readonly volume_msat: number;
}

export interface LearningMetrics {
  readonly status: LearnerStatus;
  readonly errors: readonly ErrorPoint[];
  readonly reliability: Reliability | null;
  readonly card: ModelCard | null;
  readonly success: readonly SuccessSpan[];
}

export interface ModelItem {
  readonly version: string;
  readonly created_ms: number;
  readonly trained_on: string;
  readonly verdict: string;
  readonly selected: boolean;
  readonly share_errors: ShareErrors;
}

/** What a rebalance was expected to bring, what it cost, and what is estimated to have come of it. */
export interface Effect {
  readonly plan_id: string;
  readonly change_index: number;
  readonly author: string;
  readonly world_ms: number;
  readonly node: string;
  readonly from_node: string;
  readonly to_node: string;
  readonly back_from_node: string;
  readonly amount_sat: number;
  readonly fee_msat: number;
  readonly predicted_gain_msat: number | null;
  readonly predicted_low_msat: number | null;
  readonly predicted_high_msat: number | null;
  readonly confidence: number | null;
  readonly outgoing_local_msat: readonly [number, number] | null;
  readonly incoming_local_msat: readonly [number, number] | null;
  readonly realised_gain_msat: number | null;
  readonly due_ms: number;
  readonly status: "succeeded" | "failed";
}

export interface RunItem {
  readonly run_id: string;
  readonly world_start_ms: number;
  readonly world_end_ms: number;
  readonly recorded_ms: number;
  readonly payments: number;
  readonly channels: number;
  readonly bytes: number;
  readonly complete: boolean;
}

export interface RunMoment {
  readonly network: Network;
  /** Newest last. */
  readonly payments: readonly Payment[];
  readonly stats: Stats;
  readonly world_start_ms: number;
  readonly world_end_ms: number;
}
