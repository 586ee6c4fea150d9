/** How good the model is and how payments fare, read from the service now and then. */

import type { LearningMetrics } from "../api/learning";
import { useDashboard, useStores } from "../state/context";
import { type Resource, useResource } from "./service";

const REFRESH_MS = 10_000;

export function useMetrics(): Resource<LearningMetrics> {
  const { isReplay } = useStores();
  const model = useDashboard((state) => state.world?.learner?.model ?? null);
  const session = useDashboard((state) => state.world?.session ?? null);
  return useResource<LearningMetrics>(
    session === null || isReplay ? null : "/metrics",
    {},
    { version: `${session} ${model}`, everyMs: REFRESH_MS },
  );
}
