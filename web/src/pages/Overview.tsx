import { ChannelPanel } from "../components/ChannelPanel";
import { ChannelTable } from "../components/ChannelTable";
import { Figures, Metrics } from "../components/Metrics";
import { NetworkGraph } from "../components/NetworkGraph";
import { Suggestions } from "../components/Suggestions";
import { TransactionLog } from "../components/TransactionLog";
import { useEffects } from "../lib/effects";

/** The network in the centre, its balances, what is paid over it and what is recommended. */
export function Overview({ onClosePanel }: { readonly onClosePanel: () => void }) {
  const effects = useEffects();
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-2 lg:grid lg:grid-cols-[minmax(0,1fr)_440px] lg:grid-rows-[auto_minmax(0,1.7fr)_minmax(0,1fr)]">
      <Figures className="lg:col-span-2" />
      <div className="flex min-h-0 min-w-0 gap-2">
        <NetworkGraph className="h-96 flex-1 lg:h-auto" />
        <ChannelPanel onClose={onClosePanel} />
      </div>
      <div className="flex min-h-0 min-w-0 flex-col gap-2">
        <ChannelTable isCompact className="lg:flex-[1.4]" />
        <Suggestions effects={effects.value ?? []} className="lg:flex-1" />
      </div>
      <TransactionLog className="order-last lg:order-none" />
      <Metrics className="min-h-64 lg:min-h-0" />
    </div>
  );
}
