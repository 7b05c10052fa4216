// A program of the harness's own: it says one snapshot, and paints drawn people and a steady voice.
import type { Levels, Snapshot, Watching } from "../../src/ipc/types";
import { App } from "../../src/state/app.svelte";
import { TileClient } from "../../src/tiles/client";
import { browserEnvironment, type Socket } from "../../src/tiles/environment";
import { memoryBackend } from "../backend";
import { i420Message, levelsMessage } from "../tiles/messages";

const WIDTH = 320;
const HEIGHT = 180;

/** Makes an app that shows `snapshot`, and hears `levels`. */
export function appThatShows(snapshot: Snapshot, levels: Levels = { me: -28, people: {} }): App {
  const backend = memoryBackend(snapshot);
  const environment = { ...browserEnvironment(backend.openTiles), connect: () => new DrawnSocket(levels) };
  return new App(backend, new TileClient(environment));
}

/** Answers every change of what is watched with one picture a tile and one round of loudness. */
class DrawnSocket implements Socket {
  binaryType: BinaryType = "blob";
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  readonly #levels: Levels;

  constructor(levels: Levels) {
    this.#levels = levels;
    setTimeout(() => this.onopen?.(new Event("open")));
  }

  send(text: string): void {
    if (!text.startsWith("{")) return;
    const watching = JSON.parse(text) as Watching;
    for (const { tile } of watching.tiles) {
      this.#receive(i420Message(tile, WIDTH, HEIGHT, 1, drawnPerson(tile)));
    }
    if (watching.levels) this.#receive(levelsMessage(this.#levels));
  }

  close(): void {}

  #receive(data: ArrayBuffer): void {
    setTimeout(() => this.onmessage?.(new MessageEvent("message", { data })));
  }
}

/** Draws head and shoulders before a wall, each tile with a wall of its own. */
function drawnPerson(tile: number): Uint8Array {
  const planes = new Uint8Array(WIDTH * HEIGHT * 1.5).fill(128);
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) planes[y * WIDTH + x] = luma(x, y);
  }
  const quarter = (WIDTH * HEIGHT) / 4;
  for (let y = 0; y < HEIGHT / 2; y += 1) {
    for (let x = 0; x < WIDTH / 2; x += 1) {
      const [u, v] = isPerson(2 * x, 2 * y) ? [108, 152] : [118 + ((tile * 37) % 30), 110 + ((tile * 53) % 30)];
      planes[WIDTH * HEIGHT + y * (WIDTH / 2) + x] = u;
      planes[WIDTH * HEIGHT + quarter + y * (WIDTH / 2) + x] = v;
    }
  }
  return planes;
}

function isPerson(x: number, y: number): boolean {
  const head = ((x - 160) / 34) ** 2 + ((y - 80) / 44) ** 2 < 1;
  const shoulders = ((x - 160) / 90) ** 2 + ((y - 190) / 66) ** 2 < 1;
  return head || shoulders;
}

function luma(x: number, y: number): number {
  if (isPerson(x, y)) return y < 124 ? 170 : 90;
  return 110 + (40 * x) / WIDTH - (30 * y) / HEIGHT;
}
