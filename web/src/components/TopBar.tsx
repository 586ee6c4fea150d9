import { formatAge, formatClock, formatShare, formatSpeed } from "../lib/format";
import { useNow } from "../lib/hooks";
import { useDashboard, usePreferences, useStores } from "../state/context";
import { Segmented } from "./Segmented";

const UNIT_OPTIONS = [
  { value: "sat", label: "sat" },
  { value: "btc", label: "BTC" },
  { value: "hidden", label: "hidden" },
] as const;

function WorldState() {
  const network = useDashboard((state) => state.world?.network);
  const stats = useDashboard((state) => state.world?.stats);
  if (network === undefined || stats === undefined) {
    return null;
  }
  const clock = formatClock(stats.world_ms);
  return (
    <>
      <span className="flex items-center gap-2">
        <span className="font-semibold">{network.name}</span>
        <span className="rounded-xs border border-accent px-1 text-12 font-semibold tracking-wide text-accent uppercase">
          {network.mode}
        </span>
      </span>
      <span className="whitespace-nowrap text-ink-2" title="Time in the network's world, UTC">
        {clock.date} <span className="text-ink">{clock.time}</span>
        <span className="text-12 text-ink-3"> UTC</span>{" "}
        <span title="Speed of the world's clock">{formatSpeed(stats.speed)}</span>
      </span>
      <span className="whitespace-nowrap text-ink-2">
        success <span className="text-ink">{formatShare(stats.success_rate)}</span>
      </span>
    </>
  );
}

function ConnectionState() {
  const link = useDashboard((state) => state.link);
  const receivedMs = useDashboard((state) => state.receivedMs);
  const now = useNow(link.phase === "lost");
  if (link.phase === "live") {
    return <span className="whitespace-nowrap text-success">● live</span>;
  }
  if (link.phase === "connecting" || receivedMs === null) {
    return <span className="whitespace-nowrap text-ink-2">○ connecting</span>;
  }
  return <span className="whitespace-nowrap text-warning">▲ data {formatAge(now - receivedMs)} old</span>;
}

export function TopBar({ onKeys }: { readonly onKeys: () => void }) {
  const { preferences } = useStores();
  const { unit, theme } = usePreferences();
  const other = theme === "dark" ? "light" : "dark";
  const button = "rounded-sm border border-line px-2 text-12 leading-6 text-ink-2 hover:text-ink";
  return (
    <header className="flex min-h-12 flex-wrap items-center gap-x-5 gap-y-1 border-b border-line bg-surface px-4 py-2">
      <span className="text-15 font-semibold">LightningLens</span>
      <WorldState />
      <span className="flex flex-wrap items-center gap-x-3 gap-y-1 lg:ml-auto">
        <ConnectionState />
        <Segmented
          legend="Unit of amounts"
          name="unit"
          options={UNIT_OPTIONS}
          value={unit}
          onChange={(value) => preferences.set({ unit: value })}
        />
        <button type="button" className={button} onClick={() => preferences.set({ theme: other })}>
          {other} theme
        </button>
        <button type="button" className={button} onClick={onKeys}>
          keys <kbd className="font-sans">?</kbd>
        </button>
      </span>
    </header>
  );
}
