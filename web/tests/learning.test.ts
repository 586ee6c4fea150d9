import { describe, expect, it } from "vitest";
import { parseMessage } from "../src/api/parse";
import { orient } from "../src/lib/channels";
import { effectTotals } from "../src/lib/effects";
import { bestShare, planOf } from "../src/lib/predictions";
import { errorSeries, gatherSpans, spanSuccess } from "../src/lib/series";
import { listed } from "../src/lib/suggestions";
import { applyUpdate, predictionKey, unseenAlerts, worldFromHello } from "../src/state/world";
import {
  ALICE,
  BOB,
  CAROL,
  makeAlert,
  makeChannel,
  makeEffect,
  makeErrorPoint,
  makeHello,
  makePrediction,
  makeRebalance,
  makeSuggestion,
  makeUpdate,
} from "./fixtures";

const start = worldFromHello(makeHello(1));

describe("news of learning", () => {
  it("replaces predictions and suggestions, adds errors and rebalances", () => {
    const one = applyUpdate(
      start,
      makeUpdate(2, {
        predictions: [makePrediction()],
        suggestions: [makeSuggestion()],
        errors: [makeErrorPoint()],
        rebalances: [makeRebalance({ plan_id: "p1" })],
      }),
    );
    const two = applyUpdate(
      one,
      makeUpdate(3, {
        suggestions: [],
        errors: [makeErrorPoint({ world_ms: 9 })],
        rebalances: [makeRebalance({ plan_id: "p2" })],
      }),
    );
    expect(two.predictions.get(predictionKey("103x1x0", ALICE))?.share).toBe(0.5);
    expect(two.suggestions).toEqual([]);
    expect(two.errors).toHaveLength(2);
    expect(two.rebalances.map(({ plan_id }) => plan_id)).toEqual(["p2", "p1"]);
  });

  it("keeps the same objects when there is no news", () => {
    const next = applyUpdate(start, makeUpdate(2));
    expect(next.suggestions).toBe(start.suggestions);
    expect(next.alerts).toBe(start.alerts);
    expect(next.settings).toBe(start.settings);
  });

  it("follows an alert from raised to seen to over", () => {
    const raised = applyUpdate(
      start,
      makeUpdate(2, { alerts: [makeAlert(), makeAlert({ alert_id: "a2" })] }),
    );
    expect(unseenAlerts(raised.alerts)).toHaveLength(2);
    const seen = applyUpdate(raised, makeUpdate(3, { alerts: [makeAlert({ acknowledged: true })] }));
    expect(unseenAlerts(seen.alerts).map(({ alert_id }) => alert_id)).toEqual(["a2"]);
    const over = applyUpdate(
      seen,
      makeUpdate(4, { alerts: [makeAlert({ alert_id: "a2", state: "cleared" })] }),
    );
    expect(unseenAlerts(over.alerts)).toEqual([]);
    expect(over.alerts).toHaveLength(2);
  });

  it("is read from a service that does not speak of learning", () => {
    const { learner: _, predictions: __, ...snapshot } = makeHello(1).snapshot;
    const message = parseMessage(JSON.stringify({ ...makeHello(1), snapshot }));
    expect(message.type === "hello" && message.snapshot.learner).toBeNull();
    expect(message.type === "hello" && message.snapshot.predictions).toEqual([]);
  });

  it("has its texts cleaned", () => {
    const update = makeUpdate(2, { suggestions: [makeSuggestion({ reason: "fill\u202e it" })] });
    const message = parseMessage(JSON.stringify(update));
    expect(message.type === "update" && message.suggestions?.[0]?.reason).toBe("fill it");
  });
});

describe("the best share", () => {
  const own = new Map([[predictionKey("103x1x0", ALICE), makePrediction()]]);

  it("is the near end's own", () => {
    expect(bestShare(orient(makeChannel(), null), own)).toMatchObject({ share: 0.5, low: 0.35, high: 0.7 });
  });

  it("is turned round for the other end", () => {
    const best = bestShare(orient(makeChannel(), BOB), own);
    expect(best?.share).toBeCloseTo(0.5);
    expect(best?.low).toBeCloseTo(0.3);
    expect(best?.high).toBeCloseTo(0.65);
  });

  it("is not made up", () => {
    expect(bestShare(orient(makeChannel({ channel_id: "9x9x9" }), null), own)).toBeNull();
  });
});

describe("a plan", () => {
  it("says old and new of both channels", () => {
    const channels = new Map([
      ["103x1x0", makeChannel()],
      ["105x1x0", makeChannel({ channel_id: "105x1x0", node1_id: CAROL, node2_id: ALICE })],
    ]);
    const plan = planOf(makeSuggestion(), channels);
    expect(plan.outgoing).toMatchObject({ peer: "bob", beforeMsat: 590_000_000, afterMsat: 550_000_000 });
    expect(plan.incoming).toMatchObject({ peer: "carol", beforeMsat: 406_340_000, afterMsat: 446_340_000 });
  });

  it("leaves out a channel that is not known", () => {
    expect(planOf(makeSuggestion(), new Map())).toEqual({ outgoing: null, incoming: null });
  });
});

describe("the list of suggestions", () => {
  const open = makeSuggestion();
  const done = makeSuggestion({ suggestion_id: "s0", status: "done" });

  it("has open ones first", () => {
    const list = listed([done, open], null);
    expect([...list.open, ...list.ended].map(({ suggestion_id }) => suggestion_id)).toEqual(["s1", "s0"]);
  });

  it("keeps the one under review when it is no longer suggested, and says so", () => {
    expect(listed([done], open).ended[0]).toMatchObject({ suggestion_id: "s1", status: "expired" });
    expect(listed([done, open], open).ended).toEqual([done]);
  });
});

describe("errors over time", () => {
  it("weights by what was compared and leaves out what was not", () => {
    const series = errorSeries(
      [makeErrorPoint({ compared: 30, model: 0.1 }), makeErrorPoint({ compared: 10, model: 0.3 })],
      null,
    );
    expect(series.overall.model).toBeCloseTo(15);
    expect(series.overall.online).toBeNull();
    expect(series.compared).toBe(40);
  });

  it("takes only the time range, and draws few points", () => {
    const points = Array.from({ length: 1_000 }, (_, index) => makeErrorPoint({ world_ms: index * 1_000 }));
    const series = errorSeries(points, 500_000);
    expect(series.compared).toBe(5_000);
    expect(series.times_s.length).toBeLessThanOrEqual(120);
    expect(series.times_s.at(-1)).toBe(999);
  });

  it("sums spans to longer ones of one length, and loses nothing", () => {
    const spans = Array.from({ length: 400 }, (_, index) => ({
      world_ms: index * 300_000,
      payments: 2,
      succeeded: 1,
      volume_msat: 10,
    }));
    const gathered = gatherSpans(spans);
    expect(gathered.minutes).toBe(35);
    expect(gathered.spans.length).toBeLessThanOrEqual(60);
    expect(gathered.spans.reduce((sum, span) => sum + span.payments, 0)).toBe(800);
    expect(gatherSpans(spans.slice(0, 3))).toEqual({ spans: spans.slice(0, 3), minutes: 5 });
    expect(gatherSpans([])).toEqual({ spans: [], minutes: 5 });
  });

  it("skips spans in which nothing was paid", () => {
    const spans = [
      { world_ms: 1_000, payments: 4, succeeded: 3, volume_msat: 1 },
      { world_ms: 2_000, payments: 0, succeeded: 0, volume_msat: 0 },
    ];
    expect(spanSuccess(spans)).toEqual({ times_s: [1], percent: [75] });
  });
});

describe("effects", () => {
  it("compares only what is known on both sides", () => {
    const totals = effectTotals([
      makeEffect({ realised_gain_msat: 500 }),
      makeEffect({ realised_gain_msat: -900 }),
      makeEffect(),
      makeEffect({ predicted_gain_msat: null, realised_gain_msat: 7 }),
      makeEffect({ status: "failed", fee_msat: 0 }),
    ]);
    expect(totals).toMatchObject({ count: 5, moved: 4, feeMsat: 8_000, compared: 2, inside: 1 });
    expect(totals.predictedMsat).toBe(2_000);
    expect(totals.realisedMsat).toBe(-400);
  });
});
