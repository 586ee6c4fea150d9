import { type ReactNode, useState } from "react";
import type { Effect, LearnerStatus, SuggestedChange } from "../api/learning";
import { formatAge, formatInteger, formatProbability, formatShare, formatSpan } from "../lib/format";
import { type PlannedBalance, planOf } from "../lib/predictions";
import { useOrder } from "../lib/service";
import { listed } from "../lib/suggestions";
import { useDashboard, useStores } from "../state/context";
import { Amount } from "./Amount";
import { Button } from "./Button";
import { CsvButton } from "./CsvButton";
import { Expected, Gain } from "./Gain";
import { Problem } from "./Problem";
import { Provenance } from "./Provenance";
import { Section } from "./Section";

const NONE: readonly SuggestedChange[] = [];
/** Ended ones stay this many deep, so that what happened stands where it was decided. */
const ENDED_SHOWN = 5;

const STATUS: Readonly<Record<SuggestedChange["status"], readonly [string, string]>> = {
  open: ["○ open", "text-ink-2"],
  "under way": ["↻ under way", "text-accent"],
  done: ["✓ done", "text-success"],
  failed: ["✕ failed", "text-failure"],
  refused: ["✕ refused", "text-failure"],
  rejected: ["– rejected", "text-ink-3"],
  expired: ["– expired", "text-ink-3"],
};

function Change({ label, planned }: { readonly label: string; readonly planned: PlannedBalance | null }) {
  if (planned === null) {
    return null;
  }
  const share = (msat: number) => formatShare(planned.totalMsat > 0 ? msat / planned.totalMsat : null, 0);
  return (
    <tr>
      <th scope="row" className="py-0.5 pr-2 text-left font-normal text-ink-2">
        {label} {planned.peer}
        <span className="block text-12 text-ink-3">{planned.channelId}</span>
      </th>
      <td className="pr-2 text-right align-top">
        <Amount msat={planned.beforeMsat} bare />
        <span className="block text-12 text-ink-3">{share(planned.beforeMsat)}</span>
      </td>
      <td className="px-1 align-top text-ink-3">→</td>
      <td className="text-right align-top font-semibold">
        <Amount msat={planned.afterMsat} bare />
        <span className="block text-12 font-normal text-ink-3">{share(planned.afterMsat)}</span>
      </td>
    </tr>
  );
}

/** Old to new, at what cost, expected gain with its doubt, why: shown before anything is done. */
function Plan({ suggestion }: { readonly suggestion: SuggestedChange }) {
  const channels = useDashboard((state) => state.world?.channels);
  const worldMs = useDashboard((state) => state.world?.stats.world_ms ?? 0);
  const horizonMs = useDashboard((state) => (state.world?.learner?.horizon_s ?? 0) * 1000);
  const plan = planOf(suggestion, channels ?? new Map());
  return (
    <div className="my-1 rounded-sm border border-line bg-ground p-2" data-testid="plan">
      <table className="w-full">
        <caption className="text-left text-12 font-semibold text-ink-3">
          Local balance of {suggestion.from_node}, now and after
          <Provenance of="estimated" />
        </caption>
        <tbody>
          <Change label="to" planned={plan.outgoing} />
          <Change label="from" planned={plan.incoming} />
        </tbody>
      </table>
      <dl className="mt-1 grid grid-cols-[112px_minmax(0,1fr)] gap-x-2 text-12">
        <dt className="text-ink-3">fee, at most</dt>
        <dd>
          <Amount msat={suggestion.max_fee_msat} precise />
        </dd>
        <dt className="text-ink-3">
          expected
          <Provenance of="estimated" />
        </dt>
        <dd>
          <Gain msat={suggestion.gain_msat} /> net{horizonMs > 0 && ` within ${formatSpan(horizonMs)}`}
        </dd>
        <dt className="text-ink-3">80{"\u202f"}% interval</dt>
        <dd>
          <Gain msat={suggestion.low_gain_msat} bare /> … <Gain msat={suggestion.high_gain_msat} />
        </dd>
        <dt className="text-ink-3">chance of a gain</dt>
        <dd>{formatProbability(suggestion.confidence)}</dd>
        <dt className="text-ink-3">why</dt>
        <dd className="wrap-anywhere">{suggestion.reason}</dd>
        <dt className="text-ink-3">model</dt>
        <dd className="wrap-anywhere">{suggestion.model}</dd>
        {suggestion.status === "open" && (
          <>
            <dt className="text-ink-3">valid for</dt>
            <dd>{formatSpan(suggestion.expires_ms - worldMs)}</dd>
          </>
        )}
      </dl>
      <p className="mt-1 text-12 text-ink-3">
        It cannot be undone: moving the amount back is another rebalance and costs fees again.
      </p>
    </div>
  );
}

function effectOf(suggestion: SuggestedChange, effects: readonly Effect[]): Effect | undefined {
  return effects.find(
    (effect) =>
      effect.author === suggestion.author &&
      effect.from_node === suggestion.from_node &&
      effect.to_node === suggestion.to_node &&
      effect.amount_sat === suggestion.amount_sat &&
      effect.world_ms >= suggestion.made_ms &&
      effect.predicted_gain_msat === suggestion.gain_msat,
  );
}

/** What happened, beside what was expected. */
function Outcome({
  suggestion,
  effects,
}: {
  readonly suggestion: SuggestedChange;
  readonly effects: readonly Effect[];
}) {
  const worldMs = useDashboard((state) => state.world?.stats.world_ms ?? 0);
  const effect = effectOf(suggestion, effects);
  return (
    <div className="text-12">
      {suggestion.outcome !== "" && <p className="wrap-anywhere">{suggestion.outcome}</p>}
      {suggestion.status === "done" && (
        <p className="text-ink-2">
          expected <Gain msat={suggestion.gain_msat} />
          <Provenance of="estimated" />
          {effect !== undefined && (
            <>
              , cost <Amount msat={effect.fee_msat} precise />
              <Provenance />,{" "}
              {effect.realised_gain_msat === null ? (
                `what it brought is known in ${formatSpan(effect.due_ms - worldMs)}`
              ) : (
                <>
                  brought <Gain msat={effect.realised_gain_msat} />
                  <Provenance of="estimated" />
                </>
              )}
            </>
          )}
        </p>
      )}
    </div>
  );
}

interface ItemProps {
  readonly suggestion: SuggestedChange;
  readonly effects: readonly Effect[];
  readonly isOpen: boolean;
  readonly onOpen: (suggestion: SuggestedChange | null) => void;
}

function Item({ suggestion, effects, isOpen, onOpen }: ItemProps) {
  const { dashboard } = useStores();
  const worldMs = useDashboard((state) => state.world?.stats.world_ms ?? 0);
  const setOpen = (wanted: boolean) => onOpen(wanted ? suggestion : null);
  const { isBusy, problem, send } = useOrder<SuggestedChange>();
  const isAnswerable = suggestion.status === "open";
  const act = async (verb: "accept" | "reject") => {
    const path = `/suggestions/${encodeURIComponent(suggestion.suggestion_id)}/${verb}`;
    const amount = `${formatInteger(suggestion.amount_sat)} sat of ${suggestion.from_node}`;
    const answer = await send("POST", path, {}, `${verb} the rebalance of ${amount}`);
    if (answer !== null) {
      const known = dashboard.get().world?.suggestions ?? [];
      dashboard.learn({
        suggestions: known.map((one) => (one.suggestion_id === answer.suggestion_id ? answer : one)),
      });
    }
  };
  const [statusText, statusColour] = STATUS[isBusy && isAnswerable ? "under way" : suggestion.status];
  return (
    <li className="border-b border-line px-3 py-2" data-suggestion={suggestion.suggestion_id}>
      <div className="flex items-baseline justify-between gap-3">
        <button
          type="button"
          data-row=""
          aria-expanded={isOpen}
          className="min-w-0 truncate text-left font-medium"
          title="Show the plan"
          onClick={() => setOpen(!isOpen)}
        >
          {suggestion.from_node}: <span className="text-ink-3">out to</span> {suggestion.to_node},{" "}
          <span className="text-ink-3">back from</span> {suggestion.back_from_node}
        </button>
        <Amount msat={suggestion.amount_sat * 1000} />
      </div>
      <div className="flex flex-wrap items-baseline justify-between gap-x-3 text-12">
        <Expected
          gainMsat={suggestion.gain_msat}
          lowMsat={suggestion.low_gain_msat}
          highMsat={suggestion.high_gain_msat}
          confidence={suggestion.confidence}
        />
        <span className={statusColour} data-testid="suggestion-status">
          {statusText}
          {!isAnswerable && (
            <span className="text-ink-3">, {formatAge(worldMs - suggestion.made_ms)} old</span>
          )}
        </span>
      </div>
      {isOpen && <Plan suggestion={suggestion} />}
      {isAnswerable && (
        <div className="mt-1 flex flex-wrap gap-2">
          {isOpen ? (
            <Button look="accent" disabled={isBusy} onClick={() => act("accept")}>
              accept: move <Amount msat={suggestion.amount_sat * 1000} />
            </Button>
          ) : (
            <Button onClick={() => setOpen(true)}>see the plan</Button>
          )}
          <Button disabled={isBusy} onClick={() => act("reject")}>
            reject
          </Button>
        </div>
      )}
      <Outcome suggestion={suggestion} effects={effects} />
      <Problem problem={problem} />
    </li>
  );
}

function whyNone(learner: LearnerStatus | null): ReactNode {
  switch (learner?.phase) {
    case undefined:
    case "off":
      return "Learning is off, so nothing is suggested. Start the lab without `--no-learn`; the baseline under Rebalance needs no model.";
    case "training":
      return "The first model is being trained on simulated days of its own. Suggestions begin when it is ready; the page works meanwhile.";
    case "failed":
      return "The learner could not start; the alerts say why. The baseline under Rebalance needs no model.";
    case "warming up":
      return `Before it suggests anything the learner still needs: ${learner?.missing.join("; ") || "a little time"}.`;
    case "ready":
      return "No rebalance is worth its cost now, as far as the model can tell. It looks again every minute of the network's time.";
  }
}

interface SuggestionsProps {
  readonly className?: string;
  readonly effects: readonly Effect[];
  readonly isFull?: boolean;
}

/** What the learner would do: reviewed, accepted or rejected here, with what came of it. */
export function Suggestions({ className = "", effects, isFull = false }: SuggestionsProps) {
  const suggestions = useDashboard((state) => state.world?.suggestions ?? NONE);
  const learner = useDashboard((state) => state.world?.learner ?? null);
  const isLoaded = useDashboard((state) => state.world !== null);
  const [reviewed, setReviewed] = useState<SuggestedChange | null>(null);
  const { open, ended } = listed(suggestions, reviewed);
  const shown = [...open, ...(isFull ? ended : ended.slice(0, ENDED_SHOWN))];
  return (
    <Section
      id="suggestions"
      title="Recommendations"
      className={className}
      aside={
        <>
          <span className="text-12 text-ink-3">
            {formatInteger(open.length)} open
            <Provenance of="estimated" />
          </span>
          <span className="ml-auto">
            <CsvButton
              name="suggestions"
              head={[
                "suggestion_id",
                "author",
                "model",
                "from_node",
                "to_node",
                "back_from_node",
                "outgoing_channel_id",
                "incoming_channel_id",
                "amount_sat",
                "max_fee_msat",
                "confidence",
                "gain_msat",
                "low_gain_msat",
                "high_gain_msat",
                "made_ms",
                "status",
                "outcome",
                "reason",
              ]}
              rows={() =>
                suggestions.map((one) => [
                  one.suggestion_id,
                  one.author,
                  one.model,
                  one.from_node,
                  one.to_node,
                  one.back_from_node,
                  one.outgoing_channel_id,
                  one.incoming_channel_id,
                  one.amount_sat,
                  one.max_fee_msat,
                  one.confidence,
                  one.gain_msat,
                  one.low_gain_msat,
                  one.high_gain_msat,
                  one.made_ms,
                  one.status,
                  one.outcome,
                  one.reason,
                ])
              }
            />
          </span>
        </>
      }
    >
      <div className="min-h-0 flex-1 overflow-auto">
        {open.length === 0 && (
          <p className="px-4 py-3 text-ink-2" data-testid="no-suggestions">
            {isLoaded ? whyNone(learner) : "Waiting for the network…"}
          </p>
        )}
        <ul data-testid="suggestions" data-list="">
          {shown.map((suggestion) => (
            <Item
              key={suggestion.suggestion_id}
              suggestion={suggestion}
              effects={effects}
              isOpen={reviewed?.suggestion_id === suggestion.suggestion_id}
              onOpen={setReviewed}
            />
          ))}
        </ul>
      </div>
    </Section>
  );
}
