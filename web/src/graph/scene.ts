/** Turns the world into the graph that sigma draws, and keeps it current. */

import Graph from "graphology";
import type { Attributes } from "graphology-types";
import type { Channel, NetworkNode } from "../api/types";
import { orient, shares } from "../lib/channels";
import type { Selection } from "../state/dashboard";
import type { World } from "../state/world";
import type { BarAttributes } from "./liquidityBar";
import { type Look, mixed, type Palette, withAlpha } from "./palette";

export interface NodeAttributes extends Attributes {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly color: string;
  readonly label: string;
}

export type Scene = Graph<NodeAttributes, BarAttributes>;

/** Below this many nodes the graph is drawn large. */
const SMALL_NETWORK = 50;
const PARALLEL_GAP_PX = 5;
const DIMMED = 0.18;

interface Emphasis {
  readonly routeChannels: ReadonlySet<string> | null;
  readonly routeNodes: ReadonlySet<string> | null;
}

function emphasisOf({ payment }: Selection): Emphasis {
  return payment === null
    ? { routeChannels: null, routeNodes: null }
    : {
        routeChannels: new Set(payment.route_channel_ids),
        routeNodes: new Set([payment.sender_id, payment.receiver_id, ...payment.route_node_ids]),
      };
}

function isDimmed(channel: Channel, selection: Selection, emphasis: Emphasis): boolean {
  if (emphasis.routeChannels !== null) {
    return !emphasis.routeChannels.has(channel.channel_id);
  }
  return isElsewhere(channel, selection.viewpointId);
}

/** Whether the channel has no end at the viewpoint, and so neither a local nor a remote side. */
function isElsewhere(channel: Channel, viewpointId: string | null): boolean {
  return viewpointId !== null && channel.node1_id !== viewpointId && channel.node2_id !== viewpointId;
}

/** Colours of the source's and the target's part. */
function sideColours(channel: Channel, viewpointId: string | null, palette: Palette): [string, string] {
  if (isElsewhere(channel, viewpointId)) {
    return [palette.inkSoft, palette.node];
  }
  return viewpointId === channel.node2_id ? [palette.remote, palette.local] : [palette.local, palette.remote];
}

function barAttributes(
  channel: Channel,
  offset: number,
  selection: Selection,
  emphasis: Emphasis,
  look: Look,
  isSmall: boolean,
): BarAttributes {
  const parts = shares(orient(channel, null));
  const [source, target] = sideColours(channel, selection.viewpointId, look.palette);
  const alpha = isDimmed(channel, selection, emphasis) ? DIMMED : 1;
  const isSelected = selection.channelId === channel.channel_id;
  const base = isSmall ? (look.isCompact ? 5 : 7) : 2;
  return {
    type: "bar",
    size: isSelected ? base + 5 : base,
    zIndex: isSelected ? 1 : 0,
    offset,
    sourceColor: withAlpha(source, alpha),
    middleColor: withAlpha(look.palette.unsettled, alpha),
    targetColor: withAlpha(target, alpha),
    sourceShare: parts.near,
    middleShare: parts.unsettled,
  };
}

function nodeAttributes(
  node: NetworkNode,
  largestSat: number,
  selection: Selection,
  emphasis: Emphasis,
  look: Look,
  isSmall: boolean,
): NodeAttributes {
  const weight = largestSat > 0 ? Math.sqrt(node.capacity_sat / largestSat) : 0;
  const isViewpoint = selection.viewpointId === node.node_id;
  const isDim = emphasis.routeNodes !== null && !emphasis.routeNodes.has(node.node_id);
  return {
    x: node.x,
    y: node.y,
    size: isSmall ? (look.isCompact ? 6 + 7 * weight : 10 + 12 * weight) : 2 + 10 * weight,
    color: isViewpoint
      ? look.palette.accent
      : isDim
        ? mixed(look.palette.node, look.palette.surface, 0.35)
        : look.palette.node,
    label: node.name,
    forceLabel: isSmall || isViewpoint,
  };
}

/** Sideways places for channels that share both nodes: 0, or symmetric about the line. */
export function parallelOffsets(channels: readonly Channel[]): Map<string, number> {
  const groups = new Map<string, Channel[]>();
  for (const channel of channels) {
    const key = [channel.node1_id, channel.node2_id].sort().join();
    groups.set(key, [...(groups.get(key) ?? []), channel]);
  }
  const offsets = new Map<string, number>();
  for (const group of groups.values()) {
    group.forEach((channel, index) => {
      const place = (index - (group.length - 1) / 2) * 2 * PARALLEL_GAP_PX;
      // A bar's sides are those of its own direction, which may be against its neighbour's.
      offsets.set(channel.channel_id, channel.node1_id < channel.node2_id ? place : -place);
    });
  }
  return offsets;
}

/** Whether two worlds have the same nodes and channels, so that only attributes change. */
export function sameShape(left: World, right: World): boolean {
  return (
    left.session === right.session && left.nodes === right.nodes && left.channels.size === right.channels.size
  );
}

function largestCapacity(world: World): number {
  return [...world.nodes.values()].reduce((largest, node) => Math.max(largest, node.capacity_sat), 0);
}

export function buildScene(world: World, selection: Selection, look: Look): Scene {
  const scene: Scene = new Graph({ type: "undirected", multi: true, allowSelfLoops: false });
  const isSmall = world.nodes.size <= SMALL_NETWORK;
  const largestSat = largestCapacity(world);
  const emphasis = emphasisOf(selection);
  for (const node of world.nodes.values()) {
    scene.addNode(node.node_id, nodeAttributes(node, largestSat, selection, emphasis, look, isSmall));
  }
  const drawable = [...world.channels.values()].filter(
    (channel) =>
      channel.node1_id !== channel.node2_id &&
      scene.hasNode(channel.node1_id) &&
      scene.hasNode(channel.node2_id),
  );
  const offsets = parallelOffsets(drawable);
  for (const channel of drawable) {
    const offset = offsets.get(channel.channel_id) ?? 0;
    scene.addEdgeWithKey(
      channel.channel_id,
      channel.node1_id,
      channel.node2_id,
      barAttributes(channel, offset, selection, emphasis, look, isSmall),
    );
  }
  return scene;
}

/** Tells sigma that the drawing order may have changed, so that it indexes the graph anew. */
const REINDEX = { attributes: ["zIndex"] };

/** Apply a new selection or theme to a scene of the same shape. */
export function restyleScene(scene: Scene, world: World, selection: Selection, look: Look): void {
  const isSmall = world.nodes.size <= SMALL_NETWORK;
  const largestSat = largestCapacity(world);
  const emphasis = emphasisOf(selection);
  scene.updateEachNodeAttributes((key, current) => {
    const node = world.nodes.get(key);
    return node === undefined
      ? current
      : nodeAttributes(node, largestSat, selection, emphasis, look, isSmall);
  }, REINDEX);
  scene.updateEachEdgeAttributes((key, current) => {
    const channel = world.channels.get(key);
    return channel === undefined
      ? current
      : barAttributes(channel, current.offset, selection, emphasis, look, isSmall);
  }, REINDEX);
}

/** Move the balances of the channels that changed since `before`; nothing else is touched. */
export function moveBalances(scene: Scene, before: World, world: World): void {
  if (before.channels === world.channels) {
    return;
  }
  for (const [channelId, channel] of world.channels) {
    if (channel !== before.channels.get(channelId) && scene.hasEdge(channelId)) {
      const parts = shares(orient(channel, null));
      scene.mergeEdgeAttributes(channelId, { sourceShare: parts.near, middleShare: parts.unsettled });
    }
  }
}
