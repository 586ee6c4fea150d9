import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { serviceAddress } from "./api/address";
import { browserPorts } from "./api/browser";
import { Client } from "./api/client";
import { Stream } from "./api/stream";
import { App } from "./pages/App";
import { StoresProvider } from "./state/context";
import { DashboardStore } from "./state/dashboard";
import { type KeyValueStore, PreferenceStore } from "./state/preferences";
import { RouteStore } from "./state/route";
import { type TabStorage, TokenStore } from "./state/token";
import "./styles.css";

/** Browsers that forbid storage throw on the mere mention of it. */
const storage: KeyValueStore = {
  getItem: (key) => window.localStorage.getItem(key),
  setItem: (key, value) => window.localStorage.setItem(key, value),
};
const tabStorage: TabStorage = {
  getItem: (key) => window.sessionStorage.getItem(key),
  setItem: (key, value) => window.sessionStorage.setItem(key, value),
  removeItem: (key) => window.sessionStorage.removeItem(key),
};

const address = serviceAddress(
  window.location.origin,
  document.querySelector<HTMLMetaElement>('meta[name="lightninglens-service"]')?.content ?? null,
  window.location.search,
);
const dashboard = new DashboardStore(Date.now);
const preferences = new PreferenceStore(storage);
const tokens = new TokenStore(tabStorage, address.origin);
const route = new RouteStore({
  read: () => window.location.hash,
  write: (hash) => window.history.pushState(null, "", hash),
  onChange: (listener) => {
    window.addEventListener("hashchange", listener);
    window.addEventListener("popstate", listener);
  },
});
const client = new Client(address.origin, tokens, (url, init) => window.fetch(url, init));
const stream = new Stream(browserPorts(address.origin), dashboard.handlers);

function applyTheme(): void {
  document.documentElement.dataset.theme = preferences.get().theme;
}

applyTheme();
preferences.subscribe(applyTheme);
window.addEventListener("online", () => stream.retryNow());
stream.start();

const root = document.getElementById("root");
if (root !== null) {
  const retryNow = () => stream.retryNow();
  createRoot(root).render(
    <StrictMode>
      <StoresProvider
        stores={{ dashboard, preferences, route, tokens, client, address, isReplay: false, retryNow }}
      >
        <App />
      </StoresProvider>
    </StrictMode>,
  );
}
