/** Payments on their way across the graph: where each is at a moment, as pure functions. */

import type { Payment } from "../api/types";
import type { NameOf } from "../lib/channels";
import { describeFailure, failedHop } from "../lib/failure";

const SHORTEST_MS = 500;
const LONGEST_MS = 2_000;
const FLASH_MS = 2_400;
const ARRIVAL_MS = 350;
/** How far into the failing channel the dot gets, as a part of that hop. */
const STOP_AT = 0.2;
/** More at once would say nothing to a reader, and cost frames. */
export const MOST_FLIGHTS = 40;

export interface Flight {
  readonly nodeIds: readonly string[];
  readonly channelIds: readonly string[];
  readonly kind: Payment["kind"];
  readonly startMs: number;
  readonly travelMs: number;
  /** Hops travelled in all; fractional when it stops within a channel. */
  readonly hops: number;
  /** Why it failed; null if it succeeded. */
  readonly cause: string | null;
}

export interface FlightFrame {
  readonly phase: "travelling" | "arrived" | "failed" | "over";
  /** Hop it is on, and how far along it, 0 to 1. */
  readonly hop: number;
  readonly along: number;
  /** How much of the closing phase has passed, 0 to 1. */
  readonly fade: number;
}

/** Plan a finished payment's flight: its real duration at the world's speed, kept watchable. */
export function planFlight(payment: Payment, speed: number, nowMs: number, nameOf: NameOf): Flight | null {
  const hops = payment.route_channel_ids.length;
  if (payment.succeeded && hops === 0) {
    return null;
  }
  const stop = payment.succeeded ? null : failedHop(payment);
  const travelled = payment.succeeded ? hops : stop === null ? 0 : stop + STOP_AT;
  const realMs = payment.duration_ms / (speed > 0 ? speed : 1);
  return {
    nodeIds: hops === 0 ? [payment.sender_id] : payment.route_node_ids,
    channelIds: payment.route_channel_ids,
    kind: payment.kind,
    startMs: nowMs,
    travelMs: travelled === 0 ? 0 : Math.min(LONGEST_MS, Math.max(SHORTEST_MS, realMs)),
    hops: travelled,
    cause: payment.succeeded ? null : describeFailure(payment, nameOf),
  };
}

export function frameOf(flight: Flight, nowMs: number): FlightFrame {
  const elapsed = nowMs - flight.startMs;
  const progress = flight.travelMs === 0 ? 1 : Math.min(1, Math.max(0, elapsed / flight.travelMs));
  const lastHop = Math.max(0, Math.ceil(flight.hops) - 1);
  const hop = Math.min(lastHop, Math.floor(progress * flight.hops));
  const along = progress * flight.hops - hop;
  if (progress < 1) {
    return { phase: "travelling", hop, along, fade: 0 };
  }
  const closingMs = flight.cause === null ? ARRIVAL_MS : FLASH_MS;
  const fade = (elapsed - flight.travelMs) / closingMs;
  if (fade >= 1) {
    return { phase: "over", hop, along, fade: 1 };
  }
  return { phase: flight.cause === null ? "arrived" : "failed", hop, along, fade };
}
