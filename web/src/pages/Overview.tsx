import { useCallback, useMemo, useRef, useState } from "react";
import { ChannelPanel } from "../components/ChannelPanel";
import { ChannelTable } from "../components/ChannelTable";
import { ConnectionNotice } from "../components/ConnectionNotice";
import { KeysDialog } from "../components/KeysDialog";
import { Metrics } from "../components/Metrics";
import { NetworkGraph } from "../components/NetworkGraph";
import { TopBar } from "../components/TopBar";
import { TransactionLog } from "../components/TransactionLog";
import { useKeys } from "../lib/hooks";
import { useStores } from "../state/context";
import { UNITS } from "../state/preferences";

function channelButtons(): HTMLButtonElement[] {
  return [...document.querySelectorAll<HTMLButtonElement>("[data-channel-row]")];
}

/** Focus the next or previous channel; if details are open, they follow. */
function moveChannel(step: 1 | -1, selectedId: string | null, follow: (channelId: string) => void): void {
  const buttons = channelButtons();
  const focused = buttons.findIndex((button) => button.matches(":focus"));
  const selected = buttons.findIndex((button) => button.dataset.channelRow === selectedId);
  const current = focused === -1 ? selected : focused;
  const next = buttons[current === -1 ? 0 : Math.min(buttons.length - 1, Math.max(0, current + step))];
  next?.focus();
  if (selectedId !== null && next?.dataset.channelRow !== undefined) {
    follow(next.dataset.channelRow);
  }
}

/** The first page: the network, its balances, and what is paid over it, live. */
export function Overview() {
  const { dashboard, preferences } = useStores();
  const [areKeysOpen, setKeysOpen] = useState(false);
  const search = useRef<HTMLInputElement>(null);

  const closePanel = useCallback(() => {
    const { channelId } = dashboard.get().selection;
    dashboard.select({ channelId: null });
    channelButtons()
      .find((button) => button.dataset.channelRow === channelId)
      ?.focus({ preventScroll: true });
  }, [dashboard]);

  const keys = useMemo(() => {
    const follow = (channelId: string) => dashboard.select({ channelId });
    const selectedId = () => dashboard.get().selection.channelId;
    return {
      "/": () => search.current?.focus(),
      "?": () => setKeysOpen(true),
      j: () => moveChannel(1, selectedId(), follow),
      k: () => moveChannel(-1, selectedId(), follow),
      u: () => {
        const next = UNITS[(UNITS.indexOf(preferences.get().unit) + 1) % UNITS.length];
        preferences.set({ unit: next ?? "sat" });
      },
      t: () => preferences.set({ theme: preferences.get().theme === "dark" ? "light" : "dark" }),
      Escape: closePanel,
    };
  }, [dashboard, preferences, closePanel]);
  useKeys(keys);

  return (
    <div className="flex min-h-dvh flex-col lg:h-dvh">
      <TopBar onKeys={() => setKeysOpen(true)} />
      <ConnectionNotice />
      <main className="flex min-h-0 flex-1 flex-col gap-2 p-2 lg:grid lg:grid-cols-[minmax(0,1fr)_480px] lg:grid-rows-[minmax(0,1.6fr)_minmax(0,1fr)]">
        <h1 className="sr-only">Overview</h1>
        <div className="flex min-h-0 min-w-0 gap-2">
          <NetworkGraph className="h-96 flex-1 lg:h-auto" />
          <ChannelPanel onClose={closePanel} />
        </div>
        <ChannelTable className="" />
        <TransactionLog className="order-last lg:order-none" searchRef={search} />
        <Metrics className="" />
      </main>
      <KeysDialog open={areKeysOpen} onClose={() => setKeysOpen(false)} />
    </div>
  );
}
