import type { ReactNode } from "react";
import type { Effect } from "../api/learning";
import type { Cell } from "../lib/csv";
import { effectTotals } from "../lib/effects";
import { formatClock, formatInteger, formatProbability, formatSpan } from "../lib/format";
import { ROOMY, useMediaQuery } from "../lib/hooks";
import type { Resource } from "../lib/service";
import { useDashboard, useRoute } from "../state/context";
import { rangeStartMs } from "../state/route";
import { Amount } from "./Amount";
import { CsvButton } from "./CsvButton";
import { Gain } from "./Gain";
import { Problem } from "./Problem";
import { Provenance } from "./Provenance";
import { Scrollable } from "./Scrollable";
import { Empty, Section } from "./Section";

function Realised({ effect, worldMs }: { readonly effect: Effect; readonly worldMs: number }) {
  if (effect.realised_gain_msat !== null) {
    return <Gain msat={effect.realised_gain_msat} />;
  }
  if (effect.status === "failed") {
    return <span className="text-ink-3">nothing moved</span>;
  }
  return (
    <span className="text-ink-3">
      {effect.due_ms > worldMs ? `in ${formatSpan(effect.due_ms - worldMs)}` : "not known"}
    </span>
  );
}

function Predicted({ effect }: { readonly effect: Effect }) {
  if (effect.predicted_gain_msat === null) {
    return <span className="text-ink-3">none made</span>;
  }
  return (
    <>
      <Gain msat={effect.predicted_gain_msat} />
      {effect.predicted_low_msat !== null && effect.predicted_high_msat !== null && (
        <span className="block text-12 text-ink-3">
          <Gain msat={effect.predicted_low_msat} bare /> … <Gain msat={effect.predicted_high_msat} bare />
        </span>
      )}
    </>
  );
}

function BeforeAfter({ pair }: { readonly pair: readonly [number, number] | null }) {
  return pair === null ? (
    <span className="text-ink-3">not read</span>
  ) : (
    <>
      <Amount msat={pair[0]} bare /> <span className="text-ink-3">→</span> <Amount msat={pair[1]} bare />
    </>
  );
}

function Status({ effect }: { readonly effect: Effect }) {
  return effect.status === "succeeded" ? (
    <span className="text-success">✓ moved</span>
  ) : (
    <span className="text-failure">✕ failed</span>
  );
}

interface Column {
  readonly label: string;
  readonly className: string;
  readonly origin?: "observed" | "estimated";
  readonly show: (effect: Effect, worldMs: number) => ReactNode;
}

const COLUMNS: readonly Column[] = [
  {
    label: "Time",
    className: "w-48 text-left",
    show: ({ world_ms }) => `${formatClock(world_ms).date} ${formatClock(world_ms).time}`,
  },
  { label: "By", className: "w-24 text-left", show: ({ author }) => author },
  {
    label: "Out → back",
    className: "w-56 text-left",
    show: ({ from_node, to_node, back_from_node }) => `${from_node} → ${to_node} … ${back_from_node}`,
  },
  {
    label: "Amount",
    className: "w-28 text-right",
    show: ({ amount_sat }) => <Amount msat={amount_sat * 1000} />,
  },
  { label: "Result", className: "w-22 text-left", show: (effect) => <Status effect={effect} /> },
  {
    label: "Cost",
    className: "w-24 text-right",
    origin: "observed",
    show: ({ fee_msat }) => <Amount msat={fee_msat} precise />,
  },
  {
    label: "Outgoing",
    className: "w-40 text-right",
    origin: "observed",
    show: ({ outgoing_local_msat }) => <BeforeAfter pair={outgoing_local_msat} />,
  },
  {
    label: "Incoming",
    className: "w-40 text-right",
    origin: "observed",
    show: ({ incoming_local_msat }) => <BeforeAfter pair={incoming_local_msat} />,
  },
  {
    label: "Predicted",
    className: "w-44 text-right",
    origin: "estimated",
    show: (effect) => <Predicted effect={effect} />,
  },
  {
    label: "P(gain)",
    className: "w-18 text-right",
    origin: "estimated",
    show: ({ confidence }) => (confidence === null ? "–" : formatProbability(confidence)),
  },
  {
    label: "Realised",
    className: "w-36 text-right",
    origin: "estimated",
    show: (effect, worldMs) => <Realised effect={effect} worldMs={worldMs} />,
  },
];

const CSV_HEAD = [
  "plan_id",
  "change_index",
  "author",
  "world_ms",
  "from_node",
  "to_node",
  "back_from_node",
  "amount_sat",
  "fee_msat",
  "status",
  "predicted_gain_msat",
  "predicted_low_msat",
  "predicted_high_msat",
  "confidence",
  "realised_gain_msat",
  "due_ms",
];

function csvRow(one: Effect): readonly Cell[] {
  return [
    one.plan_id,
    one.change_index,
    one.author,
    one.world_ms,
    one.from_node,
    one.to_node,
    one.back_from_node,
    one.amount_sat,
    one.fee_msat,
    one.status,
    one.predicted_gain_msat,
    one.predicted_low_msat,
    one.predicted_high_msat,
    one.confidence,
    one.realised_gain_msat,
    one.due_ms,
  ];
}

function Totals({ effects, worldMs }: { readonly effects: readonly Effect[]; readonly worldMs: number }) {
  const totals = effectTotals(effects);
  const hasOthers = effects.some((one) => one.world_ms > worldMs);
  return (
    <p className="border-b border-line px-3 py-2 text-ink-2" data-testid="effect-totals">
      {formatInteger(totals.moved)} of {formatInteger(totals.count)} moved, at a cost of{" "}
      <Amount msat={totals.feeMsat} precise />
      <Provenance />.{" "}
      {totals.compared === 0 ? (
        "For none of them is it known yet what a prediction came to."
      ) : (
        <>
          For {formatInteger(totals.compared)} the outcome is known: predicted{" "}
          <Gain msat={totals.predictedMsat} />, realised <Gain msat={totals.realisedMsat} />
          <Provenance of="estimated" />; {formatInteger(totals.inside)} of {formatInteger(totals.compared)}{" "}
          inside their 80{"\u202f"}% interval.
        </>
      )}
      {hasOthers && " Those dated after the network's present are of earlier runs in this data directory."}
    </p>
  );
}

/** The journal of rebalances with their effects: predicted against realised. */
export function Effects({ effects }: { readonly effects: Resource<readonly Effect[]> }) {
  const { range } = useRoute();
  const worldMs = useDashboard((state) => state.world?.stats.world_ms ?? 0);
  const isRoomy = useMediaQuery(ROOMY);
  const start = rangeStartMs(range, worldMs) ?? Number.NEGATIVE_INFINITY;
  const shown = (effects.value ?? []).filter((one) => one.world_ms >= start);
  return (
    <Section
      id="effects"
      title="Journal: what rebalances brought"
      aside={
        <span className="ml-auto">
          <CsvButton name="effects" head={CSV_HEAD} rows={() => shown.map(csvRow)} />
        </span>
      }
    >
      <div className="px-3">
        <Problem problem={effects.problem} />
      </div>
      {shown.length === 0 ? (
        <Empty>
          {effects.value === null
            ? "Reading…"
            : "Nothing was rebalanced in this time range. What is carried out, by whomever, stands here with its cost, and later with what it brought."}
        </Empty>
      ) : (
        <>
          <Totals effects={shown} worldMs={worldMs} />
          {isRoomy ? (
            <Scrollable label="Journal rows">
              <table
                className="w-full min-w-352 table-fixed border-separate border-spacing-0"
                data-testid="effects"
              >
                <thead className="sticky top-0 bg-surface">
                  <tr>
                    {COLUMNS.map(({ label, className, origin }) => (
                      <th
                        key={label}
                        scope="col"
                        className={`border-b border-line px-3 py-1 text-12 font-medium text-ink-2 ${className}`}
                      >
                        {label}
                        {origin !== undefined && <Provenance of={origin} />}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {shown.map((effect) => (
                    <tr key={`${effect.plan_id} ${effect.change_index}`}>
                      {COLUMNS.map(({ label, className, show }) => (
                        <td
                          key={label}
                          className={`truncate border-b border-line px-3 py-1 align-top ${className.includes("text-right") ? "text-right" : ""}`}
                        >
                          {show(effect, worldMs)}
                        </td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scrollable>
          ) : (
            <ul data-testid="effects">
              {shown.map((effect) => (
                <li
                  key={`${effect.plan_id} ${effect.change_index}`}
                  className="border-b border-line px-3 py-2"
                >
                  <dl className="grid grid-cols-[88px_minmax(0,1fr)] gap-x-3">
                    {COLUMNS.map(({ label, origin, show }) => (
                      <div key={label} className="contents">
                        <dt className="text-12 text-ink-3">
                          {label}
                          {origin !== undefined && <Provenance of={origin} />}
                        </dt>
                        <dd>{show(effect, worldMs)}</dd>
                      </div>
                    ))}
                  </dl>
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </Section>
  );
}
