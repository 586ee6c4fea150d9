/** What is shown: a simulated world, or a node that is watched, live or from a recording. */

import type { Health, Mode } from "../api/types";
import { useDashboard } from "../state/context";
import { useResource } from "./service";

/** The mode of the world; while there is none yet, the service's own word. */
export function useMode(): Mode | null {
  const shown = useDashboard((state) => state.world?.network.mode ?? null);
  const health = useResource<Health>(shown === null ? "/health" : null);
  return shown ?? health.value?.mode ?? null;
}

/** Whether a node is watched; a simulated world is what everything else is for. */
export function isWatched(mode: Mode | null): boolean {
  return mode === "live" || mode === "replay";
}

export function useIsWatched(): boolean {
  return isWatched(useDashboard((state) => state.world?.network.mode ?? null));
}

export interface ModeFacts {
  readonly label: string;
  readonly title: string;
}

export const MODE_FACTS: Readonly<Record<Mode, ModeFacts>> = {
  simulated: { label: "simulated", title: "A simulated network: no amount on this page is real" },
  replay: { label: "replay", title: "A recorded history is played: nothing on this page happens now" },
  live: { label: "live", title: "A real node, as it is now: the amounts on this page are real" },
};
