import { describe, expect, it } from "vitest";
import {
  formatAge,
  formatAmount,
  formatClock,
  formatDuration,
  formatInteger,
  formatShare,
  formatSpeed,
} from "../src/lib/format";
import { plainText, sentence, shortKey } from "../src/lib/text";

/** Thin spaces written as plain ones, so that expectations can be read. */
const plain = (text: string): string => text.replaceAll("\u202f", " ");

describe("amounts", () => {
  it.each([
    [0, "0"],
    [999, "0"],
    [1_000, "1"],
    [1_234_567_890, "1 234 567"],
    [-1_500_000, "−1 500"],
  ])("%d msat in sat, rounded down", (msat, expected) => {
    expect(plain(formatAmount(msat, "sat").value)).toBe(expected);
  });

  it.each([
    [1_002, "1.002"],
    [1_000, "1"],
    [50, "0.050"],
    [-50, "−0.050"],
  ])("%d msat as a fee, to the millisatoshi", (msat, expected) => {
    expect(formatAmount(msat, "sat", true).value).toBe(expected);
  });

  it("groups BTC so that satoshi can be read off", () => {
    expect(plain(formatAmount(123_456_789_000, "btc").value)).toBe("1.23 456 789");
    expect(plain(formatAmount(1_002, "btc", true).value)).toBe("0.00 000 001 002");
  });

  it("is exact up to the whole supply a number can hold", () => {
    expect(plain(formatAmount(9_007_199_254_740_991, "sat", true).value)).toBe("9 007 199 254 740.991");
  });

  it("hides value and tooltip alike", () => {
    const hidden = formatAmount(123_000, "hidden");
    expect(hidden.value).toBe("•••");
    expect(hidden.unit).toBe("");
    expect(hidden.exact).not.toContain("123");
  });

  it("has the exact amount for the tooltip", () => {
    expect(plain(formatAmount(1_234_567, "sat").exact)).toBe("1 234 567 msat");
  });
});

describe("other numbers", () => {
  it("groups integers", () => {
    expect(plain(formatInteger(-20))).toBe("−20");
    expect(plain(formatInteger(12_345))).toBe("12 345");
  });

  it("shows no share where there is none", () => {
    expect(formatShare(null)).toBe("–");
    expect(plain(formatShare(0.896))).toBe("89.6 %");
  });

  it("shows durations and ages in one unit that fits", () => {
    expect(plain(formatDuration(842))).toBe("842 ms");
    expect(plain(formatDuration(1_240))).toBe("1.2 s");
    expect(plain(formatDuration(180_000))).toBe("3 min");
    expect(plain(formatAge(-5))).toBe("0 s");
    expect(plain(formatAge(61_000))).toBe("1 min");
    expect(plain(formatAge(3_720_000))).toBe("1 h 2 min");
  });

  it("shows the world's clock in UTC", () => {
    expect(formatClock(1_767_225_600_123)).toEqual({ date: "2026-01-01", time: "00:00:00" });
    expect(formatClock(Number.NaN)).toEqual({ date: "–", time: "–" });
  });

  it("shows the world's speed", () => {
    expect(plain(formatSpeed(1))).toBe("× 1");
    expect(plain(formatSpeed(0.25))).toBe("× 0.25");
    expect(formatSpeed(0)).toBe("paused");
  });
});

describe("text that others wrote", () => {
  it("loses what could disguise it", () => {
    expect(plainText("ACINQ\u202e\u0007evil\u2066\u0085")).toBe("ACINQevil");
    expect(plainText("\u200f a\u200bb ")).toBe("ab");
  });

  it("keeps what is only unusual", () => {
    expect(plainText("⚡ Zürich 東京 <b>")).toBe("⚡ Zürich 東京 <b>");
  });

  it("is cut when absurdly long", () => {
    expect(plainText("x".repeat(5_000)).length).toBeLessThan(250);
  });

  it("shortens keys in the middle", () => {
    expect(shortKey(`03ab12${"0".repeat(54)}cd34ef`)).toBe("03ab12…cd34ef");
  });

  it("ends once", () => {
    expect(["it broke", "Does it run?", "It does."].map(sentence)).toEqual([
      "it broke.",
      "Does it run?",
      "It does.",
    ]);
  });
});
