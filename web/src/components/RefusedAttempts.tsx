import { useMemo } from "react";
import type { RefusedAttempt } from "../api/node";
import { formatClock, formatInteger } from "../lib/format";
import { causeWords, retries, shortfallMsat } from "../lib/missed";
import { useResource } from "../lib/service";
import { Amount } from "./Amount";
import { type DataColumn, DataTable } from "./DataTable";
import { Problem } from "./Problem";

const MOST = 200;
const REFRESH_MS = 30_000;

interface Row {
  readonly key: string;
  readonly attempt: RefusedAttempt;
  /** How many of the listed ones are taken for the same payment; 1: none other. */
  readonly together: number;
}

function Spendable({ attempt }: { readonly attempt: RefusedAttempt }) {
  const short = shortfallMsat(attempt);
  if (attempt.outgoing_spendable_msat === null) {
    return <span className="text-ink-3">not looked at</span>;
  }
  return (
    <>
      <Amount msat={attempt.outgoing_spendable_msat} />
      {short !== null && (
        <span className="block text-12 text-warning">
          short by <Amount msat={short} />
        </span>
      )}
    </>
  );
}

function SamePayment({ row }: { readonly row: Row }) {
  return row.together === 1 ? (
    <span className="text-ink-3">single</span>
  ) : (
    <span className="text-accent">
      № {formatInteger(row.attempt.payment)}, {formatInteger(row.together)} attempts
    </span>
  );
}

const COLUMNS: readonly DataColumn<Row>[] = [
  {
    key: "time",
    label: "Time",
    title: "When it was refused, UTC",
    className: "w-52",
    origin: "observed",
    value: ({ attempt }) => attempt.began_ms,
    show: ({ attempt }) => {
      const { date, time } = formatClock(attempt.began_ms);
      return `${date} ${time}`;
    },
  },
  {
    key: "from",
    label: "From",
    title: "The peer and the channel that it came by",
    value: ({ attempt }) => attempt.incoming_peer,
    show: ({ attempt }) => (
      <>
        {attempt.incoming_peer} <span className="text-12 text-ink-3">{attempt.incoming_channel_id}</span>
      </>
    ),
  },
  {
    key: "amount",
    label: "Amount",
    title: "What was to be sent on",
    isRight: true,
    className: "w-32",
    origin: "observed",
    value: ({ attempt }) => attempt.amount_msat,
    show: ({ attempt }) => <Amount msat={attempt.amount_msat} />,
  },
  {
    key: "fee",
    label: "Fee offered",
    title: "What it would have paid",
    isRight: true,
    className: "w-28",
    origin: "observed",
    value: ({ attempt }) => attempt.fee_msat,
    show: ({ attempt }) => <Amount msat={attempt.fee_msat} precise />,
  },
  {
    key: "cause",
    label: "Cause",
    title: "Why the node refused it",
    className: "w-40",
    value: ({ attempt }) => attempt.cause,
    show: ({ attempt }) => <span title={causeWords(attempt.cause)}>{attempt.cause}</span>,
  },
  {
    key: "spendable",
    label: "Could send",
    title: "What all channels with this peer together could have sent at that moment, as last looked at",
    isRight: true,
    className: "w-44",
    origin: "observed",
    value: ({ attempt }) => attempt.outgoing_spendable_msat,
    show: ({ attempt }) => <Spendable attempt={attempt} />,
  },
  {
    key: "payment",
    label: "Same payment",
    title:
      "Attempts that are taken for one payment: the same pair of peers, soon after, of equal or halved amount",
    className: "w-40",
    origin: "estimated",
    value: ({ attempt, together }) => (together === 1 ? 0 : attempt.payment),
    show: (row) => <SamePayment row={row} />,
  },
];

interface RefusedAttemptsProps {
  readonly channelId: string;
  readonly hours: number;
  /** Null: the watched node. */
  readonly labNodeId: string | null;
}

/** What was refused towards one channel, HTLC by HTLC. */
export function RefusedAttempts({ channelId, hours, labNodeId }: RefusedAttemptsProps) {
  const path = `/missed/${encodeURIComponent(channelId)}`;
  const { value, problem } = useResource<readonly RefusedAttempt[]>(
    path,
    { hours, limit: MOST, node: labNodeId },
    { everyMs: REFRESH_MS },
  );
  const rows = useMemo(() => {
    const counts = retries(value ?? []);
    return (value ?? []).map(
      (attempt, index): Row => ({
        key: `${attempt.began_ms} ${attempt.incoming_channel_id} ${attempt.amount_msat} ${index}`,
        attempt,
        together: counts.get(attempt.payment) ?? 1,
      }),
    );
  }, [value]);
  return (
    <div data-testid="refused-attempts" className="rounded-sm border border-line bg-surface">
      <Problem problem={problem} />
      {value === null ? (
        problem === null && <p className="p-3 text-ink-2">Reading…</p>
      ) : rows.length === 0 ? (
        <p className="p-3 text-ink-2">Nothing was refused at this channel in this time.</p>
      ) : (
        <>
          <p className="px-2 py-1 text-12 text-ink-2">
            {rows.length === MOST ? `the newest ${formatInteger(MOST)}` : formatInteger(rows.length)} refused
            attempts, the newest first
          </p>
          <div className="flex max-h-80 flex-col">
            <DataTable
              label={`Refused attempts at ${channelId}`}
              testId="attempt-rows"
              columns={COLUMNS}
              rows={rows}
              keyOf={({ key }) => key}
              className="min-w-240"
            />
          </div>
        </>
      )}
    </div>
  );
}
