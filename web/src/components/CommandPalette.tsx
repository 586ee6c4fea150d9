import { type KeyboardEvent, useMemo, useState } from "react";
import { namesOf } from "../lib/channels";
import { type Command, findCommands } from "../lib/commands";
import { PLACE_FACTS, PLACES } from "../lib/places";
import { useDashboard, useStores } from "../state/context";
import { RANGES } from "../state/route";
import { Dialog } from "./Dialog";
import { useSwitch } from "./Switches";

function useCommands(onKeys: () => void): readonly Command[] {
  const { dashboard, preferences, route, tokens } = useStores();
  const nodes = useDashboard((state) => state.world?.nodes);
  const channels = useDashboard((state) => state.world?.channels);
  const settings = useDashboard((state) => state.world?.settings ?? null);
  const mode = useDashboard((state) => state.world?.network.mode ?? null);
  const { change } = useSwitch();
  return useMemo(() => {
    const nameOf = namesOf(nodes ?? new Map());
    const action = (id: string, label: string, run: () => void, keys?: string): Command => ({
      id,
      group: "action",
      label,
      detail: "",
      run,
      ...(keys === undefined ? {} : { keys }),
    });
    const places = PLACES.map((place): Command => {
      const { title, key } = PLACE_FACTS[place];
      return {
        id: place,
        group: "place",
        label: `Go to ${title}`,
        detail: "",
        keys: `g ${key}`,
        run: () => route.go({ place }),
      };
    });
    const actions = [
      ...(settings === null || mode === "live"
        ? []
        : [
            action("pause", settings.paused ? "Resume" : "Pause", () =>
              change({ paused: !settings.paused }, "pause or resume it"),
            ),
          ]),
      action(
        "theme",
        "Dark or light theme",
        () => preferences.set({ theme: preferences.get().theme === "dark" ? "light" : "dark" }),
        "t",
      ),
      action("sat", "Show amounts in sat", () => preferences.set({ unit: "sat" })),
      action("btc", "Show amounts in BTC", () => preferences.set({ unit: "btc" })),
      action("hidden", "Hide amounts", () => preferences.set({ unit: "hidden" })),
      action("keys", "Keys", onKeys, "?"),
      action("forget", "Forget the token in this tab", tokens.forget),
      ...RANGES.map((range) =>
        action(`range ${range}`, range === "all" ? "Time range: all" : `Time range: last ${range}`, () =>
          route.go({ range }),
        ),
      ),
    ];
    const found: Command[] = [...places, ...actions];
    for (const channel of channels?.values() ?? []) {
      found.push({
        id: channel.channel_id,
        group: "channel",
        label: `${nameOf(channel.node1_id)} – ${nameOf(channel.node2_id)}`,
        detail: channel.channel_id,
        run: () => dashboard.select({ channelId: channel.channel_id }),
      });
    }
    for (const node of nodes?.values() ?? []) {
      found.push({
        id: node.node_id,
        group: "node",
        label: node.name,
        detail: node.node_id,
        run: () => dashboard.select({ viewpointId: node.node_id }),
      });
    }
    return found;
  }, [nodes, channels, settings, mode, dashboard, preferences, route, tokens, change, onKeys]);
}

const GROUPS: Readonly<Record<Command["group"], string>> = {
  place: "place",
  action: "action",
  channel: "channel",
  node: "see from node",
};

interface PaletteProps {
  readonly onClose: () => void;
  readonly onKeys: () => void;
}

/** Finds places, actions, channels and nodes by a few letters. */
export function CommandPalette({ onClose, onKeys }: PaletteProps) {
  const commands = useCommands(onKeys);
  const [query, setQuery] = useState("");
  const [position, setPosition] = useState(0);
  const found = findCommands(commands, query);
  const active = Math.min(position, Math.max(0, found.length - 1));
  const choose = (command: Command | undefined) => {
    if (command !== undefined) {
      onClose();
      command.run();
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      setPosition((active + step + found.length) % Math.max(1, found.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(found[active]);
    }
  };
  return (
    <Dialog titleId="palette-title" place="top" onClose={onClose} testId="palette">
      <h2 id="palette-title" className="sr-only">
        Find anything
      </h2>
      <input
        autoFocus
        type="text"
        role="combobox"
        aria-label="Find a place, an action, a channel or a node"
        aria-expanded="true"
        aria-controls="palette-found"
        aria-activedescendant={found.length > 0 ? `found-${active}` : undefined}
        placeholder="Find a place, an action, a channel or a node"
        className="block w-full border-b border-line bg-surface px-4 text-15 leading-10 placeholder:text-ink-3"
        value={query}
        onChange={(event) => {
          setQuery(event.target.value);
          setPosition(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div id="palette-found" role="listbox" aria-label="Found" className="max-h-96 overflow-auto py-1">
        {found.map((command, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input above handles the keys
          // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the input
          <div
            key={`${command.group} ${command.id}`}
            id={`found-${index}`}
            role="option"
            aria-selected={index === active}
            className={`flex cursor-pointer items-baseline gap-3 px-4 leading-8 ${index === active ? "bg-raised" : ""}`}
            onClick={() => choose(command)}
            onMouseMove={() => setPosition(index)}
          >
            <span className="truncate">{command.label}</span>
            <span className="truncate text-12 text-ink-3">
              {command.detail.length > 20 ? `${command.detail.slice(0, 8)}…` : command.detail}
            </span>
            <span className="ml-auto shrink-0 text-12 text-ink-3">
              {command.keys === undefined ? GROUPS[command.group] : command.keys}
            </span>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="px-4 py-3 text-ink-2">Nothing has these letters.</p>}
    </Dialog>
  );
}
