/**
 * The live connection: one WebSocket, numbered updates, resume after a loss.
 *
 * Everything outside (socket, timers, chance, the health probe) comes in through `StreamPorts`, so
 * that tests drive it without a network or a clock.
 */

import { parseMessage } from "./parse";
import type { Hello, Update } from "./types";

/** The part of a browser's WebSocket that is used. */
export interface Socket {
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  close(): void;
}

export interface StreamPorts {
  open(path: string): Socket;
  /** Does the service answer? Asked when the stream has been silent for long. */
  probe(): Promise<boolean>;
  setTimer(action: () => void, delayMs: number): number;
  clearTimer(timer: number): void;
  /** Uniform in [0, 1). */
  random(): number;
}

export type LossReason = "closed" | "silent" | "unreadable";

export interface StreamHandlers {
  onHello(hello: Hello): void;
  onUpdate(update: Update): void;
  onLive(): void;
  onLost(reason: LossReason): void;
}

export const FIRST_RETRY_MS = 500;
export const LONGEST_RETRY_MS = 15_000;
export const SILENCE_MS = 15_000;

/** Delay before the given retry (0 is the first): doubles up to a limit, half of it by chance. */
export function retryDelayMs(attempt: number, random: number): number {
  const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt);
  return Math.round(ceiling / 2 + (random * ceiling) / 2);
}

export class Stream {
  readonly #ports: StreamPorts;
  readonly #handlers: StreamHandlers;
  #socket: Socket | null = null;
  #position: { session: string; seq: number } | null = null;
  #attempt = 0;
  #retryTimer: number | null = null;
  #silenceTimer: number | null = null;
  /** Set from a gap until the next message that fits; a second gap asks for everything anew. */
  #resyncing = false;

  constructor(ports: StreamPorts, handlers: StreamHandlers) {
    this.#ports = ports;
    this.#handlers = handlers;
  }

  start(): void {
    this.#connect();
  }

  stop(): void {
    this.#disconnect();
    this.#stopTimer("retry");
  }

  /** Skip the wait before the next attempt, if one is pending. */
  retryNow(): void {
    if (this.#retryTimer !== null) {
      this.#stopTimer("retry");
      this.#connect();
    }
  }

  #connect(): void {
    this.#disconnect();
    const socket = this.#ports.open(this.#path());
    this.#socket = socket;
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = () => this.#lose("closed");
    this.#watchSilence();
  }

  #path(): string {
    if (this.#position === null) {
      return "/ws";
    }
    const { session, seq } = this.#position;
    return `/ws?session=${encodeURIComponent(session)}&since=${seq}`;
  }

  #disconnect(): void {
    this.#stopTimer("silence");
    if (this.#socket !== null) {
      this.#socket.onopen = null;
      this.#socket.onmessage = null;
      this.#socket.onclose = null;
      this.#socket.close();
      this.#socket = null;
    }
  }

  /** A resumed stream is live at once: when nothing was missed, nothing need be sent. */
  #opened(): void {
    if (this.#position !== null && !this.#resyncing) {
      this.#handlers.onLive();
    }
  }

  #lose(reason: LossReason): void {
    this.#disconnect();
    this.#handlers.onLost(reason);
    const delayMs = retryDelayMs(this.#attempt, this.#ports.random());
    this.#attempt += 1;
    this.#retryTimer = this.#ports.setTimer(() => {
      this.#retryTimer = null;
      this.#connect();
    }, delayMs);
  }

  #receive(data: unknown): void {
    this.#watchSilence();
    let message: Hello | Update;
    try {
      message = parseMessage(String(data));
    } catch {
      this.#position = null;
      this.#lose("unreadable");
      return;
    }
    if (message.type === "hello") {
      this.#position = { session: message.session, seq: message.seq };
      this.#handlers.onHello(message);
      this.#settle();
      return;
    }
    this.#takeUpdate(message);
  }

  #takeUpdate(update: Update): void {
    const position = this.#position;
    if (position === null || update.seq > position.seq + 1) {
      this.#resync();
      return;
    }
    if (update.seq === position.seq + 1) {
      position.seq = update.seq;
      this.#handlers.onUpdate(update);
    }
    this.#settle();
  }

  #settle(): void {
    this.#attempt = 0;
    this.#resyncing = false;
    this.#handlers.onLive();
  }

  /** Something is missing: ask for it; if that leaves a gap as well, ask for everything. */
  #resync(): void {
    if (this.#resyncing || this.#position === null) {
      this.#position = null;
      this.#lose("unreadable");
      return;
    }
    this.#resyncing = true;
    this.#connect();
  }

  #watchSilence(): void {
    this.#stopTimer("silence");
    this.#silenceTimer = this.#ports.setTimer(() => this.#probe(), SILENCE_MS);
  }

  async #probe(): Promise<void> {
    const socket = this.#socket;
    const answers = await this.#ports.probe();
    if (socket === null || socket !== this.#socket) {
      return;
    }
    if (answers) {
      this.#watchSilence();
    } else {
      this.#lose("silent");
    }
  }

  #stopTimer(which: "retry" | "silence"): void {
    const timer = which === "retry" ? this.#retryTimer : this.#silenceTimer;
    if (timer !== null) {
      this.#ports.clearTimer(timer);
    }
    if (which === "retry") {
      this.#retryTimer = null;
    } else {
      this.#silenceTimer = null;
    }
  }
}
