/** Gives components the stores, and re-renders them when what they read changes. */

import { createContext, type ReactNode, useContext, useSyncExternalStore } from "react";
import type { Address } from "../api/address";
import type { Client } from "../api/client";
import type { DashboardState, DashboardStore } from "./dashboard";
import type { PreferenceStore, Preferences } from "./preferences";
import type { Route, RouteStore } from "./route";
import type { TokenStore } from "./token";

export interface Stores {
  readonly dashboard: DashboardStore;
  readonly preferences: PreferenceStore;
  readonly route: RouteStore;
  readonly tokens: TokenStore;
  readonly client: Client;
  readonly address: Address;
  /** Whether `dashboard` holds a recorded moment; the service's other answers are of now. */
  readonly isReplay: boolean;
  readonly retryNow: () => void;
}

const StoresContext = createContext<Stores | null>(null);

export function StoresProvider(props: { readonly stores: Stores; readonly children: ReactNode }) {
  return <StoresContext value={props.stores}>{props.children}</StoresContext>;
}

export function useStores(): Stores {
  const stores = useContext(StoresContext);
  if (stores === null) {
    throw new Error("useStores needs a StoresProvider above it");
  }
  return stores;
}

/** Read a part of the state; `pick` must return the same object as long as that part is the same. */
export function useDashboard<T>(pick: (state: DashboardState) => T): T {
  const { dashboard } = useStores();
  return useSyncExternalStore(dashboard.subscribe, () => pick(dashboard.get()));
}

export function usePreferences(): Preferences {
  const { preferences } = useStores();
  return useSyncExternalStore(preferences.subscribe, preferences.get);
}

export function useRoute(): Route {
  const { route } = useStores();
  return useSyncExternalStore(route.subscribe, route.get);
}
