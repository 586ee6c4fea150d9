import { useMemo } from "react";
import type { Remedy, RemedyEffect, RemedyReport } from "../api/node";
import { formatClock } from "../lib/format";
import { remedyWords } from "../lib/remedies";
import { useResource } from "../lib/service";
import { Amount } from "./Amount";
import { type DataColumn, DataTable } from "./DataTable";
import { Problem } from "./Problem";
import { Section } from "./Section";

const DAYS = 90;
const REFRESH_MS = 300_000;

interface Row {
  readonly key: string;
  readonly remedy: Remedy;
  /** Null while it is too young to tell. */
  readonly effect: RemedyEffect | null;
}

function Pair({ before, after }: { readonly before: number; readonly after: number }) {
  return (
    <>
      <Amount msat={before} precise bare /> → <Amount msat={after} precise />
    </>
  );
}

function Change({ effect }: { readonly effect: RemedyEffect }) {
  return (
    <>
      <Amount msat={effect.change_msat_per_day} precise />
      <span className="block text-12 text-ink-2">
        <Amount msat={effect.lower_msat_per_day} bare /> … <Amount msat={effect.upper_msat_per_day} bare />
      </span>
    </>
  );
}

const YOUNG = <span className="text-ink-3">too young</span>;

const COLUMNS: readonly DataColumn<Row>[] = [
  {
    key: "time",
    label: "Seen",
    title: "When it was seen, UTC",
    className: "w-48",
    origin: "observed",
    value: ({ remedy }) => remedy.at_ms,
    show: ({ remedy }) => {
      const { date, time } = formatClock(remedy.at_ms);
      return `${date} ${time}`;
    },
  },
  {
    key: "channel",
    label: "Channel",
    title: "For which channel it was done",
    className: "w-40",
    value: ({ remedy }) => remedy.channel_id,
    show: ({ remedy }) => remedy.channel_id,
  },
  {
    key: "what",
    label: "What was done",
    title: "By you or any program",
    value: ({ remedy }) => remedy.kind,
    show: ({ remedy }) => remedyWords(remedy),
  },
  {
    key: "cost",
    label: "Cost",
    title: "Fees of the rebalances; unknown for a channel",
    isRight: true,
    className: "w-28",
    origin: "observed",
    value: ({ remedy }) => remedy.cost_msat,
    show: ({ remedy }) =>
      remedy.cost_msat === null ? (
        <span className="text-ink-3">unknown</span>
      ) : (
        <Amount msat={remedy.cost_msat} precise />
      ),
  },
  {
    key: "earned",
    label: "Earned a day",
    title: "By the channel, before and after, per day that was seen",
    isRight: true,
    className: "w-44",
    origin: "observed",
    value: ({ effect }) => effect?.earned_after_msat_per_day ?? null,
    show: ({ effect }) =>
      effect === null ? (
        YOUNG
      ) : (
        <Pair before={effect.earned_before_msat_per_day} after={effect.earned_after_msat_per_day} />
      ),
  },
  {
    key: "change",
    label: "Change",
    title: "With 80 % of the chance with which payments come",
    isRight: true,
    className: "w-36",
    origin: "estimated",
    value: ({ effect }) => effect?.change_msat_per_day ?? null,
    show: ({ effect }) => (effect === null ? YOUNG : <Change effect={effect} />),
  },
  {
    key: "missed",
    label: "Missed a day",
    title: "Expected, before and after",
    isRight: true,
    className: "w-44",
    origin: "estimated",
    value: ({ effect }) => effect?.missed_after_msat_per_day ?? null,
    show: ({ effect }) =>
      effect === null ? (
        YOUNG
      ) : (
        <Pair before={effect.missed_before_msat_per_day} after={effect.missed_after_msat_per_day} />
      ),
  },
  {
    key: "others",
    label: "Others earned a day",
    title: "The node's other channels: what changed there was not the remedy",
    isRight: true,
    className: "w-44",
    origin: "observed",
    value: ({ effect }) => effect?.others_after_msat_per_day ?? null,
    show: ({ effect }) =>
      effect === null ? (
        YOUNG
      ) : (
        <Pair before={effect.others_before_msat_per_day} after={effect.others_after_msat_per_day} />
      ),
  },
];

function rowOf(remedy: Remedy, effect: RemedyEffect | null): Row {
  return { key: `${remedy.at_ms} ${remedy.channel_id} ${remedy.kind}`, remedy, effect };
}

/** What was done for channels, by whomever, with the days before and after it. */
export function Remedies() {
  const { value, problem } = useResource<RemedyReport>("/remedies", { days: DAYS }, { everyMs: REFRESH_MS });
  const rows = useMemo(
    () =>
      value === null
        ? []
        : [
            ...value.too_young.map((remedy) => rowOf(remedy, null)),
            ...value.effects.map((effect) => rowOf(effect, effect)),
          ],
    [value],
  );
  return (
    <Section id="remedies" title="What was done, and what it brought">
      <div className="px-3">
        <Problem problem={problem} />
      </div>
      {rows.length === 0 ? (
        <p className="p-3 text-ink-2" data-testid="no-remedies">
          {value === null
            ? "Reading…"
            : `Nothing was seen to be done for a channel in ${DAYS} days. Fees that are changed, max_htlc that is raised, channels that are added and circular rebalances are seen, whoever does them.`}
        </p>
      ) : (
        <>
          <p className="px-3 py-1 text-12 text-ink-2">
            Up to a week before and after. That proves no cause: see what the other channels did meanwhile.
          </p>
          <DataTable
            label="Remedies and their effects"
            testId="remedy-rows"
            columns={COLUMNS}
            rows={rows}
            keyOf={({ key }) => key}
            className="min-w-240"
          />
        </>
      )}
    </Section>
  );
}
