import { describe, expect, it } from "vitest";
import { DashboardStore } from "../src/state/dashboard";
import { applyUpdate, PAYMENTS_KEPT, worldFromHello } from "../src/state/world";
import { makeChannel, makeFailure, makeHello, makePayment, makeStats, makeUpdate } from "./fixtures";

describe("applying an update", () => {
  it("replaces only the channels that changed", () => {
    const world = worldFromHello(makeHello(1));
    const moved = makeChannel({ node1_local_msat: 1_000 });
    const next = applyUpdate(world, makeUpdate(2, { channels: [moved] }));
    expect(next.channels.get("103x1x0")).toEqual(moved);
    expect(next.channels.get("104x1x0")).toBe(world.channels.get("104x1x0"));
    expect(world.channels.get("103x1x0")?.node1_local_msat).toBe(590_000_000);
  });

  it("keeps the same objects when nothing changed, so that nothing is drawn again", () => {
    const world = worldFromHello(makeHello(1));
    const next = applyUpdate(world, makeUpdate(2, { stats: makeStats({ payments: 3 }) }));
    expect(next.channels).toBe(world.channels);
    expect(next.payments).toBe(world.payments);
    expect(next.lastFailures).toBe(world.lastFailures);
    expect(next.stats.payments).toBe(3);
  });

  it("keeps the newest payments up to a limit", () => {
    const payments = Array.from({ length: PAYMENTS_KEPT + 20 }, (_, index) =>
      makePayment({ payment_id: index }),
    );
    const next = applyUpdate(worldFromHello(makeHello(1)), makeUpdate(2, { payments }));
    expect(next.payments).toHaveLength(PAYMENTS_KEPT);
    expect(next.payments.at(-1)?.payment_id).toBe(PAYMENTS_KEPT + 19);
  });

  it("remembers the last failure of each channel", () => {
    const first = makeFailure({ payment_id: 8 });
    const second = makeFailure({ payment_id: 9 });
    const noRoute = makeFailure({ payment_id: 10, failure: null, outcome: "NO_ROUTE" });
    const update = makeUpdate(2, { payments: [first, second, noRoute] });
    const next = applyUpdate(worldFromHello(makeHello(1)), update);
    expect(next.lastFailures.get("104x1x0")).toBe(second);
    expect(next.lastFailures.size).toBe(1);
  });
});

describe("the store", () => {
  it("reports payments as they finish, not those of a snapshot", () => {
    const store = new DashboardStore(() => 0);
    const heard: number[] = [];
    store.onPayments((payments) => heard.push(...payments.map((payment) => payment.payment_id)));
    store.handlers.onUpdate(makeUpdate(1, { payments: [makePayment({ payment_id: 1 })] }));
    store.handlers.onHello(makeHello(1));
    store.handlers.onUpdate(makeUpdate(2, { payments: [makePayment({ payment_id: 2 })] }));
    expect(heard).toEqual([2]);
  });

  it("keeps the selection over a resumed session", () => {
    const store = new DashboardStore(() => 0);
    store.handlers.onHello(makeHello(1));
    store.select({ channelId: "103x1x0", viewpointId: "02bb" });
    store.handlers.onHello(makeHello(9));
    expect(store.get().selection).toMatchObject({ channelId: "103x1x0", viewpointId: "02bb" });
  });
});
