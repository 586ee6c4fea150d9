import type { ReactNode } from "react";
import { ChannelTable } from "../components/ChannelTable";
import { Effects } from "../components/Effects";
import { Calibration, ErrorsOverTime, Models } from "../components/Learning";
import { NetworkGraph } from "../components/NetworkGraph";
import { NodeTable } from "../components/NodeTable";
import { Orders } from "../components/Orders";
import { Runs } from "../components/Runs";
import { Section } from "../components/Section";
import { Suggestions } from "../components/Suggestions";
import { RebalanceSwitches, WorldSwitches } from "../components/Switches";
import { Viewpoint } from "../components/Viewpoint";
import { useEffects } from "../lib/effects";
import { formatClock, formatInteger, formatSpeed } from "../lib/format";
import { useDashboard, useRoute, useStores } from "../state/context";
import { type Place, routeText } from "../state/route";

export function Channels() {
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-2">
      <div className="flex items-center">
        <Viewpoint />
      </div>
      <ChannelTable className="min-h-0 flex-1" />
    </div>
  );
}

export function Rebalance() {
  const effects = useEffects();
  return (
    <div className="flex flex-col gap-2">
      <div className="grid gap-2 lg:grid-cols-2">
        <Suggestions isFull effects={effects.value ?? []} className="lg:max-h-160" />
        <div className="flex min-w-0 flex-col gap-2">
          <Section id="automatic" title="Automatic">
            <RebalanceSwitches />
          </Section>
          <Orders />
        </div>
      </div>
      <Effects effects={effects} />
      <h2 className="sr-only">How good the model is</h2>
      <div className="grid gap-2 lg:grid-cols-2">
        <ErrorsOverTime />
        <Calibration />
      </div>
      <Models />
    </div>
  );
}

function WorldFacts() {
  const world = useDashboard((state) => state.world);
  const { address } = useStores();
  if (world === null) {
    return <p className="p-3 text-ink-2">Waiting for the network…</p>;
  }
  const clock = formatClock(world.stats.world_ms);
  const facts: readonly (readonly [string, ReactNode])[] = [
    ["network", world.network.name],
    ["kind", world.network.mode],
    ["time in it", `${clock.date} ${clock.time} UTC`],
    ["speed", world.settings?.paused ? "paused" : formatSpeed(world.stats.speed)],
    ["nodes, channels", `${formatInteger(world.nodes.size)}, ${formatInteger(world.channels.size)}`],
    ["payments so far", formatInteger(world.stats.payments)],
    ["service", address.origin],
  ];
  return (
    <div className="p-3">
      <dl className="grid grid-cols-[130px_minmax(0,1fr)] gap-x-3" data-testid="world-facts">
        {facts.map(([label, value]) => (
          <div key={label} className="contents">
            <dt className="text-ink-2">{label}</dt>
            <dd className="wrap-anywhere">{value}</dd>
          </div>
        ))}
      </dl>
      <p className="mt-2 text-12 text-ink-3">
        Seed, demand and topology are chosen when the lab starts (`lens up --seed --demand --topology`) and do
        not change while it runs; `lens config show` has the settings. The same seed gives the same payments.
      </p>
    </div>
  );
}

export function Simulator() {
  return (
    <div className="flex flex-col gap-2">
      <div className="grid items-start gap-2 lg:grid-cols-2">
        <Section id="world" title="The world that runs">
          <WorldFacts />
        </Section>
        <Section id="switches" title="Speed and pause">
          <WorldSwitches />
        </Section>
      </div>
      <Runs />
    </div>
  );
}

export function NetworkPlace() {
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-2 lg:grid lg:grid-cols-[minmax(0,1fr)_560px]">
      <NetworkGraph className="h-120 lg:h-auto" />
      <NodeTable />
    </div>
  );
}

interface LaterProps {
  readonly title: string;
  readonly what: string;
  readonly children: ReactNode;
}

function Later({ title, what, children }: LaterProps) {
  return (
    <Section id="later" title={title} className="max-w-200">
      <div className="flex flex-col gap-2 p-4 text-15">
        <p>This place is not built yet.</p>
        <p className="text-ink-2">{what}</p>
        <p className="text-13 text-ink-2">Meanwhile:</p>
        <ul className="list-disc pl-5 text-13 text-ink-2">{children}</ul>
      </div>
    </Section>
  );
}

function PlaceLink({ place, children }: { readonly place: Place; readonly children: ReactNode }) {
  const route = useRoute();
  return (
    <a className="text-ink underline underline-offset-4" href={routeText({ ...route, place })}>
      {children}
    </a>
  );
}

export function Missed() {
  return (
    <Later
      title="Missed routing opportunities"
      what="Forwards that a node could not make will stand here by cause (too little liquidity, fee, policy, peer offline), with what they would have earned between two bounds, and the cheapest remedy."
    >
      <li>
        <PlaceLink place="overview">Overview</PlaceLink>: the transactions filtered by “failed” name the
        channel and the cause of each failure, attempt by attempt.
      </li>
      <li>
        <PlaceLink place="channels">Channels</PlaceLink>: a channel's panel shows what it could not send in
        the last hour.
      </li>
      <li>Transactions can be saved as CSV for an analysis of your own.</li>
    </Later>
  );
}

export function Fees() {
  return (
    <Later
      title="Fees and plans"
      what="Fee policies by rule, each with the chain of rules behind it, as plans that are previewed, applied, watched and rolled back, will stand here."
    >
      <li>
        <PlaceLink place="channels">Channels</PlaceLink>: a channel's panel shows what both ends ask now,
        inbound fees included.
      </li>
      <li>
        <PlaceLink place="rebalance">Rebalance</PlaceLink>: plans to move liquidity are there, with what they
        cost and bring.
      </li>
    </Later>
  );
}
