/** Small hooks over browser facilities. */

import { useEffect, useState, useSyncExternalStore } from "react";

export const WIDE = "(min-width: 1120px)";
export const ROOMY = "(min-width: 720px)";

export function useMediaQuery(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const list = window.matchMedia(query);
      list.addEventListener("change", listener);
      return () => list.removeEventListener("change", listener);
    },
    () => window.matchMedia(query).matches,
  );
}

/** The time now, every second while `active`. */
export function useNow(active: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!active) {
      return;
    }
    setNow(Date.now());
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, [active]);
  return now;
}

/** A value that follows after it has stood still for a while. */
export function useSettled<T>(value: T, delayMs: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(value), delayMs);
    return () => window.clearTimeout(timer);
  }, [value, delayMs]);
  return settled;
}

/** A value that changes at most once in an interval; 0 lets every change through. */
export function useThrottled<T>(value: T, intervalMs: number): T {
  const [shown, setShown] = useState({ value, atMs: 0 });
  const now = performance.now();
  const waitMs = Math.max(0, shown.atMs + intervalMs - now);
  const isDue = intervalMs === 0 || waitMs === 0;
  useEffect(() => {
    if (Object.is(value, shown.value)) {
      return;
    }
    const timer = window.setTimeout(() => setShown({ value, atMs: performance.now() }), isDue ? 0 : waitMs);
    return () => window.clearTimeout(timer);
  }, [value, shown.value, isDue, waitMs]);
  return intervalMs === 0 ? value : shown.value;
}

/** In a large network a table of everything follows more slowly than the stream. */
export function paceOf(rows: number): number {
  return rows > 2_000 ? 3_000 : 0;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input:not([type=radio]), select, textarea");
}

/** Keys that follow one another, such as `g` and a letter, must come within this time. */
const SEQUENCE_MS = 1_200;

/**
 * Page-wide keys; silent while the reader types or holds a modifier. `keys` must be stable. A key of
 * two letters, such as "gc", is pressed one after the other; "mod+k" is with Ctrl or Cmd, always.
 */
export function useKeys(keys: Readonly<Record<string, () => void>>): void {
  useEffect(() => {
    let prefix = "";
    let prefixMs = 0;
    const find = (event: KeyboardEvent): (() => void) | undefined => {
      if (event.ctrlKey || event.metaKey) {
        return keys[`mod+${event.key.toLowerCase()}`];
      }
      if (event.altKey || isTyping(event.target) || document.querySelector("dialog[open]") !== null) {
        return undefined;
      }
      const isFollowing = prefix !== "" && event.timeStamp - prefixMs < SEQUENCE_MS;
      const found = isFollowing ? keys[prefix + event.key] : keys[event.key];
      const isPrefix =
        found === undefined && Object.keys(keys).some((key) => key.length === 2 && key[0] === event.key);
      prefix = isPrefix ? event.key : "";
      prefixMs = event.timeStamp;
      return found;
    };
    const listen = (event: KeyboardEvent) => {
      if (event.defaultPrevented) {
        return;
      }
      const action = find(event);
      if (action !== undefined) {
        event.preventDefault();
        action();
      }
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [keys]);
}
