import type { Mode } from "../api/types";
import { MODE_FACTS, useMode } from "../lib/mode";

const LOOKS: Readonly<Record<Mode, string>> = {
  simulated: "border-accent text-accent",
  replay: "border-warning bg-warning text-surface",
  live: "border-success bg-success text-surface",
};
const MARKS: Readonly<Record<Mode, string>> = { simulated: "", replay: "▶ ", live: "● " };

/** Says whether what is shown is real: the one thing that must not be mistaken. */
export function ModeBadge() {
  const mode = useMode();
  if (mode === null) {
    return null;
  }
  const { label, title } = MODE_FACTS[mode];
  return (
    <span
      data-testid="mode"
      title={title}
      className={`rounded-xs border px-1 text-12 font-semibold tracking-wide whitespace-nowrap uppercase ${LOOKS[mode]}`}
    >
      <span aria-hidden="true">{MARKS[mode]}</span>
      {label}
      <span className="sr-only">: {title}</span>
    </span>
  );
}
