/** Where the reader is, kept in the URL's fragment: the place, the time range, the run that is replayed. */

export const PLACES = [
  "overview",
  "channels",
  "missed",
  "fees",
  "rebalance",
  "simulator",
  "network",
] as const;
export type Place = (typeof PLACES)[number];

export const RANGES = ["1h", "6h", "24h", "7d", "30d", "90d", "1y", "all"] as const;
export type Range = (typeof RANGES)[number];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LENGTH_MS: Readonly<Record<Range, number>> = {
  "1h": HOUR_MS,
  "6h": 6 * HOUR_MS,
  "24h": DAY_MS,
  "7d": 7 * DAY_MS,
  "30d": 30 * DAY_MS,
  "90d": 90 * DAY_MS,
  "1y": 365 * DAY_MS,
  all: Number.POSITIVE_INFINITY,
};

export interface Route {
  readonly place: Place;
  readonly range: Range;
  /** Recorded run that is open in the simulator. */
  readonly run: string | null;
}

const START: Route = { place: "overview", range: "24h", run: null };

/** World time at which a range begins; null when it has no beginning. */
export function rangeStartMs(range: Range, worldMs: number): number | null {
  const length = LENGTH_MS[range];
  return Number.isFinite(length) ? worldMs - length : null;
}

/** The longest that the service looks back for analyses. */
const MOST_HOURS = 24 * 366;

/** Length of a range in hours, as far as analyses reach. */
export function rangeHours(range: Range): number {
  return Math.min(LENGTH_MS[range] / HOUR_MS, MOST_HOURS);
}

/** Read a fragment such as `#/rebalance?range=6h`; what is unknown falls back. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const fields = new URLSearchParams(query);
  return {
    place: PLACES.find((place) => place === path) ?? START.place,
    range: RANGES.find((range) => range === fields.get("range")) ?? START.range,
    run: fields.get("run") || null,
  };
}

export function routeText(route: Route): string {
  const fields = new URLSearchParams();
  if (route.range !== START.range) {
    fields.set("range", route.range);
  }
  if (route.run !== null && route.place === "simulator") {
    fields.set("run", route.run);
  }
  const query = fields.toString();
  return `#/${route.place}${query === "" ? "" : `?${query}`}`;
}

/** The part of the browser that is used. */
export interface FragmentPort {
  read(): string;
  write(hash: string): void;
  onChange(listener: () => void): void;
}

export class RouteStore {
  readonly #port: FragmentPort;
  readonly #listeners = new Set<() => void>();
  #route: Route;

  constructor(port: FragmentPort) {
    this.#port = port;
    this.#route = parseRoute(port.read());
    port.onChange(() => {
      this.#route = parseRoute(port.read());
      this.#tell();
    });
  }

  readonly get = (): Route => this.#route;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Go somewhere; what is not named stays as it is. */
  readonly go = (change: Partial<Route>): void => {
    this.#route = { ...this.#route, ...change };
    this.#port.write(routeText(this.#route));
    this.#tell();
  };

  #tell(): void {
    for (const listener of this.#listeners) {
      listener();
    }
  }
}
