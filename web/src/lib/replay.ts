/** Plays a recorded run: which moment is shown, and when the next one is due. Pure; the component asks. */

import type { RunItem, RunMoment } from "../api/learning";
import { cleanNode, cleanPayment } from "../api/parse";
import type { Hello } from "../api/types";

/** How often the moment moves on while it plays. */
export const STEP_MS = 1_000;
/** World seconds per real second. */
export const REPLAY_SPEEDS = [10, 60, 300, 1_800] as const;
export const LEAST_WINDOW_S = 600;

export function clampMoment(run: Pick<RunItem, "world_start_ms" | "world_end_ms">, atMs: number): number {
  return Math.min(run.world_end_ms, Math.max(run.world_start_ms, Math.round(atMs)));
}

/** The moment after a step, or null at the end. */
export function nextMoment(run: RunItem, atMs: number, speed: number): number | null {
  return atMs >= run.world_end_ms ? null : clampMoment(run, atMs + speed * STEP_MS);
}

/** A recorded moment in the form in which the page takes the live world; its kind stays that of the recording. */
export function helloOf(run: RunItem, moment: RunMoment, seq: number): Hello {
  return {
    type: "hello",
    session: `run ${run.run_id}`,
    seq,
    snapshot: {
      network: { ...moment.network, nodes: moment.network.nodes.map(cleanNode) },
      payments: moment.payments.map(cleanPayment),
      stats: moment.stats,
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
