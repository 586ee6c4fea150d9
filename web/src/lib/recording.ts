/** How the recording of a watched node is doing, and what a gap in it means. */

import type { RecordingStatus } from "../api/node";
import { useDashboard } from "../state/context";
import { useIsRecorded } from "./mode";
import { type Resource, useResource } from "./service";

const REFRESH_MS = 15_000;

/** What is meant by "now" where no time range is chosen. */
export const RECENT_HOURS = 24;

/** The recording of the watched node, or of a node of a lab, with the coverage of the last hours; otherwise nothing. */
export function useRecording(hours: number, labNodeId: string | null = null): Resource<RecordingStatus> {
  const isRecorded = useIsRecorded();
  // A replay pauses when its recording is over, which is to be said at once.
  const isPaused = useDashboard((state) => state.world?.settings?.paused ?? false);
  return useResource<RecordingStatus>(
    isRecorded || labNodeId !== null ? "/recording" : null,
    { hours, node: labNodeId },
    { version: isPaused, everyMs: REFRESH_MS },
  );
}

const REASONS: Readonly<Record<string, string>> = {
  disconnected: "the connection to the node was lost",
  "ended by the node": "the node ended the stream, as when it is restarted",
  overflow: "events came faster than they could be taken",
  "not running": "nothing was recording",
  "not written": "the disk would not take them",
  malformed: "the node sent what could not be understood",
};

/** Why events are missing, in words. */
export function gapReason(reason: string): string {
  return REASONS[reason] ?? reason;
}

export interface GapPart {
  /** Parts of the window, 0 to 1. */
  readonly start: number;
  readonly length: number;
}

/** Where gaps lie in a window; what is outside of it is cut off. */
export function gapParts(
  gaps: readonly { readonly from_ms: number; readonly to_ms: number }[],
  fromMs: number,
  toMs: number,
): readonly GapPart[] {
  const length = toMs - fromMs;
  if (length <= 0) {
    return [];
  }
  return gaps
    .map((gap) => {
      const start = Math.max(gap.from_ms, fromMs);
      return { start: (start - fromMs) / length, length: (Math.min(gap.to_ms, toMs) - start) / length };
    })
    .filter((part) => part.length > 0);
}
