import { describe, expect, it } from "vitest";
import type { Opportunity, RefusedAttempt } from "../src/api/node";
import type { ChannelProfit, PeerProfit, Standing } from "../src/api/profit";
import { describeFailure } from "../src/lib/failure";
import { balances, byChannel, byPeer, feeRates, holdingMatches, presence } from "../src/lib/holdings";
import { causeWords, intervalScale, retries, shortfallMsat, urgencyColour } from "../src/lib/missed";
import { isWatched } from "../src/lib/mode";
import { behindSinceMs, categoryWords, costMsat } from "../src/lib/profit";
import { gapParts, gapReason } from "../src/lib/recording";
import { remedyWords } from "../src/lib/remedies";
import { successSeries } from "../src/lib/series";
import { sortRows } from "../src/lib/table";
import { rangeHours } from "../src/state/route";
import { ALICE, BOB, CAROL, makeChannel, makePayment, nameOf } from "./fixtures";

function makeRefused(change: Partial<RefusedAttempt> = {}): RefusedAttempt {
  return {
    began_ms: 1_767_225_600_000,
    incoming_channel_id: "103x1x0",
    incoming_peer: "bob",
    amount_msat: 5_000_000,
    fee_msat: 1_005,
    cause: "liquidity",
    outgoing_spendable_msat: 4_000_000,
    incoming_spendable_msat: null,
    remaining_blocks: 80,
    payment: 0,
    ...change,
  };
}

const NOTHING: Standing = {
  capacity_sat: 1_000_000,
  average_local_msat: null,
  active_share: null,
  forwards_in: 0,
  forwards_out: 0,
  forwarded_in_msat: 0,
  forwarded_out_msat: 0,
  fee_earned_msat: 0,
  fee_sourced_msat: 0,
  fee_split_msat: 0,
  rebalance_fee_msat: 0,
  on_chain_cost_msat: 0,
  costs_unknown: 0,
  net_msat: 0,
  net_after_liquidity_msat: 0,
  utilisation: null,
  return_on_capacity_per_year: null,
  return_on_local_per_year: null,
};

function makeProfit(channel_id: string, change: Partial<ChannelProfit> = {}): ChannelProfit {
  return {
    ...NOTHING,
    channel_id,
    peer_id: BOB,
    peer_alias: "bob",
    is_open: true,
    analysis: {
      category: "profitable",
      overall_score: 60,
      profitability_score: 50,
      activity_score: 70,
      efficiency_score: 60,
    },
    ...change,
  };
}

function makePeerProfit(peer_id: string | null, channel_ids: readonly string[]): PeerProfit {
  return {
    ...NOTHING,
    peer_id,
    peer_alias: "",
    channel_ids,
    success: { rate: 0.9, lower: 0.8, upper: 0.95 },
  };
}

describe("what is watched", () => {
  it("is a node, live or from a recording", () => {
    expect(["simulated", "replay", "live", null].map((mode) => isWatched(mode as "live" | null))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it("is asked for whole ranges, as far as the service looks back", () => {
    expect([rangeHours("1h"), rangeHours("30d"), rangeHours("all")]).toEqual([1, 720, 8_784]);
  });
});

describe("a forward", () => {
  const forward = makePayment({ kind: "forward", succeeded: false });

  it("that the node refused says why", () => {
    const refused = {
      ...forward,
      outcome: "REFUSED_HERE",
      failure: { code: "OWN_MAX_HTLC", detail: "own max_htlc", channel_id: "104x1x0" },
    };
    expect(describeFailure(refused, nameOf)).toBe("refused here: own max_htlc");
  });

  it("that somebody else refused says so", () => {
    expect(describeFailure({ ...forward, outcome: "FAILED_DOWNSTREAM" }, nameOf)).toBe(
      "failed further down the route",
    );
  });

  it("counts in the rate of success, and a rebalance does not", () => {
    const kinds = ["forward", "rebalance"] as const;
    const lengths = kinds.map(
      (kind) =>
        successSeries(Array.from({ length: 12 }, (_, id) => makePayment({ payment_id: id, kind }))).times_s
          .length,
    );
    expect(lengths).toEqual([3, 0]);
  });
});

describe("refused attempts", () => {
  it("of one payment are counted together; those of none are not", () => {
    const attempts = [1, 0, 2, 1, 0, 1].map((payment) => makeRefused({ payment }));
    expect([...retries(attempts)]).toEqual([[1, 3]]);
  });

  it("say how much was missing, where it was that", () => {
    expect(shortfallMsat(makeRefused())).toBe(1_000_000);
    expect(shortfallMsat(makeRefused({ outgoing_spendable_msat: 5_000_000 }))).toBeNull();
    expect(shortfallMsat(makeRefused({ outgoing_spendable_msat: null }))).toBeNull();
  });

  it("have causes in words, and no words for an unknown one", () => {
    expect(causeWords("liquidity")).toContain("enough to send");
    expect(causeWords("a cause of tomorrow")).toBe("");
  });
});

describe("what was done for a channel", () => {
  it("is told with its figures", () => {
    const words = (kind: string, before: number, after: number) =>
      remedyWords({ at_ms: 0, channel_id: "1x1x1", kind, before, after, cost_msat: null });
    expect(words("fee lowered", 1_200, 700)).toBe("fee lowered from 1\u202f200 to 700 ppm");
    expect(words("max_htlc raised", 5_000, 9_000)).toBe("max_htlc raised from 5 to 9 sat");
    expect(words("liquidity added", 0, 1_999)).toBe("1 sat of liquidity added");
    expect(words("channel added", 0, 20_000)).toContain("sat added");
  });
});

describe("what was missed", () => {
  it("is drawn against the largest bound", () => {
    const bounds = [4_000, 9_000, 1_000].map((upper_msat) => ({ upper_msat }) as Opportunity);
    expect(intervalScale(bounds)).toBe(9_000);
    expect(intervalScale([])).toBe(0);
  });

  it("is urgent above the limits of the command line", () => {
    expect([40, 41, 70, 71].map(urgencyColour)).toEqual([
      "text-ink",
      "text-warning",
      "text-warning",
      "text-failure",
    ]);
  });
});

describe("gaps of a recording", () => {
  it("are cut off at the window", () => {
    const gaps = [
      { from_ms: 0, to_ms: 120 },
      { from_ms: 150, to_ms: 160 },
      { from_ms: 10, to_ms: 20 },
    ];
    expect(gapParts(gaps, 100, 200)).toEqual([
      { start: 0, length: 0.2 },
      { start: 0.5, length: 0.1 },
    ]);
  });

  it("are none in a window without length", () => {
    expect(gapParts([{ from_ms: 0, to_ms: 1 }], 5, 5)).toEqual([]);
  });

  it("have their reason in words", () => {
    expect(gapReason("not running")).toBe("nothing was recording");
    expect(gapReason("new reason")).toBe("new reason");
  });
});

describe("a sorted table", () => {
  const rows = [{ n: 2 }, { n: null }, { n: 1 }, { n: 2, second: true }];

  it("has what is not known last, both ways, and equal rows as they were", () => {
    expect(sortRows(rows, ({ n }) => n, false)).toEqual([rows[2], rows[0], rows[3], rows[1]]);
    expect(sortRows(rows, ({ n }) => n, true)).toEqual([rows[0], rows[3], rows[2], rows[1]]);
  });

  it("sorts text", () => {
    expect(sortRows(["b", "a"], (text) => text, false)).toEqual(["a", "b"]);
  });
});

describe("what a node holds", () => {
  const policy = {
    base_fee_msat: 0,
    fee_rate_ppm: 100,
    time_lock_delta_blocks: 80,
    min_htlc_msat: 1,
    max_htlc_msat: 1,
    inbound_base_fee_msat: 0,
    inbound_fee_rate_ppm: 0,
    disabled: false,
  };
  const channels = [
    makeChannel({ node1_policy: policy }),
    makeChannel({
      channel_id: "105x1x0",
      active: false,
      unsettled_msat: 7,
      node1_policy: { ...policy, fee_rate_ppm: 300 },
    }),
    makeChannel({ channel_id: "104x1x0", node1_id: ALICE, node2_id: CAROL }),
  ];

  it("is gathered by peer", () => {
    const [bob, carol, ...rest] = byPeer(channels, [makePeerProfit(CAROL, ["104x1x0"])], nameOf);
    expect(rest).toEqual([]);
    expect([bob?.name, bob?.standing, carol?.standing?.capacity_sat]).toEqual(["bob", null, 1_000_000]);
    expect([bob?.success, carol?.success?.rate]).toEqual([null, 0.9]);
    expect(bob && [presence(bob), feeRates(bob, 1), feeRates(bob, 2)]).toEqual(["partly", [100, 300], null]);
    expect(bob && balances(bob)).toEqual({
      near: { balanceMsat: 1_180_000_000 },
      far: { balanceMsat: 812_680_000 },
      channel: { unsettled_msat: 7 },
    });
  });

  it("keeps closed channels, and channels of peers that nobody knows, for what they earned", () => {
    const closed = byChannel(channels, [makeProfit("99x1x0", { is_open: false })], nameOf).at(-1);
    expect(closed && [closed.name, presence(closed), closed.analysis?.category]).toEqual([
      "bob",
      "closed",
      "profitable",
    ]);
    const unknown = byPeer(channels, [makePeerProfit(null, ["98x1x0"])], nameOf).at(-1);
    expect(unknown && [unknown.key, unknown.name]).toEqual(["98x1x0", "98x1x0"]);
  });

  it("is found by name, key or channel", () => {
    const holdings = byPeer(channels, [], nameOf);
    expect(holdings.filter((one) => holdingMatches(one, "105x1 BOB")).map(({ name }) => name)).toEqual([
      "bob",
    ]);
    expect(holdings.filter((one) => holdingMatches(one, "nobody"))).toEqual([]);
  });

  it("is behind where the book of forwards was not read for an hour", () => {
    const hours = (count: number) => count * 3_600_000;
    const behind = [9, 9.5, 0, null].map((known) =>
      behindSinceMs({ to_ms: hours(10), forwards_known_until_ms: known === null ? null : hours(known) }),
    );
    expect(behind).toEqual([null, null, 0, 0]);
    expect(behindSinceMs({ to_ms: hours(10), forwards_known_until_ms: hours(3) })).toBe(hours(3));
  });

  it("costs what rebalancing and the chain cost", () => {
    expect(costMsat({ ...NOTHING, rebalance_fee_msat: 5, on_chain_cost_msat: 7 })).toBe(12);
    expect([categoryWords("active_unprofitable"), categoryWords("of_tomorrow")]).toEqual([
      "active, unprofitable",
      "of tomorrow",
    ]);
  });
});
