import { type MouseEvent, memo } from "react";
import type { Attempt, Payment } from "../api/types";
import type { NameOf } from "../lib/channels";
import { describeAttempt, describeFailure } from "../lib/failure";
import { formatClock, formatDuration, formatInteger } from "../lib/format";
import { Amount } from "./Amount";

interface PaymentProps {
  readonly payment: Payment;
  readonly nameOf: NameOf;
  readonly isSelected: boolean;
  readonly onToggle: (payment: Payment) => void;
}

const DONE = { payment: "paid", rebalance: "rebalanced", forward: "forwarded" } as const;

/** What is told of it beside its result, which says all of a forward's description. */
function about(payment: Payment): string {
  return payment.kind === "forward" ? payment.route_channel_ids.join(" → ") : payment.description;
}

function Result({ payment, nameOf }: Pick<PaymentProps, "payment" | "nameOf">) {
  if (payment.succeeded) {
    return <span className="text-success">✓ {DONE[payment.kind]}</span>;
  }
  return <span className="text-failure">✕ {describeFailure(payment, nameOf)}</span>;
}

function Parties({ payment }: { readonly payment: Payment }) {
  if (payment.kind === "rebalance") {
    return (
      <>
        {payment.sender_name} <span className="text-accent">↻ rebalance</span>
      </>
    );
  }
  return (
    <>
      {payment.sender_name} <span className="text-ink-3">→</span> {payment.receiver_name}
    </>
  );
}

function TimeButton({ payment, isSelected, onToggle }: Omit<PaymentProps, "nameOf">) {
  const toggle = (event: MouseEvent) => {
    event.stopPropagation();
    onToggle(payment);
  };
  return (
    <button
      type="button"
      data-row=""
      data-payment-row={payment.payment_id}
      aria-expanded={isSelected}
      title="Show the route here and on the graph"
      onClick={toggle}
    >
      {formatClock(payment.started_ms).time}
    </button>
  );
}

function AttemptLine({ attempt, nameOf }: { readonly attempt: Attempt; readonly nameOf: NameOf }) {
  const sentMsat = attempt.hop_amounts_msat[0];
  return (
    <li className="border-t border-line py-1 first:border-t-0">
      <span className={attempt.settled ? "text-success" : "text-failure"}>
        {attempt.settled ? "✓ settled" : `✕ ${describeAttempt(attempt, nameOf)}`}
      </span>{" "}
      <span className="text-ink-3">
        {!attempt.settled && `${attempt.code}${attempt.detail === "" ? "" : ` · ${attempt.detail}`}, `}
        {formatClock(attempt.started_ms).time}, took {formatDuration(attempt.ended_ms - attempt.started_ms)}
        {sentMsat !== undefined && (
          <>
            , sent <Amount msat={sentMsat} precise />
          </>
        )}
      </span>
      <div>
        {attempt.route_node_ids.map((nodeId, index) => {
          const isFailed = attempt.failed_hop !== null && index === attempt.failed_hop + 1;
          return (
            <span key={`${nodeId} ${attempt.route_channel_ids[index] ?? "end"}`}>
              {index > 0 && (
                <span
                  className={isFailed ? "text-failure" : "text-ink-3"}
                  title={attempt.route_channel_ids[index - 1]}
                >
                  {isFailed ? " ✕→ " : " → "}
                </span>
              )}
              {nameOf(nodeId)}
            </span>
          );
        })}
      </div>
    </li>
  );
}

function Attempts({ attempts, nameOf }: { readonly attempts: readonly Attempt[]; readonly nameOf: NameOf }) {
  return (
    <ol data-testid="attempts" className="rounded-sm border border-line px-2">
      {attempts.map((attempt) => (
        <AttemptLine key={attempt.started_ms} attempt={attempt} nameOf={nameOf} />
      ))}
    </ol>
  );
}

function Detail({ payment, nameOf }: Pick<PaymentProps, "payment" | "nameOf">) {
  return (
    <dl className="grid grid-cols-[88px_minmax(0,1fr)] gap-x-3 text-12 wrap-anywhere">
      <dt className="text-ink-3">route</dt>
      <dd>
        {payment.route_node_ids.length > 0
          ? payment.route_node_ids.map(nameOf).join(" → ")
          : "none: it never left the sender"}
      </dd>
      {payment.route_channel_ids.length > 0 && (
        <>
          <dt className="text-ink-3">channels</dt>
          <dd>{payment.route_channel_ids.join(", ")}</dd>
        </>
      )}
      {!payment.succeeded && (
        <>
          <dt className="text-ink-3">cause</dt>
          <dd>
            <span className="text-failure">{describeFailure(payment, nameOf)}</span>{" "}
            <span className="text-ink-3">
              {payment.outcome}
              {payment.failure !== null && ` · ${payment.failure.code} · ${payment.failure.detail}`}
            </span>
          </dd>
        </>
      )}
      {payment.attempt_log !== undefined && payment.attempt_log.length > 0 && (
        <>
          <dt className="text-ink-3">attempts</dt>
          <dd>
            <Attempts attempts={payment.attempt_log} nameOf={nameOf} />
          </dd>
        </>
      )}
      <dt className="text-ink-3">{payment.kind}</dt>
      <dd>
        {formatInteger(payment.payment_id)}, {formatClock(payment.started_ms).date}, {payment.attempts}{" "}
        {payment.attempts === 1 ? "attempt" : "attempts"} in {formatDuration(payment.duration_ms)}
      </dd>
    </dl>
  );
}

export const PaymentRow = memo(function PaymentRow({
  columns,
  ...props
}: PaymentProps & { readonly columns: number }) {
  const { payment, nameOf, isSelected, onToggle } = props;
  const cell = "truncate border-b border-line px-3 leading-7";
  return (
    <>
      <tr
        className={`cursor-pointer ${isSelected ? "bg-raised" : "hover:bg-raised"}`}
        onClick={() => onToggle(payment)}
      >
        <td className={cell}>
          <TimeButton payment={payment} isSelected={isSelected} onToggle={onToggle} />
        </td>
        <td className={cell}>
          <Parties payment={payment} />
        </td>
        <td className={`${cell} text-right`}>
          <Amount msat={payment.amount_msat} />
        </td>
        <td className={`${cell} text-right`}>
          {payment.succeeded ? <Amount msat={payment.fee_msat} precise /> : "–"}
        </td>
        <td className={cell}>
          <Result payment={payment} nameOf={nameOf} />
        </td>
        <td className={`${cell} text-right`}>{payment.route_channel_ids.length || "–"}</td>
        <td className={`${cell} text-right`}>{formatDuration(payment.duration_ms)}</td>
        <td className={`${cell} text-ink-2`}>{about(payment)}</td>
      </tr>
      {isSelected && (
        <tr className="bg-raised">
          <td colSpan={columns} className="border-b border-line px-3 py-2">
            <Detail payment={payment} nameOf={nameOf} />
          </td>
        </tr>
      )}
    </>
  );
});

export const PaymentCard = memo(function PaymentCard(props: PaymentProps) {
  const { payment, nameOf, isSelected, onToggle } = props;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the button in the card is the way for the keyboard
    <li
      className={`border-b border-line px-3 py-2 ${isSelected ? "bg-raised" : ""}`}
      onClick={() => onToggle(payment)}
    >
      <div className="flex justify-between gap-3">
        <span className="min-w-0 truncate">
          <Parties payment={payment} />
        </span>
        <Amount msat={payment.amount_msat} />
      </div>
      <div className="text-12 wrap-anywhere">
        <Result payment={payment} nameOf={nameOf} />
      </div>
      <div className="flex justify-between gap-3 text-12 text-ink-2">
        <TimeButton payment={payment} isSelected={isSelected} onToggle={onToggle} />
        <span className="min-w-0 flex-1 truncate">{about(payment)}</span>
        {payment.succeeded && (
          <span className="shrink-0">
            fee <Amount msat={payment.fee_msat} precise />
          </span>
        )}
      </div>
      {isSelected && (
        <div className="mt-2">
          <Detail payment={payment} nameOf={nameOf} />
        </div>
      )}
    </li>
  );
});
