import type {
  Alert,
  Effect,
  ErrorPoint,
  Prediction,
  RebalanceDone,
  RunItem,
  SuggestedChange,
} from "../src/api/learning";
import type { Channel, Hello, NetworkNode, Payment, Stats, Update } from "../src/api/types";

export const ALICE = "02aa";
export const BOB = "02bb";
export const CAROL = "02cc";

const NAMES: Readonly<Record<string, string>> = { [ALICE]: "alice", [BOB]: "bob", [CAROL]: "carol" };

export const nameOf = (nodeId: string): string => NAMES[nodeId] ?? nodeId;

export function makeNode(nodeId: string): NetworkNode {
  return { node_id: nodeId, name: nameOf(nodeId), x: 0, y: 0, capacity_sat: 2_000_000, channel_count: 2 };
}

export function makeChannel(change: Partial<Channel> = {}): Channel {
  return {
    channel_id: "103x1x0",
    node1_id: ALICE,
    node2_id: BOB,
    capacity_sat: 1_000_000,
    node1_local_msat: 590_000_000,
    node2_local_msat: 406_340_000,
    commit_fee_sat: 3_000,
    unsettled_msat: 0,
    pending_htlcs: 0,
    opener_id: ALICE,
    node1_policy: null,
    node2_policy: null,
    ...change,
  };
}

export function makePayment(change: Partial<Payment> = {}): Payment {
  return {
    payment_id: 1,
    kind: "payment",
    started_ms: 1_767_225_600_000,
    duration_ms: 800,
    sender_id: ALICE,
    receiver_id: CAROL,
    sender_name: "alice",
    receiver_name: "carol",
    amount_msat: 1_500_250,
    fee_msat: 1_002,
    succeeded: true,
    outcome: "SUCCEEDED",
    failure: null,
    attempts: 1,
    route_channel_ids: ["103x1x0", "104x1x0"],
    route_node_ids: [ALICE, BOB, CAROL],
    description: "Coffee purchase",
    ...change,
  };
}

/** A payment that stopped at the second channel of its route. */
export function makeFailure(change: Partial<Payment> = {}): Payment {
  return makePayment({
    succeeded: false,
    outcome: "FAILED_ON_ROUTE",
    failure: {
      code: "TEMPORARY_CHANNEL_FAILURE",
      detail: "INSUFFICIENT_BALANCE",
      channel_id: "104x1x0",
    },
    ...change,
  });
}

export function makeStats(change: Partial<Stats> = {}): Stats {
  return {
    world_ms: 1_767_225_600_000,
    speed: 1,
    payments: 0,
    succeeded: 0,
    success_rate: null,
    volume_msat: 0,
    fees_msat: 0,
    rebalances: 0,
    rebalanced_msat: 0,
    rebalance_cost_msat: 0,
    ...change,
  };
}

export function makeHello(seq: number, session = "s1"): Hello {
  return {
    type: "hello",
    session,
    seq,
    snapshot: {
      network: {
        name: "lab",
        mode: "simulated",
        nodes: [ALICE, BOB, CAROL].map(makeNode),
        channels: [makeChannel(), makeChannel({ channel_id: "104x1x0", node1_id: BOB, node2_id: CAROL })],
      },
      payments: [],
      stats: makeStats(),
      learner: null,
      predictions: [],
      suggestions: [],
      errors: [],
      alerts: [],
      rebalances: [],
      settings: null,
    },
  };
}

export function makeUpdate(seq: number, change: Partial<Update> = {}): Update {
  return { type: "update", seq, channels: [], payments: [], stats: makeStats(), ...change };
}

export function makePrediction(change: Partial<Prediction> = {}): Prediction {
  return {
    channel_id: "103x1x0",
    node_id: ALICE,
    share_now: 0.6,
    share: 0.5,
    low_share: 0.35,
    high_share: 0.7,
    model: "m1",
    made_ms: 1_767_225_600_000,
    horizon_s: 21_600,
    ...change,
  };
}

/** Alice sends out to bob and gets it back from carol. */
export function makeSuggestion(change: Partial<SuggestedChange> = {}): SuggestedChange {
  return {
    suggestion_id: "s1",
    author: "learner",
    model: "m1",
    node_id: ALICE,
    from_node: "alice",
    to_node: "bob",
    back_from_node: "carol",
    outgoing_channel_id: "103x1x0",
    incoming_channel_id: "105x1x0",
    amount_sat: 40_000,
    max_fee_msat: 5_000,
    confidence: 0.6,
    gain_msat: 1_240,
    low_gain_msat: -300,
    high_gain_msat: 2_900,
    reason: "bob is full, carol is empty",
    made_ms: 1_767_225_600_000,
    expires_ms: 1_767_226_200_000,
    status: "open",
    outcome: "",
    ...change,
  };
}

export function makeErrorPoint(change: Partial<ErrorPoint> = {}): ErrorPoint {
  return {
    world_ms: 1_767_225_600_000,
    compared: 10,
    model: 0.1,
    online: null,
    half: 0.2,
    last_value: 0.15,
    baseline: null,
    ...change,
  };
}

export function makeAlert(change: Partial<Alert> = {}): Alert {
  return {
    level: "warning",
    source: "imbalance",
    text: "103x1x0 is empty",
    state: "raised",
    alert_id: "a1",
    channel_id: "103x1x0",
    world_ms: 1_767_225_600_000,
    acknowledged: false,
    ...change,
  };
}

export function makeRebalance(change: Partial<RebalanceDone> = {}): RebalanceDone {
  return {
    plan_id: "p1",
    author: "learner",
    from_node: "alice",
    to_node: "bob",
    amount_sat: 40_000,
    confidence: 0.6,
    accepted: true,
    executed: true,
    moved_msat: 40_000_000,
    fee_msat: 2_000,
    refusal: null,
    reason: "",
    world_ms: 1_767_225_600_000,
    ...change,
  };
}

export function makeEffect(change: Partial<Effect> = {}): Effect {
  return {
    plan_id: "p1",
    change_index: 0,
    author: "learner",
    world_ms: 1_767_225_600_000,
    node: "alice",
    from_node: "alice",
    to_node: "bob",
    back_from_node: "carol",
    amount_sat: 40_000,
    fee_msat: 2_000,
    predicted_gain_msat: 1_000,
    predicted_low_msat: -500,
    predicted_high_msat: 3_000,
    confidence: 0.6,
    outgoing_local_msat: [500_000_000, 459_998_000],
    incoming_local_msat: [100_000_000, 140_000_000],
    realised_gain_msat: null,
    due_ms: 1_767_247_200_000,
    status: "succeeded",
    ...change,
  };
}

export function makeRun(change: Partial<RunItem> = {}): RunItem {
  return {
    run_id: "run-1",
    world_start_ms: 1_000_000,
    world_end_ms: 2_000_000,
    recorded_ms: 1_767_225_600_000,
    payments: 100,
    channels: 7,
    bytes: 120_000,
    complete: true,
    ...change,
  };
}
