import { useState } from "react";
import type { Alert } from "../api/learning";
import { formatClock, formatInteger } from "../lib/format";
import { useIsWatched } from "../lib/mode";
import { useOrder, useResource } from "../lib/service";
import { useDashboard, useStores } from "../state/context";
import { unseenAlerts, withAlerts } from "../state/world";
import { AlertRules } from "./AlertRules";
import { Button } from "./Button";
import { CsvButton } from "./CsvButton";
import { Dialog, DialogHead } from "./Dialog";
import { Icon } from "./Icon";
import { Problem } from "./Problem";

function stateText(alert: Alert): string {
  if (alert.state === "raised") {
    return alert.acknowledged === true ? "lasts, seen" : "lasts";
  }
  return alert.state === "cleared" ? "over" : "noted";
}

function AlertLine({ alert }: { readonly alert: Alert }) {
  const { dashboard } = useStores();
  const { isBusy, problem, send } = useOrder<Alert>();
  const acknowledge = async () => {
    const path = `/alerts/${encodeURIComponent(alert.alert_id)}/acknowledge`;
    const answer = await send("POST", path, {}, "acknowledge an alert");
    if (answer !== null) {
      const known = dashboard.get().world?.alerts ?? [];
      dashboard.learn({ alerts: withAlerts(known, [{ ...answer, acknowledged: true }]) });
    }
  };
  const isOpen = alert.state === "raised" && alert.acknowledged !== true;
  const colour =
    alert.state === "cleared" ? "text-ink-3" : alert.level === "error" ? "text-failure" : "text-warning";
  return (
    <li className="border-b border-line px-4 py-2" data-alert={alert.alert_id}>
      <div className="flex items-baseline gap-2 text-12">
        <span className={`font-semibold ${colour}`}>{alert.level === "error" ? "✕ error" : "▲ warning"}</span>
        <span className="text-ink-2">{alert.source}</span>
        <span className="text-ink-3">{stateText(alert)}</span>
        {alert.world_ms !== null && (
          <span className="ml-auto text-ink-3" title="World time, UTC">
            {formatClock(alert.world_ms).date} {formatClock(alert.world_ms).time}
          </span>
        )}
      </div>
      <p className="wrap-anywhere">{alert.text}</p>
      <div className="mt-1 flex flex-wrap gap-2">
        {isOpen && (
          <Button onClick={acknowledge} disabled={isBusy} look="accent">
            acknowledge
          </Button>
        )}
        {alert.channel_id !== null && (
          <Button onClick={() => dashboard.select({ channelId: alert.channel_id })}>
            show channel {alert.channel_id}
          </Button>
        )}
      </div>
      <Problem problem={problem} />
    </li>
  );
}

/** Everything that was raised, what lasts first. */
function AlertList({ onClose }: { readonly onClose: () => void }) {
  const live = useDashboard((state) => state.world?.alerts);
  const isWatched = useIsWatched();
  const earlier = useResource<readonly Alert[]>("/alerts", { state: "all" });
  const known = live ?? [];
  const ids = new Set(known.map((alert) => alert.alert_id));
  const all = [...known, ...(earlier.value ?? []).filter((alert) => !ids.has(alert.alert_id))];
  const sorted = all.toSorted(
    (left, right) => Number(right.state === "raised") - Number(left.state === "raised"),
  );
  return (
    <Dialog titleId="alerts-title" place="side" onClose={onClose} testId="alerts">
      <DialogHead id="alerts-title" title="Alerts" onClose={onClose} />
      <div className="flex items-center gap-3 border-b border-line px-4 py-1 text-12 text-ink-2">
        {formatInteger(sorted.filter((alert) => alert.state === "raised").length)} lasting,{" "}
        {formatInteger(sorted.length)} in all
        <span className="ml-auto">
          <CsvButton
            name="alerts"
            head={["level", "source", "state", "acknowledged", "world_ms", "channel_id", "text"]}
            rows={() =>
              sorted.map((alert) => [
                alert.level,
                alert.source,
                alert.state,
                alert.acknowledged === true,
                alert.world_ms,
                alert.channel_id,
                alert.text,
              ])
            }
          />
        </span>
      </div>
      <Problem problem={earlier.problem} />
      {sorted.length === 0 ? (
        <p className="p-6 text-center text-ink-2">
          {isWatched
            ? "Nothing has been raised. The rules below say when something is, and tell what they would have done."
            : "Nothing has been raised. Alerts come when a channel stays imbalanced, too many payments fail, or the model drifts; the rules are in `lens.toml`."}
        </p>
      ) : (
        <ul>
          {sorted.map((alert) => (
            <AlertLine key={`${alert.alert_id} ${alert.state}`} alert={alert} />
          ))}
        </ul>
      )}
      {isWatched && <AlertRules />}
    </Dialog>
  );
}

/** The bell, with the number of alerts that nobody has seen. */
export function AlertsButton() {
  const [isOpen, setOpen] = useState(false);
  const alerts = useDashboard((state) => state.world?.alerts);
  const unseen = unseenAlerts(alerts ?? []).length;
  return (
    <>
      <button
        type="button"
        data-testid="bell"
        aria-label={unseen === 0 ? "Alerts, none unseen" : `Alerts, ${unseen} unseen`}
        title="Alerts"
        className={`flex items-center gap-1 rounded-sm border px-1 py-0.5 text-12 ${
          unseen === 0 ? "border-line text-ink-2 hover:text-ink" : "border-warning font-semibold text-warning"
        }`}
        onClick={() => setOpen(true)}
      >
        <Icon name="bell" />
        {unseen > 0 && <span className="pr-1">{formatInteger(unseen)}</span>}
      </button>
      {isOpen && <AlertList onClose={() => setOpen(false)} />}
    </>
  );
}
