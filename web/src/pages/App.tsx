import { useCallback, useEffect, useMemo, useState } from "react";
import { ChannelPanel } from "../components/ChannelPanel";
import { CommandPalette } from "../components/CommandPalette";
import { ConnectionNotice } from "../components/ConnectionNotice";
import { KeysDialog } from "../components/KeysDialog";
import { Navigation } from "../components/Navigation";
import { NodeNotice } from "../components/NodeNotice";
import { TokenDialog } from "../components/TokenDialog";
import { TopBar } from "../components/TopBar";
import { useKeys } from "../lib/hooks";
import { PLACE_FACTS, PLACES } from "../lib/places";
import { moveRow } from "../lib/rows";
import { useRoute, useStores } from "../state/context";
import { UNITS } from "../state/preferences";
import type { Place } from "../state/route";
import { Missed } from "./Missed";
import { Overview } from "./Overview";
import { Channels, Fees, NetworkPlace, Rebalance, Simulator } from "./Places";

const PAGES: Readonly<Record<Exclude<Place, "overview">, () => React.ReactNode>> = {
  channels: Channels,
  missed: Missed,
  fees: Fees,
  rebalance: Rebalance,
  simulator: Simulator,
  network: NetworkPlace,
};

/** Those that fill the window and scroll within; the others scroll as a whole. */
const FILLING: ReadonlySet<Place> = new Set(["overview", "channels", "network"]);

type OpenDialog = "none" | "keys" | "palette";

/** The frame of all places: navigation, top bar, dialogs, keys. */
export function App() {
  const { dashboard, preferences, route } = useStores();
  const { place } = useRoute();
  const [dialog, setDialog] = useState<OpenDialog>("none");
  const closeDialog = useCallback(() => setDialog("none"), []);
  const openKeys = useCallback(() => setDialog("keys"), []);

  useEffect(() => {
    document.title = place === "overview" ? "LightningLens" : `${PLACE_FACTS[place].title} – LightningLens`;
  }, [place]);

  const closePanel = useCallback(() => {
    const { channelId } = dashboard.get().selection;
    dashboard.select({ channelId: null });
    if (channelId !== null) {
      document
        .querySelector<HTMLButtonElement>(`[data-channel-row="${CSS.escape(channelId)}"]`)
        ?.focus({ preventScroll: true });
    }
  }, [dashboard]);

  const keys = useMemo(() => {
    const move = (step: 1 | -1) =>
      moveRow(step, dashboard.get().selection.channelId, (channelId) => dashboard.select({ channelId }));
    return {
      "/": () => document.querySelector<HTMLInputElement>("[data-search]")?.focus(),
      "?": openKeys,
      "mod+k": () => setDialog("palette"),
      j: () => move(1),
      k: () => move(-1),
      u: () => {
        const next = UNITS[(UNITS.indexOf(preferences.get().unit) + 1) % UNITS.length];
        preferences.set({ unit: next ?? "sat" });
      },
      t: () => preferences.set({ theme: preferences.get().theme === "dark" ? "light" : "dark" }),
      Escape: closePanel,
      ...Object.fromEntries(
        PLACES.map((where) => [`g${PLACE_FACTS[where].key}`, () => route.go({ place: where })]),
      ),
    };
  }, [dashboard, preferences, route, closePanel, openKeys]);
  useKeys(keys);

  const Page = place === "overview" ? null : PAGES[place];
  return (
    <div className="flex min-h-dvh lg:h-dvh">
      <Navigation />
      <div className="flex min-w-0 flex-1 flex-col max-lg:pb-16">
        <TopBar onKeys={openKeys} onPalette={() => setDialog("palette")} />
        <ConnectionNotice />
        <NodeNotice />
        <div className="flex min-h-0 flex-1 gap-2 p-2">
          <main
            className={`flex min-h-0 min-w-0 flex-1 flex-col ${FILLING.has(place) ? "" : "lg:overflow-auto"}`}
          >
            <h1 className="sr-only">{PLACE_FACTS[place].title}</h1>
            {Page === null ? <Overview onClosePanel={closePanel} /> : <Page />}
          </main>
          {place !== "overview" && <ChannelPanel onClose={closePanel} />}
        </div>
      </div>
      {dialog === "keys" && <KeysDialog onClose={closeDialog} />}
      {dialog === "palette" && <CommandPalette onClose={closeDialog} onKeys={openKeys} />}
      <TokenDialog />
    </div>
  );
}
