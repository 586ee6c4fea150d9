import type { LossReason } from "../api/stream";
import { useDashboard, useStores } from "../state/context";

const WHY: Readonly<Record<LossReason, string>> = {
  closed: "Connection lost.",
  silent: "Connection lost: the service no longer answers.",
  unreadable: "The service sends what this page cannot read. If it was just updated, reload the page.",
};

/** Says once, plainly, that the connection is lost; goes away by itself. */
export function ConnectionNotice() {
  const { retryNow, address } = useStores();
  const link = useDashboard((state) => state.link);
  const hasWorld = useDashboard((state) => state.world !== null);
  const text = hasWorld
    ? "The page shows the last state received and reconnects by itself."
    : address.isElsewhere
      ? `Is the service at ${address.origin} running, and does its setting service.allowed_origins name this page's address?`
      : "Is the service running? `lens up` starts it over a lab, `lens run` over a node. The page connects by itself once it answers.";
  return (
    <div role="status">
      {address.problem !== "" && (
        <p className="border-b border-line bg-raised px-4 py-1 text-warning">{address.problem}</p>
      )}
      {link.phase === "lost" && (
        <p className="flex flex-wrap items-center gap-x-3 border-b border-line bg-raised px-4 py-1">
          <span className="text-warning">{WHY[link.reason]}</span>
          <span className="text-ink-2">{text}</span>
          <button type="button" className="rounded-sm border border-line px-2 text-12" onClick={retryNow}>
            try now
          </button>
        </p>
      )}
    </div>
  );
}
