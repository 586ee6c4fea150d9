/** What the reader prefers, kept in this browser. */

export const UNITS = ["sat", "btc", "hidden"] as const;
export type Unit = (typeof UNITS)[number];

export const THEMES = ["dark", "light"] as const;
export type Theme = (typeof THEMES)[number];

export interface Preferences {
  readonly unit: Unit;
  readonly theme: Theme;
  /** Columns of the table of channels that are not shown. */
  readonly hiddenColumns: readonly string[];
}

/** The part of the browser's storage that is used. */
export interface KeyValueStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const KEY = "lightninglens.preferences";
const DEFAULTS: Preferences = { unit: "sat", theme: "dark", hiddenColumns: [] };

function oneOf<T extends string>(allowed: readonly T[], value: unknown, fallback: T): T {
  return allowed.find((candidate) => candidate === value) ?? fallback;
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function read(storage: KeyValueStore): Preferences {
  try {
    const stored: unknown = JSON.parse(storage.getItem(KEY) ?? "{}");
    const fields = typeof stored === "object" && stored !== null ? stored : {};
    return {
      unit: oneOf(UNITS, "unit" in fields ? fields.unit : null, DEFAULTS.unit),
      theme: oneOf(THEMES, "theme" in fields ? fields.theme : null, DEFAULTS.theme),
      hiddenColumns: texts("hiddenColumns" in fields ? fields.hiddenColumns : null),
    };
  } catch {
    return DEFAULTS;
  }
}

export class PreferenceStore {
  #preferences: Preferences;
  readonly #storage: KeyValueStore;
  readonly #listeners = new Set<() => void>();

  constructor(storage: KeyValueStore) {
    this.#storage = storage;
    this.#preferences = read(storage);
  }

  readonly get = (): Preferences => this.#preferences;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly set = (change: Partial<Preferences>): void => {
    this.#preferences = { ...this.#preferences, ...change };
    try {
      this.#storage.setItem(KEY, JSON.stringify(this.#preferences));
    } catch {
      // A browser that stores nothing still gets the choice for as long as the page is open.
    }
    for (const listener of this.#listeners) {
      listener();
    }
  };
}
