/** What is shown: a simulated world, or a node that is watched, live or from a recording. */

import type { Mode } from "../api/types";
import { useDashboard, useStores } from "../state/context";
import { modeOf } from "../state/dashboard";

/** Null until the service has said so. */
export function useMode(): Mode | null {
  return useDashboard(modeOf);
}

/** Whether a node is watched; a simulated world is what everything else is for. */
export function isWatched(mode: Mode | null): boolean {
  return mode === "live" || mode === "replay";
}

/** A saved run of the lab is none, though it is replayed. */
export function useIsWatched(): boolean {
  const { isReplay } = useStores();
  return isWatched(useMode()) && !isReplay;
}

/** Whether what is recorded of a watched node can be asked for: it has answered. */
export function useIsRecorded(): boolean {
  const hasWorld = useDashboard((state) => state.world !== null);
  return useIsWatched() && hasWorld;
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
