import { useMemo, useState } from "react";
import type { Channel, NetworkNode } from "../api/types";
import { formatInteger, formatShare } from "../lib/format";
import { paceOf, ROOMY, useMediaQuery, useThrottled } from "../lib/hooks";
import { shortKey } from "../lib/text";
import { useDashboard, useStores } from "../state/context";
import { Amount } from "./Amount";
import { Button } from "./Button";
import { CopyButton } from "./CopyButton";
import { CsvButton } from "./CsvButton";
import { Provenance } from "./Provenance";
import { Scrollable } from "./Scrollable";
import { SearchField } from "./SearchField";
import { Empty, Section } from "./Section";

const ROWS_STEP = 200;

interface NodeRow {
  readonly node: NetworkNode;
  readonly localMsat: number;
  readonly remoteMsat: number;
}

/** What each node holds on its side of all its channels, and what its peers hold. */
export function nodeRows(
  nodes: ReadonlyMap<string, NetworkNode>,
  channels: ReadonlyMap<string, Channel>,
): readonly NodeRow[] {
  const local = new Map<string, number>();
  const remote = new Map<string, number>();
  const add = (sums: Map<string, number>, key: string, msat: number) =>
    sums.set(key, (sums.get(key) ?? 0) + msat);
  for (const channel of channels.values()) {
    add(local, channel.node1_id, channel.node1_local_msat);
    add(remote, channel.node1_id, channel.node2_local_msat);
    add(local, channel.node2_id, channel.node2_local_msat);
    add(remote, channel.node2_id, channel.node1_local_msat);
  }
  return [...nodes.values()].map((node) => ({
    node,
    localMsat: local.get(node.node_id) ?? 0,
    remoteMsat: remote.get(node.node_id) ?? 0,
  }));
}

const SORTS = ["Node", "Channels", "Capacity", "Local", "Remote", "Share"] as const;
type Sort = (typeof SORTS)[number];

function share({ localMsat, remoteMsat }: NodeRow): number | null {
  const total = localMsat + remoteMsat;
  return total > 0 ? localMsat / total : null;
}

function compare(sort: Sort, left: NodeRow, right: NodeRow): number {
  switch (sort) {
    case "Node":
      return left.node.name.localeCompare(right.node.name);
    case "Channels":
      return right.node.channel_count - left.node.channel_count;
    case "Capacity":
      return right.node.capacity_sat - left.node.capacity_sat;
    case "Local":
      return right.localMsat - left.localMsat;
    case "Remote":
      return right.remoteMsat - left.remoteMsat;
    case "Share":
      return (share(left) ?? 2) - (share(right) ?? 2);
  }
}

const OBSERVED: readonly Sort[] = ["Local", "Remote", "Share"];

function matches({ node }: NodeRow, words: readonly string[]): boolean {
  const text = `${node.name}\n${node.node_id}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function Name({ row }: { readonly row: NodeRow }) {
  const { dashboard } = useStores();
  const isSeenFrom = useDashboard((state) => state.selection.viewpointId === row.node.node_id);
  return (
    <>
      <button
        type="button"
        data-row=""
        aria-pressed={isSeenFrom}
        title="See the network from this node, and find it on the graph"
        className={`block max-w-full truncate text-left font-medium ${isSeenFrom ? "text-accent" : ""}`}
        onClick={() => dashboard.select({ viewpointId: isSeenFrom ? null : row.node.node_id })}
      >
        {row.node.name}
      </button>
      <span className="whitespace-nowrap">
        <span className="mr-2 text-12 text-ink-3">{shortKey(row.node.node_id)}</span>
        <CopyButton text={row.node.node_id} what={`the key of ${row.node.name}`} />
      </span>
    </>
  );
}

/** All nodes with what they hold; choosing one turns the whole page to its side. */
export function NodeTable({ className = "" }: { readonly className?: string }) {
  const nodes = useDashboard((state) => state.world?.nodes);
  const latest = useDashboard((state) => state.world?.channels);
  const channels = useThrottled(latest, paceOf(latest?.size ?? 0));
  const [query, setQuery] = useState("");
  const [sort, setSort] = useState<Sort>("Node");
  const [limit, setLimit] = useState(ROWS_STEP);
  const isRoomy = useMediaQuery(ROOMY);
  const rows = useMemo(() => {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    return nodeRows(nodes ?? new Map(), channels ?? new Map())
      .filter((row) => matches(row, words))
      .toSorted((left, right) => compare(sort, left, right));
  }, [nodes, channels, query, sort]);
  const shown = rows.slice(0, limit);
  const cell = "border-b border-line px-3 py-1 align-top";
  return (
    <Section
      id="nodes"
      title="Nodes"
      className={className}
      aside={
        <>
          <span className="text-12 text-ink-3">{formatInteger(rows.length)}</span>
          <div className="ml-auto flex flex-wrap items-center gap-2">
            <SearchField label="Search nodes" value={query} onChange={setQuery} />
            <CsvButton
              name="nodes"
              head={["node_id", "name", "channels", "capacity_sat", "local_msat", "remote_msat"]}
              rows={() =>
                rows.map(({ node, localMsat, remoteMsat }) => [
                  node.node_id,
                  node.name,
                  node.channel_count,
                  node.capacity_sat,
                  localMsat,
                  remoteMsat,
                ])
              }
            />
          </div>
        </>
      }
    >
      {rows.length === 0 ? (
        <Empty>{nodes === undefined ? "Waiting for the network…" : "No node has these letters."}</Empty>
      ) : (
        <Scrollable label="Node rows">
          {isRoomy ? (
            <table className="w-full border-separate border-spacing-0" data-testid="nodes" data-list="">
              <thead className="sticky top-0 z-10 bg-surface">
                <tr>
                  {SORTS.map((label) => (
                    <th
                      key={label}
                      scope="col"
                      aria-sort={
                        sort === label
                          ? label === "Node" || label === "Share"
                            ? "ascending"
                            : "descending"
                          : "none"
                      }
                      className={`border-b border-line px-3 py-1 text-12 font-medium whitespace-nowrap text-ink-2 ${label === "Node" ? "text-left" : "text-right"}`}
                    >
                      <button type="button" className="hover:text-ink" onClick={() => setSort(label)}>
                        {label}
                      </button>
                      {OBSERVED.includes(label) && <Provenance />}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {shown.map((row) => (
                  <tr key={row.node.node_id} className="hover:bg-raised">
                    <td className={cell}>
                      <Name row={row} />
                    </td>
                    <td className={`${cell} text-right`}>{formatInteger(row.node.channel_count)}</td>
                    <td className={`${cell} text-right`}>
                      <Amount msat={row.node.capacity_sat * 1000} />
                    </td>
                    <td className={`${cell} text-right text-local-ink`}>
                      <Amount msat={row.localMsat} bare />
                    </td>
                    <td className={`${cell} text-right text-remote-ink`}>
                      <Amount msat={row.remoteMsat} bare />
                    </td>
                    <td className={`${cell} text-right`}>{formatShare(share(row), 0)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          ) : (
            <ul data-testid="nodes" data-list="">
              {shown.map((row) => (
                <li key={row.node.node_id} className="border-b border-line px-3 py-2">
                  <Name row={row} />
                  <div className="flex flex-wrap justify-between gap-x-3 text-12">
                    <span>
                      {formatInteger(row.node.channel_count)} channels,{" "}
                      <Amount msat={row.node.capacity_sat * 1000} />
                    </span>
                    <span className="text-local-ink">
                      local <Amount msat={row.localMsat} bare />
                    </span>
                    <span className="text-remote-ink">
                      remote <Amount msat={row.remoteMsat} bare />
                    </span>
                  </div>
                </li>
              ))}
            </ul>
          )}
          {shown.length < rows.length && (
            <p className="p-2 text-center">
              <Button onClick={() => setLimit(limit + ROWS_STEP)}>
                show {formatInteger(Math.min(ROWS_STEP, rows.length - shown.length))} more
              </Button>
            </p>
          )}
        </Scrollable>
      )}
    </Section>
  );
}
