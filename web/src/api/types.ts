/**
 * The contract between the service and the dashboard, exactly as it goes over the wire.
 *
 * Field names end in their unit. Amounts are integers of millisatoshi (`_msat`) or satoshi
 * (`_sat`); a JavaScript number holds them exactly up to 2^53 msat, about 90,000 BTC.
 * Channel ids are short channel ids as text, "103x1x0"; node ids are 66 hexadecimal digits.
 *
 * Transport: `GET /api/v1/health` answers {@link Health}. The WebSocket `/ws` (same origin) starts
 * with {@link Hello}; {@link Update}s follow, at most ten per second, each with the next `seq`.
 * After a lost connection the page asks for `/ws?session=<id>&since=<seq>`: the service replays what
 * was missed as updates, or, if it no longer can, sends a fresh hello.
 */

import type {
  Alert,
  ErrorPoint,
  LearnerStatus,
  Prediction,
  RebalanceDone,
  RunSettings,
  SuggestedChange,
} from "./learning";

export type Mode = "simulated" | "replay" | "live";

export interface Health {
  readonly status: "ok" | "warming up" | "ended";
  readonly version: string;
  readonly mode: Mode;
  readonly uptime_s: number;
}

export interface NetworkNode {
  readonly node_id: string;
  readonly name: string;
  /** Position, laid out by the service; any scale. */
  readonly x: number;
  readonly y: number;
  readonly capacity_sat: number;
  readonly channel_count: number;
}

export interface Policy {
  readonly base_fee_msat: number;
  readonly fee_rate_ppm: number;
  readonly time_lock_delta_blocks: number;
  readonly min_htlc_msat: number;
  readonly max_htlc_msat: number;
  readonly inbound_base_fee_msat: number;
  readonly inbound_fee_rate_ppm: number;
  readonly disabled: boolean;
}

/** A channel; its local balances exclude commitment fee, anchors and what is in flight. */
export interface Channel {
  readonly channel_id: string;
  readonly node1_id: string;
  readonly node2_id: string;
  readonly capacity_sat: number;
  readonly node1_local_msat: number;
  readonly node2_local_msat: number;
  readonly commit_fee_sat: number;
  readonly unsettled_msat: number;
  readonly pending_htlcs: number;
  readonly opener_id: string;
  /** What node1 asks for what leaves node1 over this channel; null while it has announced none. */
  readonly node1_policy: Policy | null;
  readonly node2_policy: Policy | null;
  /** Whether the peer is there, as far as is known; recordings of old do not tell. */
  readonly active?: boolean;
}

/** Where and why the last attempt failed; LND's names. */
export interface PaymentFailure {
  readonly code: string;
  readonly detail: string;
  readonly channel_id: string | null;
}

/** One attempt of a payment: an HTLC along a route. */
export interface Attempt {
  readonly started_ms: number;
  readonly ended_ms: number;
  readonly route_channel_ids: readonly string[];
  readonly route_node_ids: readonly string[];
  readonly hop_amounts_msat: readonly number[];
  readonly settled: boolean;
  /** Index of the channel that failed; null where none did. */
  readonly failed_hop: number | null;
  readonly code: string;
  readonly detail: string;
}

/**
 * A payment, a circular self-payment ("rebalance"), or what a watched node was asked to forward from one
 * peer (the sender) to another (the receiver), that has finished.
 */
export interface Payment {
  readonly payment_id: number;
  readonly kind: "payment" | "rebalance" | "forward";
  readonly started_ms: number;
  readonly duration_ms: number;
  readonly sender_id: string;
  readonly receiver_id: string;
  readonly sender_name: string;
  readonly receiver_name: string;
  readonly amount_msat: number;
  readonly fee_msat: number;
  readonly succeeded: boolean;
  readonly outcome: string;
  readonly failure: PaymentFailure | null;
  readonly attempts: number;
  /** Route of the last attempt; empty if there was none. */
  readonly route_channel_ids: readonly string[];
  /** Nodes along that route, sender first; one more than channels. */
  readonly route_node_ids: readonly string[];
  readonly description: string;
  /** All attempts, oldest first; absent from recordings that kept none. */
  readonly attempt_log?: readonly Attempt[];
}

export interface Stats {
  readonly world_ms: number;
  readonly speed: number;
  readonly payments: number;
  readonly succeeded: number;
  /** Share of payments that succeeded, 0 to 1; null before the first. */
  readonly success_rate: number | null;
  readonly volume_msat: number;
  readonly fees_msat: number;
  readonly rebalances: number;
  readonly rebalanced_msat: number;
  readonly rebalance_cost_msat: number;
}

export interface Network {
  readonly name: string;
  readonly mode: Mode;
  readonly nodes: readonly NetworkNode[];
  readonly channels: readonly Channel[];
}

export interface Snapshot {
  readonly network: Network;
  /** The newest at the end, at most 200. */
  readonly payments: readonly Payment[];
  readonly stats: Stats;
  readonly learner: LearnerStatus | null;
  readonly predictions: readonly Prediction[];
  readonly suggestions: readonly SuggestedChange[];
  readonly errors: readonly ErrorPoint[];
  /** Those that are raised. */
  readonly alerts: readonly Alert[];
  readonly rebalances: readonly RebalanceDone[];
  readonly settings: RunSettings | null;
}

export interface Hello {
  readonly type: "hello";
  readonly session: string;
  readonly seq: number;
  readonly snapshot: Snapshot;
}

export interface Update {
  readonly type: "update";
  readonly seq: number;
  /** Only those that changed. */
  readonly channels: readonly Channel[];
  /** Those that finished since the last update. */
  readonly payments: readonly Payment[];
  readonly stats: Stats;
  readonly learner?: LearnerStatus;
  /** All current ones. */
  readonly predictions?: readonly Prediction[];
  /** All that are not expired, newest first. */
  readonly suggestions?: readonly SuggestedChange[];
  /** New points. */
  readonly errors?: readonly ErrorPoint[];
  readonly alerts?: readonly Alert[];
  /** New ones. */
  readonly rebalances?: readonly RebalanceDone[];
  readonly settings?: RunSettings;
}

export type ServerMessage = Hello | Update;
