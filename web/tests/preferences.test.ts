import { describe, expect, it } from "vitest";
import { type KeyValueStore, PreferenceStore } from "../src/state/preferences";

function storage(initial: string | null): KeyValueStore & { value: string | null } {
  return {
    value: initial,
    getItem() {
      return this.value;
    },
    setItem(_key, value) {
      this.value = value;
    },
  };
}

describe("preferences", () => {
  it("are kept and found again", () => {
    const browser = storage(null);
    new PreferenceStore(browser).set({ unit: "btc" });
    expect(new PreferenceStore(browser).get()).toMatchObject({ unit: "btc", theme: "dark" });
  });

  it.each(["nonsense", "null", "[]", '{"unit":"usd","theme":7}'])("start anew from %s", (stored) => {
    expect(new PreferenceStore(storage(stored)).get()).toEqual({
      unit: "sat",
      theme: "dark",
      hiddenColumns: [],
    });
  });

  it("work, for the page's life, in a browser that stores nothing", () => {
    const forbidden: KeyValueStore = {
      getItem: () => {
        throw new Error("forbidden");
      },
      setItem: () => {
        throw new Error("forbidden");
      },
    };
    const preferences = new PreferenceStore(forbidden);
    preferences.set({ theme: "light" });
    expect(preferences.get().theme).toBe("light");
  });
});
