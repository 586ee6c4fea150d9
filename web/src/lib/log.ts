/** The rows of the transaction log: those that arrive live, and older or searched ones that the service keeps. */

import { useCallback, useEffect, useMemo, useState } from "react";
import type { PaymentPage } from "../api/learning";
import { cleanPayment } from "../api/parse";
import type { Payment } from "../api/types";
import { useDashboard, useRoute, useStores } from "../state/context";
import { rangeStartMs } from "../state/route";
import type { NameOf } from "./channels";
import { findPayments, type PaymentFilter } from "./search";
import { useResource } from "./service";

const PAGE = 100;
const REFRESH_MS = 2_000;

const FILTER_QUERY: Readonly<Record<PaymentFilter, { outcome?: string; kind?: string }>> = {
  all: {},
  succeeded: { outcome: "succeeded" },
  failed: { outcome: "failed" },
  rebalances: { kind: "rebalance" },
};

export interface Log {
  /** The newest first. */
  readonly payments: readonly Payment[];
  /** How many there are in all, as far as the service tells. */
  readonly total: number | null;
  readonly isLoading: boolean;
  readonly problem: string;
  /** Loads older ones; null when there are none. */
  readonly loadOlder: (() => void) | null;
}

/** The newer list and the older one, each payment once, the newest first. */
export function joined(newer: readonly Payment[], older: readonly Payment[]): readonly Payment[] {
  const known = new Set(newer.map((payment) => payment.payment_id));
  return [...newer, ...older.filter((payment) => !known.has(payment.payment_id))];
}

interface Older {
  readonly key: string;
  readonly payments: readonly Payment[];
  /** Undefined: nothing older was asked for yet. */
  readonly next: number | null | undefined;
  readonly isLoading: boolean;
  readonly problem: string;
}

const NOTHING_OLDER = { payments: [], next: undefined, isLoading: false, problem: "" } as const;
const NONE: readonly Payment[] = [];

/** Payments in the time range that pass the filter and match the words. */
export function useLog(filter: PaymentFilter, words: string, nameOf: NameOf): Log {
  const { dashboard, client, isReplay } = useStores();
  const { range } = useRoute();
  const kept = useDashboard((state) => state.world?.payments ?? NONE);
  const session = useDashboard((state) => state.world?.session ?? "");
  const hasFilter = filter !== "all" || words !== "";
  const isAsked = hasFilter && !isReplay && session !== "";

  // The range's beginning is fixed while a search stands, so that its pages fit together.
  const query = useMemo(() => {
    const worldMs = dashboard.get().world?.stats.world_ms ?? 0;
    const start = rangeStartMs(range, worldMs);
    return {
      limit: PAGE,
      search: words,
      ...FILTER_QUERY[filter],
      since_ms: start === null ? null : Math.max(0, Math.floor(start)),
    };
  }, [dashboard, range, words, filter]);

  const first = useResource<PaymentPage>(isAsked ? "/transactions" : null, query, { everyMs: REFRESH_MS });
  const key = `${session} ${JSON.stringify(query)}`;
  const [older, setOlder] = useState<Older>({ key, ...NOTHING_OLDER });
  useEffect(() => setOlder({ key, ...NOTHING_OLDER }), [key]);

  const newest = useMemo(() => {
    if (isAsked) {
      return (first.value?.payments ?? []).map(cleanPayment);
    }
    const start = rangeStartMs(range, dashboard.get().world?.stats.world_ms ?? 0) ?? Number.NEGATIVE_INFINITY;
    const found = findPayments(kept, filter, words, nameOf);
    return isReplay ? found : found.filter((payment) => payment.started_ms >= start);
  }, [isAsked, isReplay, first.value, kept, filter, words, nameOf, range, dashboard]);

  const before =
    older.next !== undefined
      ? older.next
      : isAsked
        ? (first.value?.next_before ?? null)
        : newest.at(-1)?.payment_id;
  const loadOlder = useCallback(async () => {
    setOlder((last) => ({ ...last, isLoading: true, problem: "" }));
    try {
      const page = await client.read<PaymentPage>("/transactions", { ...query, before: before ?? null });
      setOlder((last) =>
        last.key === key
          ? {
              ...last,
              payments: [...last.payments, ...page.payments.map(cleanPayment)],
              next: page.next_before,
              isLoading: false,
            }
          : last,
      );
    } catch (error) {
      setOlder((last) => ({
        ...last,
        isLoading: false,
        problem: error instanceof Error ? error.message : "",
      }));
    }
  }, [client, query, before, key]);

  const payments = useMemo(() => joined(newest, older.payments), [newest, older.payments]);
  const mayHaveOlder = !isReplay && before !== null && before !== undefined && payments.length > 0;
  return {
    payments,
    total: isAsked ? (first.value?.total ?? null) : null,
    isLoading: (isAsked && first.value === null && first.problem === null) || older.isLoading,
    problem: first.problem?.message ?? older.problem,
    loadOlder: mayHaveOlder ? loadOlder : null,
  };
}
