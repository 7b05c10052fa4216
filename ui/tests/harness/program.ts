// A program of the harness's own: it says one snapshot, and paints drawn people and a steady voice.
import type { Levels, Snapshot, Watching } from "../../src/ipc/types";
import { App } from "../../src/state/app.svelte";
import { TileClient } from "../../src/tiles/client";
import { browserEnvironment, type Socket } from "../../src/tiles/environment";
import { memoryBackend } from "../backend";
import { i420Message, levelsMessage } from "../tiles/messages";

const LEVELS_EVERY_MS = 50;

interface Size {
  width: number;
  height: number;
}

const LAPTOP: Size = { width: 320, height: 180 };
const UPRIGHT_PHONE: Size = { width: 180, height: 320 };

/** Makes an app that shows `snapshot`, and hears `levels`; the tiles `upright` come from phones. */
export function appThatShows(
  snapshot: Snapshot,
  levels: Levels = { me: -28, people: {} },
  upright: readonly number[] = [],
): App {
  const backend = memoryBackend(snapshot);
  const environment = { ...browserEnvironment(backend.openTiles), connect: () => new DrawnSocket(levels, upright) };
  return new App(backend, new TileClient(environment));
}

/** Answers every change of what is watched with one picture a tile; loudness goes on as long as it is wanted. */
class DrawnSocket implements Socket {
  binaryType: BinaryType = "blob";
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  readonly #levels: Levels;
  readonly #upright: readonly number[];
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(levels: Levels, upright: readonly number[]) {
    this.#levels = levels;
    this.#upright = upright;
    setTimeout(() => this.onopen?.(new Event("open")));
  }

  send(text: string): void {
    if (!text.startsWith("{")) return;
    const watching = JSON.parse(text) as Watching;
    for (const { tile } of watching.tiles) {
      const size = this.#upright.includes(tile) ? UPRIGHT_PHONE : LAPTOP;
      this.#receive(i420Message(tile, size.width, size.height, 1, drawnPerson(tile, size)));
    }
    clearInterval(this.#timer);
    if (watching.levels) this.#timer = setInterval(() => this.#receive(levelsMessage(this.#levels)), LEVELS_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #receive(data: ArrayBuffer): void {
    setTimeout(() => this.onmessage?.(new MessageEvent("message", { data })));
  }
}

/** Draws head and shoulders before a wall, each tile with a wall of its own. */
function drawnPerson(tile: number, size: Size): Uint8Array {
  const { width, height } = size;
  const planes = new Uint8Array(width * height * 1.5).fill(128);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) planes[y * width + x] = luma(x, y, size);
  }
  const quarter = (width * height) / 4;
  for (let y = 0; y < height / 2; y += 1) {
    for (let x = 0; x < width / 2; x += 1) {
      const [u, v] = isPerson(2 * x, 2 * y, size) ? [108, 152] : [118 + ((tile * 37) % 30), 110 + ((tile * 53) % 30)];
      planes[width * height + y * (width / 2) + x] = u;
      planes[width * height + quarter + y * (width / 2) + x] = v;
    }
  }
  return planes;
}

function isPerson(x: number, y: number, { width, height }: Size): boolean {
  const [fromMiddle, down] = [x - width / 2, y - height];
  const head = (fromMiddle / 34) ** 2 + ((down + 100) / 44) ** 2 < 1;
  const shoulders = (fromMiddle / 90) ** 2 + ((down - 10) / 66) ** 2 < 1;
  return head || shoulders;
}

function luma(x: number, y: number, size: Size): number {
  if (isPerson(x, y, size)) return y < size.height - 56 ? 170 : 90;
  return 110 + (40 * x) / size.width - (30 * y) / size.height;
}
