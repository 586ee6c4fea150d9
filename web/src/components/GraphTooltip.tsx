import type { Hovered } from "../graph/view";
import { namesOf, orient } from "../lib/channels";
import { describeFailure } from "../lib/failure";
import { formatAge } from "../lib/format";
import { bestShare } from "../lib/predictions";
import { useDashboard } from "../state/context";
import type { World } from "../state/world";
import { Amount } from "./Amount";
import { BalanceBar } from "./BalanceBar";

function ChannelTip({ world, channelId, viewpointId }: TipProps & { readonly channelId: string }) {
  const channel = world.channels.get(channelId);
  if (channel === undefined) {
    return null;
  }
  const nameOf = namesOf(world.nodes);
  const oriented = orient(channel, viewpointId);
  const failed = world.lastFailures.get(channelId);
  return (
    <>
      <div className="mb-1 flex justify-between gap-4 font-semibold">
        <span>{nameOf(oriented.near.nodeId)}</span>
        <span>{nameOf(oriented.far.nodeId)}</span>
      </div>
      <BalanceBar oriented={oriented} best={bestShare(oriented, world.predictions)} />
      <div className="text-12 text-ink-3">{channel.channel_id}</div>
      {failed !== undefined && (
        <div className="mt-1 text-12 text-failure">
          last failure {formatAge(world.stats.world_ms - failed.started_ms)} ago:{" "}
          {describeFailure(failed, nameOf)}
        </div>
      )}
    </>
  );
}

interface TipProps {
  readonly world: World;
  readonly viewpointId: string | null;
}

function NodeTip({ world, nodeId }: { readonly world: World; readonly nodeId: string }) {
  const node = world.nodes.get(nodeId);
  if (node === undefined) {
    return null;
  }
  return (
    <>
      <div className="font-semibold">{node.name}</div>
      <div className="text-12 text-ink-2">
        {node.channel_count} channels, <Amount msat={node.capacity_sat * 1000} />
      </div>
    </>
  );
}

/** What lies under the pointer, in numbers; the table says the same to a keyboard. */
export function GraphTooltip({ hovered }: { readonly hovered: Hovered }) {
  const world = useDashboard((state) => state.world);
  const viewpointId = useDashboard((state) => state.selection.viewpointId);
  if (world === null) {
    return null;
  }
  return (
    <div
      aria-hidden="true"
      data-testid="graph-tooltip"
      className="pointer-events-none absolute z-10 w-64 rounded-sm border border-line bg-raised p-2 shadow-lg"
      style={{
        left: `clamp(8px, ${hovered.x + 14}px, calc(100% - 264px))`,
        ...(hovered.isLow ? { bottom: `calc(100% - ${hovered.y - 14}px)` } : { top: hovered.y + 14 }),
      }}
    >
      {hovered.kind === "channel" ? (
        <ChannelTip world={world} channelId={hovered.id} viewpointId={viewpointId} />
      ) : (
        <NodeTip world={world} nodeId={hovered.id} />
      )}
    </div>
  );
}
