import { type ReactNode, useState } from "react";
import type { RunSettings } from "../api/learning";
import { formatSpeed } from "../lib/format";
import { RECENT_HOURS, useRecording } from "../lib/recording";
import { useOrder } from "../lib/service";
import { useDashboard, useStores } from "../state/context";
import { Button } from "./Button";
import { Problem } from "./Problem";

/** Change settings of the running service, and show at once what it answered. */
export function useSwitch() {
  const { dashboard } = useStores();
  const { isBusy, problem, send } = useOrder<RunSettings>();
  const change = async (wanted: Partial<RunSettings>, what: string) => {
    const settings = await send("PATCH", "/settings", wanted, what);
    if (settings !== null) {
      dashboard.learn({ settings });
    }
  };
  return { isBusy, problem, change };
}

/** What has a speed and a pause: not a real node. */
const PACED = { simulated: "the simulated world", replay: "the replay" } as const;

/** Stops and resumes the world; in the top bar, where its time stands. */
export function PauseButton() {
  const { isReplay } = useStores();
  const settings = useDashboard((state) => state.world?.settings ?? null);
  const mode = useDashboard((state) => state.world?.network.mode ?? null);
  const recording = useRecording(RECENT_HOURS);
  const { isBusy, problem, change } = useSwitch();
  if (settings === null || mode === null || mode === "live" || isReplay || recording.value?.ended === true) {
    return null;
  }
  const what = settings.paused ? "resume" : "pause";
  const whole = `${what} ${PACED[mode]}`;
  return (
    <Button
      disabled={isBusy}
      title={problem === null ? whole : `${problem.message}. ${problem.whatToDo}`}
      onClick={() => change({ paused: !settings.paused }, whole)}
      testId="pause"
    >
      {problem === null ? what : `✕ ${what}`}
    </Button>
  );
}

interface SwitchLineProps {
  readonly label: string;
  readonly help: string;
  readonly children: ReactNode;
}

export function SwitchLine({ label, help, children }: SwitchLineProps) {
  return (
    <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 border-b border-line px-3 py-2">
      <div className="min-w-0 flex-1 basis-60">
        <div>{label}</div>
        <div className="text-12 text-ink-3">{help}</div>
      </div>
      {children}
    </div>
  );
}

interface NumberFieldProps {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly unit: string;
  readonly disabled: boolean;
  readonly onSet: (value: number) => void;
}

/** A number that takes effect when it is set, not while it is typed. */
function NumberField({ label, value, min, max, step, unit, disabled, onSet }: NumberFieldProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const wanted = Number(draft);
  const isFit = draft !== null && draft.trim() !== "" && wanted >= min && wanted <= max;
  return (
    <form
      className="flex items-center gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        if (isFit) {
          onSet(wanted);
          setDraft(null);
        }
      }}
    >
      <input
        type="number"
        aria-label={label}
        className="w-24 rounded-sm border border-line bg-ground px-2 text-right text-12 leading-6"
        min={min}
        max={max}
        step={step}
        value={draft ?? value}
        disabled={disabled}
        onChange={(event) => setDraft(event.target.value)}
      />
      <span className="text-12 text-ink-3">{unit}</span>
      <button
        type="submit"
        disabled={disabled || !isFit || wanted === value}
        className="rounded-sm border border-line px-2 text-12 leading-6 text-ink-2 hover:text-ink disabled:opacity-60"
      >
        set
      </button>
    </form>
  );
}

interface OnOffProps {
  readonly label: string;
  readonly isOn: boolean;
  readonly disabled: boolean;
  readonly onChange: (isOn: boolean) => void;
}

function OnOff({ label, isOn, disabled, onChange }: OnOffProps) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={isOn}
      aria-label={label}
      disabled={disabled}
      className={`flex items-center gap-2 rounded-sm border px-2 text-12 leading-6 disabled:opacity-60 ${
        isOn ? "border-accent font-semibold text-accent" : "border-line text-ink-2 hover:text-ink"
      }`}
      onClick={() => onChange(!isOn)}
    >
      <span aria-hidden="true">{isOn ? "●" : "○"}</span>
      {isOn ? "on" : "off"}
    </button>
  );
}

const UNKNOWN = "The service has not said how it is set. It does once it is connected.";

/** Automatic rebalancing: whether, from which confidence on, and for how much. */
export function RebalanceSwitches() {
  const settings = useDashboard((state) => state.world?.settings ?? null);
  const { isBusy, problem, change } = useSwitch();
  if (settings === null) {
    return <p className="p-3 text-ink-2">{UNKNOWN}</p>;
  }
  return (
    <>
      <SwitchLine
        label="Automatic rebalancing"
        help="On: the learner's suggestions are carried out without being asked. Each still passes the guard and the journal."
      >
        <OnOff
          label="Automatic rebalancing"
          isOn={settings.automatic}
          disabled={isBusy}
          onChange={(automatic) =>
            change({ automatic }, `switch automatic rebalancing ${automatic ? "on" : "off"}`)
          }
        />
      </SwitchLine>
      <SwitchLine
        label="Least confidence"
        help="Automatic rebalancing leaves suggestions with a lower probability of a gain alone."
      >
        <NumberField
          label="Least confidence"
          value={settings.min_confidence}
          min={0}
          max={1}
          step={0.01}
          unit="0 to 1"
          disabled={isBusy}
          onSet={(min_confidence) => change({ min_confidence }, "change the least confidence")}
        />
      </SwitchLine>
      <SwitchLine label="Budget" help="Most that suggested rebalances may cost in fees per day.">
        <NumberField
          label="Budget per day"
          value={settings.budget_sat_per_day}
          min={0}
          max={2_100_000_000_000_000}
          step={1}
          unit="sat per day"
          disabled={isBusy}
          onSet={(budget_sat_per_day) => change({ budget_sat_per_day }, "change the budget")}
        />
      </SwitchLine>
      <div className="px-3">
        <Problem problem={problem} />
      </div>
    </>
  );
}

const RUNNING_HELP = {
  simulated: "Off: the world stands still; nothing is paid, and nothing can move.",
  replay: "Off: the replay stands still.",
} as const;

const SPEEDS = [1, 10, 60, 360, 1_000] as const;

/** Pause and speed of a simulated world, or of a replay. */
export function WorldSwitches() {
  const settings = useDashboard((state) => state.world?.settings ?? null);
  const mode = useDashboard((state) => state.world?.network.mode ?? null);
  const recording = useRecording(RECENT_HOURS);
  const { isBusy, problem, change } = useSwitch();
  if (settings === null || mode === null) {
    return <p className="p-3 text-ink-2">{UNKNOWN}</p>;
  }
  if (mode === "live") {
    return <p className="p-3 text-ink-2">A real node's time is real: it has no speed and no pause.</p>;
  }
  if (recording.value?.ended === true) {
    return <p className="p-3 text-ink-2">The recording is over: there is nothing left to play.</p>;
  }
  const setSpeed = (speed: number) => change({ speed }, `let it run at ${formatSpeed(speed)}`);
  return (
    <>
      <SwitchLine label="Running" help={RUNNING_HELP[mode]}>
        <OnOff
          label="Running"
          isOn={!settings.paused}
          disabled={isBusy}
          onChange={(running) =>
            change({ paused: !running }, `${running ? "resume" : "pause"} ${PACED[mode]}`)
          }
        />
      </SwitchLine>
      <SwitchLine label="Speed" help="Seconds of that time per real second.">
        <div className="flex flex-wrap gap-2">
          {SPEEDS.map((speed) => (
            <Button
              key={speed}
              pressed={settings.speed === speed}
              look={settings.speed === speed ? "accent" : "quiet"}
              disabled={isBusy}
              onClick={() => setSpeed(speed)}
            >
              {formatSpeed(speed)}
            </Button>
          ))}
          <NumberField
            label="Speed"
            value={settings.speed}
            min={0.01}
            max={10_000}
            step={0.01}
            unit="×"
            disabled={isBusy}
            onSet={setSpeed}
          />
        </div>
      </SwitchLine>
      <div className="px-3">
        <Problem problem={problem} />
      </div>
    </>
  );
}
