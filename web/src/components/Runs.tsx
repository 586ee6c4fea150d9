import type { RunItem } from "../api/learning";
import { formatBytes, formatClock, formatInteger, formatSpan } from "../lib/format";
import { useResource } from "../lib/service";
import { useDashboard, useRoute, useStores } from "../state/context";
import { Button } from "./Button";
import { CsvButton } from "./CsvButton";
import { Problem } from "./Problem";
import { Provenance } from "./Provenance";
import { Replay } from "./Replay";
import { Scrollable } from "./Scrollable";
import { Empty, Section } from "./Section";

const REFRESH_MS = 30_000;
const HEADS = ["Run", "Recorded", "Length", "Payments", "Channels", "Size", "State", ""] as const;

function when(ms: number): string {
  const { date, time } = formatClock(ms);
  return `${date} ${time}`;
}

function Rows({
  runs,
  onOpen,
}: {
  readonly runs: readonly RunItem[];
  readonly onOpen: (id: string) => void;
}) {
  const cell = "border-b border-line px-3 py-1";
  return (
    <tbody>
      {runs.map((run) => (
        <tr key={run.run_id}>
          <td className={`${cell} wrap-anywhere`}>{run.run_id}</td>
          <td className={`${cell} whitespace-nowrap`}>{when(run.recorded_ms)}</td>
          <td className={`${cell} text-right whitespace-nowrap`}>
            {formatSpan(run.world_end_ms - run.world_start_ms)}
          </td>
          <td className={`${cell} text-right`}>{formatInteger(run.payments)}</td>
          <td className={`${cell} text-right`}>{formatInteger(run.channels)}</td>
          <td className={`${cell} text-right whitespace-nowrap`}>{formatBytes(run.bytes)}</td>
          <td className={`${cell} whitespace-nowrap ${run.complete ? "" : "text-ink-2"}`}>
            {run.complete ? "complete" : "goes on, or was cut off"}
          </td>
          <td className={`${cell} text-right`}>
            <Button label={`Replay ${run.run_id}`} onClick={() => onOpen(run.run_id)}>
              replay
            </Button>
          </td>
        </tr>
      ))}
    </tbody>
  );
}

/** Saved runs, and the replay of the one that is open. */
export function Runs() {
  const { route } = useStores();
  const open = useRoute().run;
  const session = useDashboard((state) => state.world?.session);
  const runs = useResource<readonly RunItem[]>("/runs", {}, { version: session, everyMs: REFRESH_MS });
  const list = runs.value ?? [];
  const run = list.find((one) => one.run_id === open);
  return (
    <>
      <Section
        id="runs"
        title="Saved runs"
        aside={
          <span className="ml-auto">
            <CsvButton
              name="runs"
              head={[
                "run_id",
                "recorded_ms",
                "world_start_ms",
                "world_end_ms",
                "payments",
                "channels",
                "bytes",
                "complete",
              ]}
              rows={() =>
                list.map((one) => [
                  one.run_id,
                  one.recorded_ms,
                  one.world_start_ms,
                  one.world_end_ms,
                  one.payments,
                  one.channels,
                  one.bytes,
                  one.complete,
                ])
              }
            />
          </span>
        }
      >
        <div className="px-3">
          <Problem problem={runs.problem} />
        </div>
        {list.length === 0 ? (
          <Empty>
            {runs.value === null
              ? "Reading…"
              : "No run is saved. `lens up` records each one in its data directory, unless it is started with `--no-record`."}
          </Empty>
        ) : (
          <Scrollable label="Saved runs">
            <table className="w-full min-w-180 border-separate border-spacing-0" data-testid="runs">
              <thead>
                <tr>
                  {HEADS.map((label) => (
                    <th
                      key={label}
                      scope="col"
                      className={`border-b border-line px-3 py-1 text-12 font-medium text-ink-2 ${["Length", "Payments", "Channels", "Size"].includes(label) ? "text-right" : "text-left"}`}
                    >
                      {label === "" ? <span className="sr-only">Replay</span> : label}
                      {label === "Payments" && <Provenance />}
                    </th>
                  ))}
                </tr>
              </thead>
              <Rows runs={list} onOpen={(run_id) => route.go({ run: run_id })} />
            </table>
          </Scrollable>
        )}
        {open !== null && runs.value !== null && run === undefined && (
          <p className="px-3 py-2 text-warning">There is no saved run {open}.</p>
        )}
      </Section>
      {run !== undefined && <Replay key={run.run_id} run={run} onClose={() => route.go({ run: null })} />}
    </>
  );
}
