import { useMemo } from "react";
import { useDashboard, useStores } from "../state/context";

/** A longer list would be of no use; in a large network the graph and the panel set the viewpoint. */
const MOST_LISTED = 200;

/** Chooses the node from whose side balances are local and remote. */
export function Viewpoint() {
  const { dashboard } = useStores();
  const nodes = useDashboard((state) => state.world?.nodes);
  const viewpointId = useDashboard((state) => state.selection.viewpointId);
  const listed = useMemo(() => {
    const bySize = [...(nodes?.values() ?? [])].sort((left, right) => right.capacity_sat - left.capacity_sat);
    return bySize
      .filter((node, index) => index < MOST_LISTED || node.node_id === viewpointId)
      .sort((left, right) => left.name.localeCompare(right.name));
  }, [nodes, viewpointId]);
  return (
    <label className="ml-auto flex min-w-0 items-center gap-2 text-12 text-ink-2">
      seen from
      <select
        className="max-w-44 rounded-sm border border-line bg-ground px-1 text-12 leading-6 text-ink"
        value={viewpointId ?? ""}
        onChange={(event) => dashboard.select({ viewpointId: event.target.value || null })}
      >
        <option value="">the whole network</option>
        {listed.map((node) => (
          <option key={node.node_id} value={node.node_id}>
            {node.name}
          </option>
        ))}
      </select>
    </label>
  );
}
