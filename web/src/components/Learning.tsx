import type { ModelCard, ModelItem, ShareErrors } from "../api/learning";
import { ErrorChart, ErrorLegend } from "../charts/ErrorChart";
import { ReliabilityChart, ReliabilityWords } from "../charts/ReliabilityChart";
import { formatClock, formatInteger, formatSpan, THIN } from "../lib/format";
import { useMetrics } from "../lib/metrics";
import { errorSeries } from "../lib/series";
import { useOrder, useResource } from "../lib/service";
import { useDashboard, useRoute } from "../state/context";
import { rangeStartMs } from "../state/route";
import { Button } from "./Button";
import { CsvButton } from "./CsvButton";
import { NoErrors } from "./Metrics";
import { Problem } from "./Problem";
import { Provenance } from "./Provenance";
import { Scrollable } from "./Scrollable";
import { Empty, Section } from "./Section";

function Status() {
  const learner = useDashboard((state) => state.world?.learner ?? null);
  if (learner === null) {
    return <p className="px-3 py-2 text-ink-2">Learning is off. Start the lab without `--no-learn`.</p>;
  }
  const facts: readonly (readonly [string, string])[] = [
    ["state", learner.phase],
    ["model", learner.model ?? "none yet"],
    ["trained on", learner.model_trained_on || "–"],
    ["predicts for the coming", formatSpan(learner.horizon_s * 1000)],
    ["payments observed", formatInteger(learner.observed_payments)],
    ["predictions judged", formatInteger(learner.outcomes_known)],
    [
      "drifts seen",
      learner.last_drift_ms === null
        ? formatInteger(learner.drifts)
        : `${formatInteger(learner.drifts)}, last at ${formatClock(learner.last_drift_ms).time}`,
    ],
  ];
  return (
    <div className="border-b border-line px-3 py-2">
      <dl className="grid grid-cols-[150px_minmax(0,1fr)] gap-x-3" data-testid="learner">
        {facts.map(([label, value]) => (
          <div key={label} className="contents">
            <dt className="text-ink-2">{label}</dt>
            <dd className="wrap-anywhere">{value}</dd>
          </div>
        ))}
      </dl>
      {learner.missing.length > 0 && (
        <p className="mt-1 text-ink-2">Still missing: {learner.missing.join("; ")}.</p>
      )}
      {learner.verdict !== "" && <p className="mt-1">{learner.verdict}</p>}
    </div>
  );
}

/** How good the model is while the world goes on: its error beside what it must beat. */
export function ErrorsOverTime({ className = "" }: { readonly className?: string }) {
  const { range } = useRoute();
  const errors = useDashboard((state) => state.world?.errors);
  const worldMs = useDashboard((state) => state.world?.stats.world_ms ?? 0);
  const series = errorSeries(errors ?? [], rangeStartMs(range, worldMs));
  return (
    <Section
      id="errors"
      title="Error of predicted shares"
      className={className}
      aside={
        <>
          <Provenance of="estimated" />
          <span className="text-12 text-ink-3">{formatInteger(series.compared)} judged</span>
          <span className="ml-auto">
            <CsvButton
              name="model-errors"
              head={["world_ms", "compared", "model", "online", "half", "last_value", "baseline"]}
              rows={() =>
                (errors ?? []).map((one) => [
                  one.world_ms,
                  one.compared,
                  one.model,
                  one.online,
                  one.half,
                  one.last_value,
                  one.baseline,
                ])
              }
            />
          </span>
        </>
      }
    >
      <Status />
      <div className="px-3 pt-2">
        <ErrorLegend series={series} />
      </div>
      <div className="relative m-2 min-h-56 flex-1">
        {series.times_s.length < 2 ? <NoErrors /> : <ErrorChart series={series} />}
      </div>
    </Section>
  );
}

const ERROR_ROWS: readonly (readonly [string, keyof Omit<ShareErrors, "rows">])[] = [
  ["this model", "model"],
  ["always half", "half"],
  ["as it is now", "last_value"],
  ["baseline's targets", "baseline"],
];

function Card({ card }: { readonly card: ModelCard }) {
  return (
    <div className="min-w-0">
      <h3 className="text-12 font-semibold text-ink-3">
        On time it had not seen when it was trained
        <Provenance of="estimated" />
      </h3>
      <dl className="grid grid-cols-[minmax(0,1fr)_auto] gap-x-3" data-testid="model-card">
        {ERROR_ROWS.map(([label, key]) => {
          const value = card.share_errors[key];
          return (
            <div key={key} className="contents">
              <dt className={key === "model" ? "font-semibold" : "text-ink-2"}>{label}</dt>
              <dd className="text-right">{value === null ? "–" : `${(value * 100).toFixed(2)}${THIN}pp`}</dd>
            </div>
          );
        })}
        <dt className="text-ink-2">rows trained on, held out</dt>
        <dd className="text-right">
          {formatInteger(card.rows_trained)}, {formatInteger(card.rows_held_out)}
        </dd>
      </dl>
      <p className="mt-1 wrap-anywhere">{card.verdict}</p>
      <p className="text-12 text-ink-3 wrap-anywhere">
        {card.version}, trained on {card.trained_on}
        {card.reduced ? "; without single attempts" : ""}
      </p>
    </div>
  );
}

/** Whether the stated confidence means what it says. */
export function Calibration({ className = "" }: { readonly className?: string }) {
  const metrics = useMetrics();
  const reliability = metrics.value?.reliability ?? null;
  const card = metrics.value?.card ?? null;
  return (
    <Section
      id="calibration"
      title="Reliability of the confidence"
      className={className}
      aside={
        <>
          <Provenance of="estimated" />
          {reliability !== null && (
            <span className="ml-auto">
              <CsvButton
                name="reliability"
                head={["low", "high", "count", "mean_confidence", "share_gained"]}
                rows={() =>
                  reliability.bins.map((bin) => [
                    bin.low,
                    bin.high,
                    bin.count,
                    bin.mean_confidence,
                    bin.share_gained,
                  ])
                }
              />
            </span>
          )}
        </>
      }
    >
      <div className="px-3">
        <Problem problem={metrics.problem} />
      </div>
      {reliability === null && card === null ? (
        <Empty>
          Nothing to show before a model is in use. It is judged on held-out time when it is trained; the
          result stands here.
        </Empty>
      ) : (
        <div className="grid gap-4 p-3 md:grid-cols-2">
          {reliability === null ? (
            <p className="text-ink-2">This model learned no gains, so it has no confidence to judge.</p>
          ) : (
            <div>
              <ReliabilityChart reliability={reliability} />
              <ReliabilityWords reliability={reliability} />
            </div>
          )}
          {card !== null && <Card card={card} />}
        </div>
      )}
    </Section>
  );
}

/** The models that were trained, and the one in use. */
export function Models() {
  const model = useDashboard((state) => state.world?.learner?.model ?? null);
  const models = useResource<readonly ModelItem[]>("/models", {}, { version: model });
  const selected = models.value?.find((item) => item.selected)?.version;
  const { isBusy, problem, send } = useOrder<ModelItem>();
  const select = async (version: string) => {
    await send("POST", `/models/${encodeURIComponent(version)}/select`, {}, `use the model ${version}`);
    models.reload();
  };
  const cell = "border-b border-line px-3 py-1 align-top";
  return (
    <Section id="models" title="Models">
      <div className="px-3">
        <Problem problem={problem ?? models.problem} />
      </div>
      {(models.value ?? []).length === 0 ? (
        <Empty>
          {models.value === null
            ? "Reading…"
            : "No model yet. With learning on, `lens up` trains one when it starts; it is listed here."}
        </Empty>
      ) : (
        <Scrollable label="Models">
          <table className="w-full min-w-200 border-separate border-spacing-0" data-testid="models">
            <thead>
              <tr className="text-left text-12 text-ink-2">
                {["Version", "Trained on", "Error", "Verdict", ""].map((label) => (
                  <th key={label} scope="col" className="border-b border-line px-3 py-1 font-medium">
                    {label}
                    {label === "Error" && <Provenance of="estimated" />}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {(models.value ?? []).map((item) => (
                <tr key={item.version}>
                  <td className={`${cell} whitespace-nowrap`}>
                    {item.version}
                    <span className="block text-12 text-ink-3">{formatClock(item.created_ms).date}</span>
                  </td>
                  <td className={`${cell} wrap-anywhere`}>{item.trained_on}</td>
                  <td className={`${cell} whitespace-nowrap`}>
                    {(item.share_errors.model * 100).toFixed(2)}
                    {THIN}pp
                    <span className="block text-12 text-ink-3">
                      half {(item.share_errors.half * 100).toFixed(2)}
                      {THIN}pp
                    </span>
                  </td>
                  <td className={`${cell} wrap-anywhere`}>{item.verdict}</td>
                  <td className={`${cell} text-right`}>
                    {item.version === (model ?? selected) ? (
                      <span className="text-success">✓ in use</span>
                    ) : (
                      <Button disabled={isBusy} onClick={() => select(item.version)}>
                        use it
                      </Button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrollable>
      )}
    </Section>
  );
}
