import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  // Relative addresses: the same files are served by the window's own scheme and, later, by a host.
  base: "./",
  build: { target: "es2022", sourcemap: false, assetsInlineLimit: 0 },
  test: { include: ["tests/**/*.test.ts"] },
});
