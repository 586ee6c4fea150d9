import { intervalScale, REMEDIES, useMissed } from "../lib/missed";
import { useIsRecorded } from "../lib/mode";
import { RECENT_HOURS } from "../lib/recording";
import { useRoute } from "../state/context";
import { routeText } from "../state/route";
import { IntervalBar } from "./IntervalBar";
import { Estimate, peerName } from "./MissedTable";
import { Problem } from "./Problem";
import { Provenance } from "./Provenance";
import { Scrollable } from "./Scrollable";
import { Empty, Section } from "./Section";

/** The channels that missed most in the last day, for beside other things. */
export function MissedSummary({ className = "" }: { readonly className?: string }) {
  const route = useRoute();
  const isRecorded = useIsRecorded();
  const { value, problem } = useMissed(RECENT_HOURS);
  const opportunities = value?.opportunities ?? [];
  const scale = intervalScale(opportunities);
  return (
    <Section
      id="missed-summary"
      title="Missed in the last 24 h"
      className={className}
      aside={
        <>
          <Provenance of="estimated" />
          <a
            className="ml-auto text-12 text-ink-2 underline underline-offset-4 hover:text-ink"
            href={routeText({ ...route, place: "missed" })}
          >
            all, with the attempts
          </a>
        </>
      }
    >
      <div className="px-3">
        <Problem problem={problem} />
      </div>
      {opportunities.length === 0 ? (
        <Empty>
          {value === null
            ? problem === null && (isRecorded ? "Looking at what was recorded…" : "Waiting for the node…")
            : "No channel missed 100 sat with 3 refusals in the last 24 hours. The place “Missed” has longer windows."}
        </Empty>
      ) : (
        <Scrollable label="Channels that missed most">
          <ul>
            {opportunities.map((one) => (
              <li
                key={one.channel_id}
                className="grid grid-cols-[minmax(0,1fr)_136px] gap-x-3 border-b border-line px-3 py-1"
              >
                <div className="min-w-0">
                  <div className="truncate font-medium">{peerName(one)}</div>
                  <div className="truncate text-12 text-ink-2">
                    {one.main_cause}; {REMEDIES[one.recommendation_type]}
                  </div>
                </div>
                <div className="text-right">
                  <Estimate low={one.lower_msat} value={one.expected_msat} high={one.upper_msat}>
                    <IntervalBar
                      low={one.lower_msat}
                      value={one.expected_msat}
                      high={one.upper_msat}
                      scale={scale}
                    />
                  </Estimate>
                </div>
              </li>
            ))}
          </ul>
        </Scrollable>
      )}
    </Section>
  );
}
