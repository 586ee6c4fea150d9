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
    },
  };
}

export function makeUpdate(seq: number, change: Partial<Update> = {}): Update {
  return { type: "update", seq, channels: [], payments: [], stats: makeStats(), ...change };
}
