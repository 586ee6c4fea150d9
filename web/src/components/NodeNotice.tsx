import { useEffect, useState } from "react";
import type { Health } from "../api/types";
import { formatClock } from "../lib/format";
import { RECENT_HOURS, useRecording } from "../lib/recording";
import { useResource } from "../lib/service";
import { sentence } from "../lib/text";
import { useDashboard, useStores } from "../state/context";

const PATIENCE_MS = 1_500;
const REFRESH_MS = 3_000;
const WARMING_UP = 503;

/** What the service will show, and what it waits for before it has anything to, in its words. */
function Waiting() {
  const { dashboard } = useStores();
  const health = useResource<Health>("/health");
  const announced = health.value?.mode;
  useEffect(() => {
    if (announced !== undefined) {
      dashboard.announce(announced);
    }
  }, [dashboard, announced]);
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setLong(true), PATIENCE_MS);
    return () => window.clearTimeout(timer);
  }, []);
  const { problem } = useResource<unknown>(isLong ? "/stats" : null, {}, { everyMs: REFRESH_MS });
  if (problem?.status !== WARMING_UP) {
    return null;
  }
  return (
    <p className="border-b border-line bg-raised px-4 py-1 wrap-anywhere" data-testid="waiting">
      <span className="text-warning">○ {sentence(problem.message)}</span>{" "}
      <span className="text-ink-2">The page goes on by itself.</span>
    </p>
  );
}

/** What a watched node's reader must know on every page: nothing is written, or the recording is over. */
function RecordingState() {
  const { value } = useRecording(RECENT_HOURS);
  if (value === null) {
    return null;
  }
  const end = formatClock(value.now_ms);
  return (
    <>
      {value.problem !== "" && (
        <p role="alert" className="border-b border-line bg-raised px-4 py-1 wrap-anywhere">
          <span className="font-semibold text-failure">✕ Not recorded: {sentence(value.problem)}</span>{" "}
          <span className="text-ink-2">What is refused meanwhile is in no figure later.</span>
        </p>
      )}
      {value.ended && (
        <p className="border-b border-line bg-raised px-4 py-1" data-testid="replay-over">
          <span className="text-warning">■ The recording is over</span>{" "}
          <span className="text-ink-2">
            (it ends {end.date} {end.time} UTC). Everything can still be asked; start `lens run` again to see
            it once more.
          </span>
        </p>
      )}
    </>
  );
}

/** Below the top bar: what the service waits for, or how the recording is doing. */
export function NodeNotice() {
  const isConnected = useDashboard((state) => state.link.phase !== "lost");
  const hasWorld = useDashboard((state) => state.world !== null);
  if (hasWorld) {
    return <RecordingState />;
  }
  return isConnected ? <Waiting /> : null;
}
