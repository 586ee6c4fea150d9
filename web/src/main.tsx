import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { browserPorts } from "./api/browser";
import { Stream } from "./api/stream";
import { Overview } from "./pages/Overview";
import { StoresProvider } from "./state/context";
import { DashboardStore } from "./state/dashboard";
import { type KeyValueStore, PreferenceStore } from "./state/preferences";
import "./styles.css";

/** Browsers that forbid storage throw on the mere mention of it. */
const storage: KeyValueStore = {
  getItem: (key) => window.localStorage.getItem(key),
  setItem: (key, value) => window.localStorage.setItem(key, value),
};

const dashboard = new DashboardStore(Date.now);
const preferences = new PreferenceStore(storage);
const stream = new Stream(browserPorts, dashboard.handlers);

function applyTheme(): void {
  document.documentElement.dataset.theme = preferences.get().theme;
}

applyTheme();
preferences.subscribe(applyTheme);
window.addEventListener("online", () => stream.retryNow());
stream.start();

const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <StoresProvider stores={{ dashboard, preferences, retryNow: () => stream.retryNow() }}>
        <Overview />
      </StoresProvider>
    </StrictMode>,
  );
}
