import { type ReactNode, useMemo, useState } from "react";
import type { SuccessSpan } from "../api/learning";
import { ErrorChart, ErrorLegend } from "../charts/ErrorChart";
import { ChartLegend, LineChart } from "../charts/LineChart";
import { formatInteger, formatShare, formatSpan } from "../lib/format";
import { useMetrics } from "../lib/metrics";
import { useIsWatched } from "../lib/mode";
import {
  errorSeries,
  type GatheredSpans,
  gatherSpans,
  spanSuccess,
  successSeries,
  WINDOW,
} from "../lib/series";
import { useDashboard, useRoute } from "../state/context";
import { rangeStartMs } from "../state/route";
import { Amount } from "./Amount";
import { CsvButton } from "./CsvButton";
import { Provenance } from "./Provenance";
import { Empty, Section } from "./Section";
import { Segmented } from "./Segmented";

export function Figure({
  label,
  origin = "observed",
  children,
}: {
  readonly label: string;
  readonly origin?: "observed" | "estimated";
  readonly children: ReactNode;
}) {
  return (
    <div className="min-w-0 px-3 py-1">
      <dt className="truncate text-12 text-ink-2">
        {label}
        <Provenance of={origin} />
      </dt>
      <dd className="truncate text-15">{children}</dd>
    </div>
  );
}

/** Key figures of a simulated network since the start, in one line. */
export function NetworkFigures({ className = "" }: { readonly className?: string }) {
  const stats = useDashboard((state) => state.world?.stats);
  const learner = useDashboard((state) => state.world?.learner ?? null);
  if (stats === undefined) {
    return null;
  }
  return (
    <section
      aria-label="Key figures since the start"
      data-testid="figures"
      className={`rounded-sm border border-line bg-surface ${className}`}
    >
      <dl className="grid grid-cols-2 divide-line md:grid-cols-4 lg:grid-cols-8 lg:divide-x">
        <Figure label="Success">{formatShare(stats.success_rate)}</Figure>
        <Figure label="Payments succeeded">
          {formatInteger(stats.succeeded)}
          <span className="text-12 text-ink-3"> of {formatInteger(stats.payments)}</span>
        </Figure>
        <Figure label="Delivered">
          <Amount msat={stats.volume_msat} />
        </Figure>
        <Figure label="Routing fees paid">
          <Amount msat={stats.fees_msat} precise />
        </Figure>
        <Figure label="Rebalances">{formatInteger(stats.rebalances)}</Figure>
        <Figure label="Moved by them">
          <Amount msat={stats.rebalanced_msat} />
        </Figure>
        <Figure label="At the cost of">
          <Amount msat={stats.rebalance_cost_msat} precise />
        </Figure>
        <Figure label="Learner" origin="estimated">
          <span title={learner?.verdict ?? ""}>{learner?.phase ?? "off"}</span>
        </Figure>
      </dl>
    </section>
  );
}

const VIEWS = [
  { value: "success", label: "success" },
  { value: "volume", label: "volume" },
  { value: "error", label: "model error" },
] as const;
type View = (typeof VIEWS)[number]["value"];
/** Nothing is predicted of a watched node yet. */
const VIEWS_OF_NODE = VIEWS.filter(({ value }) => value !== "error");

const NO_SPANS: readonly SuccessSpan[] = [];

function SuccessView({ gathered }: { readonly gathered: GatheredSpans }) {
  const payments = useDashboard((state) => state.world?.payments);
  const overall = useDashboard((state) => state.world?.stats.success_rate ?? null);
  const what = useIsWatched() ? "forwards" : "payments";
  const bySpan = spanSuccess(gathered.spans);
  const rolling = useMemo(() => successSeries(payments ?? []), [payments]);
  const isBySpan = bySpan.times_s.length >= 6;
  const series = isBySpan ? bySpan : rolling;
  const level = overall === null ? null : overall * 100;
  const latest = series.percent.at(-1);
  return (
    <>
      <div className="px-3 pt-2">
        <ChartLegend
          items={[
            {
              label: isBySpan ? `per ${formatSpan(gathered.minutes * 60_000)}` : `last ${WINDOW} ${what}`,
              colour: "text-ink",
              value: formatShare(latest === undefined ? null : latest / 100, 0),
            },
            { label: "since the start", colour: "text-ink-2", dash: [4, 4], value: formatShare(overall) },
          ]}
        />
      </div>
      <div className="relative m-2 min-h-24 flex-1">
        {series.times_s.length < 2 ? (
          <Empty>
            The line starts after {WINDOW / 5} {what}.
          </Empty>
        ) : (
          <LineChart
            times_s={series.times_s}
            lines={[
              { label: isBySpan ? "span" : "rolling", values: series.percent, colour: "ink" },
              {
                label: "overall",
                values: series.times_s.map(() => level),
                colour: "inkSoft",
                dash: [4, 4],
                width: 1,
              },
            ]}
            range={[0, 100]}
            unit="%"
            description={`Success rate over time; the newest value is ${latest?.toFixed(0) ?? "not known"} percent, since the start ${level?.toFixed(1) ?? "not known"}`}
            testId="success-chart"
          />
        )}
      </div>
    </>
  );
}

function VolumeView({ gathered }: { readonly gathered: GatheredSpans }) {
  const { spans, minutes } = gathered;
  const done = useIsWatched() ? "forwarded" : "delivered";
  const total = spans.reduce((sum, span) => sum + span.volume_msat, 0);
  return (
    <>
      <p className="flex flex-wrap gap-x-4 px-3 pt-2 text-12 text-ink-2">
        <span>
          {done} per {formatSpan(minutes * 60_000)}, in this time range <Amount msat={total} />
        </span>
      </p>
      <div className="relative m-2 min-h-24 flex-1">
        {spans.length < 2 ? (
          <Empty>Volume is summed in steps of five minutes; the second starts it.</Empty>
        ) : (
          <LineChart
            times_s={spans.map((span) => span.world_ms / 1000)}
            lines={[
              {
                label: done,
                values: spans.map((span) => span.volume_msat / 1000),
                colour: "accent",
                look: "bars",
              },
            ]}
            unit="sat"
            description={`Volume ${done} over time, in satoshi`}
            testId="volume-chart"
          />
        )}
      </div>
    </>
  );
}

/** What the error chart says while there is nothing to draw. */
export function NoErrors() {
  const learner = useDashboard((state) => state.world?.learner ?? null);
  const worldMs = useDashboard((state) => state.world?.stats.world_ms ?? 0);
  if (learner === null || learner.phase === "off") {
    return <Empty>Learning is off: there is no model to judge. Start the lab without `--no-learn`.</Empty>;
  }
  const first = learner.first_outcome_ms;
  const left = first === null ? null : Math.max(0, Math.ceil((first - worldMs) / 60_000));
  return (
    <Empty>
      {left === null
        ? "Nothing was predicted yet. A prediction is judged when what it was about has passed."
        : `A prediction is judged when what it was about has passed: the first in ${formatInteger(left)} min of the network's time. A higher speed brings it sooner.`}
    </Empty>
  );
}

function ErrorView() {
  const { range } = useRoute();
  const errors = useDashboard((state) => state.world?.errors);
  const worldMs = useDashboard((state) => state.world?.stats.world_ms ?? 0);
  const series = errorSeries(errors ?? [], rangeStartMs(range, worldMs));
  return (
    <>
      <div className="px-3 pt-2">
        <ErrorLegend series={series} />
      </div>
      <div className="relative m-2 min-h-24 flex-1">
        {series.times_s.length < 2 ? <NoErrors /> : <ErrorChart series={series} />}
      </div>
    </>
  );
}

/** How payments fare and how good the model is, over time. */
export function Metrics({ className = "" }: { readonly className?: string }) {
  const { range } = useRoute();
  const [view, setView] = useState<View>("success");
  const isWatched = useIsWatched();
  const worldMs = useDashboard((state) => state.world?.stats.world_ms ?? 0);
  const metrics = useMetrics();
  const start = rangeStartMs(range, worldMs) ?? Number.NEGATIVE_INFINITY;
  const spans = (metrics.value?.success ?? NO_SPANS).filter((span) => span.world_ms >= start);
  const gathered = gatherSpans(spans);
  return (
    <Section
      id="metrics"
      title="Metrics"
      className={className}
      aside={
        <>
          <Provenance of={view === "error" ? "estimated" : "observed"} />
          <div className="ml-auto flex flex-wrap items-center gap-2">
            <Segmented
              legend="Which metric"
              name="metric"
              options={isWatched ? VIEWS_OF_NODE : VIEWS}
              value={view}
              onChange={setView}
            />
            <CsvButton
              name="success"
              head={["world_ms", "payments", "succeeded", "volume_msat"]}
              rows={() =>
                spans.map((span) => [span.world_ms, span.payments, span.succeeded, span.volume_msat])
              }
            />
          </div>
        </>
      }
    >
      {view === "success" ? (
        <SuccessView gathered={gathered} />
      ) : view === "volume" ? (
        <VolumeView gathered={gathered} />
      ) : (
        <ErrorView />
      )}
    </Section>
  );
}
