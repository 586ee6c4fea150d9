/** Numbers as operators read them: grouped by thin spaces, unit apart, exact to the millisatoshi. */

import type { Unit } from "../state/preferences";

/** Narrow no-break space: groups digits, and stands between a number and its unit. */
export const THIN = "\u202f";
const MINUS = "\u2212";
const HIDDEN = "•••";
const MSAT_PER_SAT = 1000;
const SAT_PER_BTC = 100_000_000;

export interface Quantity {
  readonly value: string;
  readonly unit: string;
  /** The exact amount, for the tooltip. */
  readonly exact: string;
}

function groupThousands(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
}

export function formatInteger(value: number): string {
  const digits = groupThousands(String(Math.abs(Math.trunc(value))));
  return value < 0 ? MINUS + digits : digits;
}

function formatSat(msat: number, precise: boolean): string {
  const magnitude = Math.abs(msat);
  const whole = Math.floor(magnitude / MSAT_PER_SAT);
  const rest = magnitude % MSAT_PER_SAT;
  const sign = msat < 0 ? MINUS : "";
  if (!precise || rest === 0) {
    return sign + groupThousands(String(whole));
  }
  return `${sign}${groupThousands(String(whole))}.${String(rest).padStart(3, "0")}`;
}

function formatBtc(msat: number, precise: boolean): string {
  const magnitude = Math.abs(msat);
  const sat = Math.floor(magnitude / MSAT_PER_SAT);
  const rest = magnitude % MSAT_PER_SAT;
  const decimals = String(sat % SAT_PER_BTC).padStart(8, "0");
  const grouped = [decimals.slice(0, 2), decimals.slice(2, 5), decimals.slice(5)].join(THIN);
  const tail = precise && rest !== 0 ? THIN + String(rest).padStart(3, "0") : "";
  const sign = msat < 0 ? MINUS : "";
  return `${sign}${groupThousands(String(Math.floor(sat / SAT_PER_BTC)))}.${grouped}${tail}`;
}

/**
 * An amount in the unit the reader chose. Whole satoshi are shown, rounded down as LND does;
 * `precise` (for fees) shows the millisatoshi too.
 */
export function formatAmount(msat: number, unit: Unit, precise = false): Quantity {
  if (unit === "hidden") {
    return { value: HIDDEN, unit: "", exact: "Amounts are hidden" };
  }
  const exact = `${formatInteger(msat)}${THIN}msat`;
  return unit === "btc"
    ? { value: formatBtc(msat, precise), unit: "BTC", exact }
    : { value: formatSat(msat, precise), unit: "sat", exact };
}

/** A share of one as a percentage; an en dash when there is none yet. */
export function formatShare(share: number | null, decimals = 1): string {
  return share === null ? "–" : `${(share * 100).toFixed(decimals)}${THIN}%`;
}

export function formatDuration(ms: number): string {
  if (ms < 1000) {
    return `${Math.round(ms)}${THIN}ms`;
  }
  if (ms < 60_000) {
    return `${(ms / 1000).toFixed(1)}${THIN}s`;
  }
  return `${Math.floor(ms / 60_000)}${THIN}min`;
}

/** How long ago, in words short enough for the top bar. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) {
    return `${seconds}${THIN}s`;
  }
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes}${THIN}min`
    : `${Math.floor(minutes / 60)}${THIN}h ${minutes % 60}${THIN}min`;
}

function isoTime(ms: number): string | null {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** World time in UTC: a simulated world has no time zone. */
export function formatClock(ms: number): { readonly date: string; readonly time: string } {
  const iso = isoTime(ms);
  return iso === null ? { date: "–", time: "–" } : { date: iso.slice(0, 10), time: iso.slice(11, 19) };
}

export function formatSpeed(speed: number): string {
  if (speed === 0) {
    return "paused";
  }
  return `×${THIN}${Number.isInteger(speed) ? formatInteger(speed) : speed.toFixed(2)}`;
}

/** A signed amount: gains with a plus. */
export function formatGain(msat: number, unit: Unit, precise = true): Quantity {
  const quantity = formatAmount(msat, unit, precise);
  return msat > 0 && unit !== "hidden" ? { ...quantity, value: `+${quantity.value}` } : quantity;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_000) {
    return `${bytes}${THIN}B`;
  }
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1_000;
  let index = 0;
  while (value >= 1_000 && index < units.length - 1) {
    value /= 1_000;
    index += 1;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)}${THIN}${units[index]}`;
}

/** A length of world time: `6 h`, `1 d 2 h`. */
export function formatSpan(ms: number): string {
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60];
  if (days > 0) {
    return `${days}${THIN}d${hours > 0 ? ` ${hours}${THIN}h` : ""}`;
  }
  if (hours > 0) {
    return `${hours}${THIN}h${rest > 0 ? ` ${rest}${THIN}min` : ""}`;
  }
  return minutes > 0 ? `${minutes}${THIN}min` : `${Math.round(Math.max(0, ms) / 1000)}${THIN}s`;
}

export function formatProbability(probability: number): string {
  return probability.toFixed(2);
}
