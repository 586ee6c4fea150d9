/** Owns sigma: shows a world, reports what is hovered and clicked, lets payments travel. */

import Sigma from "sigma";
import type { NodeLabelDrawingFunction } from "sigma/rendering";
import type { Payment } from "../api/types";
import { namesOf, orient } from "../lib/channels";
import { bestShare } from "../lib/predictions";
import type { Selection } from "../state/dashboard";
import type { World } from "../state/world";
import { planFlight } from "./flights";
import { type BarAttributes, LiquidityBarProgram } from "./liquidityBar";
import { Overlay, type Renderer } from "./overlay";
import type { Look } from "./palette";
import { buildScene, moveBalances, type NodeAttributes, restyleScene, sameShape } from "./scene";

export interface Hovered {
  readonly kind: "node" | "channel";
  readonly id: string;
  readonly x: number;
  readonly y: number;
  /** Whether there is more room above it than below. */
  readonly isLow: boolean;
}

export interface GraphHandlers {
  onHover(hovered: Hovered | null): void;
  onNode(nodeId: string): void;
  onChannel(channelId: string): void;
  onBackground(): void;
}

const ZOOM_MS = 150;
/** In a smaller network everything is seen at once. */
const LARGE_NETWORK = 50;
const FLIGHT_MS = 500;
const FLIGHT_RATIO = 0.15;

/** The best share of each channel's first end, where there is a prediction. */
function bestShares(world: World): ReadonlyMap<string, number> {
  const shares = new Map<string, number>();
  if (world.predictions.size > 0) {
    for (const channel of world.channels.values()) {
      const best = bestShare(orient(channel, null), world.predictions);
      if (best !== null) {
        shares.set(channel.channel_id, best.share);
      }
    }
  }
  return shares;
}

/** Whether this browser can draw the graph at all. */
export function hasWebGl(): boolean {
  const canvas = document.createElement("canvas");
  return (canvas.getContext("webgl2") ?? canvas.getContext("webgl")) !== null;
}

export class GraphView {
  readonly #renderer: Renderer;
  readonly #overlay: Overlay;
  readonly #observer: ResizeObserver;
  #world: World;
  #selection: Selection;
  #look: Look;
  #hoveredChannel: string | null = null;
  /** Whether sigma has indexed the graph; before that it refuses changes to single channels. */
  #isProcessed = false;

  constructor(
    container: HTMLElement,
    world: World,
    selection: Selection,
    look: Look,
    handlers: GraphHandlers,
  ) {
    this.#world = world;
    this.#selection = selection;
    this.#look = look;
    this.#renderer = new Sigma<NodeAttributes, BarAttributes>(buildScene(world, selection, look), container, {
      allowInvalidContainer: true,
      defaultEdgeType: "bar",
      edgeProgramClasses: { bar: LiquidityBarProgram },
      enableEdgeEvents: true,
      zIndex: true,
      stagePadding: look.isCompact ? 36 : 56,
      labelRenderedSizeThreshold: 7,
      minCameraRatio: 0.02,
      maxCameraRatio: 3,
      defaultDrawNodeLabel: this.#drawLabel,
      defaultDrawNodeHover: () => undefined,
    });
    this.#overlay = new Overlay(this.#renderer, look);
    this.#overlay.markBest(bestShares(world));
    this.#observer = new ResizeObserver(() => this.#renderer.resize().scheduleRefresh());
    this.#observer.observe(container);
    this.#renderer.on("afterProcess", () => {
      this.#isProcessed = true;
    });
    this.#listen(container, handlers);
    this.#letPageScroll();
  }

  show(world: World, selection: Selection): void {
    const before = this.#world;
    const isSameSelection = selection === this.#selection;
    const { viewpointId } = selection;
    const isElsewhere = viewpointId !== null && viewpointId !== this.#selection.viewpointId;
    this.#world = world;
    this.#selection = selection;
    if (!sameShape(before, world)) {
      this.#isProcessed = false;
      this.#renderer.setGraph(buildScene(world, selection, this.#look));
    } else if (this.#isProcessed && isSameSelection) {
      moveBalances(this.#renderer.getGraph(), before, world);
    } else {
      restyleScene(this.#renderer.getGraph(), world, selection, this.#look);
    }
    this.#emphasise();
    if (world.predictions !== before.predictions || !sameShape(before, world)) {
      this.#overlay.markBest(bestShares(world));
    }
    if (isElsewhere && world.nodes.size > LARGE_NETWORK) {
      this.#flyTo(viewpointId);
    }
  }

  #flyTo(nodeId: string): void {
    const place = this.#renderer.getNodeDisplayData(nodeId);
    if (place !== undefined) {
      const camera = this.#renderer.getCamera();
      const ratio = Math.min(camera.ratio, FLIGHT_RATIO);
      camera.animate({ x: place.x, y: place.y, ratio }, { duration: FLIGHT_MS });
    }
  }

  setLook(look: Look): void {
    this.#look = look;
    this.#overlay.setLook(look);
    restyleScene(this.#renderer.getGraph(), this.#world, this.#selection, look);
  }

  fly(payments: readonly Payment[], reducedMotion: boolean): void {
    const nameOf = namesOf(this.#world.nodes);
    const now = performance.now();
    const flights = payments
      .filter((payment) => !reducedMotion || !payment.succeeded)
      .map((payment) => planFlight(payment, this.#world.stats.speed, now, nameOf))
      .filter((flight) => flight !== null)
      .map((flight) => (reducedMotion ? { ...flight, travelMs: 0 } : flight));
    this.#overlay.launch(flights);
  }

  zoom(step: "in" | "out" | "fit"): void {
    const camera = this.#renderer.getCamera();
    const options = { duration: ZOOM_MS };
    if (step === "fit") {
      camera.animatedReset(options);
    } else if (step === "in") {
      camera.animatedZoom(options);
    } else {
      camera.animatedUnzoom(options);
    }
  }

  dispose(): void {
    this.#observer.disconnect();
    this.#overlay.dispose();
    this.#renderer.kill();
  }

  #emphasise(): void {
    const ids = [this.#hoveredChannel, this.#selection.channelId].filter((id) => id !== null);
    this.#overlay.emphasise(new Set(ids));
  }

  #listen(container: HTMLElement, handlers: GraphHandlers): void {
    const hover = (hovered: Hovered | null) => {
      this.#hoveredChannel = hovered?.kind === "channel" ? hovered.id : null;
      container.style.cursor = hovered === null ? "default" : "pointer";
      this.#emphasise();
      handlers.onHover(hovered);
    };
    const renderer = this.#renderer;
    const at = ({ x, y }: { x: number; y: number }) => ({
      x,
      y,
      isLow: y > renderer.getDimensions().height / 2,
    });
    renderer.on("enterNode", ({ node, event }) => hover({ kind: "node", id: node, ...at(event) }));
    renderer.on("leaveNode", () => hover(null));
    renderer.on("enterEdge", ({ edge, event }) => hover({ kind: "channel", id: edge, ...at(event) }));
    renderer.on("leaveEdge", () => hover(null));
    renderer.on("clickNode", ({ node }) => handlers.onNode(node));
    renderer.on("clickEdge", ({ edge }) => handlers.onChannel(edge));
    renderer.on("clickStage", () => handlers.onBackground());
  }

  /** A finger moves the page until the reader has zoomed in; taps arrive as clicks. */
  #letPageScroll(): void {
    const touch = this.#renderer.getTouchCaptor();
    touch.enabled = false;
    this.#renderer.getCamera().on("updated", (state) => {
      touch.enabled = state.ratio < 0.99;
    });
  }

  readonly #drawLabel: NodeLabelDrawingFunction<NodeAttributes, BarAttributes> = (context, data) => {
    if (!data.label) {
      return;
    }
    context.font = '600 13px "Inter Variable", system-ui, sans-serif';
    context.textAlign = "center";
    context.textBaseline = "top";
    context.lineJoin = "round";
    context.lineWidth = 4;
    context.strokeStyle = this.#look.palette.surface;
    context.strokeText(data.label, data.x, data.y + data.size + 4);
    context.fillStyle = this.#look.palette.ink;
    context.fillText(data.label, data.x, data.y + data.size + 4);
  };
}
