import { useCallback, useState } from "react";
import { PREFIX, type Query, queryText } from "../api/client";
import type { MissedReport } from "../api/node";
import { Amount } from "../components/Amount";
import { Button } from "../components/Button";
import { Coverage } from "../components/Coverage";
import { MissedTable } from "../components/MissedTable";
import { Problem } from "../components/Problem";
import { Provenance } from "../components/Provenance";
import { RefusedAttempts } from "../components/RefusedAttempts";
import { Remedies } from "../components/Remedies";
import { Empty, Section } from "../components/Section";
import { Segmented } from "../components/Segmented";
import { Viewpoint } from "../components/Viewpoint";
import { formatInteger } from "../lib/format";
import { EVERYTHING, type Thresholds, useMissed, WORTHWHILE } from "../lib/missed";
import { useIsRecorded, useMode } from "../lib/mode";
import { useRecording } from "../lib/recording";
import { useDashboard, useRoute, useStores } from "../state/context";
import { type Range, rangeHours } from "../state/route";

const RANGE_OPTIONS: readonly { readonly value: Range; readonly label: string }[] = [
  { value: "1h", label: "1 h" },
  { value: "24h", label: "24 h" },
  { value: "7d", label: "7 d" },
  { value: "30d", label: "30 d" },
];

const SIZE_OPTIONS = [
  { value: "worthwhile", label: "worth a look" },
  { value: "everything", label: "everything" },
] as const;
type Size = (typeof SIZE_OPTIONS)[number]["value"];

const THRESHOLDS: Readonly<Record<Size, Thresholds>> = { worthwhile: WORTHWHILE, everything: EVERYTHING };

function CsvLink({ query }: { readonly query: Query }) {
  const { address } = useStores();
  return (
    <a
      href={`${address.origin}${PREFIX}/missed.csv${queryText(query)}`}
      download="missed.csv"
      aria-label="Save missed opportunities as CSV"
      className="rounded-sm border border-line px-2 text-12 leading-6 text-ink-2 hover:text-ink"
    >
      CSV
    </a>
  );
}

function Totals({ report }: { readonly report: MissedReport }) {
  return (
    <div className="border-y border-line px-3 py-2" data-testid="missed-totals">
      <dl className="flex flex-wrap gap-x-6 gap-y-1">
        <div>
          <dt className="text-12 text-ink-2">
            Expected
            <Provenance of="estimated" />
          </dt>
          <dd className="text-20">
            <Amount msat={report.total_expected_msat} />
          </dd>
        </div>
        <div>
          <dt className="text-12 text-ink-2">
            Documented sum
            <Provenance />
          </dt>
          <dd className="text-20 text-ink-2">
            <Amount msat={Math.round(report.total_missed_revenue_sats * 1_000)} />
          </dd>
        </div>
        <div>
          <dt className="text-12 text-ink-2">Channels</dt>
          <dd className="text-20 text-ink-2">
            {formatInteger(report.opportunities.length)}
            <span className="text-12 text-ink-3"> of {formatInteger(report.channels)}</span>
          </dd>
        </div>
      </dl>
      <p className="mt-1 max-w-200 text-12 text-ink-2">
        The documented sum counts the fee of every refused attempt, retries and probes included; what is
        expected counts each payment once, with the chance that it would have settled.
      </p>
    </div>
  );
}

function Nothing({ report, size }: { readonly report: MissedReport; readonly size: Size }) {
  if (report.coverage !== null && report.coverage.share === 0) {
    return (
      <Empty>
        Nothing was recorded in this time: failures are known only of the time in which `lens run` or `lens
        monitor` was recording. Try a longer window.
      </Empty>
    );
  }
  return (
    <Empty>
      {size === "worthwhile"
        ? "No channel missed 100 sat with 3 refusals in this time. Try a longer window, or “everything”."
        : "The node refused nothing in the time that was seen. Try a longer window."}
    </Empty>
  );
}

/** What the watched node, or a node of a lab, failed to earn, why, and what would help. */
function MissedOfNode({ labNodeId }: { readonly labNodeId: string | null }) {
  const { route } = useStores();
  const { range } = useRoute();
  const hours = rangeHours(range);
  const [size, setSize] = useState<Size>("worthwhile");
  const [openId, setOpenId] = useState<string | null>(null);
  const isAsked = useIsRecorded() || labNodeId !== null;
  const report = useMissed(hours, THRESHOLDS[size], labNodeId);
  const recording = useRecording(hours, labNodeId);
  const toggle = useCallback((channelId: string) => {
    setOpenId((open) => (open === channelId ? null : channelId));
  }, []);
  const detail = useCallback(
    (channelId: string) => <RefusedAttempts channelId={channelId} hours={hours} labNodeId={labNodeId} />,
    [hours, labNodeId],
  );
  const refresh = () => {
    report.reload();
    recording.reload();
  };
  return (
    <Section
      id="missed"
      title="Missed routing opportunities"
      aside={
        <div className="flex flex-wrap items-center gap-2 md:ml-auto">
          <Segmented
            legend="Time range of what was missed"
            name="missed-range"
            options={RANGE_OPTIONS}
            value={range}
            onChange={(chosen) => route.go({ range: chosen })}
          />
          <Segmented
            legend="How small"
            name="missed-size"
            options={SIZE_OPTIONS}
            value={size}
            onChange={setSize}
          />
          <Button onClick={refresh} title="It is read anew every 30 seconds, too">
            refresh
          </Button>
          <CsvLink query={{ hours, ...THRESHOLDS[size], node: labNodeId }} />
        </div>
      }
    >
      <div className="px-3">
        <Problem problem={report.problem ?? recording.problem} />
      </div>
      {recording.value !== null && <Coverage status={recording.value} />}
      {report.value === null ? (
        report.problem === null && (
          <Empty>{isAsked ? "Looking at what was recorded…" : "Waiting for the node…"}</Empty>
        )
      ) : (
        <>
          <Totals report={report.value} />
          {report.value.opportunities.length === 0 ? (
            <Nothing report={report.value} size={size} />
          ) : (
            <MissedTable
              opportunities={report.value.opportunities}
              openId={openId}
              onToggle={toggle}
              detail={detail}
            />
          )}
        </>
      )}
    </Section>
  );
}

/** In a lab every node has missed something of its own. */
function MissedInLab() {
  const chosen = useDashboard((state) => state.selection.viewpointId);
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <p className="min-w-0 flex-1 basis-80 text-ink-2" data-testid="missed-elsewhere">
          This is a simulated network: choose one of its nodes to see what it failed to earn; `lens run`
          records a node of your own.
        </p>
        <Viewpoint />
      </div>
      {chosen !== null && <MissedOfNode key={chosen} labNodeId={chosen} />}
    </div>
  );
}

export function Missed() {
  const mode = useMode();
  if (mode === null) {
    return <Empty>Waiting for the service…</Empty>;
  }
  return mode === "simulated" ? (
    <MissedInLab />
  ) : (
    <div className="flex flex-col gap-2">
      <MissedOfNode labNodeId={null} />
      <Remedies />
    </div>
  );
}
