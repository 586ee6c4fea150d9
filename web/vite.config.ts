import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const service = "http://127.0.0.1:3000";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  // Relative, so that any web server can serve the bundle from any folder.
  base: "./",
  build: {
    outDir: "../src/lightninglens/app/static",
    emptyOutDir: true,
    target: "es2023",
    // The page's policy allows no data: fonts or scripts, so nothing is inlined.
    assetsInlineLimit: 0,
    license: { fileName: "licenses.md" },
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: {
      "/api": service,
      "/ws": { target: service, ws: true },
    },
  },
  test: {
    environment: "node",
    include: ["tests/**/*.test.ts"],
  },
});
