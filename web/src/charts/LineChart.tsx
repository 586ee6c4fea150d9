import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { type Palette, readPalette } from "../graph/palette";
import { formatClock } from "../lib/format";
import { usePreferences } from "../state/context";

export interface Line {
  readonly label: string;
  readonly values: readonly (number | null)[];
  readonly colour: keyof Palette;
  /** Lengths of dashes and gaps; lines must differ in more than colour. */
  readonly dash?: readonly number[];
  readonly width?: number;
  readonly look?: "line" | "bars" | "steps";
}

export interface ChartProps {
  /** World time in seconds, ascending. */
  readonly times_s: readonly number[];
  readonly lines: readonly Line[];
  /** Fixed range of the values; without it they decide, from 0. */
  readonly range?: readonly [number, number];
  readonly unit: string;
  /** What the chart says, in words. */
  readonly description: string;
  readonly testId: string;
}

const FONT = '12px "Inter Variable", system-ui, sans-serif';

function dataOf({ times_s, lines }: ChartProps): uPlot.AlignedData {
  return [[...times_s], ...lines.map((line) => [...line.values])];
}

/** A time of day, with seconds when ticks are closer than a minute and the date when they are far apart. */
function clockTick(seconds: number, step: number): string {
  const { date, time } = formatClock(seconds * 1000);
  if (step >= 86_400) {
    return date.slice(5);
  }
  return step < 60 ? time : time.slice(0, 5);
}

function tickText(value: number): string {
  return Math.abs(value) >= 1e6
    ? `${value / 1e6}M`
    : Math.abs(value) >= 1e3
      ? `${value / 1e3}k`
      : String(Math.round(value * 100) / 100);
}

function seriesOf(line: Line, palette: Palette): uPlot.Series {
  const base: uPlot.Series = {
    stroke: palette[line.colour],
    width: line.width ?? 1.5,
    points: { show: false },
  };
  if (line.dash !== undefined) {
    base.dash = [...line.dash];
  }
  if (line.look === "bars" && uPlot.paths.bars !== undefined) {
    return { ...base, fill: palette[line.colour], width: 0, paths: uPlot.paths.bars({ size: [0.8, 24] }) };
  }
  return { ...base, spanGaps: true };
}

function optionsFor(element: HTMLElement, props: ChartProps): uPlot.Options {
  const palette = readPalette(element);
  const axis: uPlot.Axis = {
    stroke: palette.inkSoft,
    font: FONT,
    grid: { stroke: palette.line, width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    legend: { show: false },
    cursor: { show: false },
    scales: {
      y: {
        range: (_chart, _low, high) =>
          props.range === undefined ? [0, high > 0 ? high * 1.1 : 1] : [props.range[0], props.range[1]],
      },
    },
    axes: [
      {
        ...axis,
        size: 24,
        space: 72,
        values: (_chart, ticks, _axis, _space, step) => ticks.map((tick) => clockTick(tick, step)),
      },
      {
        ...axis,
        size: 52,
        space: 28,
        values: (_chart, ticks) => ticks.map((tick) => `${tickText(tick)}\u202f${props.unit}`),
      },
    ],
    series: [{}, ...props.lines.map((line) => seriesOf(line, palette))],
  };
}

/** Lines over world time. Its legend is the caller's, in words beside the chart. */
export function LineChart(props: ChartProps) {
  const { theme } = usePreferences();
  const container = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shape = `${theme} ${props.unit} ${props.lines.map((line) => line.label + line.colour).join()}`;

  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme or other lines need another chart
  useEffect(() => {
    const element = container.current;
    if (element === null) {
      return;
    }
    const plot = new uPlot(optionsFor(element, latest.current), dataOf(latest.current), element);
    chart.current = plot;
    const observer = new ResizeObserver(() =>
      plot.setSize({ width: element.clientWidth, height: element.clientHeight }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
      chart.current = null;
    };
  }, [shape]);

  useEffect(() => {
    chart.current?.setData(dataOf(props));
  }, [props]);

  return (
    <div
      ref={container}
      role="img"
      data-testid={props.testId}
      aria-label={props.description}
      className="absolute inset-0 overflow-hidden"
    />
  );
}

interface LegendItem {
  readonly label: string;
  readonly colour: string;
  readonly dash?: readonly number[];
  readonly value?: string;
}

/** Samples of the lines, drawn as they are in the chart, with the newest or overall value. */
export function ChartLegend({ items }: { readonly items: readonly LegendItem[] }) {
  return (
    <ul className="flex flex-wrap gap-x-4 text-12 text-ink-2">
      {items.map((item) => (
        <li key={item.label} className="flex items-center gap-1 whitespace-nowrap">
          <svg width="22" height="8" aria-hidden="true" className={item.colour}>
            <line
              x1="0"
              x2="22"
              y1="4"
              y2="4"
              stroke="currentColor"
              strokeWidth="2"
              strokeDasharray={item.dash?.join(" ")}
            />
          </svg>
          {item.label}
          {item.value !== undefined && <span className="text-ink">{item.value}</span>}
        </li>
      ))}
    </ul>
  );
}
