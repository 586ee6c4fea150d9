/** What is drawn over the graph on a plain canvas: shares beside the bars, payments on their way. */

import type Sigma from "sigma";
import { formatShare } from "../lib/format";
import { type Flight, type FlightFrame, frameOf, MOST_FLIGHTS } from "./flights";
import type { BarAttributes } from "./liquidityBar";
import { type Look, withAlpha } from "./palette";
import type { NodeAttributes } from "./scene";

export type Renderer = Sigma<NodeAttributes, BarAttributes>;

interface Point {
  readonly x: number;
  readonly y: number;
}

/** The visible bar of a channel on the screen, from rim to rim. */
interface Bar {
  readonly start: Point;
  readonly end: Point;
  readonly normal: Point;
}

const FONT = '12px "Inter Variable", system-ui, sans-serif';
const LABEL_GAP_PX = 8;
const MARK_HALF_PX = 8;
const LABEL_HALF_HEIGHT_PX = 7;
const LABEL_PLACE = 0.2;
/** With more channels than this only hovered and selected ones carry their shares. */
const MOST_LABELLED = 24;

function between(start: Point, end: Point, share: number): Point {
  return { x: start.x + (end.x - start.x) * share, y: start.y + (end.y - start.y) * share };
}

/** Full for the first half of the closing phase, then fading. */
function opacityOf(frame: FlightFrame): number {
  return Math.min(1, 2 * (1 - frame.fade));
}

export class Overlay {
  readonly #renderer: Renderer;
  readonly #canvas: HTMLCanvasElement;
  #flights: Flight[] = [];
  #look: Look;
  #frame: number | null = null;
  #emphasised: ReadonlySet<string> = new Set();
  #bestShares: ReadonlyMap<string, number> = new Map();

  constructor(renderer: Renderer, look: Look) {
    this.#renderer = renderer;
    this.#look = look;
    this.#canvas = renderer.createCanvas("payments", { afterLayer: "labels" });
    this.#canvas.style.pointerEvents = "none";
    renderer.on("afterRender", () => this.#draw(performance.now()));
  }

  setLook(look: Look): void {
    this.#look = look;
  }

  /** Channels whose shares are written out even in a large network. */
  emphasise(channelIds: ReadonlySet<string>): void {
    this.#emphasised = channelIds;
    this.#wake();
  }

  /** Best shares of the channels' first ends, marked on the bars that carry their shares. */
  markBest(bestShares: ReadonlyMap<string, number>): void {
    this.#bestShares = bestShares;
    this.#wake();
  }

  launch(flights: readonly Flight[]): void {
    this.#flights = [...this.#flights, ...flights].slice(-MOST_FLIGHTS);
    this.#wake();
  }

  dispose(): void {
    if (this.#frame !== null) {
      cancelAnimationFrame(this.#frame);
    }
  }

  #wake(): void {
    if (this.#frame === null) {
      this.#frame = requestAnimationFrame((now) => {
        this.#frame = null;
        this.#draw(now);
        if (this.#flights.length > 0) {
          this.#wake();
        }
      });
    }
  }

  #draw(now: number): void {
    const context = this.#prepare();
    if (context === null) {
      return;
    }
    this.#drawShares(context);
    this.#flights = this.#flights.filter((flight) => frameOf(flight, now).phase !== "over");
    for (const flight of this.#flights) {
      this.#drawFlight(context, flight, frameOf(flight, now));
    }
    this.#drawLatestCause(context, now);
  }

  #prepare(): CanvasRenderingContext2D | null {
    const { width, height } = this.#renderer.getDimensions();
    const ratio = window.devicePixelRatio || 1;
    const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== pixelWidth || this.#canvas.height !== pixelHeight) {
      this.#canvas.width = pixelWidth;
      this.#canvas.height = pixelHeight;
      this.#canvas.style.width = `${width}px`;
      this.#canvas.style.height = `${height}px`;
    }
    const context = this.#canvas.getContext("2d");
    context?.setTransform(ratio, 0, 0, ratio, 0, 0);
    context?.clearRect(0, 0, width, height);
    return context;
  }

  #nodePoint(nodeId: string): Point | null {
    const graph = this.#renderer.getGraph();
    return graph.hasNode(nodeId)
      ? this.#renderer.graphToViewport({
          x: graph.getNodeAttribute(nodeId, "x"),
          y: graph.getNodeAttribute(nodeId, "y"),
        })
      : null;
  }

  #bar(channelId: string): Bar | null {
    const graph = this.#renderer.getGraph();
    if (!graph.hasEdge(channelId)) {
      return null;
    }
    const [sourceId, targetId] = graph.extremities(channelId);
    const source = this.#nodePoint(sourceId);
    const target = this.#nodePoint(targetId);
    if (source === null || target === null) {
      return null;
    }
    const length = Math.hypot(target.x - source.x, target.y - source.y) || 1;
    const along = { x: (target.x - source.x) / length, y: (target.y - source.y) / length };
    // The shader's normal, in a coordinate system whose y axis points down.
    const normal = { x: along.y, y: -along.x };
    const offset = this.#renderer.scaleSize(graph.getEdgeAttribute(channelId, "offset"));
    const rim = (nodeId: string) => this.#renderer.scaleSize(graph.getNodeAttribute(nodeId, "size"));
    const moved = (point: Point, distance: number) => ({
      x: point.x + along.x * distance + normal.x * offset,
      y: point.y + along.y * distance + normal.y * offset,
    });
    return { start: moved(source, rim(sourceId)), end: moved(target, -rim(targetId)), normal };
  }

  #drawShares(context: CanvasRenderingContext2D): void {
    const graph = this.#renderer.getGraph();
    const labelsAll = graph.size <= MOST_LABELLED && !this.#look.isCompact;
    const labelled = labelsAll ? graph.edges() : [...this.#emphasised];
    context.font = FONT;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const channelId of labelled) {
      const bar = this.#bar(channelId);
      if (bar === null) {
        continue;
      }
      const { sourceShare, middleShare } = graph.getEdgeAttributes(channelId);
      const strong = this.#emphasised.has(channelId);
      this.#drawBest(context, bar, this.#bestShares.get(channelId));
      this.#drawShare(context, bar, LABEL_PLACE, sourceShare, strong);
      this.#drawShare(context, bar, 1 - LABEL_PLACE, Math.max(0, 1 - sourceShare - middleShare), strong);
    }
  }

  #drawBest(context: CanvasRenderingContext2D, bar: Bar, share: number | undefined): void {
    if (share === undefined) {
      return;
    }
    const point = between(bar.start, bar.end, share);
    context.beginPath();
    context.moveTo(point.x - bar.normal.x * MARK_HALF_PX, point.y - bar.normal.y * MARK_HALF_PX);
    context.lineTo(point.x + bar.normal.x * MARK_HALF_PX, point.y + bar.normal.y * MARK_HALF_PX);
    context.lineWidth = 5;
    context.strokeStyle = this.#look.palette.surface;
    context.stroke();
    context.lineWidth = 2;
    context.strokeStyle = this.#look.palette.ink;
    context.stroke();
  }

  #drawShare(
    context: CanvasRenderingContext2D,
    bar: Bar,
    place: number,
    share: number,
    strong: boolean,
  ): void {
    const point = between(bar.start, bar.end, place);
    // Always on the upper side, so that text does not jump when a channel is turned round.
    const side = bar.normal.y > 0 || (bar.normal.y === 0 && bar.normal.x > 0) ? -1 : 1;
    const text = formatShare(share, 0);
    const reach = Math.abs(bar.normal.x) * (context.measureText(text).width / 2) + LABEL_GAP_PX;
    const distance = side * (reach + Math.abs(bar.normal.y) * LABEL_HALF_HEIGHT_PX);
    this.#drawText(
      context,
      text,
      { x: point.x + bar.normal.x * distance, y: point.y + bar.normal.y * distance },
      strong ? this.#look.palette.ink : this.#look.palette.inkSoft,
      1,
    );
  }

  #drawText(
    context: CanvasRenderingContext2D,
    text: string,
    point: Point,
    colour: string,
    opacity: number,
  ): void {
    const width = context.measureText(text).width;
    const left = Math.min(
      Math.max(point.x, width / 2 + 6),
      this.#renderer.getDimensions().width - width / 2 - 6,
    );
    context.globalAlpha = 0.85 * opacity;
    context.fillStyle = this.#look.palette.surface;
    context.fillRect(left - width / 2 - 3, point.y - 8, width + 6, 16);
    context.globalAlpha = opacity;
    context.fillStyle = colour;
    context.fillText(text, left, point.y);
    context.globalAlpha = 1;
  }

  /** Where a flight is; a flight without a hop (no route) is at its sender. */
  #flightPoint(flight: Flight, frame: FlightFrame): Point | null {
    const channelId = flight.channelIds[frame.hop];
    const fromId = flight.nodeIds[frame.hop];
    if (fromId === undefined) {
      return null;
    }
    const bar = channelId === undefined ? null : this.#bar(channelId);
    if (bar === null || channelId === undefined || flight.hops === 0) {
      return this.#nodePoint(fromId);
    }
    const forwards = this.#renderer.getGraph().source(channelId) === fromId;
    return forwards ? between(bar.start, bar.end, frame.along) : between(bar.end, bar.start, frame.along);
  }

  #drawFlight(context: CanvasRenderingContext2D, flight: Flight, frame: FlightFrame): void {
    const point = this.#flightPoint(flight, frame);
    if (point === null) {
      return;
    }
    if (frame.phase === "failed") {
      this.#drawFailure(context, flight, frame, point);
      return;
    }
    const isArrival = frame.phase === "arrived";
    const radius = isArrival ? 5 + 9 * frame.fade : 5;
    context.globalAlpha = isArrival ? 1 - frame.fade : 1;
    context.beginPath();
    context.arc(point.x, point.y, radius, 0, 2 * Math.PI);
    context.lineWidth = 2;
    if (isArrival) {
      context.strokeStyle = this.#look.palette.success;
      context.stroke();
    } else {
      context.fillStyle = flight.kind === "rebalance" ? this.#look.palette.accent : this.#look.palette.ink;
      context.strokeStyle = this.#look.palette.surface;
      context.fill();
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  #drawFailure(context: CanvasRenderingContext2D, flight: Flight, frame: FlightFrame, point: Point): void {
    const opacity = opacityOf(frame);
    const channelId = flight.channelIds[frame.hop];
    const bar = channelId === undefined || flight.hops === 0 ? null : this.#bar(channelId);
    if (bar !== null) {
      context.globalAlpha = opacity * 0.8;
      context.strokeStyle = withAlpha(this.#look.palette.failure, 0.9);
      context.lineWidth = 3;
      context.beginPath();
      context.moveTo(bar.start.x, bar.start.y);
      context.lineTo(bar.end.x, bar.end.y);
      context.stroke();
    }
    context.globalAlpha = opacity;
    context.fillStyle = this.#look.palette.failure;
    context.beginPath();
    context.arc(point.x, point.y, 7, 0, 2 * Math.PI);
    context.fill();
    context.strokeStyle = this.#look.palette.surface;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(point.x - 3, point.y - 3);
    context.lineTo(point.x + 3, point.y + 3);
    context.moveTo(point.x + 3, point.y - 3);
    context.lineTo(point.x - 3, point.y + 3);
    context.stroke();
  }

  /** The cause of the newest failure in words; several at once would cover each other. */
  #drawLatestCause(context: CanvasRenderingContext2D, now: number): void {
    const latest = this.#flights.findLast((flight) => frameOf(flight, now).phase === "failed");
    const frame = latest === undefined ? null : frameOf(latest, now);
    const point = latest === undefined || frame === null ? null : this.#flightPoint(latest, frame);
    if (latest?.cause == null || frame === null || point === null) {
      return;
    }
    context.font = FONT;
    context.textAlign = "center";
    context.textBaseline = "middle";
    this.#drawText(
      context,
      latest.cause,
      { x: point.x, y: point.y + 20 },
      this.#look.palette.failure,
      opacityOf(frame),
    );
  }
}
