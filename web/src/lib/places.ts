/** The seven places, by name and by key. */

import { PLACES, type Place } from "../state/route";

interface PlaceFacts {
  readonly title: string;
  /** Where room is short. */
  readonly short: string;
  /** Pressed after `g`. */
  readonly key: string;
}

export const PLACE_FACTS: Readonly<Record<Place, PlaceFacts>> = {
  overview: { title: "Overview", short: "Overview", key: "o" },
  channels: { title: "Channels", short: "Channels", key: "c" },
  missed: { title: "Missed", short: "Missed", key: "m" },
  fees: { title: "Fees & plans", short: "Fees", key: "f" },
  rebalance: { title: "Rebalance", short: "Rebalance", key: "r" },
  simulator: { title: "Simulator", short: "Simulator", key: "s" },
  network: { title: "Network", short: "Network", key: "n" },
};

export { PLACES };
