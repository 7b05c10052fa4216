import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte(), svelteTesting()],
  // Relative addresses: the same files are served by the window's own scheme and, later, by a host.
  base: "./",
  build: { target: "es2022", sourcemap: false, assetsInlineLimit: 0 },
  // The mark is the program's own icon, which lies beside this folder.
  server: { fs: { allow: [".", "../icons"] } },
  test: {
    include: ["tests/**/*.test.ts"],
    environment: "jsdom",
    setupFiles: ["tests/setup.ts"],
    // axe reads a whole page, on a machine that may be building something at the same time.
    testTimeout: 30_000,
  },
});
