import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";

/** The window's page, loaded by its own scheme; and the page for browsers, which a host serves at its root. */
const WINDOW = { page: "index.html", base: "./", outDir: "dist" };
const GUEST = { page: "guest.html", base: "/", outDir: "dist-guest" };

export default defineConfig(({ mode }) => {
  const { page, base, outDir } = mode === "guest" ? GUEST : WINDOW;
  return {
    plugins: [svelte(), svelteTesting()],
    base,
    build: {
      target: "es2022",
      sourcemap: false,
      assetsInlineLimit: 0,
      outDir,
      rollupOptions: { input: page },
    },
    // The mark is the program's own icon, which lies beside this folder.
    server: { fs: { allow: [".", "../icons"] } },
    test: {
      include: ["tests/**/*.test.ts"],
      environment: "jsdom",
      setupFiles: ["tests/setup.ts"],
      // axe reads a whole page, on a machine that may be building something at the same time.
      testTimeout: 30_000,
    },
  };
});
