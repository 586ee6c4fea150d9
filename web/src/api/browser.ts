/** The browser's side of the ports, for a service at a given origin. */

import { PREFIX } from "./client";
import type { Socket, StreamPorts } from "./stream";

const PROBE_TIMEOUT_MS = 5_000;

export function browserPorts(origin: string): StreamPorts {
  return {
    open: (path): Socket => new WebSocket(origin.replace(/^http/, "ws") + path),
    probe: async () => {
      try {
        const response = await fetch(`${origin}${PREFIX}/health`, {
          cache: "no-store",
          signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
        });
        return response.ok;
      } catch {
        return false;
      }
    },
    setTimer: (action, delayMs) => window.setTimeout(action, delayMs),
    clearTimer: (timer) => window.clearTimeout(timer),
    random: Math.random,
  };
}
