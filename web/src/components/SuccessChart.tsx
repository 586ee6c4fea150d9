import { useEffect, useRef } from "react";
import uPlot from "uplot";
import { readPalette } from "../graph/palette";
import { formatClock } from "../lib/format";
import type { SuccessSeries } from "../lib/series";
import { usePreferences } from "../state/context";

interface SuccessChartProps {
  readonly series: SuccessSeries;
  /** The success rate since the start, 0 to 1: what the series is compared with. */
  readonly baseline: number | null;
}

const FONT = '12px "Inter Variable", system-ui, sans-serif';

function dataOf({ series, baseline }: SuccessChartProps): uPlot.AlignedData {
  const level = baseline === null ? null : baseline * 100;
  return [[...series.times_s], [...series.percent], series.times_s.map(() => level)];
}

/** A time of day, with seconds when ticks are closer than a minute. */
function clockTick(seconds: number, step: number): string {
  const { time } = formatClock(seconds * 1000);
  return step < 60 ? time : time.slice(0, 5);
}

function optionsFor(element: HTMLElement): uPlot.Options {
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
    scales: { y: { range: [0, 100] } },
    axes: [
      {
        ...axis,
        size: 24,
        space: 72,
        values: (_chart, ticks, _axis, _space, step) => ticks.map((tick) => clockTick(tick, step)),
      },
      {
        ...axis,
        size: 44,
        splits: [0, 50, 100],
        values: (_chart, ticks) => ticks.map((tick) => `${tick}\u202f%`),
      },
    ],
    series: [
      {},
      { stroke: palette.ink, width: 1.5, points: { show: false } },
      { stroke: palette.inkSoft, width: 1, dash: [4, 4], points: { show: false } },
    ],
  };
}

/** The rolling success rate with the rate since the start as its baseline. */
export function SuccessChart(props: SuccessChartProps) {
  const { theme } = usePreferences();
  const container = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;

  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme needs another chart
  useEffect(() => {
    const element = container.current;
    if (element === null) {
      return;
    }
    const plot = new uPlot(optionsFor(element), dataOf(latest.current), element);
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
  }, [theme]);

  useEffect(() => {
    chart.current?.setData(dataOf(props));
  }, [props]);

  const last = props.series.percent.at(-1);
  return (
    <div
      ref={container}
      role="img"
      data-testid="success-chart"
      aria-label={
        last === undefined
          ? "Success rate over time: too few payments yet"
          : `Success rate over time; of the last payments ${last.toFixed(0)} percent succeeded`
      }
      className="absolute inset-0 overflow-hidden"
    />
  );
}
