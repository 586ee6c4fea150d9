import { describe, expect, it } from "vitest";
import { frameOf, planFlight } from "../src/graph/flights";
import type { Look } from "../src/graph/palette";
import { buildScene, moveBalances, parallelOffsets, restyleScene, sameShape } from "../src/graph/scene";
import { applyUpdate, worldFromHello } from "../src/state/world";
import {
  ALICE,
  BOB,
  CAROL,
  makeChannel,
  makeFailure,
  makeHello,
  makePayment,
  makeUpdate,
  nameOf,
} from "./fixtures";

const LOOK: Look = {
  isCompact: false,
  palette: {
    surface: "#000000",
    ink: "#ffffff",
    inkSoft: "#cccccc",
    local: "#e5a13a",
    remote: "#4f96ea",
    unsettled: "#c9d2da",
    node: "#6d7b89",
    accent: "#a996f8",
    success: "#4cc38a",
    warning: "#e3c75a",
    failure: "#f58274",
    line: "#29343f",
  },
};
const NOTHING = { channelId: null, payment: null, viewpointId: null };
const AMBER = "rgba(229, 161, 58, 1)";

function flightOf(payment: Parameters<typeof planFlight>[0], speed = 1) {
  const flight = planFlight(payment, speed, 0, nameOf);
  if (flight === null) {
    throw new Error("no flight");
  }
  return flight;
}

describe("a payment on its way", () => {
  it("travels every hop in about its real time", () => {
    const flight = flightOf(makePayment());
    expect(flight.travelMs).toBe(800);
    expect(frameOf(flight, 200)).toMatchObject({ phase: "travelling", hop: 0, along: 0.5 });
    expect(frameOf(flight, 600)).toMatchObject({ phase: "travelling", hop: 1, along: 0.5 });
    expect(frameOf(flight, 801)).toMatchObject({ phase: "arrived", hop: 1, along: 1 });
    expect(frameOf(flight, 5_000).phase).toBe("over");
  });

  it("stays watchable in a fast world and in a slow one", () => {
    expect(flightOf(makePayment(), 1_000).travelMs).toBe(500);
    expect(flightOf(makePayment({ duration_ms: 90_000 })).travelMs).toBe(2_000);
    expect(flightOf(makePayment(), 0).travelMs).toBe(800);
  });

  it("stops in the channel where it failed, with the cause", () => {
    const flight = flightOf(makeFailure());
    const frame = frameOf(flight, 1_000);
    expect(frame).toMatchObject({ phase: "failed", hop: 1 });
    expect(frame.along).toBeCloseTo(0.2, 9);
    expect(flight.cause).toContain("too little balance");
  });

  it("that never found a route fails at its sender", () => {
    const flight = flightOf(
      makeFailure({ failure: null, outcome: "NO_ROUTE", route_channel_ids: [], route_node_ids: [] }),
    );
    expect(frameOf(flight, 1)).toMatchObject({ phase: "failed", hop: 0, along: 0 });
    expect(flight.nodeIds).toEqual([ALICE]);
  });

  it("has nothing to show without a route when it succeeded", () => {
    expect(planFlight(makePayment({ route_channel_ids: [], route_node_ids: [] }), 1, 0, nameOf)).toBeNull();
  });
});

describe("the scene", () => {
  const world = worldFromHello(makeHello(1));

  it("colours each end's part by who holds it, as seen from the viewpoint", () => {
    const scene = buildScene(world, NOTHING, LOOK);
    expect(scene.getEdgeAttribute("103x1x0", "sourceColor")).toBe(AMBER);
    restyleScene(scene, world, { ...NOTHING, viewpointId: BOB }, LOOK);
    expect(scene.getEdgeAttribute("103x1x0", "targetColor")).toBe(AMBER);
    restyleScene(scene, world, { ...NOTHING, viewpointId: CAROL }, LOOK);
    for (const side of ["sourceColor", "targetColor"] as const) {
      expect(scene.getEdgeAttribute("103x1x0", side)).not.toContain("229, 161, 58");
    }
  });

  it("dims what is not on the selected payment's route", () => {
    const payment = makePayment({
      payment_id: 7,
      route_channel_ids: ["104x1x0"],
      route_node_ids: [BOB, CAROL],
    });
    const scene = buildScene(world, { ...NOTHING, payment }, LOOK);
    expect(scene.getEdgeAttribute("104x1x0", "sourceColor")).toBe(AMBER);
    expect(scene.getEdgeAttribute("103x1x0", "sourceColor")).not.toBe(AMBER);
  });

  it("moves balances without touching anything else", () => {
    const scene = buildScene(world, NOTHING, LOOK);
    const moved = applyUpdate(world, makeUpdate(2, { channels: [makeChannel({ node1_local_msat: 0 })] }));
    expect(sameShape(world, moved)).toBe(true);
    moveBalances(scene, world, moved);
    expect(scene.getEdgeAttribute("103x1x0", "sourceShare")).toBe(0);
    expect(scene.getEdgeAttribute("103x1x0", "sourceColor")).toBe(AMBER);
  });

  it("leaves out a channel whose node is unknown", () => {
    const odd = makeChannel({ channel_id: "9x9x9", node2_id: "02ff" });
    const scene = buildScene(applyUpdate(world, makeUpdate(2, { channels: [odd] })), NOTHING, LOOK);
    expect(scene.hasEdge("9x9x9")).toBe(false);
    expect(scene.size).toBe(2);
  });

  it("lays parallel channels beside each other, whichever way they are written", () => {
    const offsets = parallelOffsets([
      makeChannel({ channel_id: "one" }),
      makeChannel({ channel_id: "two", node1_id: BOB, node2_id: ALICE }),
      makeChannel({ channel_id: "alone", node1_id: BOB, node2_id: CAROL }),
    ]);
    expect(offsets.get("alone")).toBeCloseTo(0, 12);
    // Against each other in direction, so the same sign of the offset means opposite sides.
    expect(offsets.get("one")).toBe(offsets.get("two"));
    expect(offsets.get("one")).not.toBe(0);
  });
});
