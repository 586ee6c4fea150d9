import type { Mode } from "../api/types";
import { useMode } from "../lib/mode";

export type Origin = "observed" | "estimated";

const OBSERVED: Readonly<Record<Mode, readonly [string, string]>> = {
  simulated: ["s", "simulated: it happened in the simulated network"],
  replay: ["r", "recorded: as the run was, simulated or measured"],
  live: ["m", "measured on the node"],
};
const ESTIMATED = ["e", "estimated: computed by a model or by this page, not observed"] as const;

/** The small letter that says where numbers come from; the tooltip says it in words. */
export function Provenance({ of = "observed" }: { readonly of?: Origin }) {
  const mode = useMode() ?? "simulated";
  const [letter, words] = of === "estimated" ? ESTIMATED : OBSERVED[mode];
  return (
    <abbr className="ml-1 cursor-help text-12 font-normal text-ink-3 italic no-underline" title={words}>
      {letter}
      <span className="sr-only"> ({words})</span>
    </abbr>
  );
}
