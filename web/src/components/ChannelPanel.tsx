import { type ReactNode, useEffect, useRef } from "react";
import type { ChannelDetail, Flows } from "../api/learning";
import type { Channel, Policy } from "../api/types";
import {
  ANCHORS_SAT,
  type End,
  type NameOf,
  namesOf,
  type OrientedChannel,
  orient,
  shares,
  unexplainedMsat,
} from "../lib/channels";
import { describeFailure } from "../lib/failure";
import { formatAge, formatInteger, formatShare, formatSpan } from "../lib/format";
import { useMediaQuery, WIDE } from "../lib/hooks";
import { useIsWatched } from "../lib/mode";
import { bestShare } from "../lib/predictions";
import { useResource } from "../lib/service";
import { shortKey } from "../lib/text";
import { useDashboard, useStores } from "../state/context";
import type { World } from "../state/world";
import { Amount } from "./Amount";
import { BalanceBar } from "./BalanceBar";
import { CopyButton } from "./CopyButton";
import { Problem } from "./Problem";
import { Provenance } from "./Provenance";
import { Scrollable } from "./Scrollable";

interface LineProps {
  readonly label: ReactNode;
  readonly className?: string;
  readonly children: ReactNode;
}

function Line({ label, className = "", children }: LineProps) {
  return (
    <div className={`flex justify-between gap-3 ${className}`}>
      <dt className="min-w-0 truncate text-ink-2">{label}</dt>
      <dd className="shrink-0 text-right">{children}</dd>
    </div>
  );
}

function Heading({ children }: { readonly children: ReactNode }) {
  return <h3 className="mt-3 mb-1 text-12 font-semibold text-ink-3">{children}</h3>;
}

/** Shows that a channel's parts make up its capacity. */
function Identity({ oriented, world }: { readonly oriented: OrientedChannel; readonly world: World }) {
  const { channel, near, far } = oriented;
  const nameOf = namesOf(world.nodes);
  const parts = shares(oriented);
  const rest = unexplainedMsat(channel);
  return (
    <dl>
      <Line label={`held by ${nameOf(near.nodeId)}, ${formatShare(parts.near)}`}>
        <span className="text-local-ink">
          <Amount msat={near.balanceMsat} precise />
        </span>
      </Line>
      <Line label={`held by ${nameOf(far.nodeId)}, ${formatShare(parts.far)}`}>
        <span className="text-remote-ink">
          <Amount msat={far.balanceMsat} precise />
        </span>
      </Line>
      <Line label="commitment fee">
        <Amount msat={channel.commit_fee_sat * 1000} precise />
      </Line>
      <Line label="anchors">
        <Amount msat={ANCHORS_SAT * 1000} precise />
      </Line>
      <Line label={`in flight, ${formatInteger(channel.pending_htlcs)} HTLCs`}>
        <Amount msat={channel.unsettled_msat} precise />
      </Line>
      {rest !== 0 && (
        <Line label="not accounted for">
          <span className="text-warning">
            <Amount msat={rest} precise />
          </span>
        </Line>
      )}
      <Line label="= capacity" className="mt-1 border-t border-line pt-1 font-semibold">
        <Amount msat={channel.capacity_sat * 1000} precise />
      </Line>
    </dl>
  );
}

interface PolicyField {
  readonly label: string;
  readonly show: (policy: Policy) => ReactNode;
}

const POLICY_FIELDS: readonly PolicyField[] = [
  { label: "fee rate", show: (policy) => <Rate ppm={policy.fee_rate_ppm} /> },
  { label: "base fee", show: (policy) => <Amount msat={policy.base_fee_msat} precise /> },
  { label: "inbound rate", show: (policy) => <Rate ppm={policy.inbound_fee_rate_ppm} /> },
  { label: "inbound base", show: (policy) => <Amount msat={policy.inbound_base_fee_msat} precise /> },
  { label: "least HTLC", show: (policy) => <Amount msat={policy.min_htlc_msat} precise /> },
  { label: "most HTLC", show: (policy) => <Amount msat={policy.max_htlc_msat} precise /> },
  {
    label: "time lock",
    show: (policy) => (
      <>
        {formatInteger(policy.time_lock_delta_blocks)}
        <span className="text-12 text-ink-3"> blocks</span>
      </>
    ),
  },
  {
    label: "state",
    show: (policy) =>
      policy.disabled ? <span className="text-warning">disabled</span> : <span>enabled</span>,
  },
];

function Rate({ ppm }: { readonly ppm: number }) {
  return (
    <>
      {formatInteger(ppm)}
      <span className="text-12 text-ink-3"> ppm</span>
    </>
  );
}

/** What each end asks for what it sends over the channel, side by side. */
function Policies({ oriented, nameOf }: { readonly oriented: OrientedChannel; readonly nameOf: NameOf }) {
  const { near, far } = oriented;
  const directions = [
    { key: "near", label: `${nameOf(near.nodeId)} →`, policy: near.policy },
    { key: "far", label: `${nameOf(far.nodeId)} →`, policy: far.policy },
  ];
  const cell = "truncate py-0 pl-2 text-right";
  return (
    <table className="w-full table-fixed">
      <thead>
        <tr>
          <th scope="col" className="w-28 text-left text-12 font-semibold text-ink-3">
            Policy
          </th>
          {directions.map(({ key, label }) => (
            <th key={key} scope="col" className={`${cell} text-12 font-semibold text-ink-3`} title={label}>
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {POLICY_FIELDS.map((field) => (
          <tr key={field.label}>
            <th scope="row" className="text-left font-normal text-ink-2">
              {field.label}
            </th>
            {directions.map(({ key, policy }) => (
              <td key={key} className={cell}>
                {policy === null ? <span className="text-ink-3">none yet</span> : field.show(policy)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function NodeLine({
  end,
  channel,
  world,
}: {
  readonly end: End;
  readonly channel: Channel;
  readonly world: World;
}) {
  const { dashboard } = useStores();
  return (
    <Line
      label={
        <button
          type="button"
          className="text-left text-ink underline decoration-line underline-offset-4 hover:decoration-ink"
          title="See the network from this node"
          onClick={() => dashboard.select({ viewpointId: end.nodeId })}
        >
          {namesOf(world.nodes)(end.nodeId)}
        </button>
      }
    >
      {end.nodeId === channel.opener_id && <span className="mr-2 text-12 text-ink-3">opener</span>}
      <span className="mr-2 text-12">{shortKey(end.nodeId)}</span>
      <CopyButton text={end.nodeId} what={`the key of ${namesOf(world.nodes)(end.nodeId)}`} />
    </Line>
  );
}

const PHASES = {
  off: "Learning is off: start the lab without `--no-learn` for predictions.",
  failed: "The learner could not start; the alerts say why.",
} as const;

/** The best share as the model sees it, beside the present one. */
function Best({ oriented, world }: { readonly oriented: OrientedChannel; readonly world: World }) {
  const best = bestShare(oriented, world.predictions);
  const name = namesOf(world.nodes)(oriented.near.nodeId);
  if (best === null) {
    const phase = world.learner?.phase ?? "off";
    return (
      <>
        <Heading>Best share</Heading>
        <p className="text-ink-2">
          {phase === "off" || phase === "failed"
            ? PHASES[phase]
            : `No prediction yet. Missing: ${world.learner?.missing.join("; ") || "a first look"}.`}
        </p>
      </>
    );
  }
  const now = shares(oriented).near;
  const difference = best.share - now;
  return (
    <>
      <Heading>
        Best share
        <Provenance of="estimated" />
      </Heading>
      <dl data-testid="best-share">
        <Line label={`held by ${name} now`}>{formatShare(now)}</Line>
        <Line label="would fail least volume">
          <span className="font-semibold">{formatShare(best.share)}</span>
        </Line>
        <Line label={`80\u202f% interval`}>
          {formatShare(best.low)} … {formatShare(best.high)}
        </Line>
        <Line label="difference">
          {difference > 0 ? "+" : ""}
          {(difference * 100).toFixed(1)}
          <span className="text-12 text-ink-3"> points</span>
        </Line>
      </dl>
      <p className="text-12 text-ink-3 wrap-anywhere">
        model {best.prediction.model}, for the coming {formatSpan(best.prediction.horizon_s * 1000)}, made{" "}
        {formatAge(world.stats.world_ms - best.prediction.made_ms)} ago
      </p>
    </>
  );
}

const FLOW_LINES: readonly (readonly [string, (flows: Flows) => ReactNode])[] = [
  ["sent", (flows) => <Counted msat={flows.sent_msat} count={flows.sent_count} />],
  ["received", (flows) => <Counted msat={flows.received_msat} count={flows.received_count} />],
  ["could not send", (flows) => <Counted msat={flows.failed_msat} count={flows.failed_count} />],
  ["earned", (flows) => <Amount msat={flows.earned_msat} precise />],
];

function Counted({ msat, count }: { readonly msat: number; readonly count: number }) {
  return (
    <>
      <Amount msat={msat} bare />
      <span className="text-12 text-ink-3"> in {formatInteger(count)}</span>
    </>
  );
}

/** What went over the channel in the last hour, as each end saw it. */
function RecentFlows({ oriented, nameOf }: { readonly oriented: OrientedChannel; readonly nameOf: NameOf }) {
  const { isReplay } = useStores();
  const { channel, near, far } = oriented;
  const path = isReplay ? null : `/channels/${encodeURIComponent(channel.channel_id)}`;
  const { value, problem } = useResource<ChannelDetail>(path, {}, { everyMs: 5_000 });
  if (isReplay) {
    return null;
  }
  const isTurned = near.nodeId === channel.node2_id;
  const columns =
    value?.flows === undefined
      ? []
      : [
          { node: near, flows: isTurned ? value.flows.node2 : value.flows.node1 },
          { node: far, flows: isTurned ? value.flows.node1 : value.flows.node2 },
        ];
  const windowMs = (columns[0]?.flows.window_s ?? 3_600) * 1000;
  return (
    <div className="mt-3" data-testid="flows">
      <Problem problem={problem} />
      {columns.length > 0 && (
        <table className="w-full table-fixed">
          <thead>
            <tr>
              <th scope="col" className="w-28 text-left text-12 font-semibold text-ink-3">
                Last {formatSpan(windowMs)}
                <Provenance />
              </th>
              {columns.map(({ node }) => (
                <th
                  key={node.nodeId}
                  scope="col"
                  className="truncate pl-2 text-right text-12 font-semibold text-ink-3"
                >
                  {nameOf(node.nodeId)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {FLOW_LINES.map(([label, show]) => (
              <tr key={label}>
                <th scope="row" className="text-left font-normal text-ink-2">
                  {label}
                </th>
                {columns.map(({ node, flows }) => (
                  <td key={node.nodeId} className="truncate pl-2 text-right">
                    {show(flows)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

function LastFailure({ channel, world }: { readonly channel: Channel; readonly world: World }) {
  const failed = world.lastFailures.get(channel.channel_id);
  if (failed === undefined) {
    return null;
  }
  return (
    <>
      <Heading>Last failure here</Heading>
      <p>
        <span className="text-failure">{describeFailure(failed, namesOf(world.nodes))}</span>{" "}
        <span className="text-ink-2">
          (<Amount msat={failed.amount_msat} />, {formatAge(world.stats.world_ms - failed.started_ms)} ago)
        </span>
      </p>
    </>
  );
}

function Details({ oriented, world }: { readonly oriented: OrientedChannel; readonly world: World }) {
  const { channel, near, far } = oriented;
  const nameOf = namesOf(world.nodes);
  const isOfNode = useIsWatched();
  return (
    <>
      <BalanceBar oriented={oriented} best={bestShare(oriented, world.predictions)} />
      <Heading>
        Balance
        <Provenance />
      </Heading>
      <Identity oriented={oriented} world={world} />
      {!isOfNode && <Best oriented={oriented} world={world} />}
      <RecentFlows oriented={oriented} nameOf={nameOf} />
      <Heading>Ends</Heading>
      <dl>
        <NodeLine end={near} channel={channel} world={world} />
        <NodeLine end={far} channel={channel} world={world} />
      </dl>
      <div className="mt-3">
        <Policies oriented={oriented} nameOf={nameOf} />
      </div>
      <LastFailure channel={channel} world={world} />
    </>
  );
}

interface BodyProps {
  readonly channelId: string;
  readonly onClose: () => void;
}

function Body({ channelId, onClose }: BodyProps) {
  const world = useDashboard((state) => state.world);
  const viewpointId = useDashboard((state) => state.selection.viewpointId);
  const channel = world?.channels.get(channelId);
  if (world === null || channel === undefined) {
    return null;
  }
  const oriented = orient(channel, viewpointId);
  const nameOf = namesOf(world.nodes);
  return (
    <>
      <header className="flex items-start gap-3 border-b border-line px-3 py-2">
        <div className="min-w-0 flex-1">
          <h2 id="channel-panel-title" tabIndex={-1} className="truncate text-15 font-semibold">
            {nameOf(oriented.near.nodeId)} – {nameOf(oriented.far.nodeId)}
          </h2>
          <span className="mr-2 text-12 text-ink-2">{channel.channel_id}</span>
          <CopyButton text={channel.channel_id} what="the channel id" />
        </div>
        <button
          type="button"
          className="rounded-sm border border-line px-2 text-12 leading-6 text-ink-2 hover:text-ink"
          onClick={onClose}
        >
          close <kbd className="font-sans">Esc</kbd>
        </button>
      </header>
      <Scrollable label="Channel details">
        <div className="p-3">
          <Details oriented={oriented} world={world} />
        </div>
      </Scrollable>
    </>
  );
}

function Sheet(props: BodyProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog
      ref={dialog}
      onClose={props.onClose}
      aria-labelledby="channel-panel-title"
      data-testid="channel-panel"
      className="fixed inset-0 m-0 flex h-dvh max-h-none w-screen max-w-none flex-col bg-surface text-ink"
    >
      <Body {...props} />
    </dialog>
  );
}

/** All that is known of the selected channel: beside the graph, or over the page on a phone. */
export function ChannelPanel({ onClose }: { readonly onClose: () => void }) {
  const channelId = useDashboard((state) => state.selection.channelId);
  const isWide = useMediaQuery(WIDE);
  if (channelId === null) {
    return null;
  }
  if (!isWide) {
    return <Sheet channelId={channelId} onClose={onClose} />;
  }
  return (
    <aside
      aria-labelledby="channel-panel-title"
      data-testid="channel-panel"
      className="flex min-h-0 w-108 shrink-0 flex-col rounded-sm border border-line bg-surface"
    >
      <Body channelId={channelId} onClose={onClose} />
    </aside>
  );
}
