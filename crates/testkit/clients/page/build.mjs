// Makes the one script of the page, in memory: nothing to clean, and nothing to go stale.

import { fileURLToPath } from "node:url";
import { build } from "esbuild";

export async function script() {
  const made = await build({
    entryPoints: [fileURLToPath(new URL("main.js", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    target: "es2022",
    logLevel: "error",
  });
  return made.outputFiles[0].text;
}
