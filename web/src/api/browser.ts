/** The browser's side of `StreamPorts`. */

import type { Socket, StreamPorts } from "./stream";

const PROBE_TIMEOUT_MS = 5_000;

function openSocket(path: string): Socket {
  const scheme = window.location.protocol === "https:" ? "wss" : "ws";
  return new WebSocket(`${scheme}://${window.location.host}${path}`);
}

async function probeHealth(): Promise<boolean> {
  try {
    const response = await fetch("/api/v1/health", {
      cache: "no-store",
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    });
    return response.ok;
  } catch {
    return false;
  }
}

export const browserPorts: StreamPorts = {
  open: openSocket,
  probe: probeHealth,
  setTimer: (action, delayMs) => window.setTimeout(action, delayMs),
  clearTimer: (timer) => window.clearTimeout(timer),
  random: Math.random,
};
