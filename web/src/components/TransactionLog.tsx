import { memo, useMemo, useState } from "react";
import type { Payment } from "../api/types";
import { type NameOf, namesOf } from "../lib/channels";
import type { Cell } from "../lib/csv";
import { describeFailure } from "../lib/failure";
import { formatInteger } from "../lib/format";
import { ROOMY, useMediaQuery, useSettled } from "../lib/hooks";
import { type Log, useLog } from "../lib/log";
import { useIsWatched } from "../lib/mode";
import type { PaymentFilter } from "../lib/search";
import { useDashboard, useStores } from "../state/context";
import { Button } from "./Button";
import { CsvButton } from "./CsvButton";
import { PaymentCard, PaymentRow } from "./PaymentRow";
import { Provenance } from "./Provenance";
import { Scrollable } from "./Scrollable";
import { SearchField } from "./SearchField";
import { Empty, Section } from "./Section";
import { Segmented } from "./Segmented";

const TYPING_MS = 250;

interface Wording {
  readonly title: string;
  readonly one: string;
  readonly filters: readonly { readonly value: PaymentFilter; readonly label: string }[];
  /** Heads the last column. */
  readonly about: string;
  readonly empty: string;
}

const OF_NETWORK: Wording = {
  title: "Transactions",
  one: "transaction",
  filters: [
    { value: "all", label: "all" },
    { value: "succeeded", label: "succeeded" },
    { value: "failed", label: "failed" },
    { value: "rebalances", label: "rebalances" },
  ],
  about: "Description",
  empty:
    "No payments yet in this time range. Each one appears here, with its cause if it fails, as soon as it ends.",
};
const OF_NODE: Wording = {
  title: "Forwards",
  one: "forward",
  filters: [
    { value: "all", label: "all" },
    { value: "succeeded", label: "forwarded" },
    { value: "failed", label: "failed" },
  ],
  about: "By channel",
  empty:
    "No forwards yet in this time range. What the node is asked to forward appears here as soon as it ends, with its cause if it was refused.",
};

const COLUMNS: readonly (readonly [label: string, className: string, isObserved: boolean])[] = [
  ["Time", "w-24 text-left", true],
  ["From → to", "w-50 text-left", false],
  ["Amount", "w-29 text-right", true],
  ["Fee", "w-28 text-right", true],
  ["Result", "text-left", false],
  ["Hops", "w-14 text-right", false],
  ["Took", "w-20 text-right", true],
];

interface ListProps {
  readonly about: string;
  readonly payments: readonly Payment[];
  readonly nameOf: NameOf;
  readonly selectedId: number | null;
  readonly onToggle: (payment: Payment) => void;
}

const Table = memo(function Table({ about, payments, nameOf, selectedId, onToggle }: ListProps) {
  return (
    <table
      className="w-full min-w-220 table-fixed border-separate border-spacing-0"
      data-testid="payments"
      data-list=""
    >
      <thead className="sticky top-0 z-10 bg-surface">
        <tr>
          {COLUMNS.map(([label, className, isObserved]) => (
            <th
              key={label}
              scope="col"
              className={`border-b border-line px-3 py-1 text-12 font-medium text-ink-2 ${className}`}
            >
              {label}
              {isObserved && <Provenance />}
            </th>
          ))}
          <th
            scope="col"
            className="w-50 border-b border-line px-3 py-1 text-left text-12 font-medium text-ink-2"
          >
            {about}
          </th>
        </tr>
      </thead>
      <tbody>
        {payments.map((payment) => (
          <PaymentRow
            key={payment.payment_id}
            payment={payment}
            nameOf={nameOf}
            isSelected={payment.payment_id === selectedId}
            onToggle={onToggle}
            columns={COLUMNS.length + 1}
          />
        ))}
      </tbody>
    </table>
  );
});

const Cards = memo(function Cards({ payments, nameOf, selectedId, onToggle }: ListProps) {
  return (
    <ul data-testid="payments" data-list="">
      {payments.map((payment) => (
        <PaymentCard
          key={payment.payment_id}
          payment={payment}
          nameOf={nameOf}
          isSelected={payment.payment_id === selectedId}
          onToggle={onToggle}
        />
      ))}
    </ul>
  );
});

interface NothingProps {
  readonly wording: Wording;
  readonly isLoaded: boolean;
  readonly log: Log;
  readonly hasFilter: boolean;
  readonly onClear: () => void;
}

function Nothing({ wording, isLoaded, log, hasFilter, onClear }: NothingProps) {
  if (!isLoaded || log.isLoading) {
    return <Empty>{isLoaded ? "Searching…" : "Waiting for the network…"}</Empty>;
  }
  if (log.problem !== "") {
    return (
      <Empty>
        The {wording.one}s could not be read: {log.problem}.
      </Empty>
    );
  }
  if (!hasFilter) {
    return <Empty>{wording.empty}</Empty>;
  }
  return (
    <Empty>
      <span>
        No {wording.one} of this time range matches. <Button onClick={onClear}>show all</Button>
      </span>
    </Empty>
  );
}

const CSV_HEAD = [
  "payment_id",
  "kind",
  "started_ms",
  "duration_ms",
  "sender_id",
  "sender",
  "receiver_id",
  "receiver",
  "amount_msat",
  "fee_msat",
  "succeeded",
  "outcome",
  "cause",
  "attempts",
  "route_channel_ids",
  "description",
];

function csvRow(payment: Payment, nameOf: NameOf): readonly Cell[] {
  return [
    payment.payment_id,
    payment.kind,
    payment.started_ms,
    payment.duration_ms,
    payment.sender_id,
    payment.sender_name,
    payment.receiver_id,
    payment.receiver_name,
    payment.amount_msat,
    payment.fee_msat,
    payment.succeeded,
    payment.outcome,
    payment.succeeded ? null : describeFailure(payment, nameOf),
    payment.attempts,
    payment.route_channel_ids.join(" "),
    payment.description,
  ];
}

function countText(log: Log): string {
  const shown = formatInteger(log.payments.length);
  return log.total === null ? shown : `${shown} of ${formatInteger(log.total)}`;
}

export function TransactionLog({ className = "" }: { readonly className?: string }) {
  const { dashboard } = useStores();
  const nodes = useDashboard((state) => state.world?.nodes);
  const isLoaded = useDashboard((state) => state.world !== null);
  const selectedId = useDashboard((state) => state.selection.payment?.payment_id ?? null);
  const [filter, setFilter] = useState<PaymentFilter>("all");
  const [query, setQuery] = useState("");
  const words = useSettled(query.trim(), TYPING_MS);
  const isRoomy = useMediaQuery(ROOMY);
  const wording = useIsWatched() ? OF_NODE : OF_NETWORK;
  const nameOf = useMemo(() => namesOf(nodes ?? new Map()), [nodes]);
  const log = useLog(filter, words, nameOf);
  const toggle = useMemo(
    () => (payment: Payment) => {
      const isOpen = dashboard.get().selection.payment?.payment_id === payment.payment_id;
      dashboard.select({ payment: isOpen ? null : payment });
    },
    [dashboard],
  );
  const clear = () => {
    setQuery("");
    setFilter("all");
  };
  const list = { about: wording.about, payments: log.payments, nameOf, selectedId, onToggle: toggle };
  const older = log.loadOlder !== null && (
    <p className="p-2 text-center">
      <Button onClick={log.loadOlder} disabled={log.isLoading}>
        {log.isLoading ? "reading…" : "older"}
      </Button>
    </p>
  );
  return (
    <Section
      id="transactions"
      title={wording.title}
      className={className}
      aside={
        <>
          <span className="text-12 text-ink-3" data-testid="payment-count">
            {countText(log)}
          </span>
          <div className="flex min-w-0 flex-wrap items-center gap-2 md:ml-auto">
            <Segmented
              legend="Which transactions"
              name="payment-filter"
              options={wording.filters}
              value={filter}
              onChange={setFilter}
            />
            <SearchField label="Search transactions" value={query} onChange={setQuery} />
            <CsvButton
              name="transactions"
              head={CSV_HEAD}
              rows={() => log.payments.map((payment) => csvRow(payment, nameOf))}
            />
          </div>
        </>
      }
    >
      {log.payments.length === 0 ? (
        <Nothing
          wording={wording}
          isLoaded={isLoaded}
          log={log}
          hasFilter={filter !== "all" || query !== ""}
          onClear={clear}
        />
      ) : isRoomy ? (
        <Scrollable label="Transaction rows">
          <Table {...list} />
          {older}
        </Scrollable>
      ) : (
        <div className="max-h-[70dvh] overflow-auto">
          <Cards {...list} />
          {older}
        </div>
      )}
    </Section>
  );
}
