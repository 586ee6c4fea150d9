import type { Palette } from "../graph/palette";
import { THIN } from "../lib/format";
import { COMPARED, type Compared, type ErrorSeries } from "../lib/series";
import { ChartLegend, type Line, LineChart } from "./LineChart";

interface Look {
  readonly label: string;
  readonly colour: keyof Palette;
  readonly ink: string;
  readonly dash?: readonly number[];
  readonly width: number;
}

const LOOKS: Readonly<Record<Compared, Look>> = {
  model: { label: "model", colour: "accent", ink: "text-accent", width: 2 },
  online: { label: "online model", colour: "success", ink: "text-success", dash: [7, 3], width: 2 },
  half: { label: "always half", colour: "inkSoft", ink: "text-ink-2", dash: [2, 3], width: 1.5 },
  last_value: { label: "as it is now", colour: "ink", ink: "text-ink", dash: [10, 4], width: 1 },
  baseline: {
    label: "baseline's targets",
    colour: "warning",
    ink: "text-warning",
    dash: [8, 3, 2, 3],
    width: 1.5,
  },
};

function percentPoints(value: number | null): string {
  return value === null ? "–" : `${value.toFixed(1)}${THIN}pp`;
}

export function ErrorLegend({ series }: { readonly series: ErrorSeries }) {
  return (
    <ChartLegend
      items={COMPARED.filter((key) => series.overall[key] !== null).map((key) => {
        const { label, ink, dash } = LOOKS[key];
        const item = { label, colour: ink, value: percentPoints(series.overall[key]) };
        return dash === undefined ? item : { ...item, dash };
      })}
    />
  );
}

/** The model's mean absolute error over time, with all that it is compared with. */
export function ErrorChart({ series }: { readonly series: ErrorSeries }) {
  const lines = COMPARED.filter((key) => series.overall[key] !== null).map((key): Line => {
    const { label, colour, dash, width } = LOOKS[key];
    const line = { label, colour, width, values: series.points[key] };
    return dash === undefined ? line : { ...line, dash };
  });
  const words = COMPARED.filter((key) => series.overall[key] !== null)
    .map((key) => `${LOOKS[key].label} ${series.overall[key]?.toFixed(1)}`)
    .join(", ");
  return (
    <LineChart
      times_s={series.times_s}
      lines={lines}
      unit="pp"
      description={`Mean absolute error of predicted shares over time, in percentage points. Overall: ${words}`}
      testId="error-chart"
    />
  );
}
