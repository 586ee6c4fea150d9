import { beforeEach, describe, expect, it } from "vitest";
import { FIRST_RETRY_MS, LONGEST_RETRY_MS, retryDelayMs, SILENCE_MS, Stream } from "../src/api/stream";
import type { Update } from "../src/api/types";
import { DashboardStore } from "../src/state/dashboard";
import { FakePorts } from "./fakes";
import { makeHello, makePayment, makeUpdate } from "./fixtures";

let ports: FakePorts;
let store: DashboardStore;
let stream: Stream;

beforeEach(() => {
  ports = new FakePorts();
  store = new DashboardStore(() => 1_000);
  stream = new Stream(ports, store.handlers);
  stream.start();
});

const seq = (): number | undefined => store.get().world?.seq;
const paymentIds = (): (number | undefined)[] =>
  store.get().world?.payments.map((payment) => payment.payment_id) ?? [];
const withPayment = (number: number): Update =>
  makeUpdate(number, { payments: [makePayment({ payment_id: number })] });

describe("a first connection", () => {
  it("asks for everything and is live with the snapshot", () => {
    expect(ports.last.path).toBe("/ws");
    ports.last.open();
    expect(store.get().link.phase).toBe("connecting");
    ports.last.receive(makeHello(41));
    expect(store.get().link.phase).toBe("live");
    expect(seq()).toBe(41);
  });

  it("applies updates in order and ignores one it has already", () => {
    ports.last.receive(makeHello(41));
    ports.last.receive(withPayment(42));
    ports.last.receive(withPayment(42));
    ports.last.receive(withPayment(41));
    ports.last.receive(withPayment(43));
    expect(paymentIds()).toEqual([42, 43]);
    expect(ports.sockets).toHaveLength(1);
  });

  it("starts anew when an update comes before any snapshot", async () => {
    ports.last.receive(withPayment(5));
    expect(store.get().link.phase).toBe("lost");
    await ports.pass(FIRST_RETRY_MS);
    expect(ports.last.path).toBe("/ws");
  });
});

describe("a lost connection", () => {
  it("is resumed where it broke, and what was missed is applied once", async () => {
    ports.last.receive(makeHello(41));
    ports.last.receive(withPayment(42));
    ports.last.drop();
    expect(store.get().link).toMatchObject({ phase: "lost", reason: "closed" });
    expect(paymentIds()).toEqual([42]);

    await ports.pass(FIRST_RETRY_MS);
    expect(ports.last.path).toBe("/ws?session=s1&since=42");
    ports.last.open();
    expect(store.get().link.phase).toBe("live");
    ports.last.receive(withPayment(43));
    ports.last.receive(withPayment(44));
    expect(paymentIds()).toEqual([42, 43, 44]);
  });

  it("takes a fresh snapshot in place of what the service has forgotten", async () => {
    ports.last.receive(makeHello(41));
    store.select({ channelId: "103x1x0" });
    ports.last.drop();
    await ports.pass(FIRST_RETRY_MS);
    ports.last.receive(makeHello(3, "s2"));
    expect(seq()).toBe(3);
    expect(store.get().world?.session).toBe("s2");
    expect(store.get().selection.channelId).toBeNull();
  });

  it("waits longer each time, and counts from the beginning once messages flow", async () => {
    ports.last.receive(makeHello(1));
    ports.last.drop();
    await ports.pass(FIRST_RETRY_MS);
    ports.last.drop();
    await ports.pass(FIRST_RETRY_MS);
    expect(ports.sockets).toHaveLength(2);
    await ports.pass(FIRST_RETRY_MS);
    expect(ports.sockets).toHaveLength(3);
    ports.last.receive(withPayment(2));
    ports.last.drop();
    await ports.pass(FIRST_RETRY_MS);
    expect(ports.sockets).toHaveLength(4);
  });

  it("is tried at once when the reader asks for it", () => {
    ports.last.drop();
    stream.retryNow();
    expect(ports.sockets).toHaveLength(2);
    stream.retryNow();
    expect(ports.sockets).toHaveLength(2);
  });

  it("tells since when, however often it is tried", async () => {
    let now = 1_000;
    store = new DashboardStore(() => now);
    stream = new Stream(ports, store.handlers);
    stream.start();
    ports.last.drop();
    now = 9_000;
    await ports.pass(FIRST_RETRY_MS);
    ports.last.drop();
    expect(store.get().link).toMatchObject({ sinceMs: 1_000 });
  });
});

describe("a gap in the numbers", () => {
  it("is asked for at once, without calling the connection lost", () => {
    ports.last.receive(makeHello(41));
    ports.last.receive(withPayment(44));
    expect(ports.sockets[0]?.isClosed).toBe(true);
    expect(ports.last.path).toBe("/ws?session=s1&since=41");
    expect(store.get().link.phase).toBe("live");
    ports.last.receive(withPayment(42));
    expect(paymentIds()).toEqual([42]);
  });

  it("leads to a fresh snapshot when it cannot be filled", async () => {
    ports.last.receive(makeHello(41));
    ports.last.receive(withPayment(44));
    ports.last.receive(withPayment(44));
    expect(store.get().link.phase).toBe("lost");
    await ports.pass(FIRST_RETRY_MS);
    expect(ports.last.path).toBe("/ws");
  });
});

describe("silence", () => {
  it("is no loss while the service answers", async () => {
    ports.last.receive(makeHello(1));
    await ports.pass(SILENCE_MS);
    expect(ports.probes).toBe(1);
    expect(store.get().link.phase).toBe("live");
    await ports.pass(SILENCE_MS);
    expect(ports.probes).toBe(2);
  });

  it("is a loss when the service does not answer", async () => {
    ports.last.receive(makeHello(1));
    ports.answers = false;
    await ports.pass(SILENCE_MS);
    expect(store.get().link).toMatchObject({ phase: "lost", reason: "silent" });
  });
});

describe("messages that are not of the contract", () => {
  it.each([
    ["text", "boom"],
    ["a number", "7"],
    ["no sequence number", '{"type":"update"}'],
    ["an unknown type", '{"type":"news","seq":42}'],
    ["a hello without a snapshot", '{"type":"hello","seq":42,"session":"s1"}'],
    ["an update without channels", '{"type":"update","seq":42,"payments":[],"stats":{}}'],
    ["a node that is null", JSON.stringify(makeHello(42)).replace(/"nodes":\[.*?\]/, '"nodes":[null]')],
  ])("%s: the page keeps its state and starts anew", async (_, text) => {
    ports.last.receive(makeHello(41));
    ports.last.receiveText(text);
    expect(store.get().link).toMatchObject({ phase: "lost", reason: "unreadable" });
    expect(seq()).toBe(41);
    await ports.pass(FIRST_RETRY_MS);
    expect(ports.last.path).toBe("/ws");
  });
});

describe("the delay before a retry", () => {
  it("doubles up to its limit and varies by half", () => {
    expect(retryDelayMs(0, 1)).toBe(FIRST_RETRY_MS);
    expect(retryDelayMs(1, 1)).toBe(2 * FIRST_RETRY_MS);
    expect(retryDelayMs(50, 1)).toBe(LONGEST_RETRY_MS);
    expect(retryDelayMs(50, 0)).toBe(LONGEST_RETRY_MS / 2);
  });
});

describe("stopping", () => {
  it("closes the socket and tries no more", async () => {
    ports.last.drop();
    stream.stop();
    await ports.pass(LONGEST_RETRY_MS);
    expect(ports.sockets).toHaveLength(1);
  });
});
