import { describe, expect, it } from "vitest";
import { orient, shares, sortChannels, unexplainedMsat } from "../src/lib/channels";
import { findPayments } from "../src/lib/search";
import { successSeries, WINDOW } from "../src/lib/series";
import { ALICE, BOB, CAROL, makeChannel, makeFailure, makePayment, nameOf } from "./fixtures";

describe("a channel", () => {
  it("puts the viewpoint's end first", () => {
    expect(orient(makeChannel(), null).near.nodeId).toBe(ALICE);
    expect(orient(makeChannel(), BOB).near).toMatchObject({ nodeId: BOB, balanceMsat: 406_340_000 });
    expect(orient(makeChannel(), CAROL).near.nodeId).toBe(ALICE);
  });

  it("has shares that make up one, in flight included", () => {
    const channel = makeChannel({ node1_local_msat: 500_000_000, unsettled_msat: 90_000_000 });
    const parts = shares(orient(channel, null));
    expect(parts.near + parts.unsettled + parts.far).toBeCloseTo(1, 12);
    expect(parts.unsettled).toBeGreaterThan(0);
  });

  it("has no shares while it is empty", () => {
    const empty = makeChannel({ node1_local_msat: 0, node2_local_msat: 0 });
    expect(shares(orient(empty, null))).toEqual({ near: 0, unsettled: 0, far: 0 });
  });

  it("adds up: local + remote + commitment fee + anchors + unsettled = capacity", () => {
    expect(unexplainedMsat(makeChannel())).toBe(0);
    expect(unexplainedMsat(makeChannel({ node1_local_msat: 589_999_999 }))).toBe(1);
  });
});

describe("sorting channels", () => {
  const rows = [
    makeChannel({ channel_id: "b", node1_id: BOB, node2_id: CAROL, node1_local_msat: 1_000 }),
    makeChannel({ channel_id: "a", pending_htlcs: 3 }),
    makeChannel({ channel_id: "c", node1_id: CAROL, node2_id: ALICE }),
  ].map((channel) => orient(channel, null));
  const ids = (key: "channel" | "balance" | "fee" | "htlcs", descending = false) =>
    sortChannels(rows, { key, descending }, nameOf).map((row) => row.channel.channel_id);

  it("follows each column, both ways", () => {
    expect(ids("channel")).toEqual(["a", "b", "c"]);
    expect(ids("channel", true)).toEqual(["c", "b", "a"]);
    expect(ids("balance")).toEqual(["b", "a", "c"]);
    expect(ids("htlcs", true)).toEqual(["a", "b", "c"]);
  });

  it("leaves equal ones in the order of their names", () => {
    expect(ids("fee")).toEqual(["a", "b", "c"]);
    expect(ids("fee", true)).toEqual(["a", "b", "c"]);
  });
});

describe("finding payments", () => {
  const payments = [
    makePayment({ payment_id: 1, description: "Book" }),
    makeFailure({ payment_id: 2 }),
    makePayment({ payment_id: 3, kind: "rebalance", receiver_name: "alice" }),
  ];
  const find = (filter: Parameters<typeof findPayments>[1], query = "") =>
    findPayments(payments, filter, query, nameOf).map((payment) => payment.payment_id);

  it("filters, the newest first", () => {
    expect(find("all")).toEqual([3, 2, 1]);
    expect(find("succeeded")).toEqual([3, 1]);
    expect(find("failed")).toEqual([2]);
    expect(find("rebalances")).toEqual([3]);
  });

  it.each([
    ["book", [1]],
    ["TOO LITTLE", [2]],
    ["temporary_channel", [2]],
    ["104x1x0", [3, 2, 1]],
    ["alice coffee", [3, 2]],
    ["1500", [3, 2, 1]],
    ["nobody", []],
  ])("searches for every word of %j", (query, expected) => {
    expect(find("all", query)).toEqual(expected);
  });
});

describe("success over time", () => {
  const payment = (index: number, succeeded: boolean) =>
    makePayment({ payment_id: index, started_ms: index * 1_000, duration_ms: 0, succeeded });

  it("says nothing about too few payments", () => {
    const few = Array.from({ length: WINDOW / 5 - 1 }, (_, index) => payment(index, true));
    expect(successSeries(few).percent).toEqual([]);
  });

  it("looks at the last payments only", () => {
    const failures = Array.from({ length: WINDOW }, (_, index) => payment(index, false));
    const successes = Array.from({ length: WINDOW }, (_, index) => payment(WINDOW + index, true));
    const { percent, times_s } = successSeries([...failures, ...successes]);
    expect(percent.at(0)).toBe(0);
    expect(percent.at(-1)).toBe(100);
    expect(times_s.at(-1)).toBe(2 * WINDOW - 1);
  });

  it("leaves rebalances out and orders by the end", () => {
    const late = { ...payment(0, false), duration_ms: 60_000 };
    const rest = Array.from({ length: WINDOW / 5 }, (_, index) => payment(index + 1, true));
    const rebalance = makeFailure({ kind: "rebalance" });
    const { times_s, percent } = successSeries([late, rebalance, ...rest]);
    expect(times_s).toEqual(times_s.toSorted((left, right) => left - right));
    expect(percent.at(0)).toBe(100);
    expect(percent.at(-1)).toBeCloseTo((100 * 10) / 11, 9);
  });
});
