// A browser of the test's own: sockets, decoders, painting and time are moved by hand.
import type { Watching } from "../../src/ipc/types";
import type { Decoder, Environment, Picture, Socket } from "../../src/tiles/environment";

export class FakeSocket implements Socket {
  binaryType: BinaryType = "blob";
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  readonly said: string[] = [];
  isClosed = false;

  constructor(readonly url: string) {}

  send(text: string): void {
    this.said.push(text);
  }

  close(): void {
    this.isClosed = true;
  }

  open(): void {
    this.onopen?.(new Event("open"));
  }

  receive(data: ArrayBuffer): void {
    this.onmessage?.(new MessageEvent("message", { data }));
  }

  /** Everything said after the token. */
  get watched(): Watching[] {
    return this.said.slice(1).map((text) => JSON.parse(text) as Watching);
  }
}

export class FakePicture implements Picture {
  isClosed = false;
  drawn = 0;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {}

  draw(): void {
    if (this.isClosed) throw new Error("drawn after it was closed");
    this.drawn += 1;
  }

  close(): void {
    if (this.isClosed) throw new Error("closed twice");
    this.isClosed = true;
  }
}

export class FakeDecoder implements Decoder {
  waiting = 0;
  isClosed = false;
  readonly decoded: boolean[] = [];

  constructor(
    readonly onPicture: (picture: Picture) => void,
    readonly onError: () => void,
  ) {}

  decode(_payload: Uint8Array, _timestampUs: number, isKeyframe: boolean): void {
    if (this.isClosed) throw new Error("used after it was closed");
    if (this.decoded.length === 0 && !isKeyframe) throw new Error("a decoder begins with a keyframe");
    this.decoded.push(isKeyframe);
  }

  close(): void {
    this.isClosed = true;
  }
}

export class FakeEnvironment implements Environment {
  readonly sockets: FakeSocket[] = [];
  readonly decoders: FakeDecoder[] = [];
  readonly pictures: FakePicture[] = [];
  hasVp8 = true;
  refusesAccess = false;
  hidden = false;
  now = 0;
  #paints: (() => void)[] = [];
  #timers: { at: number; callback: () => void }[] = [];
  #visibility = new Set<() => void>();
  #tokens = 0;

  get socket(): FakeSocket {
    const last = this.sockets.at(-1);
    if (last === undefined) throw new Error("nothing connected yet");
    return last;
  }

  get decoder(): FakeDecoder {
    const last = this.decoders.at(-1);
    if (last === undefined) throw new Error("nothing is decoded yet");
    return last;
  }

  access = async () => {
    if (this.refusesAccess) throw new Error("not now");
    this.#tokens += 1;
    return { port: 4321, token: `token-${this.#tokens}` };
  };

  connect = (url: string) => {
    const socket = new FakeSocket(url);
    this.sockets.push(socket);
    return socket;
  };

  decodesVp8 = async () => this.hasVp8;

  makeDecoder = (onPicture: (picture: Picture) => void, onError: () => void) => {
    const decoder = new FakeDecoder(onPicture, onError);
    this.decoders.push(decoder);
    return decoder;
  };

  makePicture = (_i420: Uint8Array, width: number, height: number) => {
    const picture = new FakePicture(width, height);
    this.pictures.push(picture);
    return picture;
  };

  beforePaint = (callback: () => void) => void this.#paints.push(callback);

  clock = () => this.now;

  after = (milliseconds: number, callback: () => void) => {
    const timer = { at: this.now + milliseconds, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  isHidden = () => this.hidden;

  onVisibility = (callback: () => void) => {
    this.#visibility.add(callback);
    return () => this.#visibility.delete(callback);
  };

  /** Paints the window; says how many asked for it. */
  paint(): number {
    const paints = this.#paints;
    this.#paints = [];
    for (const paint of paints) paint();
    return paints.length;
  }

  hide(hidden: boolean): void {
    this.hidden = hidden;
    for (const callback of this.#visibility) callback();
  }

  async pass(milliseconds: number): Promise<void> {
    this.now += milliseconds;
    for (;;) {
      await settle();
      const due = this.#timers.filter(({ at }) => at <= this.now);
      if (due.length === 0) return;
      this.#timers = this.#timers.filter(({ at }) => at > this.now);
      for (const { callback } of due) callback();
    }
  }

  /** Lets the client connect and be let in. */
  async open(): Promise<void> {
    await settle();
    this.socket.open();
  }
}

/** Lets every promise that can be kept be kept. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

/** A canvas that notes what is drawn on it; jsdom has no drawing of its own. */
export function fakeCanvas(): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.getContext = (() => ({})) as unknown as typeof canvas.getContext;
  return canvas;
}
