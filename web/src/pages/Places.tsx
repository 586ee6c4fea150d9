import type { ReactNode } from "react";
import type { Mode } from "../api/types";
import { ChannelTable } from "../components/ChannelTable";
import { Effects } from "../components/Effects";
import { Holdings } from "../components/Holdings";
import { Calibration, ErrorsOverTime, Models } from "../components/Learning";
import { NetworkGraph } from "../components/NetworkGraph";
import { NodeTable } from "../components/NodeTable";
import { Orders } from "../components/Orders";
import { ProfitFigures } from "../components/ProfitFigures";
import { Runs } from "../components/Runs";
import { Section } from "../components/Section";
import { Suggestions } from "../components/Suggestions";
import { RebalanceSwitches, WorldSwitches } from "../components/Switches";
import { Viewpoint } from "../components/Viewpoint";
import { useEffects } from "../lib/effects";
import { formatClock, formatInteger, formatSpeed } from "../lib/format";
import { isWatched, MODE_FACTS, useIsWatched } from "../lib/mode";
import { useDashboard, useRoute, useStores } from "../state/context";
import { type Place, routeText } from "../state/route";

export function Channels() {
  if (useIsWatched()) {
    return (
      <div className="flex min-h-0 flex-1 flex-col gap-2">
        <ProfitFigures />
        <Holdings className="min-h-0 flex-1" />
      </div>
    );
  }
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
  return useIsWatched() ? (
    <Later
      title="Rebalancing"
      what="Plans that move liquidity of a watched node, with cost, expected gain and doubt, to be reviewed and carried out one by one, will stand here. Until then this service only reads, and moves nothing."
    >
      <li>
        <PlaceLink place="missed">Missed</PlaceLink>: what bringing liquidity to a channel would cost, and
        what it would have earned.
      </li>
      <li>`lens up` is a lab in which rebalancing is rehearsed, with suggestions of a learner.</li>
    </Later>
  ) : (
    <RebalanceInLab />
  );
}

function RebalanceInLab() {
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

/** What was chosen when it was started. */
const ORIGIN: Readonly<Record<Mode, string>> = {
  simulated:
    "Seed, demand and topology are chosen when the lab starts (`lens up --seed --demand --topology`) and do not change while it runs; `lens config show` has the settings. The same seed gives the same payments.",
  replay:
    "The file is chosen when it starts (`lens run --node replay:FILE`); it is read, never changed. What is analysed here is what was recorded until the time that is shown.",
  live: "The node is chosen when it starts (`lens run`, with the options of `lens node info`). It is only read.",
};

function WorldFacts() {
  const world = useDashboard((state) => state.world);
  const { address } = useStores();
  if (world === null) {
    return <p className="p-3 text-ink-2">Waiting for the network…</p>;
  }
  const { mode } = world.network;
  const clock = formatClock(world.stats.world_ms);
  const facts: readonly (readonly [string, ReactNode])[] = [
    [isWatched(mode) ? "node" : "network", world.network.name],
    ["kind", MODE_FACTS[mode].title],
    ["time in it", `${clock.date} ${clock.time} UTC`],
    ...(mode === "live"
      ? []
      : ([["speed", world.settings?.paused ? "paused" : formatSpeed(world.stats.speed)]] as const)),
    ["nodes, channels", `${formatInteger(world.nodes.size)}, ${formatInteger(world.channels.size)}`],
    [isWatched(mode) ? "attempts so far" : "payments so far", formatInteger(world.stats.payments)],
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
      <p className="mt-2 text-12 text-ink-3">{ORIGIN[mode]}</p>
    </div>
  );
}

const WORLD_TITLES: Readonly<Record<Mode, string>> = {
  simulated: "The world that runs",
  replay: "The recording that is played",
  live: "The node that is watched",
};

export function Simulator() {
  const mode = useDashboard((state) => state.world?.network.mode ?? "simulated");
  return (
    <div className="flex flex-col gap-2">
      <div className="grid items-start gap-2 lg:grid-cols-2">
        <Section id="world" title={WORLD_TITLES[mode]}>
          <WorldFacts />
        </Section>
        <Section id="switches" title={mode === "live" ? "Simulator" : "Speed and pause"}>
          {mode === "live" ? (
            <p className="p-3 text-ink-2">
              Changes to this node will be tried here in a simulation before they are made. Until then the lab
              is a program of its own: `lens up`, on another port.
            </p>
          ) : (
            <WorldSwitches />
          )}
        </Section>
      </div>
      {mode === "simulated" && <Runs />}
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

export function Fees() {
  const isNode = useIsWatched();
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
        {isNode ? (
          <>
            <PlaceLink place="missed">Missed</PlaceLink>: names the channels whose fee was too high, and what
            to ask instead.
          </>
        ) : (
          <>
            <PlaceLink place="rebalance">Rebalance</PlaceLink>: plans to move liquidity are there, with what
            they cost and bring.
          </>
        )}
      </li>
    </Later>
  );
}
