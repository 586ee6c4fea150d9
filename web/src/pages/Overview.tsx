import { ChannelPanel } from "../components/ChannelPanel";
import { ChannelTable } from "../components/ChannelTable";
import { HoldingsCompact } from "../components/Holdings";
import { Metrics, NetworkFigures } from "../components/Metrics";
import { MissedSummary } from "../components/MissedSummary";
import { NetworkGraph } from "../components/NetworkGraph";
import { NodeFigures } from "../components/NodeFigures";
import { ProfitFigures } from "../components/ProfitFigures";
import { Suggestions } from "../components/Suggestions";
import { TransactionLog } from "../components/TransactionLog";
import { useEffects } from "../lib/effects";
import { useIsWatched } from "../lib/mode";

const GRID = "flex min-h-0 flex-1 flex-col gap-2 lg:grid lg:grid-cols-[minmax(0,1fr)_440px]";

interface OverviewProps {
  readonly onClosePanel: () => void;
}

/** The network in the centre, its balances, what is paid over it and what is recommended. */
function OverviewOfNetwork({ onClosePanel }: OverviewProps) {
  const effects = useEffects();
  return (
    <div className={`${GRID} lg:grid-rows-[auto_minmax(0,1.7fr)_minmax(0,1fr)]`}>
      <NetworkFigures className="lg:col-span-2" />
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

/** The node amid its peers, what it forwards, earns and misses. */
function OverviewOfNode({ onClosePanel }: OverviewProps) {
  return (
    <div className={`${GRID} lg:grid-rows-[auto_auto_minmax(0,1.7fr)_minmax(0,1fr)]`}>
      <NodeFigures className="lg:col-span-2" />
      <ProfitFigures className="lg:col-span-2" />
      <div className="flex min-h-0 min-w-0 gap-2">
        <NetworkGraph className="h-96 flex-1 lg:h-auto" />
        <ChannelPanel onClose={onClosePanel} />
      </div>
      <div className="flex min-h-0 min-w-0 flex-col gap-2">
        <HoldingsCompact className="lg:flex-[1.4]" />
        <MissedSummary className="lg:flex-1" />
      </div>
      <TransactionLog className="order-last lg:order-none" />
      <Metrics className="min-h-64 lg:min-h-0" />
    </div>
  );
}

export function Overview(props: OverviewProps) {
  return useIsWatched() ? <OverviewOfNode {...props} /> : <OverviewOfNetwork {...props} />;
}
