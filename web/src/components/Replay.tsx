import { useEffect, useMemo, useRef, useState } from "react";
import { ServiceProblem } from "../api/client";
import type { RunItem, RunMoment } from "../api/learning";
import { formatClock, formatInteger, formatShare, formatSpan } from "../lib/format";
import { clampMoment, helloOf, LEAST_WINDOW_S, nextMoment, REPLAY_SPEEDS, STEP_MS } from "../lib/replay";
import { StoresProvider, useStores } from "../state/context";
import { DashboardStore } from "../state/dashboard";
import { Amount } from "./Amount";
import { Button } from "./Button";
import { ChannelPanel } from "./ChannelPanel";
import { ChannelTable } from "./ChannelTable";
import { NetworkGraph } from "./NetworkGraph";
import { Problem } from "./Problem";
import { Section } from "./Section";
import { TransactionLog } from "./TransactionLog";

/** Ask for the moment that is wanted; while one is under way only the newest wish is kept. */
function useMoment(run: RunItem, atMs: number, speed: number) {
  const { client } = useStores();
  const [moment, setMoment] = useState<RunMoment | null>(null);
  const [shownMs, setShownMs] = useState<number | null>(null);
  const [problem, setProblem] = useState<ServiceProblem | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const query = {
      at_ms: atMs,
      window_s: Math.max(LEAST_WINDOW_S, Math.ceil((speed * STEP_MS) / 1000)),
    };
    client.read<RunMoment>(`/runs/${encodeURIComponent(run.run_id)}`, query, abort.signal).then(
      (value) => {
        setMoment(value);
        setShownMs(atMs);
        setProblem(null);
      },
      (error: unknown) => {
        if (!abort.signal.aborted) {
          setProblem(
            error instanceof ServiceProblem ? error : new ServiceProblem(0, "the run cannot be read", ""),
          );
        }
      },
    );
    return () => abort.abort();
  }, [client, run.run_id, atMs, speed]);
  return { moment, shownMs, problem };
}

interface ScrubberProps {
  readonly run: RunItem;
  readonly atMs: number;
  readonly isPlaying: boolean;
  readonly speed: number;
  readonly onMove: (atMs: number) => void;
  readonly onPlay: (isPlaying: boolean) => void;
  readonly onSpeed: (speed: number) => void;
}

function Scrubber(props: ScrubberProps) {
  const { run, atMs, isPlaying, speed } = props;
  const clock = formatClock(atMs);
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-2 px-3 py-2">
      <Button look="accent" onClick={() => props.onPlay(!isPlaying)} testId="replay-play">
        {isPlaying ? "stop" : "play"}
      </Button>
      <input
        type="range"
        aria-label="Moment of the recording"
        aria-valuetext={`${clock.date} ${clock.time}`}
        className="min-w-40 flex-1 accent-accent"
        min={run.world_start_ms}
        max={run.world_end_ms}
        step={1_000}
        value={atMs}
        onChange={(event) => props.onMove(Number(event.target.value))}
      />
      <span className="whitespace-nowrap" data-testid="replay-clock">
        {clock.date} {clock.time}
        <span className="text-12 text-ink-3">
          {" "}
          UTC, {formatSpan(atMs - run.world_start_ms)} of {formatSpan(run.world_end_ms - run.world_start_ms)}
        </span>
      </span>
      <label className="text-12 text-ink-2">
        speed
        <select
          className="ml-2 rounded-sm border border-line bg-ground px-1 text-12 leading-6 text-ink"
          value={speed}
          onChange={(event) => props.onSpeed(Number(event.target.value))}
        >
          {REPLAY_SPEEDS.map((one) => (
            <option key={one} value={one}>
              ×{formatInteger(one)}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

function Totals({ moment }: { readonly moment: RunMoment }) {
  const { stats } = moment;
  return (
    <p className="border-t border-line px-3 py-1 text-12 text-ink-2" data-testid="replay-stats">
      until then {formatInteger(stats.succeeded)} of {formatInteger(stats.payments)} payments succeeded (
      {formatShare(stats.success_rate)}), <Amount msat={stats.volume_msat} /> delivered,{" "}
      {formatInteger(stats.rebalances)} rebalances; balances as recorded, in whole sat
    </p>
  );
}

interface ReplayProps {
  readonly run: RunItem;
  readonly onClose: () => void;
}

/** A recorded run, moment by moment: the same graph, tables and panel as for the live world. */
export function Replay({ run, onClose }: ReplayProps) {
  const stores = useStores();
  const [atMs, setAtMs] = useState(run.world_start_ms);
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState<number>(REPLAY_SPEEDS[1]);
  const { moment, shownMs, problem } = useMoment(run, atMs, speed);
  const recorded = useMemo(() => new DashboardStore(Date.now), []);
  const seen = useRef(new Set<number>());
  const sequence = useRef(0);

  useEffect(() => {
    if (moment === null) {
      return;
    }
    sequence.current += 1;
    const hello = helloOf(run, moment, sequence.current);
    const { payments } = hello.snapshot;
    const fresh = payments.filter((payment) => !seen.current.has(payment.payment_id));
    seen.current = new Set(payments.map((payment) => payment.payment_id));
    recorded.handlers.onHello(hello);
    recorded.handlers.onLive();
    recorded.show(fresh.slice(-20));
  }, [moment, recorded, run]);

  // The next step waits for the answer to the last one, however long that takes.
  useEffect(() => {
    if (!isPlaying || shownMs !== atMs) {
      return;
    }
    const next = nextMoment(run, atMs, speed);
    if (next === null) {
      setPlaying(false);
      return;
    }
    const timer = window.setTimeout(() => setAtMs(next), STEP_MS);
    return () => window.clearTimeout(timer);
  }, [isPlaying, shownMs, atMs, run, speed]);

  return (
    <StoresProvider stores={{ ...stores, dashboard: recorded, isReplay: true }}>
      <Section
        id="replay"
        title={`Replay of ${run.run_id}`}
        aside={
          <span className="ml-auto">
            <Button onClick={onClose}>close the replay</Button>
          </span>
        }
      >
        <Scrubber
          run={run}
          atMs={atMs}
          isPlaying={isPlaying}
          speed={speed}
          onMove={(wanted) => {
            setPlaying(false);
            setAtMs(clampMoment(run, wanted));
          }}
          onPlay={(wanted) => {
            if (wanted && atMs >= run.world_end_ms) {
              setAtMs(run.world_start_ms);
            }
            setPlaying(wanted);
          }}
          onSpeed={setSpeed}
        />
        {moment !== null && <Totals moment={moment} />}
        <div className="px-3">
          <Problem problem={problem} />
        </div>
      </Section>
      {moment !== null && (
        <div className="grid gap-2 lg:grid-cols-[minmax(0,1fr)_440px]" data-testid="replay">
          <div className="flex min-w-0 gap-2 lg:h-130">
            <NetworkGraph className="h-96 flex-1 lg:h-auto" />
            <ChannelPanel onClose={() => recorded.select({ channelId: null })} />
          </div>
          <ChannelTable isCompact className="lg:h-130" />
          <TransactionLog className="max-h-160 lg:col-span-2" />
        </div>
      )}
    </StoresProvider>
  );
}
