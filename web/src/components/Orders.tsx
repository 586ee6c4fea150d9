import { useMemo, useState } from "react";
import type { RebalanceDone, RebalanceReport } from "../api/learning";
import { formatInteger } from "../lib/format";
import { paceOf, useThrottled } from "../lib/hooks";
import { useOrder } from "../lib/service";
import { useDashboard } from "../state/context";
import { Amount } from "./Amount";
import { Button } from "./Button";
import { Problem } from "./Problem";
import { Section } from "./Section";

function Done({ change }: { readonly change: RebalanceDone }) {
  return (
    <li className="wrap-anywhere">
      {change.executed ? (
        <span className="text-success">✓ moved </span>
      ) : (
        <span className="text-failure">✕ not moved </span>
      )}
      <Amount msat={change.amount_sat * 1000} /> of {change.from_node} over its channel with {change.to_node}
      {change.executed ? (
        <>
          , cost <Amount msat={change.fee_msat} precise />
        </>
      ) : (
        <span className="text-ink-2">: {change.refusal ?? change.reason}</span>
      )}
    </li>
  );
}

function Report({ report }: { readonly report: RebalanceReport }) {
  return (
    <div className="mt-2 text-12" role="status" data-testid="order-report">
      <ul>
        {report.changes.map((change) => (
          <Done key={`${change.plan_id} ${change.from_node} ${change.to_node}`} change={change} />
        ))}
      </ul>
      {report.reason !== "" && <p className="text-ink-2 wrap-anywhere">{report.reason}</p>}
      {report.changes.length === 0 && report.reason === "" && (
        <p className="text-ink-2">Nothing was changed.</p>
      )}
    </div>
  );
}

/** The rebalancer that needs no model. */
function Baseline() {
  const { isBusy, problem, send } = useOrder<RebalanceReport>();
  const [isAsked, setAsked] = useState(false);
  const [report, setReport] = useState<RebalanceReport | null>(null);
  const run = async () => {
    setReport(await send("POST", "/baseline", {}, "run the baseline rebalancer"));
    setAsked(false);
  };
  return (
    <div className="border-b border-line px-3 py-2">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <div className="min-w-0 flex-1 basis-60">
          <div>Baseline</div>
          <div className="text-12 text-ink-3">
            Moves each of its target channels towards a fixed share, node by node. It needs no model and makes
            no prediction.
          </div>
        </div>
        {!isAsked && <Button onClick={() => setAsked(true)}>run the baseline…</Button>}
      </div>
      {isAsked && (
        <div className="mt-2 rounded-sm border border-line bg-ground p-2">
          <p className="text-12 text-ink-2">
            Now, once, every node named in its targets sends circular payments until its channels are near
            their targets or it finds no more way. Each pays fees and cannot be undone; the service reports
            channel by channel.
          </p>
          <div className="mt-2 flex gap-2">
            <Button look="accent" disabled={isBusy} onClick={run}>
              {isBusy ? "running…" : "run it now"}
            </Button>
            <Button disabled={isBusy} onClick={() => setAsked(false)}>
              not now
            </Button>
          </div>
        </div>
      )}
      <Problem problem={problem} />
      {report !== null && <Report report={report} />}
    </div>
  );
}

interface Draft {
  readonly from: string;
  readonly to: string;
  readonly amount: string;
}

function usePeers() {
  const nodes = useDashboard((state) => state.world?.nodes);
  const latest = useDashboard((state) => state.world?.channels);
  const channels = useThrottled(latest, paceOf(latest?.size ?? 0));
  return useMemo(() => {
    const peers = new Map<string, Set<string>>();
    for (const channel of channels?.values() ?? []) {
      const first = nodes?.get(channel.node1_id)?.name;
      const second = nodes?.get(channel.node2_id)?.name;
      if (first !== undefined && second !== undefined) {
        peers.set(first, (peers.get(first) ?? new Set()).add(second));
        peers.set(second, (peers.get(second) ?? new Set()).add(first));
      }
    }
    return peers;
  }, [nodes, channels]);
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly string[];
  readonly onChange: (value: string) => void;
}

function Choice({ label, value, options, onChange }: ChoiceProps) {
  return (
    <label className="text-12 text-ink-2">
      {label}
      <select
        aria-label={label}
        className="ml-2 max-w-40 rounded-sm border border-line bg-ground px-1 text-12 leading-6 text-ink"
        value={value}
        onChange={(event) => onChange(event.target.value)}
      >
        <option value="">choose</option>
        {options.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** One circular payment of the reader's own choosing; planned first. */
function OwnOrder() {
  const peers = usePeers();
  const { isBusy, problem, send } = useOrder<RebalanceReport>();
  const [draft, setDraft] = useState<Draft>({ from: "", to: "", amount: "" });
  const [isAsked, setAsked] = useState(false);
  const [report, setReport] = useState<RebalanceReport | null>(null);
  const amountSat = Number(draft.amount);
  const isWhole = draft.from !== "" && draft.to !== "" && Number.isInteger(amountSat) && amountSat > 0;
  const edit = (change: Partial<Draft>) => {
    setDraft({ ...draft, ...change });
    setAsked(false);
    setReport(null);
  };
  const run = async () => {
    const body = { from_node: draft.from, to_node: draft.to, amount_sat: amountSat };
    setReport(
      await send("POST", "/rebalances", body, `move ${formatInteger(amountSat)} sat of ${draft.from}`),
    );
    setAsked(false);
  };
  return (
    <form
      className="px-3 py-2"
      aria-label="A rebalance of your own"
      onSubmit={(event) => {
        event.preventDefault();
        setAsked(isWhole);
      }}
    >
      <div>Your own</div>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 pt-1">
        <Choice
          label="Node"
          value={draft.from}
          options={[...peers.keys()].toSorted()}
          onChange={(from) => edit({ from, to: "" })}
        />
        <Choice
          label="out over its channel with"
          value={draft.to}
          options={[...(peers.get(draft.from) ?? [])].toSorted()}
          onChange={(to) => edit({ to })}
        />
        <label className="text-12 text-ink-2">
          amount
          <input
            type="number"
            min={1}
            step={1}
            className="mx-2 w-28 rounded-sm border border-line bg-ground px-2 text-right text-12 leading-6 text-ink"
            value={draft.amount}
            onChange={(event) => edit({ amount: event.target.value })}
          />
          sat
        </label>
        <button
          type="submit"
          disabled={!isWhole || isBusy}
          className="rounded-sm border border-line px-2 text-12 leading-6 text-ink-2 hover:text-ink disabled:opacity-60"
        >
          plan…
        </button>
      </div>
      {isAsked && (
        <div className="mt-2 rounded-sm border border-line bg-ground p-2" data-testid="own-plan">
          <p className="text-12 text-ink-2">
            {draft.from} pays itself <Amount msat={amountSat * 1000} />: out over its channel with {draft.to},
            which falls by that amount and the fee, and back in over another of its channels, which the
            service chooses. No gain is predicted for it. It cannot be undone.
          </p>
          <div className="mt-2 flex gap-2">
            <Button look="accent" disabled={isBusy} onClick={run}>
              {isBusy ? "under way…" : "do it"}
            </Button>
            <Button disabled={isBusy} onClick={() => setAsked(false)}>
              not now
            </Button>
          </div>
        </div>
      )}
      <Problem problem={problem} />
      {report !== null && <Report report={report} />}
    </form>
  );
}

/** What the reader can order without the learner. */
export function Orders({ className = "" }: { readonly className?: string }) {
  return (
    <Section id="orders" title="Rebalance by hand" className={className}>
      <Baseline />
      <OwnOrder />
    </Section>
  );
}
