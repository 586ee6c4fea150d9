/** The page's one store: the world, the link to the service, and what the reader has selected. */

import type { LossReason, StreamHandlers } from "../api/stream";
import type { Mode, Payment } from "../api/types";
import { applyUpdate, type World, worldFromHello } from "./world";

export type Link =
  | { readonly phase: "connecting" }
  | { readonly phase: "live" }
  | { readonly phase: "lost"; readonly reason: LossReason; readonly sinceMs: number };

export interface Selection {
  readonly channelId: string | null;
  /** Its route is shown; it may be older than what the page keeps. */
  readonly payment: Payment | null;
  /** The node from whose point of view balances are local and remote. */
  readonly viewpointId: string | null;
}

export interface DashboardState {
  readonly world: World | null;
  /** What the service says it will show; null until it has said so. The world itself knows better. */
  readonly announced: Mode | null;
  readonly link: Link;
  /** When the last message arrived, on the page's clock; null before the first. */
  readonly receivedMs: number | null;
  readonly selection: Selection;
}

const NOTHING_SELECTED: Selection = { channelId: null, payment: null, viewpointId: null };

/** What is shown: a simulated world, or a node that is watched. */
export function modeOf({ world, announced }: DashboardState): Mode | null {
  return world?.network.mode ?? announced;
}

export class DashboardStore {
  #state: DashboardState = {
    world: null,
    announced: null,
    link: { phase: "connecting" },
    receivedMs: null,
    selection: NOTHING_SELECTED,
  };
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  readonly #paymentListeners = new Set<(payments: readonly Payment[]) => void>();

  constructor(now: () => number) {
    this.#now = now;
  }

  readonly get = (): DashboardState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Hear of payments as they finish; those of a snapshot are past and not reported. */
  readonly onPayments = (listener: (payments: readonly Payment[]) => void): (() => void) => {
    this.#paymentListeners.add(listener);
    return () => this.#paymentListeners.delete(listener);
  };

  /** Let payments be seen as if they finished now; for a recording. */
  readonly show = (payments: readonly Payment[]): void => {
    for (const listener of this.#paymentListeners) {
      listener(payments);
    }
  };

  readonly select = (change: Partial<Selection>): void => {
    this.#set({ selection: { ...this.#state.selection, ...change } });
  };

  /** Take in what the service will show once it can. */
  readonly announce = (announced: Mode): void => {
    this.#set({ announced });
  };

  /** Show at once what the service answered to an order; the stream will say the same. */
  readonly learn = (change: Partial<Pick<World, "settings" | "suggestions" | "alerts">>): void => {
    if (this.#state.world !== null) {
      this.#set({ world: { ...this.#state.world, ...change } });
    }
  };

  /** What the stream reports to. */
  readonly handlers: StreamHandlers = {
    onHello: (hello) => {
      const world = worldFromHello(hello);
      const isNewWorld = this.#state.world?.session !== world.session;
      this.#set({
        world,
        receivedMs: this.#now(),
        selection: isNewWorld ? NOTHING_SELECTED : this.#state.selection,
      });
    },
    onUpdate: (update) => {
      if (this.#state.world === null) {
        return;
      }
      this.#set({ world: applyUpdate(this.#state.world, update), receivedMs: this.#now() });
      if (update.payments.length > 0) {
        this.show(update.payments);
      }
    },
    onLive: () => {
      if (this.#state.link.phase !== "live") {
        this.#set({ link: { phase: "live" } });
      }
    },
    onLost: (reason) => {
      const { link } = this.#state;
      const sinceMs = link.phase === "lost" ? link.sinceMs : this.#now();
      this.#set({ link: { phase: "lost", reason, sinceMs } });
    },
  };

  #set(change: Partial<DashboardState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) {
      listener();
    }
  }
}
