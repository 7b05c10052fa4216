// The page's end of the tile socket: says what is shown, hands what comes to the tiles.
//
// Only what is visible is asked for. A hidden page asks for nothing and decodes nothing; a tile
// that leaves the page takes its decoder along. When the socket closes, the page asks the program
// for a new way in, ever more slowly.

import type { Levels, Watching } from "../ipc/types";
import type { Work } from "../rules/page_size";
import type { Environment, Socket } from "./environment";
import { parseFrame } from "./frame";
import { TileStream, type View } from "./stream";
import type { Shown, Tiles } from "./tiles";

/** Sizes change many times while an edge is dragged: only the last within this time is said. */
const RESIZE_MS = 40;
/** What comes and goes is said at once, but all of one turn together. */
const AT_ONCE_MS = 0;
/** How long a tile is left out of what is watched, so that it begins with a keyframe again. */
const RESTART_MS = 120;
/** Nothing is heard: what listeners are told when nobody tells the page any more. */
const SILENCE: Levels = { me: null, people: {} };
const RECONNECT_MS = [250, 500, 1000, 2000] as const;
/** Heights are asked for in steps, so that a moving edge does not ask for every pixel. */
const HEIGHT_STEP = 30;

export class TileClient implements Tiles {
  readonly surface = "canvas";
  readonly #environment: Environment;
  readonly #streams = new Map<number, TileStream>();
  readonly #resting = new Set<number>();
  readonly #dirty = new Set<TileStream>();
  readonly #listeners = new Set<(levels: Levels) => void>();
  #levelsWanted = 0;
  #paintMs = 0;
  #workSince: number;
  #socket: Socket | null = null;
  #isOpen = false;
  #isConnecting = false;
  #isClosed = false;
  #failures = 0;
  #decodes = false;
  #said = "";
  #cancelSaying: (() => void) | null = null;
  #cancelRetry: (() => void) | null = null;
  readonly #endVisibility: () => void;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#workSince = environment.clock();
    this.#endVisibility = environment.onVisibility(() => this.#visibilityChanged());
  }

  /** Opens the socket before anything is shown, so that the first picture need not wait for it. */
  open(): void {
    void this.#connect();
  }

  /** Shows `tile` on a canvas, `height` device pixels high, until closed. */
  show(tile: number, canvas: HTMLCanvasElement, height: number, onPicture: View["onPicture"] = () => undefined): Shown {
    const stream = this.#streamOf(tile);
    const view: View = { canvas, height, onPicture };
    delete canvas.dataset["painted"];
    stream.views.add(view);
    this.#changed();
    return {
      resize: (to) => {
        view.height = to;
        this.#changed(RESIZE_MS);
      },
      close: () => {
        stream.views.delete(view);
        if (stream.views.size > 0 || this.#streams.get(tile) !== stream) return;
        stream.rest();
        this.#streams.delete(tile);
        this.#changed();
      },
    };
  }

  /** Calls back with every round of loudness that comes. */
  onLevels(callback: (levels: Levels) => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /** Asks for loudness until the answer is called. */
  wantLevels(): () => void {
    this.#levelsWanted += 1;
    this.#changed();
    let isEnded = false;
    return () => {
      if (isEnded) return;
      isEnded = true;
      this.#levelsWanted -= 1;
      this.#changed();
    };
  }

  takeWork(): Work {
    const now = this.#environment.clock();
    const work = { came: 0, painted: 0, paintMs: this.#paintMs, lastedMs: now - this.#workSince, tiles: this.#streams.size };
    for (const stream of this.#streams.values()) {
      work.came += stream.came;
      work.painted += stream.painted;
      stream.came = 0;
      stream.painted = 0;
    }
    this.#paintMs = 0;
    this.#workSince = now;
    return work;
  }

  /** Ends for good. */
  close(): void {
    this.#isClosed = true;
    this.#endVisibility();
    this.#cancelSaying?.();
    this.#cancelRetry?.();
    for (const stream of this.#streams.values()) stream.rest();
    this.#socket?.close();
  }

  /** What is shown now, as it is said to the program. */
  watching(): Watching {
    if (this.#environment.isHidden()) return { tiles: [], levels: false };
    const tiles = [...this.#streams]
      .filter(([tile]) => !this.#resting.has(tile))
      .sort(([a], [b]) => a - b)
      .map(([tile, { height, raw }]) => ({ tile, height: Math.ceil(height / HEIGHT_STEP) * HEIGHT_STEP, raw }));
    return { tiles, levels: this.#levelsWanted > 0 };
  }

  #streamOf(tile: number): TileStream {
    const known = this.#streams.get(tile);
    if (known !== undefined) return known;
    // One's own picture (tile 0) was never encoded: it always comes raw.
    const stream: TileStream = new TileStream(this.#environment, tile === 0 || !this.#decodes, {
      restart: () => this.#restart(tile),
      paint: () => this.#paintSoon(stream),
    });
    this.#streams.set(tile, stream);
    return stream;
  }

  #changed(wait = AT_ONCE_MS): void {
    if (this.#isClosed) return;
    if (!this.#isOpen) return void this.#connect();
    this.#cancelSaying?.();
    this.#cancelSaying = this.#environment.after(wait, () => this.#say());
  }

  #say(): void {
    this.#cancelSaying?.();
    this.#cancelSaying = null;
    const text = JSON.stringify(this.watching());
    if (!this.#isOpen || text === this.#said) return;
    this.#said = text;
    this.#socket?.send(text);
  }

  #restart(tile: number): void {
    this.#resting.add(tile);
    this.#say();
    this.#environment.after(RESTART_MS, () => {
      this.#resting.delete(tile);
      this.#say();
    });
  }

  #visibilityChanged(): void {
    if (this.#environment.isHidden()) this.#rest();
    // At once: a hidden page's timers are slow.
    this.#say();
  }

  /** Lets go of everything that comes from the program: for a while nothing will. */
  #rest(): void {
    for (const stream of this.#streams.values()) stream.rest();
    this.#tell(SILENCE);
  }

  #tell(levels: Levels): void {
    for (const listener of this.#listeners) listener(levels);
  }

  async #connect(): Promise<void> {
    const isUnderWay = this.#isConnecting || this.#socket !== null || this.#cancelRetry !== null;
    if (isUnderWay || this.#isClosed) return;
    this.#isConnecting = true;
    try {
      const [access, decodes] = await Promise.all([this.#environment.access(), this.#environment.decodesVp8()]);
      if (this.#isClosed) return;
      this.#setDecodes(decodes);
      this.#open(this.#environment.connect(`ws://127.0.0.1:${access.port}/`), access.token);
    } catch {
      // The program does not answer now: asked again below like after a socket that closed.
      this.#retryLater();
    } finally {
      this.#isConnecting = false;
    }
  }

  #setDecodes(decodes: boolean): void {
    if (decodes === this.#decodes) return;
    this.#decodes = decodes;
    for (const [tile, stream] of this.#streams) stream.raw = tile === 0 || !decodes;
  }

  #open(socket: Socket, token: string): void {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      socket.send(token);
      this.#isOpen = true;
      this.#said = "";
      this.#say();
    };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      this.#failures = 0;
      if (data instanceof ArrayBuffer) this.#take(data);
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#isOpen = false;
      this.#rest();
      this.#retryLater();
    };
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    const wait = RECONNECT_MS[Math.min(this.#failures, RECONNECT_MS.length - 1)] ?? 0;
    this.#failures += 1;
    this.#cancelRetry = this.#environment.after(wait, () => {
      this.#cancelRetry = null;
      void this.#connect();
    });
  }

  #take(message: ArrayBuffer): void {
    const frame = parseFrame(message);
    // Frames that were on their way when the page was hidden are late.
    if (frame === null || this.#environment.isHidden()) return;
    if (frame.kind === "levels") {
      this.#tell(frame.levels);
      return;
    }
    if (!this.#resting.has(frame.tile)) this.#streams.get(frame.tile)?.take(frame);
  }

  /** Collects all tiles that have something new and paints them in one go. */
  #paintSoon(stream: TileStream): void {
    const isFirst = this.#dirty.size === 0;
    this.#dirty.add(stream);
    if (!isFirst) return;
    this.#environment.beforePaint(() => {
      const streams = [...this.#dirty];
      this.#dirty.clear();
      const begun = this.#environment.clock();
      for (const each of streams) each.paint();
      this.#paintMs += this.#environment.clock() - begun;
    });
  }
}
