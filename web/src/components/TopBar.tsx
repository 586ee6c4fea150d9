import type { Mode } from "../api/types";
import { formatAge, formatClock, formatShare, formatSpeed } from "../lib/format";
import { useNow } from "../lib/hooks";
import { useIsWatched } from "../lib/mode";
import { useDashboard, usePreferences, useRoute, useStores } from "../state/context";
import { RANGES } from "../state/route";
import { AlertsButton } from "./Alerts";
import { Button } from "./Button";
import { ModeBadge } from "./ModeBadge";
import { Provenance } from "./Provenance";
import { Segmented } from "./Segmented";
import { PauseButton } from "./Switches";

const UNIT_OPTIONS = [
  { value: "sat", label: "sat" },
  { value: "btc", label: "BTC" },
  { value: "hidden", label: "hidden" },
] as const;

const CLOCK_TITLES: Readonly<Record<Mode, string>> = {
  simulated: "Time in the network's world, UTC",
  replay: "Time in the recording, UTC",
  live: "When the node was last heard of, UTC",
};

function WorldState() {
  const network = useDashboard((state) => state.world?.network);
  const isWatched = useIsWatched();
  const stats = useDashboard((state) => state.world?.stats);
  const isPaused = useDashboard((state) => state.world?.settings?.paused === true);
  if (network === undefined || stats === undefined) {
    return <ModeBadge />;
  }
  const clock = formatClock(stats.world_ms);
  return (
    <>
      <span className="flex min-w-0 items-center gap-2">
        <span className="truncate font-semibold">{network.name}</span>
        <ModeBadge />
      </span>
      <span className="flex items-center gap-2 whitespace-nowrap text-ink-2">
        <span title={CLOCK_TITLES[network.mode]} data-testid="world-clock">
          {clock.date} <span className="text-ink">{clock.time}</span>
          <span className="text-12 text-ink-3"> UTC</span>{" "}
          {network.mode !== "live" && (
            <span title="Speed of this clock">{isPaused ? "paused" : formatSpeed(stats.speed)}</span>
          )}
        </span>
        <PauseButton />
      </span>
      <span className="whitespace-nowrap text-ink-2">
        {isWatched ? "forwarded" : "success"}{" "}
        <span className="text-ink">{formatShare(stats.success_rate)}</span>
        <Provenance />
      </span>
    </>
  );
}

function ConnectionState() {
  const link = useDashboard((state) => state.link);
  const receivedMs = useDashboard((state) => state.receivedMs);
  const now = useNow(link.phase === "lost");
  if (link.phase === "live") {
    return <span className="whitespace-nowrap text-success">● connected</span>;
  }
  if (link.phase === "connecting" || receivedMs === null) {
    return <span className="whitespace-nowrap text-ink-2">○ connecting</span>;
  }
  return <span className="whitespace-nowrap text-warning">▲ data {formatAge(now - receivedMs)} old</span>;
}

function RangePicker() {
  const { route } = useStores();
  const { range } = useRoute();
  return (
    <label className="flex items-center gap-2 text-12 text-ink-2">
      <span className="sr-only">Time range</span>
      <select
        className="rounded-sm border border-line bg-ground px-1 text-12 leading-6 text-ink"
        title="Time range of charts, lists and analyses, by the clock of this page"
        value={range}
        onChange={(event) => {
          const chosen = RANGES.find((one) => one === event.target.value);
          if (chosen !== undefined) {
            route.go({ range: chosen });
          }
        }}
      >
        {RANGES.map((one) => (
          <option key={one} value={one}>
            {one === "all" ? "all time" : `last ${one}`}
          </option>
        ))}
      </select>
    </label>
  );
}

interface TopBarProps {
  readonly onKeys: () => void;
  readonly onPalette: () => void;
}

export function TopBar({ onKeys, onPalette }: TopBarProps) {
  const { preferences } = useStores();
  const { unit, theme } = usePreferences();
  const other = theme === "dark" ? "light" : "dark";
  return (
    <header className="flex min-h-12 flex-wrap items-center gap-x-5 gap-y-1 border-b border-line bg-surface px-4 py-2">
      <span className="text-15 font-semibold max-md:sr-only">LightningLens</span>
      <WorldState />
      <span className="flex flex-wrap items-center gap-x-3 gap-y-1 lg:ml-auto">
        <ConnectionState />
        <RangePicker />
        <Segmented
          legend="Unit of amounts"
          name="unit"
          options={UNIT_OPTIONS}
          value={unit}
          onChange={(value) => preferences.set({ unit: value })}
        />
        <AlertsButton />
        <Button onClick={() => preferences.set({ theme: other })}>{other} theme</Button>
        <Button onClick={onPalette} title="Find anything: Ctrl or Cmd and K">
          find <kbd className="font-sans">⌘K</kbd>
        </Button>
        <Button onClick={onKeys} title="What the keys do">
          keys <kbd className="font-sans">?</kbd>
        </Button>
      </span>
    </header>
  );
}
