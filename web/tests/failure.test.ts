import { describe, expect, it } from "vitest";
import { describeFailure, failedHop } from "../src/lib/failure";
import { makeFailure, makePayment, nameOf } from "./fixtures";

describe("why a payment failed", () => {
  it("names the hop and the cause", () => {
    expect(describeFailure(makeFailure(), nameOf)).toBe("too little balance: bob → carol");
  });

  it.each([
    ["FEE_INSUFFICIENT", "NO_DETAIL", "the fee offered was below the channel's policy: bob → carol"],
    [
      "TEMPORARY_CHANNEL_FAILURE",
      "HTLC_EXCEEDS_MAX",
      "the amount is above the channel's maximum: bob → carol",
    ],
    ["CHANNEL_DISABLED", "UNKNOWN", "the channel is disabled in this direction: bob → carol"],
    ["SOME_NEW_CODE", "NO_DETAIL", "some new code: bob → carol"],
  ])("%s, %s", (code, detail, expected) => {
    const payment = makeFailure({ failure: { code, detail, channel_id: "104x1x0" } });
    expect(describeFailure(payment, nameOf)).toBe(expected);
  });

  it.each([
    ["NO_ROUTE", "no known route could carry this amount"],
    ["INSUFFICIENT_BALANCE", "the sender's own channels hold too little"],
    ["TIMEOUT", "time ran out before an attempt succeeded"],
    ["SOMETHING_NEW", "something new"],
  ])("the outcome %s, when no hop is known", (outcome, expected) => {
    const payment = makeFailure({ failure: null, outcome, route_channel_ids: [], route_node_ids: [] });
    expect(describeFailure(payment, nameOf)).toBe(expected);
    expect(failedHop(payment)).toBeNull();
  });

  it("names a channel that is not on the route it knows", () => {
    const failure = { code: "UNKNOWN_NEXT_PEER", detail: "NO_DETAIL", channel_id: "9x9x9" };
    expect(describeFailure(makeFailure({ failure }), nameOf)).toBe(
      "the next node is unknown or offline: channel 9x9x9",
    );
  });

  it("has no failing hop when it succeeded", () => {
    expect(failedHop(makePayment())).toBeNull();
  });
});
