import { useEffect, useMemo, useRef, useState } from "react";
import { lookOf } from "../graph/palette";
import { GraphView, type Hovered, hasWebGl } from "../graph/view";
import { useIsWatched } from "../lib/mode";
import { useDashboard, usePreferences, useStores } from "../state/context";
import { GraphTooltip } from "./GraphTooltip";
import { Provenance } from "./Provenance";
import { Empty, Section } from "./Section";
import { Viewpoint } from "./Viewpoint";

const REDUCED_MOTION = "(prefers-reduced-motion: reduce)";

function Legend() {
  const viewpoint = useDashboard((state) =>
    state.selection.viewpointId === null
      ? undefined
      : state.world?.nodes.get(state.selection.viewpointId)?.name,
  );
  const hasPredictions = useDashboard((state) => (state.world?.predictions.size ?? 0) > 0);
  const isWatched = useIsWatched();
  const [near, far] =
    viewpoint === undefined && !isWatched
      ? ["first-named node's side", "second-named node's side"]
      : [`local: ${viewpoint ?? "the node"}'s side`, "remote: its peer's side"];
  const item = "flex items-center gap-1 whitespace-nowrap";
  return (
    <p className="flex flex-wrap gap-x-4 text-12 text-ink-2">
      <span className={item}>
        <span className="size-2 bg-local" aria-hidden="true" /> {near}
      </span>
      <span className={item}>
        <span className="size-2 bg-remote" aria-hidden="true" /> {far}
      </span>
      <span className={item}>
        <span className="size-2 bg-unsettled" aria-hidden="true" /> in flight
      </span>
      {hasPredictions && (
        <span className={item}>
          <span className="h-3 w-0.5 bg-ink" aria-hidden="true" /> best share
          <Provenance of="estimated" />
        </span>
      )}
    </p>
  );
}

function Canvas() {
  const { dashboard } = useStores();
  const { theme } = usePreferences();
  const world = useDashboard((state) => state.world);
  const selection = useDashboard((state) => state.selection);
  const container = useRef<HTMLDivElement>(null);
  const view = useRef<GraphView | null>(null);
  const [hovered, setHovered] = useState<Hovered | null>(null);
  // A browser may take the drawing context away (sleep, driver reset); then all is built anew.
  const [generation, setGeneration] = useState(0);
  const isReady = world !== null;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a lost context asks for a new view
  useEffect(() => {
    const element = container.current;
    const { world: current, selection: selected } = dashboard.get();
    if (!isReady || element === null || current === null) {
      return;
    }
    const graph = new GraphView(element, current, selected, lookOf(element), {
      onHover: setHovered,
      onNode: (viewpointId) => dashboard.select({ viewpointId }),
      onChannel: (channelId) => dashboard.select({ channelId }),
      onBackground: () => dashboard.select({ channelId: null, payment: null, viewpointId: null }),
    });
    view.current = graph;
    const stopListening = dashboard.onPayments((payments) => {
      if (document.visibilityState === "visible") {
        graph.fly(payments, window.matchMedia(REDUCED_MOTION).matches);
      }
    });
    const rebuild = () => setGeneration((count) => count + 1);
    element.addEventListener("webglcontextlost", rebuild, true);
    return () => {
      element.removeEventListener("webglcontextlost", rebuild, true);
      stopListening();
      graph.dispose();
      view.current = null;
    };
  }, [dashboard, isReady, generation]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes what lookOf reads
  useEffect(() => {
    if (container.current !== null) {
      view.current?.setLook(lookOf(container.current));
    }
  }, [theme]);

  useEffect(() => {
    if (world !== null) {
      view.current?.show(world, selection);
    }
  }, [world, selection]);

  const zoomButton =
    "size-7 rounded-sm border border-line bg-surface text-15 leading-6 text-ink-2 hover:text-ink";
  return (
    <div className="relative min-h-0 flex-1 overflow-hidden">
      <div
        ref={container}
        role="img"
        aria-label={
          world === null
            ? "Network graph"
            : `Network graph of ${world.nodes.size} nodes and ${world.channels.size} channels; the table of channels says the same in words`
        }
        data-testid="graph"
        className="absolute inset-0"
      />
      {hovered !== null && <GraphTooltip hovered={hovered} />}
      <div className="absolute right-2 bottom-2 flex flex-col gap-1">
        <button
          type="button"
          className={zoomButton}
          aria-label="Zoom in"
          onClick={() => view.current?.zoom("in")}
        >
          +
        </button>
        <button
          type="button"
          className={zoomButton}
          aria-label="Zoom out"
          onClick={() => view.current?.zoom("out")}
        >
          −
        </button>
        <button
          type="button"
          className={zoomButton}
          aria-label="Fit the network into view"
          onClick={() => view.current?.zoom("fit")}
        >
          ⤢
        </button>
      </div>
    </div>
  );
}

export function NetworkGraph({ className }: { readonly className: string }) {
  const canDraw = useMemo(hasWebGl, []);
  const isWatched = useIsWatched();
  return (
    <Section id="graph" title="Network" className={className} aside={isWatched ? null : <Viewpoint />}>
      {canDraw ? (
        <Canvas />
      ) : (
        <Empty>
          This browser has no WebGL, which the graph needs. The table of channels shows the same balances; to
          see the graph, turn on hardware acceleration or use another browser.
        </Empty>
      )}
      <div className="border-t border-line px-3 py-1">
        <Legend />
      </div>
    </Section>
  );
}
