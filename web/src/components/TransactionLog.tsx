import { memo, type RefObject, useDeferredValue, useMemo, useState } from "react";
import type { Payment } from "../api/types";
import { type NameOf, namesOf } from "../lib/channels";
import { formatInteger } from "../lib/format";
import { ROOMY, useMediaQuery } from "../lib/hooks";
import { findPayments, type PaymentFilter } from "../lib/search";
import { useDashboard, useStores } from "../state/context";
import { PaymentCard, PaymentRow } from "./PaymentRow";
import { Scrollable } from "./Scrollable";
import { Empty, Section } from "./Section";
import { Segmented } from "./Segmented";

const FILTER_OPTIONS = [
  { value: "all", label: "all" },
  { value: "succeeded", label: "succeeded" },
  { value: "failed", label: "failed" },
  { value: "rebalances", label: "rebalances" },
] as const;

const COLUMNS: readonly (readonly [string, string])[] = [
  ["Time", "w-24 text-left"],
  ["From → to", "w-50 text-left"],
  ["Amount", "w-29 text-right"],
  ["Fee", "w-28 text-right"],
  ["Result", "text-left"],
  ["Hops", "w-14 text-right"],
  ["Took", "w-20 text-right"],
  ["Description", "w-34 text-left"],
];

interface ListProps {
  readonly payments: readonly Payment[];
  readonly nameOf: NameOf;
  readonly selectedId: number | null;
  readonly onToggle: (paymentId: number) => void;
}

const Table = memo(function Table({ payments, nameOf, selectedId, onToggle }: ListProps) {
  return (
    <table className="w-full min-w-220 table-fixed border-separate border-spacing-0" data-testid="payments">
      <thead className="sticky top-0 z-10 bg-surface">
        <tr>
          {COLUMNS.map(([label, className]) => (
            <th
              key={label}
              scope="col"
              className={`border-b border-line px-3 py-1 text-12 font-medium text-ink-2 ${className}`}
            >
              {label}
            </th>
          ))}
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
            columns={COLUMNS.length}
          />
        ))}
      </tbody>
    </table>
  );
});

const Cards = memo(function Cards({ payments, nameOf, selectedId, onToggle }: ListProps) {
  return (
    <ul data-testid="payments">
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
  readonly isLoaded: boolean;
  readonly hasPayments: boolean;
  readonly onClear: () => void;
}

function Nothing({ isLoaded, hasPayments, onClear }: NothingProps) {
  if (!isLoaded) {
    return <Empty>Waiting for the network…</Empty>;
  }
  if (!hasPayments) {
    return (
      <Empty>No payments yet. Each one appears here, with its cause if it fails, as soon as it ends.</Empty>
    );
  }
  return (
    <Empty>
      <span>
        No transaction on this page matches.{" "}
        <button type="button" className="rounded-sm border border-line px-2 text-12" onClick={onClear}>
          show all
        </button>
      </span>
    </Empty>
  );
}

interface TransactionLogProps {
  readonly className: string;
  readonly searchRef: RefObject<HTMLInputElement | null>;
}

export function TransactionLog({ className, searchRef }: TransactionLogProps) {
  const { dashboard } = useStores();
  const nodes = useDashboard((state) => state.world?.nodes);
  const payments = useDashboard((state) => state.world?.payments);
  const selectedId = useDashboard((state) => state.selection.paymentId);
  const [filter, setFilter] = useState<PaymentFilter>("all");
  const [query, setQuery] = useState("");
  const wanted = useDeferredValue(query);
  const isRoomy = useMediaQuery(ROOMY);
  const nameOf = useMemo(() => namesOf(nodes ?? new Map()), [nodes]);
  const found = useMemo(
    () => findPayments(payments ?? [], filter, wanted, nameOf),
    [payments, filter, wanted, nameOf],
  );
  const toggle = useMemo(
    () => (paymentId: number) =>
      dashboard.select({ paymentId: dashboard.get().selection.paymentId === paymentId ? null : paymentId }),
    [dashboard],
  );
  const clear = () => {
    setQuery("");
    setFilter("all");
  };
  const list = { payments: found, nameOf, selectedId, onToggle: toggle };
  return (
    <Section
      id="transactions"
      title="Transactions"
      className={className}
      aside={
        <>
          <span className="text-12 text-ink-3" data-testid="payment-count">
            {formatInteger(found.length)} of the last {formatInteger(payments?.length ?? 0)}
          </span>
          <div className="flex min-w-0 flex-wrap gap-2 md:ml-auto">
            <Segmented
              legend="Which transactions"
              name="payment-filter"
              options={FILTER_OPTIONS}
              value={filter}
              onChange={setFilter}
            />
            <input
              ref={searchRef}
              type="search"
              aria-label="Search transactions"
              placeholder="search   /"
              className="w-48 max-w-full rounded-sm border border-line bg-ground px-2 text-12 leading-6 placeholder:text-ink-3"
              value={query}
              onChange={(event) => setQuery(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === "Escape") {
                  setQuery("");
                  event.currentTarget.blur();
                }
              }}
            />
          </div>
        </>
      }
    >
      {found.length === 0 ? (
        <Nothing
          isLoaded={payments !== undefined}
          hasPayments={(payments?.length ?? 0) > 0}
          onClear={clear}
        />
      ) : isRoomy ? (
        <Scrollable label="Transaction rows">
          <Table {...list} />
        </Scrollable>
      ) : (
        <Cards {...list} />
      )}
    </Section>
  );
}
