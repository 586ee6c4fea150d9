import { type FormEvent, useState } from "react";
import type { RuleBook, SeriesItem, TriedRule, TriedSpan } from "../api/node";
import { namesOf } from "../lib/channels";
import { formatClock, formatInteger, formatSpan } from "../lib/format";
import { type Resource, useResource } from "../lib/service";
import { useDashboard } from "../state/context";
import { Problem } from "./Problem";

const DAYS = 30;
const MINUTE_S = 60;
const FIELD = "rounded-sm border border-line bg-ground px-1 text-12 leading-6 text-ink";

function when(ms: number): string {
  const { date, time } = formatClock(ms);
  return `${date} ${time.slice(0, 5)}`;
}

/** What a span is about, by name: a channel's peer, a peer, or the node itself. */
function useSubjectName(): (subject: string) => string {
  const world = useDashboard((state) => state.world);
  return (subject) => {
    const nameOf = namesOf(world?.nodes ?? new Map());
    const channel = world?.channels.get(subject);
    if (channel !== undefined) {
      return `${nameOf(channel.node2_id)} (${subject})`;
    }
    return subject === "" ? "the node" : nameOf(subject);
  };
}

function Spans({ spans, unit }: { readonly spans: readonly TriedSpan[]; readonly unit: string }) {
  const nameOf = useSubjectName();
  return (
    <ol className="max-h-48 overflow-auto text-12 text-ink-2" data-testid="tried-spans">
      {spans.toReversed().map((span) => (
        <li key={`${span.subject} ${span.from_ms}`} className="border-t border-line py-0.5">
          {when(span.from_ms)}{" "}
          {span.to_ms === null ? (
            <span className="text-warning">until now</span>
          ) : (
            `for ${formatSpan(span.to_ms - span.from_ms)}`
          )}
          : {nameOf(span.subject)} at {Number(span.value.toPrecision(4))}
          {unit !== "" && ` ${unit}`}
        </li>
      ))}
    </ol>
  );
}

function Verdict({ tried }: { readonly tried: TriedRule }) {
  const colour =
    tried.history_from_ms === null ? "text-ink-3" : tried.fired > 0 ? "text-warning" : "text-success";
  return (
    <span className={`font-medium ${colour}`}>
      {tried.verdict}
      {tried.history_from_ms !== null && (
        <span className="text-12 font-normal text-ink-3"> since {when(tried.history_from_ms)}</span>
      )}
    </span>
  );
}

function Rule({ tried }: { readonly tried: TriedRule }) {
  return (
    <li className="border-b border-line px-4 py-1 wrap-anywhere">
      <div className="flex flex-wrap items-baseline justify-between gap-x-3">
        <span className="font-medium">{tried.rule}</span>
        <Verdict tried={tried} />
      </div>
      <p className="text-12 text-ink-2">{tried.condition}</p>
      {tried.spans.length > 0 && (
        <details className="text-12">
          <summary className="cursor-pointer text-ink-2 hover:text-ink">when</summary>
          <Spans spans={tried.spans} unit="" />
        </details>
      )}
    </li>
  );
}

interface Wanted {
  readonly series: string;
  readonly side: "above" | "below";
  readonly limit: number;
  readonly minutes: number;
}

function Answer({ wanted, unit }: { readonly wanted: Wanted; readonly unit: string }) {
  const { value, problem } = useResource<TriedRule>("/alert-rules/try", {
    series: wanted.series,
    [wanted.side]: wanted.limit,
    for_s: wanted.minutes * MINUTE_S,
    days: DAYS,
  });
  return (
    <div data-testid="tried" role="status" className="pt-1">
      <Problem problem={problem} />
      {value !== null && (
        <>
          <Verdict tried={value} />
          <p className="text-12 text-ink-2">{value.condition}</p>
          <Spans spans={value.spans} unit={unit} />
        </>
      )}
    </div>
  );
}

/** Tries a rule of the reader's own on what was recorded; it comes into force nowhere. */
function TryRule({ series }: { readonly series: readonly SeriesItem[] }) {
  const [name, setName] = useState(series[0]?.name ?? "");
  const [side, setSide] = useState<Wanted["side"]>("above");
  const [limit, setLimit] = useState("");
  const [minutes, setMinutes] = useState("0");
  const [wanted, setWanted] = useState<Wanted | null>(null);
  const chosen = series.find((one) => one.name === name);
  const isWhole = limit.trim() !== "" && Number.isFinite(Number(limit)) && Number(minutes) >= 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isWhole) {
      setWanted({ series: name, side, limit: Number(limit), minutes: Number(minutes) });
    }
  };
  return (
    <form className="px-4 py-2" aria-label="Try a rule" onSubmit={submit}>
      <h3 className="text-13 font-semibold">Try a rule on the last {DAYS} days</h3>
      <div className="flex flex-wrap items-center gap-2 pt-1 text-12 text-ink-2">
        <select
          aria-label="Series"
          className={`${FIELD} max-w-full`}
          value={name}
          onChange={(event) => setName(event.target.value)}
        >
          {series.map((one) => (
            <option key={one.name} value={one.name}>
              {one.text}
            </option>
          ))}
        </select>
        <select
          aria-label="Above or below"
          className={FIELD}
          value={side}
          onChange={(event) => setSide(event.target.value === "below" ? "below" : "above")}
        >
          <option value="above">above</option>
          <option value="below">below</option>
        </select>
        <input
          type="number"
          step="any"
          aria-label="Limit"
          className={`${FIELD} w-24 text-right`}
          value={limit}
          onChange={(event) => setLimit(event.target.value)}
        />
        {chosen?.unit}
        <label>
          for{" "}
          <input
            type="number"
            min={0}
            step={1}
            className={`${FIELD} w-18 text-right`}
            aria-label="For so many minutes"
            value={minutes}
            onChange={(event) => setMinutes(event.target.value)}
          />{" "}
          min
        </label>
        <button
          type="submit"
          disabled={!isWhole}
          className="rounded-sm border border-line px-2 text-12 leading-6 text-ink-2 hover:text-ink disabled:opacity-60"
        >
          try
        </button>
      </div>
      {wanted !== null && (
        <Answer wanted={wanted} unit={series.find((one) => one.name === wanted.series)?.unit ?? ""} />
      )}
      <p className="pt-1 text-12 text-ink-3">
        A rule comes into force by `lens.toml` (`alerts`); trying one changes nothing.
      </p>
    </form>
  );
}

function InForce({ tried }: { readonly tried: Resource<readonly TriedRule[]> }) {
  if (tried.value === null) {
    return <p className="px-4 py-2 text-12 text-ink-2">{tried.problem === null && "Trying the rules…"}</p>;
  }
  return (
    <ul data-testid="rules">
      {tried.value.map((one) => (
        <Rule key={one.rule} tried={one} />
      ))}
    </ul>
  );
}

/** The rules in force and what they would have done, and a form to try another. */
export function AlertRules() {
  const tried = useResource<readonly TriedRule[]>("/alert-rules/tried", { days: DAYS });
  const book = useResource<RuleBook>("/alert-rules");
  return (
    <>
      <h3 className="border-y border-line bg-raised px-4 py-1 text-13 font-semibold">
        Rules in force
        <span className="font-normal text-ink-2">
          , and what they would have done in the last {formatInteger(DAYS)} days
        </span>
      </h3>
      <div className="px-4">
        <Problem problem={tried.problem ?? book.problem} />
      </div>
      <InForce tried={tried} />
      {book.value !== null && <TryRule series={book.value.series} />}
    </>
  );
}
