// Serves one state of one view at a time, for looking at it in a browser. Not part of what is shipped.
//   npx vite --config tests/harness/vite.config.ts
//   http://localhost:5199/?state=home&theme=light
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [svelte({ configFile: "../../svelte.config.js" })],
  server: { port: 5199, strictPort: true, hmr: false, fs: { allow: ["../../.."] } },
  cacheDir: "../../node_modules/.vite-harness",
});
